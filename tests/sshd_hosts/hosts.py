# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Real sshd hosts on this machine, many and light: what they are called, and having them for a while.

A host is this machine's own tree below a layer that vanishes, in namespaces of its own (network, mounts, processes,
name, control groups), with sshd as its process 1 and an ordinary address. Up in seconds, and gone without a trace:
a process keeps them that ends with whoever wanted them, however that ends.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from ..fleet.harness.command import FleetError
from .kinds import ODD, PASSWORD, PLAIN, USER, Kind
from .network import MOST_HOSTS, Network

__all__ = ["COMMANDS", "SshdHost", "SshdHosts", "cast", "sshd_hosts"]

#: Programs of this machine that the hosts are made with.
COMMANDS = ("ip", "ssh", "sshd", "sudo")
CHECKOUT = pathlib.Path(__file__).resolve().parent.parent.parent
#: Every host's, beside 22.
SECOND_PORT = 8080
UP_WITHIN, DOWN_WITHIN = 120, 60


@dataclass(frozen=True)
class SshdHost:
    """One host; ``position`` tells its addresses. A plain one is named after its number, another after its kind."""

    name: str
    position: int
    network: Network

    @property
    def kind(self) -> Kind:
        return ODD.get(self.name, PLAIN)

    @property
    def address(self) -> str:
        """Return where it is reached; the host `behind` only from the host `jump`."""
        of = self.network.inner_address if self.name == "behind" else self.network.address
        return of(self.position)

    @property
    def user(self) -> str:
        """Return who logs in according to the inventory."""
        return str(self.kind.variables.get("ansible_user", "root"))


@dataclass(frozen=True)
class SshdHosts:
    """Hosts that are up, and the files by which they are reached. ``hosts["hangs"]`` is one of them by name."""

    directory: pathlib.Path
    all: tuple[SshdHost, ...]

    PASSWORD = PASSWORD
    USER = USER

    def __getitem__(self, name: str) -> SshdHost:
        return {host.name: host for host in self.all}[name]

    @property
    def plain(self) -> tuple[SshdHost, ...]:
        return tuple(host for host in self.all if host.kind is PLAIN)

    @property
    def inventory(self) -> pathlib.Path:
        return self.directory / "inventory.yml"

    @property
    def key(self) -> pathlib.Path:
        return self.directory / "key"

    @property
    def known_hosts(self) -> pathlib.Path:
        return self.directory / "known_hosts"

    @property
    def ssh_config(self) -> pathlib.Path:
        """Return a configuration for ssh -F: every host by its name, the one behind the jump host too."""
        return self.directory / "ssh_config"


def cast(number: int, plain: int, odd: tuple[str, ...]) -> tuple[SshdHost, ...]:
    """Return the hosts of a set: so many plain ones, then one of each kind, the jump host with the one behind it."""
    unknown = [name for name in odd if name not in ODD]
    if unknown:
        raise FleetError(f"no such kind of host: {', '.join(unknown)}; there are {', '.join(ODD)}")
    wanted = list(dict.fromkeys(odd))
    if "behind" in wanted and "jump" not in wanted:
        wanted.insert(0, "jump")
    names = [*(f"host{turn:02}" for turn in range(1, plain + 1)), *wanted]
    if len(names) > MOST_HOSTS:
        raise FleetError(f"{len(names)} hosts; their network has room for {MOST_HOSTS}")
    return tuple(SshdHost(name, position, Network(number)) for position, name in enumerate(names))


@contextlib.contextmanager
def sshd_hosts(plain: int, *odd: str) -> Iterator[SshdHosts]:
    """Have hosts for a while: so many plain ones, and one of each kind named. FleetError when they cannot be had."""
    process = start_keeper(plain, odd)
    try:
        yield announced(process)
    finally:
        process.stdin.close()
        try:
            process.wait(DOWN_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            raise FleetError(f"the sshd hosts were not gone within {DOWN_WITHIN} s") from None


def start_keeper(plain: int, odd: tuple[str, ...], *options: str) -> subprocess.Popen[str]:
    """Start the process that keeps the hosts; they go when it ends, and it ends when its standard input does."""
    command = [sys.executable, "-m", "tests.sshd_hosts.keeper", *options, str(plain), *odd]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=CHECKOUT, stdin=pipe, stdout=pipe, text=True, start_new_session=True)


def announced(process: subprocess.Popen[str]) -> SshdHosts:
    """Return the hosts once their keeper says that they are up."""
    line = process.stdout.readline()
    if not line:
        raise FleetError(f"the sshd hosts are not up: their keeper ended with {process.wait(DOWN_WITHIN)}")
    told = json.loads(line)
    return SshdHosts(pathlib.Path(told["directory"]), cast(told["number"], told["plain"], tuple(told["odd"])))
