# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A declared fleet of real services: compliant, then broken in every way, and mended again, over the runs of days."""

from __future__ import annotations

import contextlib
import datetime
import pathlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from ..fleet.harness.command import wait_for
from ..fleet.harness.places import LINK_PREFIX
from ..fleet.harness.services import LISTENER
from . import truth
from .compliance import Held, declare, hold
from .conftest import Question, Stage
from .scene import PREFIX, Scene
from .test_squatted_clone import OWN_FILES, RESERVED

STRAY, BILLING, LEDGER, TILL, LEAKED, WAIVED = 7811, 7812, 7813, 7814, 7815, 7816
CLONES = (36601, 36602)
_LEAKY = f"""
import socket, subprocess, time
listener = socket.create_server(("127.0.0.1", {LEAKED}))
listener.set_inheritable(True)
subprocess.Popen(["sleep", "infinity"], close_fds=False)
time.sleep(1e6)
"""

ON_ALDER = {
    ("alder", "undeclared", f"{STRAY}/tcp"),
    ("alder", "wrong_owner", f"{BILLING}/tcp"),
    ("alder", "wrong_address", f"{LEDGER}/tcp"),
    ("alder", "not_listening", f"{TILL}/tcp"),
}
ON_BIRCH = {
    *(("birch", "not_reserved", f"{port}/tcp") for port in CLONES),
    ("birch", "reservation_drift", ""),
    ("birch", "orphaned_listener", f"{LEAKED}/tcp"),
    ("birch", "undeclared", f"{WAIVED}/tcp"),
    ("birch", "waiver_expired", f"{WAIVED}/tcp"),
}

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Days:
    """The runs: as declared; broken on two hosts, the third one down; one of the two down, the other seen as a user
    without rights; mended."""

    declared: Held
    broken: Held
    hidden: Held
    mended: Held


def serve(scene: Scene, unit: str, port: int, address: str = "127.0.0.1") -> None:
    """Give the host a unit that listens on a port, and start it."""
    command = f"ExecStart={LISTENER} --port {port} --address {address}"
    scene.run_unit(unit, "Type=notify", command)


def stop(scene: Scene, *units: str) -> None:
    """Stop units of the scene and whoever they have left."""
    for unit in units:
        scene.host.run("systemctl", "stop", f"{PREFIX}{unit}.service")
        group = f"/sys/fs/cgroup/system.slice/{PREFIX}{unit}.service"
        scene.host.run("sh", "-c", f"[ ! -e {group} ] || echo 1 > {group}/cgroup.kill")


@contextlib.contextmanager
def down(host: str) -> Iterator[None]:
    """Have a host be cut off from the network."""
    link = ["ip", "link", "set", LINK_PREFIX + host]
    subprocess.run([*link, "down"], check=True)
    try:
        yield
    finally:
        subprocess.run([*link, "up"], check=True)


def in_order(alder: Scene, birch: Scene, question: Question) -> None:
    """Have everything be as declared."""
    for unit, port in (("billing", BILLING), ("ledger", LEDGER), ("till", TILL)):
        serve(alder, unit, port)
    serve(birch, "leaky", LEAKED)
    question(birch.host, "port_reservation", f"name=clones ports={','.join(map(str, CLONES))}")


def violate(alder: Scene, birch: Scene) -> None:
    """Break the policy in every way that a host which is seen can."""
    serve(alder, "stray", STRAY)
    stop(alder, "billing", "ledger", "till")
    serve(alder, "imposter", BILLING)
    serve(alder, "ledger", LEDGER, "0.0.0.0")
    birch.host.run("sh", "-c", f"echo > {RESERVED}")
    stop(birch, "leaky")
    birch.run_unit("leaky", "KillMode=process", f"ExecStart=/usr/bin/python3 {birch.write('leaky.py', _LEAKY)}")
    wait_for(lambda: len(truth.holders(birch.host, LEAKED)) == 2, "the listener is inherited")
    birch.kill(birch.main_process(f"{PREFIX}leaky.service"))
    serve(birch, "old", WAIVED)


def policy_at(place: pathlib.Path, waived_for: int, **hosts: dict[str, Any]) -> None:
    """Declare what every host serves, and on two of them what the test is about; days to the end of a waiver."""
    own = [("billing", BILLING), ("ledger", LEDGER), ("till", TILL)]
    alder = [{"name": name, "ports": [port], "owner": {"unit": f"{PREFIX}{name}.service"}} for name, port in own]
    alder = [{**one, "address": "loopback"} for one in alder]
    clones = {"name": "clones", "ports": list(CLONES), "listen": "may"}
    leaky = {"name": "leaky", "ports": [LEAKED], "owner": {"unit": f"{PREFIX}leaky.service"}, "severity": "high"}
    expires = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=waived_for)
    waiver = {"rule": "undeclared", "ports": [WAIVED], "reason": "goes with the old release", "hosts": "birch"}
    own_of = {"alder": alder, "birch": [clones, leaky]}
    mine = {name: {"portreeve_applications_own": some, **hosts.get(name, {})} for name, some in own_of.items()}
    declare(place, {"portreeve_waivers": [{**waiver, "expires": expires.isoformat()}]}, **mine)


