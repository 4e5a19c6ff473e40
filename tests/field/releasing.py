# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Ports got back by a playbook, and what on a host must not change meanwhile."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from ..fleet.conftest import INVENTORY, parse_results
from ..fleet.harness.host import Host

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLAY = pathlib.Path(__file__).with_name("plays") / "release.yml"
TRAIL = "/var/log/portreeve/trail.jsonl"
_HOLDER = re.compile(r'\("((?:[^"\\]|\\.)*)",pid=(\d+),fd=\d+\)')
_LOOK = "ss -Hlntup; echo '#'; cat /proc/[0-9]*/stat 2>/dev/null; true"
_CALL = """
import socket, sys
kind, address, port, said = sys.argv[1], sys.argv[2], int(sys.argv[3]), bytes.fromhex(sys.argv[4])
with socket.socket(socket.AF_INET, getattr(socket, kind)) as one:
    one.settimeout(10)
    one.connect((address, port))
    one.sendall(said)
    sys.stdout.buffer.write(one.recv(4096))
"""
HTTP = b"GET / HTTP/1.0\r\n\r\n"
#: A client's request, version 4 (RFC 5905, section 7.3).
NTP = bytes([0x23]) + bytes(47)

Wishes = Mapping[Host, Sequence[Mapping[str, Any]]]
Served = dict[tuple[str, str], frozenset[tuple[int, int, str]]]


def ansible_command(*arguments: str) -> tuple[list[str], dict[str, str]]:
    """Return the command ansible-playbook for the test hosts, and its environment."""
    program = str(pathlib.Path(sys.executable).with_name("ansible-playbook"))
    settings = {"ANSIBLE_CONFIG": "ansible.cfg", "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal"}
    return [program, "-i", INVENTORY, *arguments], {**os.environ, **settings, "ANSIBLE_NOCOLOR": "1"}


def play_command(wishes: Wishes, place: pathlib.Path, *options: str) -> tuple[list[str], dict[str, str]]:
    """Return the command that gets ports back, and its environment; its options are written to ``place``."""
    given = place / "wishes.json"
    given.write_text(json.dumps({"wishes": {host.name: list(some) for host, some in wishes.items()}}), encoding="utf-8")
    limit = ",".join(host.name for host in wishes)
    return ansible_command(str(PLAY), "-e", f"@{given}", "--limit", limit, *options)


def release(wishes: Wishes, place: pathlib.Path, check: bool = False) -> dict[str, list[dict[str, Any]]]:
    """Have the playbook get ports back; returns each host's results in the order of its wishes, failures as well.

    ``place`` is a directory for the options. Hosts without wishes are left out.
    """
    command, environment = play_command(wishes, place, *(["--check"] if check else []))
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    found = {name: result.get("results") for name, result in parse_results(done.stdout).items()}
    assert set(found) == {host.name for host in wishes}, f"{done.stdout}\n{done.stderr}"
    assert all(found.values()), f"{done.stdout}\n{done.stderr}"
    return {host.name: found[host.name] or [] for host in wishes}


def served(host: Host) -> Served:
    """Return who serves what on a host, by ss(8): protocol and local address to (pid, start in ticks, name)."""
    listing, _, stats = host.run("sh", "-c", _LOOK).partition("#\n")
    started = {}
    for line in stats.splitlines():
        head, _, rest = line.rpartition(") ")
        started[int(head.split(" ", 1)[0])] = int(rest.split()[19])
    found: dict[tuple[str, str], set[tuple[int, int, str]]] = {}
    for line in listing.splitlines():
        words = line.split()
        holders = {(int(pid), started.get(int(pid), 0), name) for name, pid in _HOLDER.findall(line)}
        found.setdefault((words[0], words[4]), set()).update(holders)
    return {place: frozenset(holders) for place, holders in found.items()}


def beside(everything: Served, *ports: int) -> Served:
    """Return what is served on other ports than these."""
    return {place: who for place, who in everything.items() if int(place[1].rpartition(":")[2]) not in ports}


def call(host: Host, port: int, said: bytes = b"", protocol: str = "tcp", address: str = "127.0.0.1") -> bytes:
    """Return what a server on the host itself answers."""
    kind = {"tcp": "SOCK_STREAM", "udp": "SOCK_DGRAM"}[protocol]
    return host.run("python3", "-c", _CALL, kind, address, str(port), said.hex()).encode()


def trail(host: Host, run: str) -> list[dict[str, Any]]:
    """Return the lines of a run in the host's trail."""
    lines = [json.loads(line) for line in host.run("cat", TRAIL).splitlines()]
    return [line for line in lines if line["run"] == run]
