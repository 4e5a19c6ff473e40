# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who is on ports that are to be reserved although nobody serves there: a reservation does not make them leave."""

from __future__ import annotations

from contextlib import suppress

from ..errors import Gone, PortreeveError
from ..host import Host
from ..kernel.openers import bound_on_purpose, opened_here
from ..kernel.single_socket import open_talk
from ..model import PROTOCOLS, SERVING_STATES, BlindSpot, Namespace, PortRanges, Socket
from ..ports import HIGHEST_PORT, PortRange, overlaps
from ..protected import why_protected
from ..record import NamedTuple, dataclass
from ..tables import Question, Tables, blind_spots_of, read_tables, unlisted_bound_sockets
from ..typed import Collection, Iterable, Tuple
from .occupancy import Holding, Occupant, by_place, say

_MOST_RANGES = 32  # that the kernel chooses by; each row of its table is compared with all of them
_NEAR = 64
_REMAINS = frozenset(("TIME_WAIT", "FIN_WAIT1", "FIN_WAIT2", "LAST_ACK", "CLOSING"))
_UNSEEN = "no process that holds it could be seen"
_ACCEPTED = "a server accepted it"
_MAYBE_ACCEPTED = "a server may have accepted it"
_ON_PURPOSE = "its program had bound the port on purpose"
_MAYBE_ON_PURPOSE = "whether its program bound the port on purpose is not known"

Slot = Tuple[str, int]  # protocol, port


class _Origin(NamedTuple):
    """Where a connection comes from: whether it looks like an outgoing one, whether the kernel still has all of it, and
    whether this end opened it and its program bound the port on purpose, None where that is not known."""

    protocol: str
    looks_outgoing: bool
    is_whole: bool
    opened_here: bool | None
    on_purpose: bool | None

    @property
    def is_outgoing(self) -> bool:
        return self.looks_outgoing if self.opened_here is None else self.opened_here

    @property
    def is_automatic(self) -> bool:
        """It is known that this end opened it from a port that the kernel chose; no UDP socket is an accepted one."""
        return self.on_purpose is False and (self.protocol == "udp" or self.opened_here is True)

    @property
    def obstacle(self) -> str | None:
        """Why it is not to be destroyed, None where nothing speaks against it."""
        if not self.is_whole:
            return None if self.looks_outgoing else _MAYBE_ACCEPTED
        if self.is_automatic:
            return None
        if self.on_purpose:
            return _ON_PURPOSE
        if self.on_purpose is None and self.opened_here is not False:
            return _MAYBE_ON_PURPOSE
        return _MAYBE_ACCEPTED if self.opened_here is None else _ACCEPTED


@dataclass(frozen=True)
class Occupants:
    """Who is on the ports asked for.

    ``squatters`` are outgoing connections that processes hold, ``lingering`` connections that no process has any more,
    both on ports that nobody serves at their address. ``served`` is where a socket listens, is bound, was accepted, or
    is connected from a port that its program chose; ``hidden`` tells that one may be that is not seen.
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
    origins = _origins(host, namespace, alone, automatic)
    outgoing = [row for row in alone if row.inode and origins[row].is_outgoing]
    own = _by_slot(row for row in outgoing if origins[row].on_purpose)
    in_the_way = [row for row in alone if not _is_covered(row, own.get(_slot(row), []))]
    squatting = sorted(set(outgoing).intersection(in_the_way), key=by_place)
    holders, unseen = _holders(host, namespace, squatting)
    hiding = tables.hiding_sockets + unlisted_bound_sockets(host, question, tables)
    return Occupants(
        squatters=tuple(
            _squatter(row, holders[row.inode], namespace, origins[row]) for row in squatting if row.inode in holders
        ),
        lingering=tuple(
            Occupant(row, (), say(row, (), namespace, False), obstacle=origins[row].obstacle)
            for row in in_the_way
            if not row.inode and row.state in _REMAINS
        ),
        served=frozenset(serving) | {_slot(row) for row in set(alone).difference(squatting) if row.inode},
        hidden=bool(hiding),
        blind_spots=blind_spots_of(hiding) + tables.blind_spots + unseen,
    )


def _squatter(row: Socket, holders: tuple[Holding, ...], namespace: Namespace, origin: _Origin) -> Occupant:
    return Occupant(
        row,
        holders,
        say(row, holders, namespace, origin.is_automatic, "a reservation does not end it"),
        automatic=origin.is_automatic,
        obstacle=origin.obstacle if holders else _UNSEEN,
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


def _origins(
    host: Host, namespace: Namespace, rows: list[Socket], automatic: tuple[int, int] | None
) -> dict[Socket, _Origin]:
    """Return where connections come from, as far as the kernel knows, or else as it looks."""
    by_clients = _accepted_from_clients(rows, automatic)
    doubtful = [
        row for row in rows if _is_automatic(row, automatic) and _is_whole(row) and (row.inode or row.state in _REMAINS)
    ]
    opened: dict[Socket, bool | None] = dict.fromkeys(doubtful)
    chosen: dict[int, bool] = {}
    if doubtful:
        with suppress(PortreeveError), open_talk(host, namespace) as netlink:
            for row in doubtful:
                with suppress(Gone):
                    opened[row] = opened_here(netlink, row)
        with suppress(PortreeveError):
            chosen = bound_on_purpose(host, namespace, (row for row in doubtful if opened[row] is not False))
    return {
        row: _Origin(
            row.protocol,
            _slot(row) not in by_clients and _is_automatic(row, automatic),
            _is_whole(row),
            opened.get(row),
            chosen.get(row.cookie) if row.cookie is not None else None,
        )
        for row in rows
    }


def _is_whole(row: Socket) -> bool:
    """Return whether the kernel still has all of a connection: TIME_WAIT is a mere note, with a time to its end, and so
    is FIN_WAIT2 once no process has it."""
    return row.state != "TIME_WAIT" and row.timer_ms is None


def _holders(
    host: Host, namespace: Namespace, rows: list[Socket]
) -> tuple[dict[int, tuple[Holding, ...]], tuple[BlindSpot, ...]]:
    """Return the processes that hold each socket, by inode; a socket that is gone by now is left out."""
    if not rows:
        return {}, ()
    from ..walking import walk  # most runs find no squatter

    found = walk(host, {row.inode for row in rows})
    holders = {}
    for inode, seats in found.seats.items():
        processes = [found.processes[pid] for pid in sorted({seat.pid for seat in seats})]
        holders[inode] = tuple(Holding(one.pid, one.name, one.exe, why_protected(one)) for one in processes)
    unheld = [row for row in rows if row.inode not in holders]
    if not unheld:
        return holders, ()
    again = read(host, namespace, question_about({row.local.port for row in unheld}))
    holders.update({row.inode: () for row in unheld if any(one.inode == row.inode for one in again.sockets)})
    if not found.is_blind:
        return holders, ()
    why = "permission denied" + ("" if host.is_root() else " (not root)")
    return holders, (BlindSpot("descriptors of other processes", why, len(found.unreadable)),)