@pytest.fixture(scope="module")
def days(long_stage: Stage, question: Question, tmp_path_factory: pytest.TempPathFactory) -> Days:
    place = tmp_path_factory.mktemp("compliance")
    alder, birch = long_stage("alder"), long_stage("birch")
    birch.undo(lambda: birch.host.run("sh", "-c", f"rm -rf {OWN_FILES}; echo > {RESERVED}"))
    policy_at(place, waived_for=2)
    in_order(alder, birch, question)
    declared = hold(place, "declared")
    violate(alder, birch)
    policy_at(place, waived_for=-1)
    with down("cedar"):
        broken = hold(place, "broken")
    policy_at(place, waived_for=-1, birch={"ansible_user": "mara"})
    with down("alder"):
        hidden = hold(place, "hidden")
    policy_at(place, waived_for=2)
    stop(alder, "stray", "imposter", "ledger")
    stop(birch, "old", "leaky")
    in_order(alder, birch, question)
    return Days(declared, broken, hidden, hold(place, "mended"))


def test_a_declared_fleet_is_compliant(days: Days) -> None:
    held = days.declared
    assert held.last == "COMPLIANT: all 3 hosts are as declared."
    assert (held.code, held.summary["state"], held.found) == (0, "compliant", {})
    assert {status for status, _reason in held.statuses.values()} == {"ok"}


def test_every_violation_is_found_and_named(days: Days) -> None:
    held = days.broken
    assert set(held.found) == held.standing("new") == ON_ALDER | ON_BIRCH
    assert (held.code, held.summary["state"]) == (2, "not_compliant")
    said = {key: one["said"] for key, one in held.found.items()}
    assert f"{PREFIX}stray.service" in said["alder", "undeclared", f"{STRAY}/tcp"]
    wrong_owner = said["alder", "wrong_owner", f"{BILLING}/tcp"]
    assert f"{PREFIX}billing.service" in wrong_owner
    assert f"{PREFIX}imposter.service" in wrong_owner
    assert "0.0.0.0" in said["alder", "wrong_address", f"{LEDGER}/tcp"]
    assert "till" in said["alder", "not_listening", f"{TILL}/tcp"]
    assert all("clones" in said["birch", "not_reserved", f"{port}/tcp"] for port in CLONES)
    assert "sleep" in said["birch", "orphaned_listener", f"{LEAKED}/tcp"] + held.found[
        "birch", "orphaned_listener", f"{LEAKED}/tcp"]["evidence"]  # fmt: skip
    assert all(one["advice"].endswith(".") for one in held.found.values())


def test_a_host_that_is_down_is_not_taken_for_compliant(days: Days) -> None:
    status, reason = days.broken.statuses["cedar"]
    assert status == "unreachable"
    assert "198.18.0.13" in reason
    assert days.broken.summary["counts"]["hosts"]["unreachable"] == 1
    assert "1 host unreachable" in days.broken.last


def test_findings_of_a_host_that_is_down_stay_open(days: Days) -> None:
    held = days.hidden
    assert {key for key in held.standing("unseen") if key[0] == "alder"} == ON_ALDER
    assert held.statuses["alder"][0] == "unreachable"
    first = {key: one["first_seen"] for key, one in held.found.items()}
    assert first == {key: one["first_seen"] for key, one in days.broken.found.items()}


def test_who_is_not_root_sees_a_part_and_resolves_nothing(days: Days) -> None:
    held = days.hidden
    status, reason = held.statuses["birch"]
    assert status == "incomplete"
    assert "not seen: " in reason
    assert held.standing("new") == held.standing("resolved") == set()
    still_there = held.standing("persisting")
    assert still_there | held.standing("unseen") == ON_ALDER | ON_BIRCH
    assert {("birch", "not_reserved", f"{port}/tcp") for port in CLONES} <= still_there  # anybody may read that
    assert ("birch", "orphaned_listener", f"{LEAKED}/tcp") in held.standing("unseen")


def test_what_is_mended_is_resolved(days: Days) -> None:
    held = days.mended
    assert held.standing("resolved") == set(held.found) == ON_ALDER | ON_BIRCH
    assert (held.code, held.last) == (0, "COMPLIANT: all 3 hosts are as declared.")
