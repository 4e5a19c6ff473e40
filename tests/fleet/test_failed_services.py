# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A service that fails because its port is taken leaves a record of the culprit, by the unit in agent/systemd/."""

from __future__ import annotations

import contextlib
import json
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from .harness.command import wait_for
from .harness.host import Host

pytestmark = pytest.mark.slow

COMMAND = "/usr/local/bin/portreeve.pyz"
RECORDER = "/etc/systemd/system/portreeve-failed@.service"
RECORD = "/var/log/portreeve/failures.jsonl"
#: One holds a port, others want it; each says so in its own way, the last one does not say which port.
CULPRIT = "import signal, socket; s = socket.create_server(('', {port})); signal.pause()"
SAYING = """
import socket, sys
try:
    socket.create_server(("127.0.0.1", {port}))
except OSError as error:
    sys.exit("{complaint}" % {{"error": error.strerror}})
"""
UNIT = """
[Unit]
OnFailure=portreeve-failed@%n.service
[Service]
ExecStart=/usr/bin/python3 -c {program}
"""


def unit_of(program: str) -> str:
    """Return a unit that runs a program of Python."""
    quoted = program.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("%", "%%")
    return UNIT.format(program=f'"{quoted}"')


@pytest.fixture(scope="module")
def host(fleet: dict[str, Host], root: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Yield a host with the command and the recorder's unit, as agent/README.md says."""
    host = fleet["alder"]
    archive = tmp_path_factory.mktemp("pyz") / "portreeve.pyz"
    subprocess.run([sys.executable, root / "agent/build.py", archive], check=True, capture_output=True)
    put(host, COMMAND, archive.read_bytes())
    host.run("chmod", "755", COMMAND)
    put(host, RECORDER, (root / "agent/systemd/portreeve-failed@.service").read_bytes())
    yield host
    host.run("rm", "-rf", COMMAND, RECORDER, "/var/log/portreeve", "/etc/portreeve")
    host.run("systemctl", "daemon-reload")


def put(host: Host, path: str, content: bytes) -> None:
    """Write a file on the host."""
    host.run("sh", "-c", f"mkdir -p $(dirname {path}) && cat > {path}", given=content)


@contextlib.contextmanager
def units(host: Host, **programs: str) -> Iterator[None]:
    """Have units on the host, by name without suffix."""
    for name, program in programs.items():
        put(host, f"/etc/systemd/system/{name}.service", unit_of(program).encode())
    host.run("systemctl", "daemon-reload")
    try:
        yield
    finally:
        for name in programs:
            host.run("sh", "-c", f"systemctl stop {name}; systemctl reset-failed {name}; true")
            host.run("rm", "-f", f"/etc/systemd/system/{name}.service")
        host.run("systemctl", "daemon-reload")


def recorded(host: Host, unit: str) -> list[dict[str, Any]]:
    """Return what is recorded for a unit."""
    return [json.loads(line) for line in host.run(COMMAND, "recorded", "--json", "--unit", unit).splitlines()]


def fail(host: Host, unit: str) -> None:
    """Start a unit that fails, and wait for systemd to say so."""
    host.run("sh", "-c", f"systemctl start {unit} || true")
    wait_for(lambda: "failed" in host.run("sh", "-c", f"systemctl is-failed {unit} || true"), f"{unit} fails")


def hold(host: Host, unit: str, port: int) -> None:
    """Start the unit that takes the port, and wait until it has it."""
    host.run("systemctl", "start", unit)
    wait_for(lambda: f":{port} " in host.run("ss", "-Hltn"), f"{unit} listens")


def test_the_culprit_of_the_night_is_known_in_the_morning(host: Host) -> None:
    taken, wants = CULPRIT.format(port=18600), SAYING.format(port=18600, complaint="cannot start")
    with units(host, thief=taken, victim=wants):
        put(host, "/etc/portreeve/victim.service.ports", b"18600/tcp  # the port of its API\n")
        hold(host, "thief", 18600)
        fail(host, "victim")
        wait_for(lambda: recorded(host, "victim"), "the failure is recorded")
        host.run("systemctl", "stop", "thief")

        (record,) = recorded(host, "victim")
        (answer,) = record["ports"]
        assert (record["unit"], record["ports_from"], record["host"]) == ("victim.service", "file", host.name)
        assert record["service_result"] == "exit-code"
        assert (answer["port"], answer["verdict"]) == (18600, "owned")
        owners = {holder["owner"]["name"] for socket in answer["sockets"] for holder in socket["holders"]}
        assert owners == {"thief.service"}
        said = host.run(COMMAND, "recorded")
        assert "victim.service failed (exit-code) on alder" in said
        assert "thief.service" in said
        assert host.run("stat", "--format=%a %U", RECORD) == "600 root\n"


def test_without_a_file_the_journal_tells_the_port(host: Host) -> None:
    complaint = "bind() to 127.0.0.1:18601 failed (98: %(error)s)"
    taken, wants = CULPRIT.format(port=18601), SAYING.format(port=18601, complaint=complaint)
    with units(host, robber=taken, robbed=wants):
        hold(host, "robber", 18601)
        fail(host, "robbed")
        wait_for(lambda: recorded(host, "robbed"), "the failure is recorded")

        (record,) = recorded(host, "robbed")
        assert record["ports_from"] == "journal"
        assert {(one["port"], one["verdict"]) for one in record["ports"]} == {(18601, "owned"), (18601, "free")}


def test_a_unit_of_which_no_port_is_known_is_said_in_one_sentence(host: Host) -> None:
    with units(host, silent="raise SystemExit(1)"):
        fail(host, "silent")
        recorder = "portreeve-failed@silent.service.service"

        def complaints() -> list[str]:
            lines = host.run("journalctl", "--quiet", "--output=cat", f"--unit={recorder}").splitlines()
            return [line for line in lines if line.startswith("portreeve: ")]

        wait_for(complaints, "the recorder says what is missing")
        assert len(complaints()) == 1
        assert (
            "which ports silent.service needs is not known: name them in /etc/portreeve/silent.service.ports"
            in (complaints()[0])
        )
        assert recorded(host, "silent") == []
