# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a verdict judges: everything known about one port of one namespace."""

from __future__ import annotations

from ..model import SERVING_STATES, HeldSocket, Holder, Namespace, Owner, PortRanges
from ..ports import port_set
from ..record import dataclass


@dataclass(frozen=True)
class Case:
    """One port of one namespace. ``unseen_sockets`` and ``unseen_holders`` say why some may be missing, if any.

    ``unaccepted`` are those of ``connections`` that wait for their listener's accept(); ``ranges`` the namespace's port
    settings; ``asked`` whether somebody asked for or declared the port; ``reuseaddr_helps`` whether a server
    that sets SO_REUSEADDR could start now, as it was tried. None is not known.
    """

    port: int
    protocol: str
    namespace: Namespace
    sockets: tuple[HeldSocket, ...]
    connections: dict[str, int]
    unseen_sockets: str
    unseen_holders: str
    unaccepted: dict[str, int] | None = None
    ranges: PortRanges | None = None
    asked: bool = True
    reuseaddr_helps: bool | None = None

    @property
    def serving(self) -> tuple[HeldSocket, ...]:
        """Sockets that hold the port by themselves: listening, bound, or UDP without a peer."""
        return tuple(held for held in self.sockets if held.socket.state in SERVING_STATES)

    @property
    def automatic(self) -> bool:
        """Whether the port is known to be of those from which the kernel chooses, be it reserved or not."""
        bounds = self.ranges.automatic if self.ranges else None
        return bounds is not None and bounds[0] <= self.port <= bounds[1]

    @property
    def reserved(self) -> bool:
        """Whether the port is known to be kept out of the kernel's choice."""
        return self.port in ((port_set(self.ranges.reserved) if self.ranges else None) or ())

    @property
    def unseen(self) -> tuple[HeldSocket, ...]:
        """Open sockets that somebody must hold, but nobody was seen to."""
        return tuple(held for held in self.sockets if held.socket.inode and not held.holders)

    @property
    def holders(self) -> tuple[Holder, ...]:
        """All holders of all sockets, each process once."""
        return distinct_processes(self.sockets)

    @property
    def owners(self) -> tuple[Owner, ...]:
        """The different owners of the holders; one process may hold each socket for another."""
        return distinct_owners(self.seats)

    @property
    def seats(self) -> tuple[Holder, ...]:
        """Every holder of every socket, by pid."""
        return tuple(sorted((one for held in self.sockets for one in held.holders), key=lambda one: (one.pid, one.fd)))


@dataclass(frozen=True)
class Judgement:
    """What a verdict says to a person: one sentence each."""

    summary: str
    advice: str


def distinct_processes(sockets: tuple[HeldSocket, ...]) -> tuple[Holder, ...]:
    """Return one holder per process, by pid."""
    if len(sockets) == 1 and len(sockets[0].holders) == 1:  # as on most ports; every verdict and risk asks
        return sockets[0].holders
    by_pid = {holder.pid: holder for held in reversed(sockets) for holder in reversed(held.holders)}
    return tuple(by_pid[pid] for pid in sorted(by_pid))


def distinct_owners(holders: tuple[Holder, ...]) -> tuple[Owner, ...]:
    """Return the owners without repetition, in the order of their holders."""
    if len(holders) == 1:
        return (holders[0].owner,)
    return tuple({identity(holder.owner): holder.owner for holder in reversed(holders)}.values())[::-1]


def identity(owner: Owner) -> tuple[object, ...]:
    """Return what makes two owners the same one."""
    return owner.kind, owner.manager, owner.id or owner.name, owner.user
