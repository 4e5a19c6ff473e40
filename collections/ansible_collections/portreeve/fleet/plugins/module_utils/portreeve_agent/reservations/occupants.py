# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who is on ports that are to be reserved although nobody serves there: a reservation does not make them leave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Collection, Iterable, Tuple

from ..errors import PortreeveError
from ..host import Host
from ..kernel.openers import opened_here
from ..kernel.single_socket import open_talk
from ..model import PROTOCOLS, SERVING_STATES, BlindSpot, Namespace, PortRanges, Socket
from ..ports import HIGHEST_PORT, PortRange, overlaps
from ..tables import Question, Tables, blind_spots_of, read_tables, unlisted_bound_sockets
from .occupancy import Holding, Occupant, by_place, say

_MOST_RANGES = 32  # that the kernel chooses by; each row of its table is compared with all of them
_NEAR = 64
_REMAINS = frozenset(("TIME_WAIT", "FIN_WAIT1", "FIN_WAIT2", "LAST_ACK", "CLOSING"))
_UNSEEN = "no process that holds it could be seen"
_ACCEPTED = "a server may have accepted it"

Slot = Tuple[str, int]  # protocol, port


@dataclass(frozen=True)
class Occupants:
    """Who is on the ports asked for.

    ``squatters`` are outgoing connections that processes hold, ``lingering`` connections that no process has any more,
    both on ports that nobody serves at their address. ``served`` is where a socket listens, is bound or was accepted;
    ``hidden`` tells that one may be that is not seen.
    """

    squatters: tuple[Occupant, ...] = ()
    lingering: tuple[Occupant, ...] = ()
    served: frozenset[Slot] = frozenset()
    hidden: bool = False
    blind_spots: tuple[BlindSpot, ...] = ()

    def unused(self, ports: Iterable[int]) -> bool | None:
        """Return whether nobody serves any of the ports, None where that cannot be told."""
        if any((protocol, port) in self.served for port in ports for protocol in PROTOCOLS):
            return False
        return None if self.hidden else True


def look(
    host: Host, namespace: Namespace, ports: Collection[int], automatic: tuple[int, int] | None = None
) -> Occupants:
    """Return who is on some ports of a network namespace now.

    ``automatic`` are the bounds of its automatic range, outside of which the kernel puts no connection. Processes are
    looked through only when there is a squatter, which costs more than all the rest.
    """
    wanted = frozenset(ports)
    if not wanted:
        return Occupants()
    question = question_about(wanted)
    tables = read(host, namespace, question)
    rows = sorted((row for row in tables.sockets if row.local.port in wanted), key=by_place)
    serving = _by_slot(row for row in rows if row.state in SERVING_STATES)
    connections = [row for row in rows if row.state not in SERVING_STATES]
    alone = [row for row in connections if not _is_covered(row, serving.get(_slot(row), []))]
    by_clients = _accepted_from_clients(alone, automatic)
    held = [row for row in alone if row.inode]
    outgoing = _outgoing(host, namespace, held, automatic, by_clients)
    holders, unseen = _holders(host, namespace, outgoing)
    hiding = tables.hiding_sockets + unlisted_bound_sockets(host, question, tables)
    return Occupants(
        squatters=tuple(
            Occupant(
                row,
                holders[row.inode],
                say(row, holders[row.inode], namespace, "a reservation does not end it"),
                obstacle=None if holders[row.inode] else _UNSEEN,
            )
            for row in outgoing
            if row.inode in holders
        ),
        lingering=tuple(
            Occupant(
                row,
                (),
                say(row, (), namespace),
                obstacle=_ACCEPTED if _slot(row) in by_clients or not _is_automatic(row, automatic) else None,
            )
            for row in alone
            if not row.inode and row.state in _REMAINS
        ),
        served=frozenset(serving) | {_slot(row) for row in set(held).difference(outgoing)},
        hidden=bool(hiding),
        blind_spots=blind_spots_of(hiding) + tables.blind_spots + unseen,
    )


