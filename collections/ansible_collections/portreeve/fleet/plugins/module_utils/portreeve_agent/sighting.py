# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Socket tables and descriptors that agree with each other, although neither stands still while the other is read."""

from __future__ import annotations

from . import walking
from .descriptors import Walk
from .errors import NotPermitted, NotSupported
from .host import Host
from .kernel.namespaces import in_reach
from .kernel.sock_diag import way_into
from .kernel.unix_diag import read_queued_unix_sockets
from .lean import Counter, partial
from .model import SERVING_STATES, Namespace, PortRanges, Socket
from .ports import PortRange
from .record import dataclass, replace
from .tables import Question, Tables, read_tables

_MOST_ATTEMPTS = 3
_SCANNED = "bpf"  # a scanner, and what Walk.means says of it
_MOST_WALKS = 6  # where ports are asked for: a socket that is handed on all the time is met by one of them


@dataclass(frozen=True)
class Sighting:
    """Rows and what the walk found for them. ``restless`` are inodes of which no holder was found, but may have been
    missed as it moved; ``missed`` is how many sockets came too late and too fast to be looked at."""

    tables: Tables
    walk: Walk
    restless: frozenset[int] = frozenset()
    missed: int = 0


def take_sighting(
    host: Host,
    question: Question,
    namespaces: tuple[Namespace, ...],
    all_namespaces: tuple[Namespace, ...],
    ranges: PortRanges,
) -> Sighting:
    """Read the tables, walk, and read the tables again as far as it matters: what is gone by then is dropped.

    A few times at most it starts anew: when a socket has come on a port that is asked for or in place of one that went,
    and when one is there without any holder, who may have handed it on behind the walk. What no walk has found a holder
    of has none. Where nothing is there that was asked for, nobody is looked for, and nothing is read again.
    """
    found: set[int] = set()
    unheld: Counter[int] = Counter()
    walks = _MOST_WALKS if question.ports else _MOST_ATTEMPTS
    refusal = ""
    for attempt in range(walks):
        tables = read_tables(host, question, namespaces, ranges)
        walk = _walk(host, question, tables, all_namespaces, attempt > 0, refusal)
        refusal = walk.means if walk.means != _SCANNED else ""
        if not (question.ports and tables.sockets) and not _unexplained(tables, walk):
            return Sighting(tables, walk)
        again = _read_again(host, question, namespaces, ranges, tables, walk)
        found.update(walk.seats)
        if question.ports:
            walking.drop_those_who_let_go(host, walk)
        present = {socket.inode for socket in again.sockets}
        newcomers = _newcomers(question, tables, again)
        unexplained = _unexplained(tables, walk)
        missing = unexplained & present
        unheld.update(missing)
        restless = frozenset(
            inode for inode in missing if inode in found or (walk.may_find_more and unheld[inode] < walks)
        )
        if not restless and (not newcomers or attempt + 1 >= _MOST_ATTEMPTS):
            break
    # Ports that are asked for were read again as a whole. What could not be read that time may hide a socket as well.
    rows = again.sockets if question.ports else tables.sockets
    left_out = newcomers | (unexplained - present)
    settled = replace(
        tables,
        sockets=tuple(socket for socket in rows if socket.inode not in left_out),
        connections=again.connections if question.ports else tables.connections,
        hiding_sockets=tuple(dict.fromkeys(tables.hiding_sockets + again.hiding_sockets)),
    )
    return Sighting(settled, walk, restless, len(newcomers))


def _read_again(
    host: Host,
    question: Question,
    namespaces: tuple[Namespace, ...],
    ranges: PortRanges,
    tables: Tables,
    walk: Walk,
) -> Tables:
    """Read the ports that are asked for, or else those of sockets without a holder, which is cheap as well: the kernel
    answers for single ports without going through its whole table."""
    unexplained = _unexplained(tables, walk)
    doubtful = {socket.namespace for socket in tables.sockets if question.ports or socket.inode in unexplained}
    nearby = [one for one in namespaces if one.id in doubtful or (question.ports and one.kind == "host")]
    if not question.ports:
        ports = sorted({socket.local.port for socket in tables.sockets if socket.inode in unexplained})
        question = replace(question, ports=tuple(PortRange(port, port) for port in ports), every_connection=True)
    return read_tables(host, question, nearby, ranges)


def _newcomers(question: Question, tables: Tables, again: Tables) -> set[int]:
    """Return the inodes of sockets that were not there before: all on the ports that are asked for, or else those that
    serve where another went, as when a server starts anew."""
    known = {socket.inode for socket in tables.sockets}
    new = [socket for socket in again.sockets if socket.inode and socket.inode not in known]
    if not question.ports:
        present = {socket.inode for socket in again.sockets}
        left = {_place(socket) for socket in tables.sockets if socket.inode not in present}
        new = [socket for socket in new if socket.state in SERVING_STATES and _place(socket) in left]
    return {socket.inode for socket in new}


def _place(socket: Socket) -> tuple[int, str, int]:
    return socket.namespace, socket.protocol, socket.local.port


def _walk(
    host: Host, question: Question, tables: Tables, namespaces: tuple[Namespace, ...], thorough: bool, refusal: str
) -> Walk:
    """Return the seats of the sockets in ``tables``; a UNIX socket of any namespace may carry one in flight.

    Those with nothing in their queue are passed over, unless ``thorough``: it may come before they are visited.
    A scan that is insisted on is made though there is nothing to look for: who asks wants to know whether it can be.
    """
    wanted = {socket.inode for socket in tables.sockets if socket.inode}
    if not wanted and not question.host_picture and question.scanner != _SCANNED:
        return Walk()
    queued: set[int] = set()
    unlisted = 0
    for namespace in namespaces:
        try:
            queued |= in_reach(host, namespace, partial(_read_queued, host, thorough)) or frozenset()
        except (NotPermitted, NotSupported):
            unlisted += 1
    found = walking.walk(host, wanted, queued, question.host_picture, question.scanner, refusal)
    found.unlisted_queues = unlisted
    return found


def _read_queued(host: Host, even_empty: bool, namespace: Namespace) -> frozenset[int]:
    return read_queued_unix_sockets(host, *way_into(namespace), even_empty)


def _unexplained(tables: Tables, walk: Walk) -> set[int]:
    return {socket.inode for socket in tables.sockets if socket.inode and socket.inode not in walk.seats}
