# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Connections that are on a port which is to be an application's: their records, and how they are spoken of. Pure."""

from __future__ import annotations

from ..model import Namespace, Socket
from ..record import NamedTuple, dataclass
from ..typed import Any, Iterator, Sequence
from ..verdicts.wording import listed, name_mark, one_line
from ..wire import to_wire

_MOST_TOLD = 8  # the result has them all
_KNOWN = "automatic local port of an outgoing connection"
_LIKELY = "local port of what looks like an outgoing connection"
_TOLD_OF_HOLDERS = ("pid", "name", "exe")
_WIRE = ("protocol", "state", "local", "remote", "inode", "cookie", "uid", "timer_ms")


class Holding(NamedTuple):
    """A process that holds a connection; ``protection`` says as what it is to be left alone, None if it is not."""

    pid: int
    name: str
    exe: str | None
    protection: str | None


@dataclass(frozen=True)
class Occupant:
    """A connection on a port that nobody serves. ``automatic``: it is known that this end opened it and that the kernel
    chose its port. ``obstacle`` says why it is not to be destroyed, None where nothing speaks against it. ``destroyed``
    tells that it was, or would be, ``evicted`` that it is gone, or would be."""

    socket: Socket
    holders: tuple[Holding, ...]
    summary: str
    automatic: bool = False
    obstacle: str | None = None
    destroyed: bool = False
    evicted: bool = False


def to_record(occupant: Occupant) -> dict[str, Any]:
    """Return an occupant as plain JSON types, the socket's identity first."""
    row = occupant.socket
    return {
        "port": row.local.port,
        **{name: to_wire(getattr(row, name)) for name in _WIRE},
        "holders": [{name: getattr(holding, name) for name in _TOLD_OF_HOLDERS} for holding in occupant.holders],
        "evicted": occupant.evicted,
        "summary": occupant.summary,
    }


def say_some(occupants: Sequence[Occupant]) -> Iterator[str]:
    """Yield what is said of the first ones, and how many there are besides."""
    yield from (one.summary for one in occupants[:_MOST_TOLD])
    if len(occupants) > _MOST_TOLD:
        yield "Connections like these on the reserved ports, besides: %d." % (len(occupants) - _MOST_TOLD)


def by_place(row: Socket) -> tuple[int, str, tuple[str, int], tuple[str, int], int, int]:
    """Return what sockets are sorted by, the same from run to run."""
    return row.local.port, row.protocol, row.local, row.remote or row.local, row.inode, row.cookie or 0


def say(row: Socket, holders: tuple[Holding, ...], namespace: Namespace, automatic: bool, fate: str = "") -> str:
    """Return one sentence about an occupant (see there): a squatter if its socket has an inode number, or else what is
    left of a connection; ``fate`` is what became of it."""
    port, peer = _name_port(row, namespace), _name_peer(row)
    if row.inode:
        who = _name_holders(holders) or "no process that could be seen"
        what = _KNOWN if automatic else _LIKELY
        said = "%s is the %s of %s to %s (%s)" % (port, what, who, peer, row.state)
    else:
        left = "" if row.timer_ms is None else ", for %d s more" % -(-row.timer_ms // 1000)
        said = "%s is kept by what is left of a connection to %s (%s%s)" % (port, peer, row.state, left)
    return "%s%s." % (said, fate and "; " + fate)


def _name_holders(holders: tuple[Holding, ...]) -> str:
    """Return ``curl[812] and wget[813]``; a process chooses its name, so it is kept to one line."""
    return listed([name_mark(one) for one in holders])


def _name_port(row: Socket, namespace: Namespace) -> str:
    port = "%d/%s" % (row.local.port, row.protocol)
    return port if namespace.kind == "host" else "%s in namespace %s" % (port, one_line(namespace.name))


def _name_peer(row: Socket) -> str:
    if row.remote is None:  # connected to port 0, as getaddrinfo(3) does to learn which address it would use
        return "no port"
    return ("[%s]:%d" if row.family == 6 else "%s:%d") % row.remote
