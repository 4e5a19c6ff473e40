# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A network namespace seen from outside: its tables, whether a bind works there, and the identity of what is there."""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import socket
import time
from collections.abc import Callable, Iterator

from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.single_socket import open_talk
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.sock_destroy import destroy_socket
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import Socket
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.processes import parse_stat
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.records import (
    ProcessMark,
    SocketMark,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.writing import ActingHost

from tests.agent.conftest import PATIENCE, Actor, Arena

TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM
LOOPBACKS = ("127.0.0.1", "::1")


class Scene:
    """One namespace. ``host`` is the machine as who acts on it has it."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self.host = ActingHost()
        self.namespace = arena.namespace
        self.clear = arena.clear

    def play(self, code: str, **names: object) -> Actor:
        """Start a program in the namespace; ``names`` are what it finds set."""
        return self._arena.play("".join(f"{name} = {value!r}\n" for name, value in names.items()) + code)

    def rows(self, port: int, protocol: str = "tcp") -> list[Socket]:
        return self._arena.rows(protocol, port)

    def row(self, port: int, protocol: str = "tcp") -> Socket:
        """Return the only socket of a port."""
        [row] = self.rows(port, protocol)
        return row

    def states(self, port: int, protocol: str = "tcp") -> list[str]:
        return sorted(row.state for row in self.rows(port, protocol))

    def destroy_row(self, row: Socket) -> bool:
        """Have the kernel destroy a socket; returns False for ENOENT."""
        with open_talk(self.host, self.namespace) as netlink:
            return destroy_socket(netlink, row)

    def bind(self, port: int, address: str = "127.0.0.1", kind: int = TCP, reuseaddr: bool = False) -> str:
        """Return what a server is told that binds, and for TCP listens: ``ok`` or the name of the error."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with self.host.inet_socket(family, kind, self.namespace.path, self.namespace.id) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuseaddr)
            try:
                one.bind((address, port))
                if kind == TCP:
                    one.listen()
            except OSError as error:
                return errno.errorcode[error.errno or 0]
            return "ok"

    def binds(self, port: int, address: str = "127.0.0.1", kind: int = TCP) -> tuple[str, str]:
        """Return what servers are told without and with SO_REUSEADDR."""
        return self.bind(port, address, kind), self.bind(port, address, kind, reuseaddr=True)

    @contextlib.contextmanager
    def copy(self, actor: Actor, descriptor: int) -> Iterator[socket.socket]:
        """Give a program's socket by a descriptor of our own (pidfd_getfd(2))."""
        with socket.socket(fileno=self.host.duplicate_descriptor(actor.pid, descriptor)) as one:
            yield one

    def fetch(self, port: int, address: str = "127.0.0.1") -> bytes:
        """Return what a server says to a client that calls on it."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with self.host.inet_socket(family, TCP, self.namespace.path, self.namespace.id) as client:
            client.settimeout(PATIENCE)
            client.connect((address, port))
            return client.recv(100)


def mark_process(pid: int) -> ProcessMark:
    """Return the identity of a process that lives now."""
    stat = parse_stat(pathlib.Path(f"/proc/{pid}/stat").read_bytes())
    return ProcessMark(pid, stat.start_ticks, stat.name)


def mark_socket(row: Socket) -> SocketMark:
    """Return the identity of a socket that is there now."""
    form = "[%s]:%d" if row.family == 6 else "%s:%d"
    remote = form % row.remote if row.remote else None
    return SocketMark(row.protocol, row.state, form % row.local, remote, row.inode, row.cookie)


def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.002)


def is_alive(pid: int) -> bool:
    """Return whether a process is there and no zombie."""
    try:
        return parse_stat(pathlib.Path(f"/proc/{pid}/stat").read_bytes()).state not in "ZX"
    except FileNotFoundError:
        return False


def open_descriptors() -> int:
    """Return how many descriptors this very process has open: an act leaves none behind."""
    return len(os.listdir("/proc/self/fd"))
