# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Field case 4, stuck after close: which state, for how long, and whether SO_REUSEADDR helps, held against real binds.

Whether it helps depends on what the server that has gone had set, and so every state comes both ways.
"""

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

#: What ss calls them.
STATES = {"TIME_WAIT": "TIME-WAIT", "FIN_WAIT1": "FIN-WAIT-1", "FIN_WAIT2": "FIN-WAIT-2", "CLOSE_WAIT": "CLOSE-WAIT"}
SECONDS = re.compile(r"\b(\d+) s\b")

pytestmark = pytest.mark.slow

Answer = Callable[..., dict[str, Any]]


class Act:
    """A server on one host and its client on another, moved on step by step."""

    def __init__(self, server: Scene, client: Scene, port: int) -> None:
        self.server, self.client, self.port = server, client, port

    def open(self, server_steps: str, client_steps: str, reuse: bool = True) -> None:
        """Start both; return when the connection is there."""
        self.server_unit = play(self.server, f"server{self.port}", f"listen:{self.port}:{int(reuse)} {server_steps}")
        wait_for(lambda: "LISTEN" in self.states(), "the server listens")
        connect = f"connect:{self.server.host.address}:{self.port} {client_steps}"
        self.client_unit = play(self.client, f"client{self.port}", connect)
        wait_for(lambda: "ESTAB" in self.states() or "TIME-WAIT" in self.states(), "they are connected")

    def states(self) -> list[str]:
        return truth.states(self.server.host, self.port)

    def go_on(self, scene: Scene, unit: str, then: Callable[[], object]) -> None:
        """Let one of them take its next step; return when what it brings is there."""
        scene.host.run("systemctl", "kill", "--signal=USR1", unit)
        wait_for(then, f"{unit} has taken its step; now {self.states()}")

    def kill_server(self) -> None:
        self.server.kill(self.server.main_process(self.server_unit))


def play(scene: Scene, unit: str, steps: str) -> str:
    """Start an actor of the steps as a unit."""
    return scene.start(unit, "python3", f"{PLACE}/actor.py", *steps.split())


def leave(act: Act, state: str, reuse: bool) -> None:
    """Bring a connection of the server into the state, and kill the server."""
    if state == "FIN_WAIT1":
        drop = ("INPUT", "-p", "tcp", "-s", act.server.host.address, "--sport", str(act.port), "-j", "DROP")
        act.open("accept wait close", "wait", reuse)
        act.client.host.run("iptables", "-I", *drop)
        act.client.undo(lambda: act.client.host.run("iptables", "-D", *drop))
    else:
        act.open("accept wait close", "read close" if state == "TIME_WAIT" else "wait", reuse)
    wanted = sorted(["LISTEN", STATES[state]])
    act.go_on(act.server, act.server_unit, lambda: act.states() == wanted)
    act.kill_server()
    assert act.states() == [STATES[state]]


@pytest.mark.parametrize("reuse", [True, False], ids=["after SO_REUSEADDR", "without SO_REUSEADDR"])
@pytest.mark.parametrize("state", ["TIME_WAIT", "FIN_WAIT2", "FIN_WAIT1"])
def test_what_a_killed_server_leaves(stage: Stage, answer: Answer, state: str, reuse: bool) -> None:
    port = {"TIME_WAIT": 7901, "FIN_WAIT2": 7903, "FIN_WAIT1": 7905}[state] + reuse
    act = Act(stage("cedar"), stage("birch"), port)
    host = act.server.host
    leave(act, state, reuse)

    most = truth.time_left(host, port)
    found = answer(host, port)
    least = truth.time_left(host, port)

    assert found["verdict"] == "lingering"
    [socket] = found["sockets"]
    assert (socket["state"], socket["holders"]) == (state, [])
    assert state in found["summary"]
    assert f"{act.client.host.address}:{socket['remote']['port']}" in found["summary"]
    if most is None or least is None:
        assert not SECONDS.search(found["summary"])
    else:
        assert least * 1000 - 1000 <= socket["timer_ms"] <= most * 1000 + 1000
        assert SECONDS.findall(found["summary"]) == [str(-(-socket["timer_ms"] // 1000))]
    plain, with_reuse = truth.binds(host, port)
    assert (plain, with_reuse) == ("EADDRINUSE", "ok" if reuse else "EADDRINUSE")
    if with_reuse == "ok":
        assert "SO_REUSEADDR, which helps here" in found["advice"]
    else:
        assert "SO_REUSEADDR does not help" in found["advice"]
    if (state, reuse) in {("TIME_WAIT", True), ("TIME_WAIT", False), ("FIN_WAIT2", True), ("FIN_WAIT1", False)}:
        assert shown(found)
    # What the advice offers instead of waiting is done, and works.
    if not reuse:
        [destroy] = re.findall(rf"ss -K\S+ sport = :{port}\b", found["advice"])
        host.run(*destroy.split())
        assert truth.binds(host, port) == ("ok", "ok")


def test_a_process_that_does_not_close(stage: Stage, answer: Answer) -> None:
    """The listener has gone, one process sits on a connection that its peer has closed."""
    act = Act(stage("cedar"), stage("birch"), 7911)
    act.open("accept wait unlisten", "wait close")
    act.go_on(act.client, act.client_unit, lambda: act.states() == ["CLOSE-WAIT", "LISTEN"])
    act.go_on(act.server, act.server_unit, lambda: act.states() == ["CLOSE-WAIT"])
    pid = act.server.main_process(act.server_unit)

    found = answer(act.server.host, 7911)

    assert found["verdict"] == "owned"
    assert truth.pairs(found) == truth.holders(act.server.host, 7911)
    [socket] = found["sockets"]
    assert socket["state"] == "CLOSE_WAIT"
    assert "CLOSE_WAIT" in found["summary"]
    assert f"python3[{pid}]" in found["summary"]
    assert act.server_unit in found["advice"]
    assert truth.binds(act.server.host, 7911) == ("EADDRINUSE", "ok")
    assert shown(found)


def test_connections_that_nobody_accepts(stage: Stage, answer: Answer) -> None:
    """No process has a descriptor of them: they belong to the listener, and go with it."""
    act = Act(stage("cedar"), stage("birch"), 7912)
    act.open("wait", "wait close")
    play(act.client, "second-client", f"connect:{act.server.host.address}:7912")
    wait_for(lambda: act.states() == ["ESTAB", "ESTAB", "LISTEN"], "both are connected")
    act.go_on(act.client, act.client_unit, lambda: act.states() == ["CLOSE-WAIT", "ESTAB", "LISTEN"])
    pid = act.server.main_process(act.server_unit)

    found = answer(act.server.host, 7912)

    assert found["verdict"] == "hung_listener"
    assert truth.pairs(found) == truth.holders(act.server.host, 7912)
    [listener] = found["sockets"]
    assert listener["backlog"] == {"current": 2, "limit": 1}
    assert found["connections"] == {"CLOSE_WAIT": 1, "ESTABLISHED": 1}
    assert f"python3[{pid}]" in found["summary"]
    assert act.server_unit in found["advice"]
    assert shown(found)
    act.kill_server()
    assert answer(act.server.host, 7912)["verdict"] == "free"
    assert truth.binds(act.server.host, 7912) == ("ok", "ok")
