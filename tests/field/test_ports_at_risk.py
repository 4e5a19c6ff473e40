# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Field case 3, so that it never happens again: a survey of all application ports at risk, and better numbers.

Asked as an operator does it, by the playbook, of every host at once.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from typing import Any

import pytest

from ..fleet.conftest import INVENTORY
from ..fleet.harness.command import wait_for
from . import truth
from .conftest import Stage
from .scene import PLACE, Scene
from .test_squatted_clone import CLONES, call_from

DECLARED = [CLONES[0], CLONES[1], "7941"]  # one outside of the automatic range, too
#: Taken on one host only, and so no better number for anybody.
FIRST_CHOICE = 27601

pytestmark = pytest.mark.slow


def listens(scene: Scene, port: int) -> bool:
    """Return whether somebody listens on the port."""
    return truth.states(scene.host, port) == ["LISTEN"]


def audit(root: pathlib.Path, reports: pathlib.Path) -> dict[str, Any]:
    """Return what the playbook wrote about all hosts."""
    variables = {"portreeve_declared_ports": DECLARED, "portreeve_reports": str(reports)}
    program = pathlib.Path(sys.executable).with_name("ansible-playbook")
    command = [str(program), "playbooks/audit.yml", "-i", INVENTORY, "-e", json.dumps(variables)]
    environment = {**os.environ, "ANSIBLE_CONFIG": "ansible.cfg"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    report: dict[str, Any] = json.loads((reports / "latest/report.json").read_text(encoding="utf-8"))
    return report


def test_the_survey_names_the_ports_at_risk_and_better_ones(
    stage: Stage, root: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    birch, alder, cedar = (stage(name) for name in ("birch", "alder", "cedar"))
    call_from(birch, alder, CLONES[0])
    for port in (CLONES[2], FIRST_CHOICE):
        cedar.start(f"clone-{port}", "python3", f"{PLACE}/actor.py", f"listen:{port}:1")
    wait_for(lambda: listens(cedar, CLONES[2]) and listens(cedar, FIRST_CHOICE), "the clones listen")

    report = audit(root, tmp_path)

    assert set(report["hosts"]) == {"alder", "birch", "cedar"}
    at_risk = {
        name: {
            answer["port"]: answer["verdict"]
            for answer in host["result"]["ports"]
            # Not the port that the kernel has given to containerd on each host.
            if answer["port"] in (*CLONES, 7941, FIRST_CHOICE)
            and answer["protocol"] == "tcp"
            and answer["namespace"]["kind"] == "host"
            and "ephemeral_unreserved" in {risk["id"] for risk in answer["risks"]}
        }
        for name, host in report["hosts"].items()
    }
    assert at_risk == {
        "alder": {CLONES[0]: "free", CLONES[1]: "free"},
        "birch": {CLONES[0]: "squatted", CLONES[1]: "free"},
        "cedar": {CLONES[0]: "free", CLONES[1]: "free", CLONES[2]: "owned"},
    }
    better = {one["port"]: one["better"] for one in report["proposals"]}
    assert set(better) == set(CLONES)
    assert {one["hosts"] for one in report["proposals"]} == {3}
    assert FIRST_CHOICE not in better.values()
    assert len(set(better.values())) == len(CLONES)
    low, high = map(int, cedar.host.run("cat", "/proc/sys/net/ipv4/ip_local_port_range").split())
    for port in better.values():
        assert not low <= port <= high
        for scene in (alder, birch, cedar):
            for kind in ("SOCK_STREAM", "SOCK_DGRAM"):
                assert truth.binds(scene.host, port, kind=kind) == ("ok", "ok")
