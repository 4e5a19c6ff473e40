# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The field cases at once, as the operator of a fleet meets them: declared, planned, approved, got back in waves."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Any

import pytest

from ..fleet.harness.services import LISTENER
from . import truth
from .conftest import Stage
from .releasing import ROOT, Served, ansible_command, beside, call, served
from .scene import PLACE, Scene
from .test_immortal_port import HTTPD, NTPD, await_heirs, oldest_python
from .test_immortal_port import PORT as IMMORTAL
from .test_passed_on_purpose import wait_for_holders
from .test_politely_release import start_bare
from .test_squatted_clone import CLONES, OWN_FILES, PEER_PORT, RESERVED, call_from
from .test_stuck_after_close import Act, leave
from .test_who_is_on_53 import CONTAINER, publish

SHARED, STUCK, BARE = 7801, 7903, 7951
SQUATTED = CLONES[0]
DNSMASQ = "dnsmasq.service"

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Story:
    """The approved plan, and what was served on each host: before and after it was made, after a run under another
    digest, after the run, and after the same once more. ``bystanders`` are processes that serve nothing or other
    ports; ``records`` is what the runs wrote.
    """

    scenes: dict[str, Scene]
    bystanders: dict[str, set[int]]
    plan: dict[str, Any]
    served: dict[str, list[Served]]
    records: list[dict[str, Any]]


def declare(name: str, unit: str, *ports: int | str, at_most: str | None = None) -> dict[str, Any]:
    """Return an application of the inventory."""
    more = {"at_most": at_most} if at_most else {}
    return {"name": name, "ports": list(ports), "owner": {"unit": unit}, "service": unit, **more}


def on_alder(scene: Scene) -> tuple[list[dict[str, Any]], set[int]]:
    """Cases 1 and 2: an immortal port, and one that is shared by its owner's own processes."""
    legacy = scene.run_unit(
        "legacy",
        "KillMode=process",
        "CapabilityBoundingSet=~CAP_SYS_TIME",
        f'ExecStart={oldest_python(scene)} {PLACE}/legacy_daemon.py {IMMORTAL} "{NTPD}" "{HTTPD}"',
    )
    who = await_heirs(scene, legacy)
    scene.kill(*who["daemon"])
    forked = scene.run_unit("forked", f"ExecStart=/usr/bin/python3 {PLACE}/forked_server.py {SHARED}")
    wait_for_holders(scene, SHARED, 2)
    return [declare("legacy", legacy, IMMORTAL), declare("forked", forked, SHARED)], {*who["ntpd"], *who["apache2"]}


def on_birch(scene: Scene, peer: Scene) -> tuple[list[dict[str, Any]], set[int]]:
    """Cases 3 and 4: a clone's port that a connection has, and one of a server that was killed."""
    caller = call_from(scene, peer, SQUATTED)
    leave(Act(scene, peer, STUCK), "FIN_WAIT2", reuse=False)
    units = {
        port: scene.install(f"next{port}", f"ExecStart=/usr/bin/python3 {PLACE}/actor.py listen:{port}:1")
        for port in (SQUATTED, STUCK)
    }
    return [declare(f"next{port}", unit, port) for port, unit in units.items()], {caller}


def on_cedar(scene: Scene) -> tuple[list[dict[str, Any]], set[int]]:
    """Cases 5 and 6: a container has the resolver's port, and somebody's process another unit's."""
    scene.undo(lambda: scene.host.run("systemctl", "start", DNSMASQ))
    scene.host.run("systemctl", "stop", DNSMASQ)
    publish(scene, "53:53/udp", "53:53/tcp")
    start_bare(scene.host, BARE)
    rightful = scene.install("rightful", "Type=notify", f"ExecStart={LISTENER} --port {BARE}")
    return [
        declare("resolver", DNSMASQ, 53, "53/udp", at_most="stop"),
        declare("billing", rightful, BARE, at_most="terminate"),
    ], set()


