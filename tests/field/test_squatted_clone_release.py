# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Field case 3, the clone that would not start: it starts, and nobody ends for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from ..fleet.harness.command import wait_for
from . import truth
from .conftest import Stage
from .releasing import Served, beside, release, served
from .scene import PLACE, Scene
from .test_squatted_clone import CLONES, call_from

SQUATTED, LINGERING = CLONES[:2]

pytestmark = [pytest.mark.slow, pytest.mark.full]


@dataclass(frozen=True)
class Story:
    """The caller that has the first clone's port, what was served before, what came of it, and what is served now."""

    scene: Scene
    caller: int
    before: Served
    results: list[dict[str, Any]]
    after: Served


@pytest.fixture(scope="module")
def story(long_stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """On birch one clone's port is taken by a connection, another's by what is left of one."""
    scene, peer = long_stage("birch"), long_stage("alder")
    ended = call_from(scene, peer, LINGERING)
    scene.kill(ended)
    wait_for(lambda: truth.states(scene.host, LINGERING) == ["TIME-WAIT"], "both have closed")
    scene.host.run("systemctl", "reset-failed", "field-caller")
    peer.host.run("systemctl", "stop", "field-peer")
    caller = call_from(scene, peer, SQUATTED)
    for port in (SQUATTED, LINGERING):
        # As an application that minds nobody else: SO_REUSEADDR is not set.
        scene.install(f"clone-{port}", f"ExecStart=/usr/bin/python3 {PLACE}/actor.py listen:{port}:0")
        assert truth.binds(scene.host, port)[0] == "EADDRINUSE"
    before = served(scene.host)
    wishes = [
        {
            "port": port,
            "expect": {"unit": f"field-clone-{port}.service"},
            "bind": {"reuseaddr": False},
            "then": {"start": f"field-clone-{port}.service"},
        }
        for port in (SQUATTED, LINGERING)
    ]
    results = release({scene.host: wishes}, tmp_path_factory.mktemp("wishes"))["birch"]
    return Story(scene, caller, before, results, served(scene.host))


@pytest.mark.parametrize("index", [0, 1], ids=["connection", "TIME_WAIT"])
def test_the_clone_starts(story: Story, index: int) -> None:
    port, result = CLONES[index], story.results[index]
    assert not result["failed"], result["msg"]
    assert result["before"]["verdict"] == ("squatted", "lingering")[index]
    assert [(one["act"], one["result"]) for one in result["done"]][:1] == [("destroy", "done")]
    assert {one["act"] for one in result["done"]} == {"destroy"}
    assert result["proof"]["held_as_expected"] is True
    assert result["proof"]["unit_active"] is True
    [listener] = [row for row in truth.rows(story.scene.host, port) if row.state == "LISTEN"]
    assert {pid for pid, _ in listener.holders} == {story.scene.main_process(f"field-clone-{port}.service")}


def test_nobody_ended_for_it(story: Story) -> None:
    assert story.scene.living(story.caller) == {story.caller}
    assert beside(story.after, SQUATTED, LINGERING) == beside(story.before, SQUATTED, LINGERING)
    assert [one["collateral"] for one in story.results] == [[], []]
