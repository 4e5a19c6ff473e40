# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Runs that fail: it is said why, what was stopped runs again, and all of it is on record on the host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from ..fleet.harness.command import wait_for
from ..fleet.harness.services import LISTENER
from . import truth
from .conftest import Stage
from .releasing import Served, beside, call, release, served, trail
from .scene import Scene

STUBBORN, DEAF, REVIVED, FRUITLESS, SUPERVISED = 7971, 7972, 7973, 7974, 8501
#: Takes no notice of SIGTERM, and serves on.
IGNORING = f"trap '' TERM; exec {LISTENER} --port $1\n"
HOLDER = "field-holder.service"

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Story:
    """What was served before, what came of each wish by port, and what is served now."""

    scene: Scene
    before: Served
    results: dict[int, dict[str, Any]]
    after: Served


@pytest.fixture(scope="module")
def stories(long_stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Story]:
    """On alder nothing ends, on birch what has ended comes back, on cedar the rightful unit does not start."""
    alder, birch, cedar = (long_stage(name) for name in ("alder", "birch", "cedar"))
    ignoring = f"/bin/sh {alder.write('ignoring.sh', IGNORING)}"
    alder.run_unit("stubborn", "Type=notify", "TimeoutStopSec=infinity", f"ExecStart={ignoring} {STUBBORN}")
    alder.host.run("sh", "-c", f"setsid --fork {ignoring} {DEAF} > /dev/null 2>&1 < /dev/null")
    wait_for(lambda: truth.states(alder.host, DEAF) == ["LISTEN"], "it listens")
    [(deaf, _)] = truth.holders(alder.host, DEAF)
    alder.undo(lambda: alder.host.run("kill", "-9", str(deaf)))
    birch.run_unit("revived", "Type=notify", "Restart=always", f"ExecStart={LISTENER} --port {REVIVED}")
    cedar.run_unit("holder", "Type=notify", f"ExecStart={LISTENER} --port {FRUITLESS}")
    rightful = cedar.install("fruitless", "Type=notify", "ExecStart=/bin/false")
    scenes = (alder, birch, cedar)
    before = {scene.host.name: served(scene.host) for scene in scenes}
    terminate = {"strategy": "terminate", "grace": 2}
    wishes = {
        alder.host: [{"port": STUBBORN, "at_most": "stop", "grace": 2}, {"port": DEAF, **terminate}],
        birch.host: [{"port": REVIVED, **terminate}, {"port": SUPERVISED, **terminate}],
        cedar.host: [{"port": FRUITLESS, "at_most": "stop", "expect": {"unit": rightful}, "then": {"start": rightful}}],
    }
    for some in wishes.values():
        for wish in some:
            wish["run"] = f"failing-{wish['port']}"
    results = release(wishes, tmp_path_factory.mktemp("wishes"))
    return {
        scene.host.name: Story(
            scene,
            before[scene.host.name],
            {wish["port"]: result for wish, result in zip(wishes[scene.host], results[scene.host.name], strict=True)},
            served(scene.host),
        )
        for scene in scenes
    }


FAILURES = [
    ("alder", STUBBORN, "field-stubborn.service has not ended after 2 s", ["stop"]),
    ("alder", DEAF, "SIGTERM", ["terminate"]),
    ("birch", REVIVED, "Restart=always", ["terminate"]),
    ("birch", SUPERVISED, "supervisord", ["terminate"]),
    ("cedar", FRUITLESS, "field-fruitless.service", ["stop"]),
]
NAMES = ["a unit that does not stop", "SIGTERM ignored", "systemd's loop", "supervisord's loop", "no start"]


@pytest.mark.parametrize(("name", "port", "reason", "acts"), FAILURES, ids=NAMES)
def test_it_is_said_why_and_all_is_on_record(
    stories: dict[str, Story], name: str, port: int, reason: str, acts: list[str]
) -> None:
    story = stories[name]
    result = story.results[port]
    assert result["failed"]
    assert result["msg"].startswith(f"{port}/tcp: ")
    assert reason in result["msg"]
    tried = [one["act"] for one in result["done"] if one["result"] in ("done", "failed")]
    assert [act for act in tried if act != "destroy"] == acts
    lines = trail(story.scene.host, f"failing-{port}")
    events = [line["event"] for line in lines]
    assert (events[0], events[-1]) == ("begin", "end")
    assert events[1:3] == ["act", "outcome"]
    assert lines[-1]["after"]["summary"] == result["summary"]


@pytest.mark.parametrize(("name", "port"), [failure[:2] for failure in FAILURES], ids=NAMES)
def test_who_had_the_port_serves_it_again(stories: dict[str, Story], name: str, port: int) -> None:
    story = stories[name]
    wait_for(lambda: truth.states(story.scene.host, port).count("LISTEN") == 1, "it is served again")
    assert call(story.scene.host, port) == b"hello\n"


def test_what_was_stopped_runs_again_in_good_order(stories: dict[str, Story]) -> None:
    story = stories["cedar"]
    result = story.results[FRUITLESS]
    assert story.scene.host.run("systemctl", "is-active", HOLDER).strip() == "active"
    assert any(HOLDER in one for one in result["undone"])
    assert result["not_undone"] == []
    assert result["proof"]["unit_active"] is False


@pytest.mark.parametrize("name", ["alder", "birch", "cedar"])
def test_nobody_else_noticed(stories: dict[str, Story], name: str) -> None:
    story = stories[name]
    assert beside(story.after, *story.results) == beside(story.before, *story.results)
