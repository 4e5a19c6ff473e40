# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Field case 5, 53 changes hands: from the host's resolvers to a container, and from a container to the resolver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from ..fleet.harness.command import FleetError, wait_for
from . import truth
from .conftest import Stage
from .releasing import Served, beside, release, served
from .scene import Scene
from .test_who_is_on_53 import CONTAINER, publish

DNSMASQ, RESOLVED = "dnsmasq.service", "systemd-resolved.service"
#: systemd-resolved serves this as well (RFC 4795).
LLMNR = 5355
FOR_DNSMASQ = {"expect": {"unit": DNSMASQ}, "then": {"start": DNSMASQ}}

pytestmark = [pytest.mark.slow, pytest.mark.full]


@dataclass(frozen=True)
class Story:
    """What was served before, what came of the release over UDP and TCP, and what is served now."""

    scene: Scene
    before: Served
    results: list[dict[str, Any]]
    after: Served


@pytest.fixture(scope="module")
def stories(long_stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Story]:
    """On alder both resolvers are in a container's way; on birch and cedar the container is in the resolver's."""
    scenes = {name: long_stage(name) for name in ("alder", "birch", "cedar")}
    for scene in scenes.values():
        scene.undo(lambda scene=scene: scene.host.run("systemctl", "start", DNSMASQ))
    alder = scenes["alder"]
    alder.undo(lambda: alder.host.run("systemctl", "stop", RESOLVED))
    alder.host.run("systemctl", "start", RESOLVED)
    wait_for(lambda: len(truth.rows(alder.host, 53)) >= 4, "both resolvers are there")
    with pytest.raises(FleetError):
        publish(alder, "53:53/udp", "53:53/tcp")
    for name in ("birch", "cedar"):
        scenes[name].host.run("systemctl", "stop", DNSMASQ)
        publish(scenes[name], "53:53/udp", "53:53/tcp")
        scenes[name].host.run("sh", "-c", f"! systemctl start {DNSMASQ} && systemctl reset-failed {DNSMASQ}")
    before = {name: served(scene.host) for name, scene in scenes.items()}
    wishes = {
        scene.host: [
            {"port": 53, "protocol": protocol, "at_most": "stop", **({} if name == "alder" else FOR_DNSMASQ)}
            for protocol in ("udp", "tcp")
        ]
        for name, scene in scenes.items()
    }
    results = release(wishes, tmp_path_factory.mktemp("wishes"))
    return {name: Story(scene, before[name], results[name], served(scene.host)) for name, scene in scenes.items()}


def test_the_resolvers_make_room_for_the_container(stories: dict[str, Story]) -> None:
    scene, (udp, tcp) = stories["alder"].scene, stories["alder"].results
    assert not udp["failed"], udp["msg"]
    assert not tcp["failed"], tcp["msg"]
    stopped = {one["target"] for one in udp["done"] if (one["act"], one["result"]) == ("stop", "done")}
    assert {unit for unit in (DNSMASQ, RESOLVED) if any(unit in target for target in stopped)} == {DNSMASQ, RESOLVED}
    assert (udp["proof"]["free"], tcp["proof"]["free"]) == (True, True)
    # A unit goes as a whole, with all that it served beside: the collateral that was to be expected.
    assert {(one["port"], one["protocol"], one["expected"]) for one in udp["collateral"]} == {
        (53, "tcp", True),
        (LLMNR, "tcp", True),
        (LLMNR, "udp", True),
    }
    assert tcp["changed"] is False
    scene.host.run("docker", "rm", "--force", CONTAINER)
    publish(scene, "53:53/udp", "53:53/tcp")
    assert beside(served(scene.host), 53) == beside(stories["alder"].before, 53, LLMNR)


@pytest.mark.parametrize("name", ["birch", "cedar"], ids=["dockerd holds it", "docker-proxy holds it"])
def test_the_container_makes_room_for_the_resolver(stories: dict[str, Story], name: str) -> None:
    story = stories[name]
    scene, (udp, tcp) = story.scene, story.results
    assert not udp["failed"], udp["msg"]
    assert not tcp["failed"], tcp["msg"]
    assert udp["before"]["verdict"] == "container_published"
    [stop] = [one for one in udp["done"] if one["result"] == "done"]
    assert (stop["act"], CONTAINER in stop["target"]) == ("stop", True)
    assert udp["proof"]["held_as_expected"] is True
    # Its engine stopped it, knows so, and can start it again; nobody was killed behind its back.
    state = scene.host.run("docker", "inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", CONTAINER)
    assert state.split() == ["exited", "137"]
    assert scene.host.run("systemctl", "is-active", DNSMASQ).strip() == "active"
    holders = {pid for protocol in ("udp", "tcp") for pid, _ in truth.holders(scene.host, 53, protocol)}
    assert holders == {scene.main_process(DNSMASQ)}
    assert (tcp["changed"], tcp["done"]) == (False, [])
    assert beside(story.after, 53) == beside(story.before, 53)
