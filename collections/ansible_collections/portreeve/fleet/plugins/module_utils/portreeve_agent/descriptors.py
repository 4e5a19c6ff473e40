# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where sockets are held from: seats in descriptor tables, and what a walk over all of them has found."""

from __future__ import annotations

from .model import Process
from .record import NamedTuple, dataclass, field
from .typed import Iterable, List, Tuple

Links = Tuple[List[str], List[str]]  # descriptors, and side by side what they lead to


class Seat(NamedTuple):
    """One place a socket is held from; see ``model.Holder`` for ``via``."""

    pid: int
    fd: int
    via: str
    tid: int | None


@dataclass
class Walk:
    """What one walk found. ``unreadable`` are processes whose descriptors were refused, ``hidden_in_flight`` counts
    descriptors in flight that could not be identified, ``busy_rings`` those that did not tell their files,
    ``unlisted_queues`` network namespaces whose UNIX sockets could not be listed, ``unvisited`` processes that kept
    being born while the walk went on. Of processes with seats, ``epolls`` are the epoll descriptors, each with the
    table it is in ('' or 'task/TID/'), and ``rings`` those that have an io_uring. ``means`` tells by what very many
    descriptors were looked at, 'bpf' or 'walk' with the reason, and is '' where they are few."""

    seats: dict[int, list[Seat]] = field(default_factory=dict)
    processes: dict[int, Process] = field(default_factory=dict)
    nearest_limit: list[tuple[int, str, int, int]] = field(default_factory=list)
    unreadable: list[int] = field(default_factory=list)
    hidden_in_flight: int = 0
    busy_rings: int = 0
    unlisted_queues: int = 0
    unvisited: int = 0
    epolls: dict[int, list[tuple[str, int]]] = field(default_factory=dict)
    rings: set[int] = field(default_factory=set)
    means: str = ""

    @property
    def is_blind(self) -> bool:
        """True when a holder may have stayed out of sight."""
        hidden = self.hidden_in_flight or self.busy_rings or self.unlisted_queues or self.unvisited
        return bool(self.unreadable or hidden)

    @property
    def may_find_more(self) -> bool:
        """True when another walk could find holders that this one did not: nothing stands in the way for good."""
        return not (self.unreadable or self.unlisted_queues)

    def forget(self, pids: Iterable[int]) -> None:
        """Drop what was found for some processes."""
        dropped = self.processes.keys() & set(pids)
        if dropped:
            every = {inode: [seat for seat in seats if seat.pid not in dropped] for inode, seats in self.seats.items()}
            self.seats = {inode: seats for inode, seats in every.items() if seats}

    def add(self, other: Walk) -> None:
        """Take over what another walk over other processes found."""
        for inode, seats in other.seats.items():
            self.seats.setdefault(inode, []).extend(seats)
        self.processes.update(other.processes)
        self.nearest_limit.extend(other.nearest_limit)
        self.unreadable.extend(other.unreadable)
        self.epolls.update(other.epolls)
        self.rings.update(other.rings)
        self.hidden_in_flight += other.hidden_in_flight
        self.busy_rings += other.busy_rings


def link_of(inode: int) -> str:
    """Return how a socket shows in /proc/PID/fd: ``link_of(7) == "socket:[7]"``."""
    return "socket:[%d]" % inode
