# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Real runs of Ansible from the checkout, into a pipe or onto a terminal."""

from __future__ import annotations

import errno
import fcntl
import os
import pathlib
import pty
import struct
import subprocess
import sys
import termios
from dataclasses import dataclass

import pytest

BIN = pathlib.Path(sys.executable).parent
LIBRARY = pathlib.Path(__file__).parent / "library"
PATIENCE = 120

INVENTORY = """\
[all:vars]
ansible_connection=local
ansible_python_interpreter={python}
[web]
web1
[gone]
web3 ansible_connection=ssh ansible_host=127.0.0.1 ansible_port=1
[old]
old1 ansible_python_interpreter=/nonexistent/python3
"""


@dataclass(frozen=True)
class Run:
    """How a run of Ansible ended and what it wrote."""

    code: int
    output: str
    errors: str

    @property
    def lines(self) -> list[str]:
        """Return the lines of the output that are not empty."""
        return [line for line in self.output.splitlines() if line.strip()]


class Ansible:
    """Runs Ansible's commands with the configuration of the checkout and nothing of the caller's."""

    def __init__(self, root: pathlib.Path, home: pathlib.Path) -> None:
        self.root = root
        self.home = home
        self.inventory = home / "inventory.ini"
        self.inventory.write_text(INVENTORY.format(python=sys.executable), encoding="utf-8")
        foreign = ("ANSIBLE_", "PORTREEVE_", "COLUMNS", "NO_COLOR", "FORCE_COLOR", "LC_", "TERM")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        self.environment |= {
            "ANSIBLE_CONFIG": str(root / "ansible.cfg"),
            "ANSIBLE_HOME": str(home / "ansible"),
            "LC_ALL": "C.UTF-8",
            "TERM": "xterm-256color",
        }

    def __call__(self, command: str, *arguments: str, **environment: str) -> Run:
        """Run one of Ansible's commands into pipes."""
        done = subprocess.run(
            [BIN / command, "-i", self.inventory, *arguments],
            cwd=self.root,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        return Run(done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8"))

    def on_terminal(self, columns: int, command: str, *arguments: str, **environment: str) -> Run:
        """Run one of Ansible's commands on a terminal of that many columns."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        with subprocess.Popen(
            [BIN / command, "-i", self.inventory, *arguments],
            cwd=self.root,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=subprocess.PIPE,
        ) as process:
            os.close(theirs)
            output = _all_of(ours)
            errors = process.stderr.read() if process.stderr else b""
            code = process.wait(PATIENCE)
        os.close(ours)
        return Run(code, output.decode("utf-8").replace("\r\n", "\n"), errors.decode("utf-8"))

    def owner(
        self, fixture: str, *arguments: str, hosts: str = "web1", columns: int | None = None, **environment
    ) -> Run:
        """Run the stand-in for port_owner with the result of a fixture."""
        wanted = [
            hosts,
            "-m",
            "port_owner",
            "-a",
            f"result={self.root}/tests/report/fixtures/{fixture}.json",
            *arguments,
        ]
        environment = {"ANSIBLE_LIBRARY": str(LIBRARY), **environment}
        if columns is None:
            return self("ansible", *wanted, **environment)
        return self.on_terminal(columns, "ansible", *wanted, **environment)


def _all_of(descriptor: int) -> bytes:
    chunks = []
    while True:
        try:
            chunk = os.read(descriptor, 1 << 16)
        except OSError as error:
            if error.errno != errno.EIO:  # Linux says so when the last writer has closed the terminal
                raise
            chunk = b""
        if not chunk:
            return b"".join(chunks)
        chunks.append(chunk)


@pytest.fixture
def ansible(root, tmp_path) -> Ansible:
    """Return what runs Ansible's commands; web1 is this machine, web3 is unreachable, old1 has no Python."""
    return Ansible(root, tmp_path)
