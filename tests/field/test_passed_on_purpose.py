# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Field case 2, passed on purpose: fork, SCM_RIGHTS, node's cluster and SO_REUSEPORT are no leaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ..fleet.harness.command import wait_for
from . import truth
from .conftest import Stage
from .page import shown
from .scene import PLACE, Scene

LEAKS = {"leaked_to_heirs", "orphaned_listener"}

pytestmark = pytest.mark.slow

Answer = Callable[..., dict[str, Any]]


def wait_for_holders(scene: Scene, port: int, count: int) -> set[tuple[int, int]]:
    """Return the (pid, descriptor) of the port's holders once there are that many processes among them."""
    wait_for(lambda: len({pid for pid, _ in truth.holders(scene.host, port)}) == count, f"{count} hold {port}")
    return truth.holders(scene.host, port)


def test_parent_and_child_both_accept(stage: Stage, answer: Answer) -> None:
    scene = stage("alder")
    unit = scene.start("forked", "python3", f"{PLACE}/forked_server.py", "7801")
    parent = scene.main_process(unit)
    real = wait_for_holders(scene, 7801, 2)
    found = answer(scene.host, 7801)
    assert found["verdict"] == "shared_workers"
    assert truth.pairs(found) == real
    roles = {one["pid"]: one["role"] for one in truth.held(found)}
    assert roles[parent] in {"creator", "worker"}
    assert {role for pid, role in roles.items() if pid != parent} == {"worker"}
    assert "field-forked.service" in found["summary"]
    assert "field-forked.service" in found["advice"]
    assert shown(found)


@pytest.mark.parametrize(("afterwards", "holding"), [("keep", 2), ("close", 1)])
def test_a_listener_given_over_a_unix_socket(stage: Stage, answer: Answer, afterwards: str, holding: int) -> None:
    port = {"keep": 7802, "close": 7803}[afterwards]
    scene = stage("alder")
    giver, taker = hand_over(scene, port, afterwards, "serve")
    wait_for(lambda: taker in {pid for pid, _ in truth.holders(scene.host, port)}, "the listener is taken")
    real = wait_for_holders(scene, port, holding)
    found = answer(scene.host, port)
    # Of a listener that its giver has let go of, no more is left to see than its one owner.
    assert found["verdict"] == ("passed_descriptor" if afterwards == "keep" else "owned")
    assert truth.pairs(found) == real
    holders = {one["pid"]: one for one in truth.held(found)}
    assert set(holders) == {giver, taker} if afterwards == "keep" else {taker}
    assert holders[taker]["role"] == "worker"
    assert afterwards == "close" or holders[giver]["role"] in {"creator", "unknown"}
    assert holders[taker]["serving"] is True
    assert found["sockets"][0]["creator"]["unit"] == f"field-giver{port}.service"
    assert f"field-taker{port}.service" in found["summary"]
    assert f"field-taker{port}.service" in found["advice"]
    if afterwards == "keep":
        assert f"python3[{giver}] of field-giver{port}.service keeps a copy" in found["summary"]
        assert f"field-giver{port}.service" in found["advice"]
        assert shown(found)


def test_a_listener_on_its_way(stage: Stage, answer: Answer) -> None:
    """Nobody has a descriptor of it: it lies in the queue of the taker's UNIX socket, and ss knows no process."""
    scene = stage("alder")
    _giver, taker = hand_over(scene, 7804, "close", "leave")
    wait_for(lambda: truth.holders(scene.host, 7804) == set(), "the giver has let go")
    assert truth.states(scene.host, 7804) == ["LISTEN"]
    found = answer(scene.host, 7804)
    assert found["verdict"] == "passed_descriptor"
    assert [(one["pid"], one["via"]) for one in truth.held(found)] == [(taker, "in_flight")]
    assert found["sockets"][0]["creator"]["unit"] == "field-giver7804.service"
    assert f"[{taker}]" in found["summary"]
    assert truth.binds(scene.host, 7804) == ("EADDRINUSE", "EADDRINUSE")
    assert shown(found)
    scene.kill(taker)
    assert answer(scene.host, 7804)["verdict"] == "free"


def hand_over(scene: Scene, port: int, afterwards: str, intention: str) -> tuple[int, int]:
    """Have a listener handed from one unit to another; return the main processes of both."""
    path = f"{PLACE}/counter-{port}"
    giver = scene.start(f"giver{port}", "python3", f"{PLACE}/giver.py", str(port), path, afterwards)
    wait_for(lambda: path in scene.host.run("ss", "-Hxl"), "the giver is ready")
    taker = scene.start(f"taker{port}", "python3", f"{PLACE}/taker.py", path, intention)
    return scene.main_process(giver), scene.main_process(taker)


@pytest.mark.parametrize(("policy", "holding"), [("rr", 1), ("none", 3)])
def test_a_cluster_of_node(stage: Stage, answer: Answer, policy: str, holding: int) -> None:
    """By default the master accepts and passes connections on; by the other policy its workers accept themselves."""
    port = {"rr": 7805, "none": 7806}[policy]
    scene = stage("alder")
    option = f"--setenv=NODE_CLUSTER_SCHED_POLICY={policy}"
    unit = scene.start(f"node-{policy}", "node", f"{PLACE}/cluster.js", str(port), options=(option,))
    real = wait_for_holders(scene, port, holding)
    found = answer(scene.host, port)
    assert found["verdict"] == ("owned" if policy == "rr" else "passed_descriptor")
    assert truth.pairs(found) == real
    roles = {one["pid"]: one["role"] for one in truth.held(found)}
    assert roles.pop(scene.main_process(unit)) in {"creator", "worker"}
    assert set(roles.values()) <= {"worker"}
    assert f"field-node-{policy}.service" in found["advice"]
    assert found["sockets"][0]["creator"]["unit"] == f"field-node-{policy}.service"


def test_two_programs_and_users_share_a_port(stage: Stage, answer: Answer) -> None:
    scene = stage("alder")
    scene.write("shared.cfg", HAPROXY.format(port=7807, more=""))
    scene.start("sharer", "python3", f"{PLACE}/sharer.py", "7807", "mara")
    wait_for_holders(scene, 7807, 1)
    scene.start("shared", "haproxy", "-db", "-f", f"{PLACE}/shared.cfg")
    real = wait_for_holders(scene, 7807, 2)
    found = answer(scene.host, 7807)
    assert found["verdict"] == "reuseport_group"
    assert truth.pairs(found) == real
    assert {(one["process"]["user"], one["owner"]["name"]) for one in truth.held(found)} == {
        ("mara", "field-sharer.service"),
        ("haproxy", "field-shared.service"),
    }
    assert not {one["role"] for one in truth.held(found)} & {"heir"}
    for word in ("field-sharer.service", "field-shared.service", "mara", "haproxy", "python3"):
        assert word in found["summary"]
    assert {socket["options"]["reuseport"] for socket in found["sockets"]} == {True}
    assert shown(found)


HAPROXY = """\
global
    user haproxy
    group haproxy
    {more}

defaults
    mode http
    timeout connect 5s
    timeout client 300s
    timeout server 5s

frontend web
    bind :{port}
    http-request return status 200 content-type text/plain string "hello"
"""
