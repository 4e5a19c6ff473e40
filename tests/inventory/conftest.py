# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A fleet on this machine: each host is a world of its own, which Ansible enters by the host's interpreter."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from tests.reservations.world import AUTOMATIC, World, kernel_list, set_kernel_list

BIN = pathlib.Path(sys.executable).parent
PATIENCE = 300


@dataclass(frozen=True)
class Run:
    """How a run of Ansible ended and what it wrote; ``said`` is all of it on one line."""

    code: int
    output: str

    @property
    def said(self) -> str:
        """Return the whole text with single blanks."""
        return " ".join(self.output.split())

    def recap(self, host: str) -> dict[str, int]:
        """Return the numbers of the recap: ``{"ok": 4, "changed": 1, ...}``, nothing for a host that is not in it."""
        _before, _title, recap = self.output.rpartition("PLAY RECAP")
        lines = [line for line in recap.splitlines() if line.split(":")[0].strip() == host]
        return {name: int(number) for line in lines for name, number in (word.split("=") for word in line.split()[2:])}


class Fleet:
    """Hosts by name, the directory of their inventory, and the ansible-playbook that is run on it."""

    def __init__(self, root: pathlib.Path, place: pathlib.Path) -> None:
        self.root = root
        self.place = place
        self.worlds: dict[str, World] = {}
        foreign = ("ANSIBLE_", "PORTREEVE_", "COLUMNS", "NO_COLOR", "FORCE_COLOR", "LC_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        self.environment = {
            **kept,
            "ANSIBLE_CONFIG": str(root / "ansible.cfg"),
            "ANSIBLE_HOME": str(place / "ansible"),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
            "ANSIBLE_NOCOLOR": "1",
            "LC_ALL": "C.UTF-8",
        }

    @property
    def inventory(self) -> pathlib.Path:
        """Return the directory to give as the inventory."""
        return self.place / "inventory"

    def set_up(self, hosts: dict[str, list[str]], **variables: dict[str, Any]) -> None:
        """Write the inventory: the hosts of each group, and the variables of ``all``, groups and hosts.

        A host whose name begins with "gone" is nowhere.
        """
        names = list(dict.fromkeys(host for group in hosts.values() for host in group))
        for name in names:
            if name not in self.worlds and not name.startswith("gone"):
                self.worlds[name] = World()
        groups = {group: {"hosts": dict.fromkeys(members)} for group, members in hosts.items()}
        self._write("hosts.yml", {"all": {"hosts": {name: self._way_to(name) for name in names}, "children": groups}})
        for name, values in variables.items():
            self._write(f"{'host' if name in names else 'group'}_vars/{name}.yml", values)

    def play(self, playbook: str, *arguments: str, **variables: object) -> Run:
        """Run one of the playbooks of the checkout on the whole fleet."""
        extra = ["-e", json.dumps(variables)] if variables else []
        command = [
            sys.executable,
            str(BIN / "ansible-playbook"),
            "-i",
            str(self.inventory),
            f"playbooks/{playbook}.yml",
        ]
        done = subprocess.run(
            [*command, *arguments, *extra],
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return Run(done.returncode, done.stdout)

    def reserved(self, *hosts: str) -> dict[str, str]:
        """Return the kernel's list of each host, of all hosts if none is named."""
        return {name: self.worlds[name].run(kernel_list) for name in hosts or sorted(self.worlds)}

    def reserve_by_hand(self, host: str, ports: str) -> None:
        """Set a host's list as sysctl(8) does."""
        self.worlds[host].run(lambda: set_kernel_list(ports))

    def choose_from(self, host: str, low: int, high: int) -> None:
        """Set a host's range of automatic ports."""
        self.worlds[host].run(lambda: AUTOMATIC.write_text(f"{low} {high}"))

    def hold(self, ends: contextlib.ExitStack, host: str, script: str) -> None:
        """Run a script of sockets on a host; it is done when this returns, and ends with ``ends``."""
        script = f"import socket, sys\n{script}\nprint('ready', flush=True)\nsys.stdin.read()"
        command = [*self.worlds[host].prefix, sys.executable, "-c", script]
        held = ends.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        ends.callback(held.kill)
        assert held.stdout is not None and held.stdout.readline() == "ready\n"

    def visited(self) -> set[str]:
        """Return the hosts on which Ansible has run anything at all."""
        return {path.stem for path in self.place.glob("*.visited")}

    def _way_to(self, name: str) -> dict[str, Any]:
        if name not in self.worlds:
            return {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_connection": "ssh"}
        entry = self.place / f"{name}.python"
        enter = " ".join(self.worlds[name].prefix)
        entry.write_text(f'#!/bin/sh\n: > {self.place}/{name}.visited\nexec {enter} {sys.executable} "$@"\n')
        entry.chmod(0o755)
        return {"ansible_connection": "local", "ansible_python_interpreter": str(entry)}

    def _write(self, name: str, content: dict[str, Any]) -> None:
        path = self.inventory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


@pytest.fixture
def fleet(root: pathlib.Path, tmp_path: pathlib.Path, needs: Callable[..., None]) -> Iterator[Fleet]:
    """Return a fleet without hosts."""
    needs("root", "unshare", "nsenter", "mount", "ip")
    fleet = Fleet(root, tmp_path)
    yield fleet
    for world in fleet.worlds.values():
        world.end()
