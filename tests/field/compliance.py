# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The test hosts held against a policy by the playbook, as a schedule would: what is declared, and what a run says."""

from __future__ import annotations

import json
import pathlib
import subprocess
from dataclasses import dataclass
from typing import Any

from .releasing import ROOT, ansible_command

#: What every test host serves, as its README lists it.
APPLICATIONS: list[dict[str, Any]] = [
    {"name": "ssh", "ports": [22], "owner": {"unit": "ssh.service"}},
    {"name": "resolver", "ports": [53, "53/udp"], "owner": {"unit": "dnsmasq.service"}},
    {"name": "nginx", "ports": [8080], "owner": {"unit": "nginx.service"}, "address": "wildcard"},
    {"name": "haproxy", "ports": [8081], "owner": {"unit": "haproxy.service"}},
    {"name": "web", "ports": [8088], "owner": {"container": "web"}},
    {"name": "api", "ports": [8090, "5353/udp"], "owner": {"container": "api"}},
    {"name": "exporter", "ports": [8092], "owner": {"container": "exporter"}},
    {"name": "sleeping", "ports": [8201], "owner": {"unit": "sleeping.socket"}},
    {"name": "woken", "ports": [8202], "owner": [{"unit": "woken.socket"}, {"unit": "woken.service"}]},
    {"name": "thing", "ports": [8301], "owner": {"unit": "thing@8301.service"}},
    {"name": "notes", "ports": [8401], "owner": {"unit": "notes.service", "user": "mara"}, "address": "loopback"},
    {"name": "queue", "ports": [8501], "owner": {"exe": "/usr/bin/python3.11"}},
    {"name": "by-hand", "ports": [8601], "owner": {"user": "mara"}},
    {"name": "shard", "ports": [8701], "owner": [{"unit": f"shard@{number}.service"} for number in (1, 2, 3)]},
]
CONTAINERD = {
    "name": "containerd", "ports": ["32768-60999"], "owner": {"unit": "containerd.service"}, "address": "loopback",
}  # fmt: skip

Broken = tuple[str, str, str]


@dataclass(frozen=True)
class Held:
    """What a run of the playbook came to: its exit code, its last line, its summary, and what it found.

    ``found`` are the findings by (host, rule, place), ``statuses`` the hosts' with their reasons.
    """

    code: int
    last: str
    summary: dict[str, Any]
    found: dict[Broken, dict[str, Any]]
    statuses: dict[str, tuple[str, str | None]]

    def standing(self, standing: str) -> set[Broken]:
        """Return the findings of one standing."""
        return {key for key, one in self.found.items() if one["standing"] == standing}


def declare(place: pathlib.Path, everywhere: dict[str, Any], **hosts: dict[str, Any]) -> None:
    """Write the policy: what every host serves, more for all, and for single ones."""
    variables = {"portreeve_applications": APPLICATIONS, "portreeve_allowed": [CONTAINERD], **everywhere}
    declared = {"fleet": {"vars": variables, "hosts": hosts}}
    (place / "declared.yml").write_text(json.dumps(declared), encoding="utf-8")


def hold(place: pathlib.Path, name: str) -> Held:
    """Hold the fleet against the policy at ``place``, by a run of that name."""
    given = {"portreeve_reports": f"{place}/reports", "portreeve_run": name}
    command, environment = ansible_command(
        "playbooks/compliance.yml", "-i", f"{place}/declared.yml", "-e", json.dumps(given), "--timeout", "5"
    )
    environment |= {"ANSIBLE_STDOUT_CALLBACK": "portreeve.fleet.ports", "ANSIBLE_SSH_ARGS": "-o ControlMaster=no"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    report = place / "reports/compliance" / name
    assert report.is_dir(), f"{done.stdout}\n{done.stderr}"
    lines = [json.loads(line) for line in (report / "findings.jsonl").read_text(encoding="utf-8").splitlines()]
    hosts = json.loads((report / "report.json").read_text(encoding="utf-8"))["hosts"]
    return Held(
        done.returncode,
        done.stdout.splitlines()[-1],
        json.loads((report / "summary.json").read_text(encoding="utf-8")),
        {(one["host"], one["rule"], one["place"]): one for one in lines if one["kind"] == "finding"},
        {host["name"]: (host["status"], host["reason"]) for host in hosts},
    )
