# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Field case 3, the clone that would not start: an outgoing connection, then its TIME_WAIT, has the clone's port."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from ..fleet.harness.command import wait_for
from . import truth
from .conftest import Stage
from .page import shown
from .scene import PLACE, Scene

RANGE = "/proc/sys/net/ipv4/ip_local_port_range"
CLONES = (36601, 37601, 38601)
PEER_PORT = 7921

pytestmark = pytest.mark.slow

Answer = Callable[..., dict[str, Any]]


def call_from(scene: Scene, peer: Scene, port: int) -> int:
    """Have the kernel choose ``port`` for a connection to the peer; return the process that made it."""
    usual = scene.host.run("cat", RANGE)
    peer.start("peer", "python3", f"{PLACE}/actor.py", f"listen:{PEER_PORT}:1", "accept", "read", "close")
    wait_for(lambda: truth.states(peer.host, PEER_PORT) == ["LISTEN"], "the peer listens")
    scene.setting(RANGE, f"{port} {port}")
    unit = scene.start("caller", "python3", f"{PLACE}/actor.py", f"connect:{peer.host.address}:{PEER_PORT}")
    wait_for(lambda: truth.states(scene.host, port) == ["ESTAB"], "the kernel has chosen the port")
    scene.setting(RANGE, usual)
    return scene.main_process(unit)


def test_the_clone_that_would_not_start(stage: Stage, answer: Answer) -> None:
    scene, peer = stage("birch"), stage("alder")
    caller = call_from(scene, peer, CLONES[0])

    squatted = answer(scene.host, CLONES[0])
    assert squatted["verdict"] == "squatted"
    assert truth.pairs(squatted) == truth.holders(scene.host, CLONES[0])
    assert {one["pid"] for one in truth.held(squatted)} == {caller}
    for word in (f"python3[{caller}]", "field-caller.service", f"{peer.host.address}:{PEER_PORT}"):
        assert word in squatted["summary"]
    assert "reserve" in squatted["advice"]
    assert truth.binds(scene.host, CLONES[0]) == ("EADDRINUSE", "EADDRINUSE")
    assert shown(squatted)

    scene.kill(caller)
    wait_for(lambda: truth.states(scene.host, CLONES[0]) == ["TIME-WAIT"], "both have closed")
    most = truth.time_left(scene.host, CLONES[0])
    lingering = answer(scene.host, CLONES[0])
    least = truth.time_left(scene.host, CLONES[0])
    assert lingering["verdict"] == "lingering"
    [socket] = lingering["sockets"]
    assert most is not None
    assert least is not None
    assert least * 1000 - 1000 <= socket["timer_ms"] <= most * 1000 + 1000
    assert f"{-(-socket['timer_ms'] // 1000)} s" in lingering["summary"]
    assert f"{peer.host.address}:{PEER_PORT}" in lingering["summary"]
    assert truth.binds(scene.host, CLONES[0]) == ("EADDRINUSE", "EADDRINUSE")
    assert "SO_REUSEADDR does not help" in lingering["advice"]
    assert shown(lingering)


def test_the_port_comes_back_and_nobody_dies(stage: Stage, answer: Answer) -> None:
    """What the advice says is done as it is written."""
    scene, peer = stage("birch"), stage("alder")
    caller = call_from(scene, peer, CLONES[1])
    advice = answer(scene.host, CLONES[1])["advice"]
    [destroy] = re.findall(rf"ss -K\S+ sport = :{CLONES[1]}\b", advice)

    scene.host.run(*destroy.split())

    assert truth.binds(scene.host, CLONES[1]) == ("ok", "ok")
    assert scene.living(caller) == {caller}
    assert answer(scene.host, CLONES[1])["verdict"] == "free"