def question_about(ports: Collection[int]) -> Question:
    """Return the question whose answer has the sockets on some ports among few others.

    The kernel chooses by few ranges only, so many are joined with what lies between, and if they are too many even
    then, the rows are chosen here.
    """
    ordered = sorted(ports)
    ranges = _ranges(ordered, 1)
    if len(ranges) > _MOST_RANGES:
        ranges = _ranges(ordered, _NEAR)
    return Question(ports=ranges) if len(ranges) <= _MOST_RANGES else Question(declared=ranges)


def read(host: Host, namespace: Namespace, question: Question) -> Tables:
    """Return what a namespace's tables say: of connections, those on the ports that the question names."""
    return read_tables(host, question, (namespace,), PortRanges((1, HIGHEST_PORT), None, None))


def _ranges(ordered: list[int], farthest: int) -> tuple[PortRange, ...]:
    """Return ranges with all of the ports, in which none is farther than ``farthest`` from the one before."""
    ends = [index for index, (one, later) in enumerate(zip(ordered, ordered[1:])) if later - one > farthest]
    starts = [0, *(index + 1 for index in ends)]
    return tuple(PortRange(ordered[start], ordered[end]) for start, end in zip(starts, [*ends, -1]))


def _slot(row: Socket) -> Slot:
    return row.protocol, row.local.port


def _by_slot(rows: Iterable[Socket]) -> dict[Slot, list[Socket]]:
    found: dict[Slot, list[Socket]] = {}
    for row in rows:
        found.setdefault(_slot(row), []).append(row)
    return found


def _is_covered(row: Socket, serving: list[Socket]) -> bool:
    return any(overlaps(row.local.address, one.local.address, one.v6only is True) for one in serving)


def _is_automatic(row: Socket, automatic: tuple[int, int] | None) -> bool:
    return automatic is None or automatic[0] <= row.local.port <= automatic[1]


def _accepted_from_clients(rows: Iterable[Socket], automatic: tuple[int, int] | None) -> set[Slot]:
    """Return where several connections end whose remote ports are automatic ones too: a server had them (``outgoing``
    of the verdicts says the same)."""
    if automatic is None:
        return set()
    low, high = automatic
    return {
        slot
        for slot, some in _by_slot(rows).items()
        if len(some) > 1 and all(row.remote and low <= row.remote.port <= high for row in some)
    }


def _outgoing(
    host: Host,
    namespace: Namespace,
    held: list[Socket],
    automatic: tuple[int, int] | None,
    by_clients: set[Slot],
) -> list[Socket]:
    """Return the connections that this end opened, as far as the kernel knows, or else as it looks."""
    doubtful = [row for row in held if _is_automatic(row, automatic)]
    if not doubtful:
        return []
    try:
        with open_talk(host, namespace) as netlink:
            opened = [opened_here(netlink, row) for row in doubtful]
    except PortreeveError:
        opened = [None] * len(doubtful)
    return [row for row, known in zip(doubtful, opened) if known or (known is None and _slot(row) not in by_clients)]


def _holders(
    host: Host, namespace: Namespace, rows: list[Socket]
) -> tuple[dict[int, tuple[Holding, ...]], tuple[BlindSpot, ...]]:
    """Return the processes that hold each socket, by inode; a socket that is gone by now is left out."""
    if not rows:
        return {}, ()
    from .. import descriptors  # most runs find no squatter

    walk = descriptors.walk(host, {row.inode for row in rows})
    holders = {}
    for inode, seats in walk.seats.items():
        processes = [walk.processes[pid] for pid in sorted({seat.pid for seat in seats})]
        holders[inode] = tuple(Holding(one.pid, one.name, one.exe) for one in processes)
    unheld = [row for row in rows if row.inode not in holders]
    if not unheld:
        return holders, ()
    again = read(host, namespace, question_about({row.local.port for row in unheld}))
    holders.update({row.inode: () for row in unheld if any(one.inode == row.inode for one in again.sockets)})
    if not walk.is_blind:
        return holders, ()
    why = "permission denied" + ("" if host.is_root() else " (not root)")
    return holders, (BlindSpot("descriptors of other processes", why, len(walk.unreadable)),)
