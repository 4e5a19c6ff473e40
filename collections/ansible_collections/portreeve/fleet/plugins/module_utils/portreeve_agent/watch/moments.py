# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a watch sees at one moment, and what it tells. Pure records; all times are monotonic milliseconds."""

from __future__ import annotations

from ..model import HeldSocket, Holder, Process
from ..record import NamedTuple, dataclass, field
from ..typed import Tuple

#: In these a socket takes what comes to its port: a gap is a time in which none is there.
OPEN_STATES = frozenset(("LISTEN", "UNCONNECTED"))

Identity = Tuple[int, str, int]  # namespace, protocol, cookie (inode where there is none)


class Span(NamedTuple):
    """A moment or a length as far as it is known: no less than ``least``, no more than ``most``."""

    least: float
    most: float

    @property
    def middle(self) -> float:
        """The best guess."""
        return (self.least + self.most) / 2

    @property
    def precision(self) -> float:
        """How far off the best guess may be."""
        return (self.most - self.least) / 2


class Place(NamedTuple):
    """A port of a protocol in a network namespace."""

    port: int
    protocol: str
    namespace: int


@dataclass(frozen=True)
class Refusal:
    """A bind() or listen() that failed with ``error``; ``process`` is None when it was gone before it could be read.
    ``times`` is how often since the look before, ``at`` the first and the last of them.

    ``address``, ``port``, ``protocol`` and ``namespace`` are None where they are not told.
    """

    at: Span
    call: str
    pid: int
    process: Process | None
    address: str | None = None
    port: int | None = None
    protocol: str | None = None
    namespace: int | None = None
    times: int = 1
    error: str = "EADDRINUSE"


class Turn(NamedTuple):
    """The kernel's word that a process made a TCP socket on a port listen (``begins``) or cease to; ``namespace`` is
    None when the process was gone before it could be asked."""

    begins: bool
    at: float
    pid: int
    port: int
    namespace: int | None = None


@dataclass(frozen=True)
class Flash:
    """Listeners of one process that came and went between two looks, so many ``times``."""

    pid: int
    port: int
    times: int


@dataclass(frozen=True)
class Observation:
    """One look. ``tables_at`` is when the socket tables were read, ``holders_at`` when the descriptors were.

    ``sockets`` are those that serve and the connections to which nobody listens. What the kernel itself told since the
    look before is more precise: ``destroyed`` by cookie, ``deaths`` by pid, and ``turns`` of listeners, all
    of them unless ``turns_lost``.
    """

    tables_at: Span
    holders_at: Span
    sockets: tuple[HeldSocket, ...]
    destroyed: dict[int, Span] = field(default_factory=dict)
    deaths: dict[int, Span] = field(default_factory=dict)
    turns: tuple[Turn, ...] = ()
    turns_lost: bool = False
    refusals: tuple[Refusal, ...] = ()


@dataclass(frozen=True)
class Event:
    """One thing that happened; ``kind`` is one of the documented ones (docs/watch.md).

    ``former`` are the holders before, for what goes from hand to hand. ``gap`` is how long nobody listened, (0, 0) for
    not at all; ``states`` counts connections; ``refusal`` is set for refused calls.
    """

    kind: str
    at: Span
    place: Place | None
    socket: HeldSocket | None = None
    holders: tuple[Holder, ...] = ()
    former: tuple[Holder, ...] = ()
    gap: Span | None = None
    states: dict[str, int] | None = None
    refusal: Refusal | None = None
    flash: Flash | None = None


def identity(held: HeldSocket) -> Identity:
    """Return what tells a socket from every other one, also from a later one with the same inode number."""
    socket = held.socket
    return socket.namespace, socket.protocol, socket.inode if socket.cookie is None else socket.cookie


def place_of(held: HeldSocket) -> Place:
    """Return where a socket is."""
    return Place(held.socket.local.port, held.socket.protocol, held.socket.namespace)
