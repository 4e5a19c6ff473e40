# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Field case 2, passed on purpose: the rightful owner's port is left as it is, and an intruder goes without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from ..fleet.harness.command import wait_for
from . import truth
from .conftest import Stage
from .releasing import HTTP, Served, beside, call, release, served
from .scene import PLACE, Scene
from .test_haproxy_reload import MasterWorker, listening
from .test_haproxy_reload import reload as reload_haproxy
from .test_passed_on_purpose import HAPROXY, hand_over, wait_for_holders

FORKED, GIVEN, LENT, CLUSTER, SHARED, RELOADED = 7801, 7803, 7802, 7806, 7807, 7814

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Story:
    """What was served before, what came of the release by port, and what is served now."""

    scene: Scene
    before: Served
    results: dict[int, dict[str, Any]]
    after: Served


def on_alder(scene: Scene) -> dict[int, str]:
    """A listener shared after fork(), one given over a UNIX socket, one of node's cluster; returns whose they are."""
    forked = scene.start("forked", "python3", f"{PLACE}/forked_server.py", str(FORKED))
    cluster = scene.start(
        "node", "node", f"{PLACE}/cluster.js", str(CLUSTER), options=("--setenv=NODE_CLUSTER_SCHED_POLICY=none",)
    )
    _giver, taker = hand_over(scene, GIVEN, "close", "serve")
    wait_for(lambda: {pid for pid, _ in truth.holders(scene.host, GIVEN)} == {taker}, "the listener is taken")
    wait_for_holders(scene, FORKED, 2)
    wait_for_holders(scene, CLUSTER, 3)
    return {FORKED: forked, GIVEN: f"field-taker{GIVEN}.service", CLUSTER: cluster}


def on_birch(scene: Scene) -> dict[int, str]:
    """Another program of another user has joined haproxy's port; and one keeps a copy of what it gave away."""
    scene.write("shared.cfg", HAPROXY.format(port=SHARED, more=""))
    scene.start("sharer", "python3", f"{PLACE}/sharer.py", str(SHARED), "mara")
    rightful = scene.start("shared", "haproxy", "-db", "-f", f"{PLACE}/shared.cfg")
    wait_for_holders(scene, SHARED, 2)
    hand_over(scene, LENT, "keep", "serve")
    wait_for_holders(scene, LENT, 2)
    return {SHARED: rightful, LENT: f"field-taker{LENT}.service"}


def on_cedar(scene: Scene) -> dict[int, str]:
    """haproxy was reloaded, and its old process is still at work for a client."""
    scene.write("haproxy.cfg", HAPROXY.format(port=RELOADED, more=""))
    haproxy = MasterWorker(scene)
    wait_for(lambda: truth.states(scene.host, RELOADED) == ["LISTEN"], "haproxy listens")
    reload_haproxy(haproxy, scene, RELOADED, 0)
    return {RELOADED: "field-haproxy.service"}


@pytest.fixture(scope="module")
def stories(long_stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Story]:
    """Each port is released for whose it is; nobody else may have it."""
    scenes = {name: long_stage(name) for name in ("alder", "birch", "cedar")}
    owners = {name: play(scenes[name]) for name, play in PLAYS.items()}
    before = {name: served(scene.host) for name, scene in scenes.items()}
    wishes = {
        scenes[name].host: [{"port": port, "expect": {"unit": unit}, "at_most": "stop"} for port, unit in some.items()]
        for name, some in owners.items()
    }
    results = release(wishes, tmp_path_factory.mktemp("wishes"))
    return {
        name: Story(scene, before[name], dict(zip(owners[name], results[name], strict=True)), served(scene.host))
        for name, scene in scenes.items()
    }


PLAYS = {"alder": on_alder, "birch": on_birch, "cedar": on_cedar}


@pytest.mark.parametrize(
    ("name", "port"),
    [("alder", FORKED), ("alder", GIVEN), ("birch", LENT), ("alder", CLUSTER), ("cedar", RELOADED)],
    ids=["forked", "given over a UNIX socket", "lent over a UNIX socket", "cluster of node", "haproxy reloaded"],
)
def test_nothing_is_done_when_it_is_the_owners_own(stories: dict[str, Story], name: str, port: int) -> None:
    story = stories[name]
    result = story.results[port]
    assert not result["failed"], result["msg"]
    assert (result["changed"], result["done"], result["plan"]["steps"]) == (False, [], [])
    assert "held by whom it should be" in result["plan"]["needless"]
    assert beside(story.after, SHARED) == beside(story.before, SHARED)


def test_the_intruder_is_stopped_and_the_rightful_one_never_noticed(stories: dict[str, Story]) -> None:
    story = stories["birch"]
    scene, result = story.scene, story.results[SHARED]
    assert not result["failed"], result["msg"]
    assert [(one["act"], one["result"]) for one in result["done"] if one["act"] != "destroy"] == [("stop", "done")]
    assert "field-sharer.service" in result["done"][0]["target"]
    mine = {one for (_, local), some in story.before.items() if local.endswith(f":{SHARED}") for one in some}
    haproxy = {one for one in mine if one[2] == "haproxy"}
    assert (len(mine), len(haproxy)) == (2, 1)
    assert {one for (_, local), some in story.after.items() if local.endswith(f":{SHARED}") for one in some} == haproxy
    assert beside(story.after, SHARED) == beside(story.before, SHARED)
    for _request in range(4):  # the kernel deals connections out among those who share a port
        assert call(scene.host, SHARED, HTTP).startswith(b"HTTP/1.")
    assert result["proof"]["held_as_expected"] is True


def test_the_old_haproxy_may_finish_its_work(stories: dict[str, Story]) -> None:
    story = stories["cedar"]
    scene = story.scene
    assert truth.states(scene.host, RELOADED).count("ESTAB") == 1
    assert listening(scene, RELOADED)
    assert call(scene.host, RELOADED, HTTP).startswith(b"HTTP/1.")
