# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Runs that are cut off by SIGKILL: a host finishes by itself, or the next run finishes what was begun and says so."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from dataclasses import dataclass
from typing import Any

import pytest

from ..fleet.harness.command import FleetError, wait_for
from ..fleet.harness.services import LISTENER
from . import truth
from .conftest import Stage
from .releasing import ROOT, Served, beside, call, play_command, release, served, trail
from .scene import Scene

PORT = 7981
RUN = "cut-off"
LOCK = "/run/portreeve/release.lock"
#: Everybody who has the lock of a run open: the task, and the process that goes on without it.
KILL_RUN = f"find /proc/[0-9]*/fd -lname {LOCK} 2>/dev/null | cut -d/ -f3 | sort -u | xargs -r kill -9"

pytestmark = [pytest.mark.slow, pytest.mark.full]


@dataclass(frozen=True)
class Story:
    """What the trail held when nobody was left, what the next run came to, and what was and is served."""

    scene: Scene
    left: list[dict[str, Any]]
    again: dict[str, Any]
    before: Served
    after: Served


def events(scene: Scene) -> list[str]:
    """Return what the trail has of the run so far."""
    with contextlib.suppress(FleetError):
        return [line["event"] for line in trail(scene.host, RUN)]
    return []


def state(scene: Scene) -> str:
    """Return what systemd says of the holder."""
    return scene.host.run("systemctl", "show", "--property=ActiveState", "--value", "field-slow.service").strip()


def idle(scene: Scene) -> bool:
    """Return whether no run is going on."""
    return not scene.host.run("sh", "-c", f"find /proc/[0-9]*/fd -lname {LOCK} 2>/dev/null; true").strip()


@pytest.fixture(scope="module")
def stories(long_stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Story]:
    """The holder takes some seconds to stop: meanwhile all of the run is killed on birch, and then the controller."""
    scenes = {name: long_stage(name) for name in ("alder", "birch")}
    for scene in scenes.values():
        scene.host.run("sh", "-c", "rm -f /var/log/portreeve/trail.jsonl*")
        scene.run_unit("slow", "Type=notify", "ExecStop=/bin/sleep 4", f"ExecStart={LISTENER} --port {PORT}")
        rightful = scene.install("rightful", "Type=notify", f"ExecStart={LISTENER} --port {PORT}")
    wish = {"port": PORT, "at_most": "stop", "expect": {"unit": rightful}, "then": {"start": rightful}}
    before = {name: served(scene.host) for name, scene in scenes.items()}
    place = tmp_path_factory.mktemp("wishes")
    command, environment = play_command({one.host: [{**wish, "run": RUN}] for one in scenes.values()}, place)
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as controller:
        try:
            for scene in scenes.values():
                wait_for(lambda scene=scene: state(scene) == "deactivating", "the stop has begun")
            scenes["birch"].host.run("sh", "-c", KILL_RUN)
        finally:
            os.killpg(controller.pid, signal.SIGKILL)
    assert events(scenes["alder"]) == ["begin", "act"]
    for scene in scenes.values():
        wait_for(lambda scene=scene: idle(scene), "nobody is at it")
        wait_for(lambda scene=scene: state(scene) == "inactive", "systemd has stopped it")
    left = {name: trail(scene.host, RUN) for name, scene in scenes.items()}
    again = release({one.host: [{**wish, "run": "next"}] for one in scenes.values()}, place)
    return {
        name: Story(scene, left[name], again[name][0], before[name], served(scene.host))
        for name, scene in scenes.items()
    }


def test_a_host_finishes_without_its_controller(stories: dict[str, Story]) -> None:
    story = stories["alder"]
    assert [line["event"] for line in story.left] == ["begin", "act", "outcome", "outcome", "end"]
    assert "held by whom it should be" in story.left[-1]["after"]["summary"]
    assert not story.again["failed"], story.again["msg"]
    assert (story.again["changed"], story.again["done"], story.again["unfinished"]) == (False, [], [])
    assert "held by whom it should be" in story.again["plan"]["needless"]


def test_the_next_run_finishes_what_was_begun(stories: dict[str, Story]) -> None:
    story = stories["birch"]
    assert [line["event"] for line in story.left] == ["begin", "act"]
    assert not story.again["failed"], story.again["msg"]
    assert story.again["changed"] is True
    [told] = story.again["unfinished"]
    assert f"run {RUN} " in told
    assert "stop" in told
    assert trail(story.scene.host, RUN)[-1]["what"] == "taken over"


@pytest.mark.parametrize("name", ["alder", "birch"])
def test_the_rightful_one_serves_in_the_end(stories: dict[str, Story], name: str) -> None:
    scene = stories[name].scene
    assert call(scene.host, PORT) == b"hello\n"
    assert {pid for pid, _ in truth.holders(scene.host, PORT)} == {scene.main_process("field-rightful.service")}
    assert beside(stories[name].after, PORT) == beside(stories[name].before, PORT)
