# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Field case 6, show it who's boss, politely: the owner goes by its manager, and never the wrong one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from ..fleet.harness.command import wait_for
from ..fleet.harness.host import Host
from ..fleet.harness.services import LISTENER
from . import truth
from .conftest import Stage
from .releasing import Served, beside, call, release, served
from .scene import Scene

BARE, HUNG, TAKEN, BUS, SLEEPING = 7951, 7952, 7953, 7955, 8201
BUS_UNIT = "field-bus.service"
#: As a session's bus, but over TCP; nobody can be let in.
START_BUS = f"dbus-daemon --session --nofork --nopidfile --address=tcp:host=127.0.0.1,port={BUS},family=ipv4"

pytestmark = [pytest.mark.slow, pytest.mark.full]


@dataclass(frozen=True)
class Story:
    """Who held ports by unit or port, what was served before, what came of each wish, and what is served now."""

    scene: Scene
    before: Served
    results: list[dict[str, Any]]
    after: Served


def start_bare(host: Host, port: int) -> int:
    """Have mara start a server from her session, as people do; return its pid."""
    host.run("sh", "-c", f"setsid --fork {LISTENER} --port {port} > /dev/null 2>&1 < /dev/null", user="mara")
    wait_for(lambda: truth.states(host, port) == ["LISTEN"], "it listens")
    [(pid, _)] = truth.holders(host, port)
    return pid


@pytest.fixture(scope="module")
def stories(long_stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Story]:
    """On alder processes and units are in the way, on birch what must not be touched, on cedar the service manager."""
    alder, birch, cedar = (long_stage(name) for name in ("alder", "birch", "cedar"))
    alder.undo(lambda: alder.host.run("sh", "-c", f"fuser -k {BARE}/tcp || pkill -f -- '--port {BARE}'; true"))
    start_bare(alder.host, BARE)
    hung = alder.run_unit("hung", "Type=notify", f"ExecStart={LISTENER} --port {HUNG}")
    alder.host.run("kill", "-STOP", str(alder.main_process(hung)))
    alder.run_unit("taker", "Type=notify", f"ExecStart={LISTENER} --port {TAKEN}")
    rightful = alder.install("rightful", "Type=notify", f"ExecStart={LISTENER} --port {TAKEN}")
    birch.run_unit("bus", f"ExecStart=/usr/bin/{START_BUS}")
    wait_for(lambda: truth.states(birch.host, BUS) == ["LISTEN"], "the bus is there")
    cedar.undo(lambda: cedar.host.run("systemctl", "start", "sleeping.socket"))
    wishes = {
        alder.host: [
            {"port": BARE},
            {"port": BARE, "at_most": "terminate"},
            {"port": HUNG, "at_most": "restart", "expect": {"unit": hung}},
            {"port": TAKEN, "at_most": "stop", "expect": {"unit": rightful}, "then": {"start": rightful}},
        ],
        birch.host: [
            {"port": 22, "at_most": "kill"},
            {"port": 22, "strategy": "terminate", "override_protection": ["ssh.service"]},
            {"port": BUS, "at_most": "stop"},
            {"port": BUS, "at_most": "stop", "override_protection": ["dbus-daemon"]},
        ],
        cedar.host: [
            {"port": SLEEPING, "strategy": "terminate", "override_protection": ["systemd"]},
            {"port": SLEEPING, "at_most": "stop"},
        ],
    }
    before = {scene.host.name: served(scene.host) for scene in (alder, birch, cedar)}
    results = release(wishes, tmp_path_factory.mktemp("wishes"))
    return {
        scene.host.name: Story(scene, before[scene.host.name], results[scene.host.name], served(scene.host))
        for scene in (alder, birch, cedar)
    }


def held_by(what: Served, port: int) -> set[tuple[int, int, str]]:
    """Return the processes that serve a port."""
    return {one for (_, local), some in what.items() if local.endswith(f":{port}") for one in some}


def test_a_process_is_ended_only_when_that_is_allowed(stories: dict[str, Story]) -> None:
    story = stories["alder"]
    refused, done = story.results[:2]
    [(pid, _, name)] = held_by(story.before, BARE)
    assert refused["failed"]
    assert (refused["changed"], refused["done"]) == (False, [])
    assert f"[{pid}]" in refused["msg"]
    assert "at_most: terminate" in refused["msg"]
    assert not done["failed"], done["msg"]
    assert [(one["act"], one["result"]) for one in done["done"][:1]] == [("terminate", "done")]
    assert f"{name}[{pid}]" in done["done"][0]["target"]
    assert done["proof"]["free"] is True
    assert truth.binds(story.scene.host, BARE) == ("ok", "ok")


def test_a_unit_that_hangs_is_restarted(stories: dict[str, Story]) -> None:
    story = stories["alder"]
    result = story.results[2]
    assert not result["failed"], result["msg"]
    assert result["before"]["verdict"] == "hung_listener"
    assert [(one["act"], one["result"]) for one in result["done"][:1]] == [("restart", "done")]
    assert held_by(story.after, HUNG).isdisjoint(held_by(story.before, HUNG))
    assert call(story.scene.host, HUNG) == b"hello\n"


def test_a_unit_in_the_way_is_stopped_and_the_rightful_one_serves(stories: dict[str, Story]) -> None:
    story = stories["alder"]
    result = story.results[3]
    assert not result["failed"], result["msg"]
    state = story.scene.host.run("systemctl", "show", "--property=ActiveState,Result", "--value", "field-taker.service")
    assert set(state.split()) == {"inactive", "success"}
    assert {pid for pid, _, _ in held_by(story.after, TAKEN)} == {story.scene.main_process("field-rightful.service")}
    assert call(story.scene.host, TAKEN) == b"hello\n"
    assert beside(story.after, BARE, HUNG, TAKEN) == beside(story.before, BARE, HUNG, TAKEN)


@pytest.mark.parametrize("wish", [0, 1], ids=["not named", "named"])
def test_the_way_in_is_never_cut(stories: dict[str, Story], wish: int) -> None:
    story = stories["birch"]
    result = story.results[wish]
    assert result["failed"]
    assert (result["changed"], result["done"]) == (False, [])
    assert "ssh" in result["msg"]
    assert held_by(story.after, 22) == held_by(story.before, 22)
    assert story.scene.host.run("echo", "still here") == "still here\n"


def test_a_bus_is_stopped_only_by_name(stories: dict[str, Story]) -> None:
    story = stories["birch"]
    refused, done = story.results[2:]
    assert refused["failed"]
    assert (refused["changed"], refused["done"]) == (False, [])
    assert "a message bus" in refused["msg"]
    assert not done["failed"], done["msg"]
    assert [(one["act"], one["result"]) for one in done["done"][:1]] == [("stop", "done")]
    assert story.scene.main_process(BUS_UNIT) == 0
    assert beside(story.after, BUS) == beside(story.before, BUS)


def test_the_first_process_is_never_signalled(stories: dict[str, Story]) -> None:
    story = stories["cedar"]
    refused, done = story.results
    assert refused["failed"]
    assert (refused["changed"], refused["done"]) == (False, [])
    assert "systemd[1]" in refused["msg"]
    assert not done["failed"], done["msg"]
    assert [(one["act"], one["result"]) for one in done["done"][:1]] == [("stop", "done")]
    assert "sleeping.socket" in done["done"][0]["target"]
    assert truth.binds(story.scene.host, SLEEPING) == ("ok", "ok")
    assert beside(story.after, SLEEPING) == beside(story.before, SLEEPING)
