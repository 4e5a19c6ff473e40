# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Everybody who serves anything on the host, to see afterwards that nobody else fell."""

from __future__ import annotations

from ..bind_words import name_endpoint
from ..errors import NotPermitted, NotSupported, PortreeveError
from ..host import Host
from ..kernel.openers import bound_on_purpose
from ..model import SERVING_STATES, HeldSocket, Holder, Namespace, Owner, Snapshot, Socket
from ..snapshot import take_snapshot
from ..tables import USUAL_AUTOMATIC_RANGE, Question
from ..typed import Iterable
from .collateral import Fallen, Keeper, Server, Touched, fallen
from .prove import settle
from .records import OwnerMark, ProcessMark

_NEWBORN = 5.0  # seconds for which a child may hold what it inherited, until it closes it or is another program


def read_servers(host: Host) -> tuple[Server, ...]:
    """Return who serves what in all namespaces that can be seen, one for each place, sorted.

    It takes one look at the tables and one walk over all descriptors. Raises nothing that ``take_snapshot`` does not.
    """
    snapshot = take_snapshot(host, Question())
    serving = [held for held in snapshot.sockets if held.socket.state in SERVING_STATES]
    namespaces = {namespace.id: namespace for namespace in snapshot.namespaces}
    chosen = _chosen_by_the_kernel(host, snapshot, namespaces, serving)
    born_later = _ticks_now(host) - _NEWBORN * host.clock_ticks()
    places: dict[tuple[object, ...], list[HeldSocket]] = {}
    for held in serving:
        socket = held.socket
        places.setdefault((socket.namespace, socket.protocol, socket.local, socket.device), []).append(held)
    return tuple(_server(namespaces[there[0].socket.namespace], there, chosen, born_later) for there in places.values())


def find_fallen(host: Host, before: Iterable[Server], touched: Touched, seconds: float) -> tuple[Fallen, ...]:
    """Return what fell since ``before``; who is missing unexpectedly has ``seconds`` to be there again."""
    known = tuple(before)
    return settle(
        host,
        lambda: fallen(known, read_servers(host), touched),
        lambda found: all(one.expected for one in found),
        seconds,
    )


def _server(namespace: Namespace, there: list[HeldSocket], chosen: set[int], born_later: float) -> Server:
    first = there[0].socket
    keepers = {(one.pid, one.process.start_ticks): one for held in there for one in held.holders}
    states = {held.socket.state for held in there}
    return Server(
        protocol=first.protocol,
        state="LISTEN" if "LISTEN" in states else first.state,
        port=first.local.port,
        local=name_place(first),
        namespace=namespace.name,
        namespace_id=namespace.id,
        keepers=tuple(_keeper(keepers[which], born_later) for which in sorted(keepers)),
        automatic=all(held.socket.inode in chosen for held in there),
    )


def name_place(row: Socket) -> str:
    """Return ``0.0.0.0:80``, with ``%eth0`` if the socket is bound to a device."""
    return name_endpoint(row.local, row.family) + ("%" + row.device if row.device else "")


def _keeper(holder: Holder, born_later: float) -> Keeper:
    process = holder.process
    return Keeper(
        ProcessMark(process.pid, process.start_ticks, process.name, process.exe),
        _mark(holder.owner),
        heir=holder.role == "heir",
        newborn=process.start_ticks > born_later,
    )


def _mark(owner: Owner) -> OwnerMark:
    return OwnerMark(owner.kind, owner.name, owner.manager, owner.id, owner.user)


def _chosen_by_the_kernel(
    host: Host, snapshot: Snapshot, namespaces: dict[int, Namespace], serving: Iterable[HeldSocket]
) -> set[int]:
    """Return the inodes of sockets with a port of the automatic range, but those whose program is known to have chosen
    it: listeners count for themselves in any case."""
    ranges = dict(snapshot.ranges_by_namespace)
    doubtful: dict[int, list[HeldSocket]] = {}
    for held in serving:
        socket = held.socket
        low, high = ranges[socket.namespace].automatic or USUAL_AUTOMATIC_RANGE
        if socket.state != "LISTEN" and low <= socket.local.port <= high:
            doubtful.setdefault(socket.namespace, []).append(held)
    chosen: set[int] = set()
    for number, sockets in doubtful.items():
        try:
            purposes = bound_on_purpose(host, namespaces[number], [held.socket for held in sockets])
        except (NotPermitted, NotSupported):
            purposes = {}
        chosen.update(held.socket.inode for held in sockets if not purposes.get(held.socket.cookie or 0, False))
    return chosen


def _ticks_now(host: Host) -> float:
    """Return the ticks since the boot (proc_uptime(5)); where they are not told, nobody is newborn."""
    try:
        return float(host.read_text("/proc/uptime").split()[0]) * host.clock_ticks()
    except (PortreeveError, ValueError, IndexError):
        return float("inf")
