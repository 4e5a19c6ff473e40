# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which connections the kernel probably chose the port for: those that a program of this host opened (ip(7))."""

from __future__ import annotations

from ..model import HeldSocket
from .case import Case
from .wording import one_line


def outgoing(case: Case) -> tuple[HeldSocket, ...]:
    """Return the connections of a port out of the automatic range that nobody listens on, none if they look accepted.

    Neither kernel nor process tells who opened a connection. Several whose remote ports are automatic ones too are
    what the clients of a server leave that listens no more.
    """
    if not case.automatic or case.serving:
        return ()
    connections = tuple(held for held in case.sockets if held.socket.remote)
    bounds = case.ranges.automatic if case.ranges else None
    by_clients = bounds is not None and all(
        held.socket.remote is not None and bounds[0] <= held.socket.remote.port <= bounds[1] for held in connections
    )
    return () if by_clients and len(connections) > 1 else connections


def way_to_destroy(case: Case) -> str:
    """Return the command that ends a port's connections for good (ss(8)), for kernels with CONFIG_INET_DIAG_DESTROY."""
    command = "ss -K%sa sport = :%d" % (case.protocol[0], case.port)
    if case.namespace.kind != "host":
        command += " inside namespace " + one_line(case.namespace.name)
    return command + ", where the kernel can"