@pytest.fixture(scope="module")
def story(long_stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Story:
    place = tmp_path_factory.mktemp("remediation")
    scenes = {name: long_stage(name) for name in ("alder", "birch", "cedar")}
    for scene in scenes.values():
        scene.undo(lambda scene=scene: scene.host.run("sh", "-c", f"rm -rf {OWN_FILES}; echo > {RESERVED}"))
    staged = {
        "alder": on_alder(scenes["alder"]),
        "birch": on_birch(scenes["birch"], scenes["cedar"]),
        "cedar": on_cedar(scenes["cedar"]),
    }
    hosts = {name: {"portreeve_applications": applications} for name, (applications, _) in staged.items()}
    everywhere = {"portreeve_applications_clones": [{"name": "clones", "ports": list(CLONES)}]}
    (place / "declared.yml").write_text(json.dumps({"fleet": {"hosts": hosts, "vars": everywhere}}), encoding="utf-8")
    seen: dict[str, list[Served]] = {name: [served(scene.host)] for name, scene in scenes.items()}

    def play(name: str, **variables: str) -> int:
        given = {"portreeve_plan": f"{place}/plan.json", "portreeve_records": f"{place}/records", **variables}
        command, environment = ansible_command(
            f"playbooks/{name}.yml", "-i", f"{place}/declared.yml", "-e", json.dumps(given)
        )
        with (place / f"{name}.log").open("a") as log:
            code = subprocess.run(command, cwd=ROOT, env=environment, stdout=log, stderr=log, timeout=300, check=False)
        for one, scene in scenes.items():
            seen[one].append(served(scene.host))
        return code.returncode

    assert play("plan") == 0, (place / "plan.log").read_text()
    plan = json.loads((place / "plan.json").read_text())
    runs = [play("remediate", portreeve_digest=digest) for digest in ("0" * 64, plan["digest"], plan["digest"])]
    assert play("reserve") == 0, (place / "reserve.log").read_text()
    found = sorted((place / "records").glob("*/remediation.json"), key=lambda path: path.stat().st_mtime)
    records = [json.loads(path.read_text()) for path in found]
    assert runs == [2, 0, 0], (place / "remediate.log").read_text()
    return Story(scenes, {name: pids for name, (_, pids) in staged.items()}, plan, seen, records)


def acts(planned: dict[str, Any]) -> list[str]:
    """Return what is to be done for a port, unless it turns out to be needless."""
    return [step["act"] for step in planned["plan"]["steps"] if not step["if_still_held"]]


def test_the_plan_says_what_is_to_be_done_and_nothing_else(story: Story) -> None:
    planned = {
        (name, port["options"]["port"], port["options"]["protocol"]): acts(port)
        for name, host in story.plan["hosts"].items()
        for port in host["ports"]
    }
    assert planned == {
        ("alder", IMMORTAL, "tcp"): ["detach"],
        ("birch", SQUATTED, "tcp"): ["destroy"],
        ("birch", STUCK, "tcp"): ["destroy"],
        ("cedar", 53, "tcp"): ["stop"],
        ("cedar", 53, "udp"): ["stop"],
        ("cedar", BARE, "tcp"): ["terminate"],
    }


@pytest.mark.parametrize("name", ["alder", "birch", "cedar"])
def test_planning_and_another_digest_change_nothing(story: Story, name: str) -> None:
    before, planned, refused = story.served[name][:3]
    assert planned == before
    assert refused == before


@pytest.mark.parametrize("name", ["alder", "birch", "cedar"])
def test_every_port_is_back_and_nobody_else_noticed(story: Story, name: str) -> None:
    scene, mine = story.scenes[name], [one["options"] for one in story.plan["hosts"][name]["ports"]]
    for options in mine:
        holders = {pid for pid, _ in truth.holders(scene.host, options["port"], options["protocol"])}
        unit = options["expect"]["unit"]
        assert scene.host.run("systemctl", "is-active", unit).strip() == "active"
        assert scene.main_process(unit) in holders
    before, _, _, after, again, _ = story.served[name]
    # The squatter's peer is told of its connection's end by a reset, and its program minds.
    ports = [PEER_PORT, *(options["port"] for options in mine)]
    assert beside(after, *ports) == beside(before, *ports)
    assert again == after
    assert scene.living(1, *story.bystanders[name]) == {1, *story.bystanders[name]}


def test_the_rightful_services_serve(story: Story) -> None:
    alder, cedar = story.scenes["alder"].host, story.scenes["cedar"].host
    assert call(alder, IMMORTAL) == b"hello\n"
    assert call(cedar, BARE) == b"hello\n"
    assert call(alder, SHARED).strip().isdigit()
    assert cedar.run("docker", "inspect", "--format", "{{.State.Status}}", CONTAINER).strip() == "exited"


def test_the_clones_ports_are_reserved_on_the_whole_fleet(story: Story) -> None:
    """The squatted one before it was got back, all of them by the playbook reserve, which finds the same declared."""
    [squatted] = [port for port in story.plan["hosts"]["birch"]["ports"] if port["options"]["port"] == SQUATTED]
    assert squatted["reserve"]
    for scene in story.scenes.values():
        assert {str(port) for port in CLONES} <= set(scene.host.run("cat", RESERVED).strip().split(","))


def test_the_record_names_every_host(story: Story) -> None:
    assert [{name: host["outcome"] for name, host in one["hosts"].items()} for one in story.records[-2:]] == [
        dict.fromkeys(("alder", "birch", "cedar"), "done")
    ] * 2
