# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Field case 1, the port comes back: its daemon serves again, and the services that had inherited it live on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from ..fleet.harness.services import LISTENER
from . import truth
from .conftest import Stage
from .releasing import HTTP, NTP, Served, beside, call, release, served, trail
from .scene import PLACE, Scene
from .test_immortal_port import HTTPD, NTPD, PORT, await_heirs, oldest_python

HTTPD_PORT, NTPD_PORT = 7780, 123

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Story:
    """What was there before, what came of the release, and what is there now."""

    scene: Scene
    who: dict[str, list[int]]
    before: Served
    result: dict[str, Any]
    after: Served


@pytest.fixture(scope="module")
def stories(long_stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Story]:
    """The daemon is wanted back, and dead on alder, hung on cedar; on birch it is alive, and in the way of another."""
    scenes = {name: long_stage(name) for name in ("alder", "birch", "cedar")}
    # A socket that was made without SO_REUSEADDR gets it when it is taken from the heirs.
    who = {name: _play(scene, reuse=name != "birch") for name, scene in scenes.items()}
    scenes["alder"].kill(*who["alder"]["daemon"])
    scenes["birch"].install("billing", "Type=notify", f"ExecStart={LISTENER} --port {PORT}")
    scenes["cedar"].host.run("kill", "-STOP", *map(str, who["cedar"]["daemon"]))
    before = {name: served(scene.host) for name, scene in scenes.items()}
    legacy, billing = "field-legacy.service", "field-billing.service"
    wishes = {
        "alder": {"expect": {"unit": legacy}, "then": {"start": legacy}},
        "birch": {"expect": {"unit": billing}, "then": {"start": billing}, "at_most": "stop"},
        "cedar": {"expect": {"unit": legacy}, "at_most": "stop"},
    }
    results = release(
        {scenes[name].host: [{"port": PORT, "run": f"case-1-{name}", **wish}] for name, wish in wishes.items()},
        tmp_path_factory.mktemp("wishes"),
    )
    after = {name: served(scene.host) for name, scene in scenes.items()}
    return {name: Story(scenes[name], who[name], before[name], results[name][0], after[name]) for name in scenes}


def _play(scene: Scene, reuse: bool) -> dict[str, list[int]]:
    unit = scene.run_unit(
        "legacy",
        "KillMode=process",
        f"Environment=REUSE={int(reuse)}",
        "CapabilityBoundingSet=~CAP_SYS_TIME",
        f'ExecStart={oldest_python(scene)} {PLACE}/legacy_daemon.py {PORT} "{NTPD}" "{HTTPD}"',
    )
    return await_heirs(scene, unit)


@pytest.mark.parametrize(
    ("name", "unit", "acts"),
    [
        ("alder", "field-legacy.service", ["detach"]),
        ("birch", "field-billing.service", ["stop", "detach"]),
        ("cedar", "field-legacy.service", ["stop", "detach"]),
    ],
    ids=["creator dead", "creator alive", "creator hangs"],
)
def test_the_rightful_service_has_its_port_again(
    stories: dict[str, Story], name: str, unit: str, acts: list[str]
) -> None:
    story = stories[name]
    scene, result = story.scene, story.result
    assert not result["failed"], result["msg"]
    assert result["changed"]
    assert [one["act"] for one in result["done"] if one["result"] == "done" and one["act"] != "destroy"] == acts
    assert (result["proof"]["held_as_expected"], result["proof"]["unit_active"]) == (True, True)
    assert scene.host.run("systemctl", "is-active", unit).strip() == "active"
    assert call(scene.host, PORT) == b"hello\n"
    listening = {pid for row in truth.rows(scene.host, PORT) if row.state == "LISTEN" for pid, _ in row.holders}
    assert scene.main_process(unit) in listening
    assert not scene.living(*story.who["daemon"])
    events = [line["event"] for line in trail(scene.host, f"case-1-{name}")]
    assert (events[0], events[-1]) == ("begin", "end")


@pytest.mark.parametrize("name", ["alder", "birch", "cedar"])
def test_the_heirs_live_on_and_serve_their_own_ports(stories: dict[str, Story], name: str) -> None:
    story = stories[name]
    assert beside(story.after, PORT) == beside(story.before, PORT)
    serving = {
        (pid, name)
        for port in ("7780", "123")
        for (_, local), some in story.after.items()
        if local.endswith(f":{port}")
        for pid, _, name in some
    }
    assert serving == {(pid, name) for name in ("ntpd", "apache2") for pid in story.who[name]}
    assert call(story.scene.host, HTTPD_PORT, HTTP).startswith(b"HTTP/1.1 ")
    assert len(call(story.scene.host, NTPD_PORT, NTP, "udp")) >= 48
    assert [one for one in story.result["collateral"] if not one["expected"]] == []
