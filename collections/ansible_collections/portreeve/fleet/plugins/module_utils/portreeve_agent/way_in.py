# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The SSH connections through which a run came: who cuts them has lost the host."""

from __future__ import annotations

from contextlib import suppress

from .endpoint import Endpoint
from .errors import PortreeveError
from .host import Host
from .kernel.namespaces import read_own_namespace
from .kernel.sock_diag import read_sockets
from .model import Socket
from .ports import overlaps
from .typed import Collection, Iterable, Tuple
from .walking import walk

_SSH_CONNECTION = b"SSH_CONNECTION="  # client, its port, server, its port (ssh(1))

SshConnection = Tuple[Endpoint, int]  # the client, and the server's port


def is_end_of(row: Socket, connection: SshConnection) -> bool:
    """Return whether a socket is either end of an SSH connection, whose client is on this host too if a tunnel is."""
    client, port = connection
    return row.remote is not None and any(
        (there.port, here.port) == (client.port, port) and overlaps(there.address, client.address, False)
        for here, there in ((row.local, row.remote), (row.remote, row.local))
    )


def ssh_connections(host: Host, pids: Collection[int]) -> list[SshConnection]:
    """Return the SSH connections that the environment of some processes names."""
    found = []
    for pid in pids:
        with suppress(PortreeveError, ValueError):
            for setting in host.read("/proc/%d/environ" % pid).split(b"\0"):
                if setting.startswith(_SSH_CONNECTION):
                    client, port, _server, local = setting[len(_SSH_CONNECTION) :].decode("ascii").split(" ")
                    address = client.partition("%")[0]  # the scope is no part of it in the kernel's table
                    found.append((Endpoint(address, int(port)), int(local)))
    return found


def carriers(host: Host, connections: Iterable[SshConnection]) -> frozenset[int]:
    """Return the pids of those who hold either end of some SSH connections on this host.

    Whoever relays SSH to its server, be it by any program, holds the end that the server takes for the client's.
    """
    rows: set[int] = set()
    with suppress(PortreeveError):
        for connection in connections:
            ends = {(connection[0].port, connection[0].port), (connection[1], connection[1])}
            found = read_sockets(host, read_own_namespace(host), "tcp", tuple(sorted(ends)))
            rows.update(row.inode for row in found if row.inode and is_end_of(row, connection))
    return frozenset(seat.pid for seats in walk(host, rows).seats.values() for seat in seats) if rows else frozenset()
