# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Field case 3, the clone that would not start: an outgoing connection, then its TIME_WAIT, has the clone's port."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from ..fleet.conftest import INVENTORY
from ..fleet.harness.command import wait_for
from . import truth
from .conftest import Stage
from .page import shown
from .scene import PLACE, Scene

RANGE = "/proc/sys/net/ipv4/ip_local_port_range"
CLONES = (36601, 37601, 38601)
PEER_PORT = 7921
RESERVED = "/proc/sys/net/ipv4/ip_local_reserved_ports"
OWN_FILES = "/etc/sysctl.d/zz-portreeve-reserved-ports.conf /run/portreeve"
#: The ports that the kernel chooses for many connections, one after the other, and for as many sockets bound to port 0.
_CHOSEN = """
import json, socket, struct, sys
chosen = []
for number in range(1000):
    with socket.socket() as caller, socket.socket() as bound:
        caller.connect((sys.argv[1], 8080))
        bound.bind(("", 0))
        chosen.extend(one.getsockname()[1] for one in (caller, bound))
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
print(json.dumps(sorted(set(chosen))))
"""

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


def reserve(root: pathlib.Path) -> dict[str, int]:
    """Have the playbook reserve the clones' ports on the whole fleet; return how many tasks changed each host."""
    applications = [{"name": "clones", "ports": list(CLONES)}]
    variables = json.dumps({"portreeve_applications": applications, "reserve_evict": True})
    program = pathlib.Path(sys.executable).with_name("ansible-playbook")
    command = [str(program), "playbooks/reserve.yml", "-i", INVENTORY, "-e", variables]
    environment = {**os.environ, "ANSIBLE_CONFIG": "ansible.cfg", "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: int(count) for name, count in re.findall(r"^(\w+) +: .*changed=(\d+)", done.stdout, re.MULTILINE)}


def test_reserved_on_the_whole_fleet_it_never_happens_again(stage: Stage, answer: Answer, root: pathlib.Path) -> None:
    fleet = {name: stage(name) for name in ("alder", "birch", "cedar")}
    for scene in fleet.values():
        scene.undo(lambda scene=scene: scene.host.run("sh", "-c", f"rm -rf {OWN_FILES}; echo > {RESERVED}"))
    scene, peer, port = fleet["birch"], fleet["alder"], CLONES[2]
    caller = call_from(scene, peer, port)
    assert truth.binds(scene.host, port) == ("EADDRINUSE", "EADDRINUSE")

    assert reserve(root) == dict.fromkeys(fleet, 1)

    assert scene.living(caller) == {caller}
    assert answer(scene.host, port)["verdict"] == "free"
    scene.start("clone", "python3", f"{PLACE}/actor.py", f"listen:{port}:0")
    wait_for(lambda: truth.states(scene.host, port) == ["LISTEN"], "the clone has started")
    for each in fleet.values():
        assert each.host.run("cat", RESERVED).strip() == ",".join(map(str, CLONES))
    assert reserve(root) == dict.fromkeys(fleet, 0)

    scene.host.run("systemctl", "stop", "field-clone.service")
    scene.setting(RANGE, f"{port - 1} {port + 2}")
    chosen = json.loads(scene.host.run("python3", "-c", _CHOSEN, peer.host.address))
    assert chosen == [port - 1, port + 1, port + 2]
