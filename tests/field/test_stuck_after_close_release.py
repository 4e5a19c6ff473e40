# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Field case 4, stuck after close: the next server starts at once, and what does not hinder it is left alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from ..fleet.harness.command import wait_for
from . import truth
from .conftest import Stage
from .releasing import Served, beside, release, served
from .scene import PLACE, Scene
from .test_stuck_after_close import STATES, Act, leave

#: The state a killed server left, and whether it had set SO_REUSEADDR, by port.
LEFT = {
    7901: ("TIME_WAIT", False),
    7902: ("TIME_WAIT", True),
    7903: ("FIN_WAIT2", False),
    7904: ("FIN_WAIT2", True),
    7905: ("FIN_WAIT1", False),
    7906: ("FIN_WAIT1", True),
}
#: A process that sits on a connection, its listener and its peer gone.
SAT_ON = 7911
#: How the next server binds its port: both that set SO_REUSEADDR and those that do not.
CAREFUL = {7901: True, 7902: True, 7903: False, 7904: False, 7905: True, 7906: True, SAT_ON: False}

pytestmark = [pytest.mark.slow, pytest.mark.full]


@dataclass(frozen=True)
class Story:
    """Who sits on a connection, what was served before, what came of the release by port, and what is served now."""

    scene: Scene
    idler: int
    before: Served
    results: dict[int, dict[str, Any]]
    after: Served


@pytest.fixture(scope="module")
def story(long_stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Story:
    scene, client = long_stage("cedar"), long_stage("birch")
    act = Act(scene, client, SAT_ON)
    act.open("accept wait unlisten", "wait close")
    act.go_on(client, act.client_unit, lambda: act.states() == ["CLOSE-WAIT", "LISTEN"])
    act.go_on(scene, act.server_unit, lambda: act.states() == ["CLOSE-WAIT"])
    idler = scene.main_process(act.server_unit)
    # TIME_WAIT goes by itself after a minute: it comes last.
    for port, (state, reuse) in reversed(LEFT.items()):
        leave(Act(scene, client, port), state, reuse)
    wishes = []
    for port, careful in CAREFUL.items():
        unit = scene.install(f"next{port}", f"ExecStart=/usr/bin/python3 {PLACE}/actor.py listen:{port}:{int(careful)}")
        wishes.append({"port": port, "bind": {"reuseaddr": careful}, "then": {"start": unit}})
    before = served(scene.host)
    results = release({scene.host: wishes}, tmp_path_factory.mktemp("wishes"))["cedar"]
    return Story(scene, idler, before, dict(zip(CAREFUL, results, strict=True)), served(scene.host))


@pytest.mark.parametrize("port", CAREFUL)
def test_the_next_server_listens(story: Story, port: int) -> None:
    result = story.results[port]
    assert not result["failed"], result["msg"]
    assert result["before"]["verdict"] == ("owned" if port == SAT_ON else "lingering")
    assert (result["proof"]["held_as_expected"], result["proof"]["unit_active"]) == (True, True)
    wait_for(lambda: "LISTEN" in truth.states(story.scene.host, port), "the next server listens")
    [listener] = [row for row in truth.rows(story.scene.host, port) if row.state == "LISTEN"]
    assert {pid for pid, _ in listener.holders} == {story.scene.main_process(f"field-next{port}.service")}


@pytest.mark.parametrize("port", LEFT)
def test_only_what_hinders_the_bind_is_destroyed(story: Story, port: int) -> None:
    state, reuse = LEFT[port]
    result = story.results[port]
    if reuse and CAREFUL[port]:
        assert result["done"] == []
        assert STATES[state] in truth.states(story.scene.host, port) or state == "TIME_WAIT"
    else:
        assert [(one["act"], one["result"]) for one in result["done"]] == [("destroy", "done")]
        assert STATES[state] not in truth.states(story.scene.host, port)


def test_nobody_ended_for_it(story: Story) -> None:
    assert {one["act"] for one in story.results[SAT_ON]["done"]} == {"destroy"}
    assert story.scene.living(story.idler) == {story.idler}
    assert beside(story.after, *CAREFUL) == beside(story.before, *CAREFUL)
    assert [result["collateral"] for result in story.results.values()] == [[]] * len(CAREFUL)
