# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The socket tables of every namespace asked for: which rows are kept in full and which are only counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import Collection, Iterator

from .errors import InvalidInput, NotPermitted, NotSupported
from .host import Host
from .kernel import procnet, sock_diag
from .kernel.namespaces import in_reach
from .model import SERVING_STATES, BlindSpot, ConnectionCount, Namespace, PortRanges, Socket
from .ports import PortRange, contains

USUAL_AUTOMATIC_RANGE = (32768, 60999)
_MOST_CONNECTIONS_PER_PORT = 200
_DETAILS = "details of %s sockets (bound only, queue limits, cookies)"

#: Where rows are read from: the best the host offers, or a poorer source on purpose.
SCANNERS = ("auto", "procnet", "psutil")


@dataclass(frozen=True)
class Question:
    """What is asked: ports (empty: all), protocols, and how much of it.

    ``namespaces`` is 'all', 'host', or the name or inode number of one. ``every_connection`` keeps connections that
    are otherwise only counted, ``host_picture`` adds the host's descriptor figures.
    """

    ports: tuple[PortRange, ...] = ()
    protocols: tuple[str, ...] = ("tcp", "udp")
    namespaces: str = "all"
    every_connection: bool = False
    host_picture: bool = False
    show_secrets: bool = False
    scanner: str = "auto"

    def __post_init__(self) -> None:
        if not self.protocols:
            raise InvalidInput("no protocol was given: accepted are tcp and udp")


@dataclass(frozen=True)
class Tables:
    """The rows kept, the connections counted, and what could not be read."""

    sockets: tuple[Socket, ...]
    connections: tuple[ConnectionCount, ...]
    blind_spots: tuple[BlindSpot, ...]
    scanner: str


class Sieve:
    """Decides row by row, for one namespace and protocol, and counts the connections.

    A connection is ordinary, and only counted, when a listener has its port, or when nobody asked for the port
    and the kernel chose it. Listening rows come first in a dump, so they are known in time.
    """

    def __init__(self, question: Question, protocol: str, automatic: tuple[int, int]) -> None:
        self._question = question
        self._protocol = protocol
        self._low, self._high = automatic
        self._kept: Counter[int] = Counter()
        self.listening: set[int] = set()
        self.counts: Counter[tuple[int | None, str]] = Counter()

    def keep(self, state: str, port: int, _inode: int) -> bool:
        """Return whether a row is kept, and count it if it is a connection."""
        question = self._question
        if question.ports and not contains(question.ports, port, self._protocol):
            return False
        if state in SERVING_STATES:
            if state == "LISTEN":
                self.listening.add(port)
            return True
        listened = port in self.listening
        picked = question.ports or not self._low <= port <= self._high
        self.counts[port if listened or picked else None, state] += 1
        if question.every_connection:
            return True
        if listened or not picked:
            return False
        self._kept[port] += 1
        return self._kept[port] <= _MOST_CONNECTIONS_PER_PORT


def read_tables(host: Host, question: Question, namespaces: Collection[Namespace], ranges: PortRanges) -> Tables:
    """Return the rows that answer ``question`` in ``namespaces``, as of now."""
    sockets: list[Socket] = []
    connections: list[ConnectionCount] = []
    blind_spots: dict[tuple[str, str], int] = {}
    scanners = set()
    automatic = ranges.automatic or USUAL_AUTOMATIC_RANGE
    for namespace in namespaces:
        for protocol in question.protocols:
            if question.ports and not any(asked.protocol in (None, protocol) for asked in question.ports):
                continue
            read = partial(_read_table, host, question, protocol, automatic, blind_spots)
            try:
                found = in_reach(host, namespace, read)
            except NotSupported as error:
                _note(blind_spots, "%s sockets of namespace %s" % (protocol, namespace.name), str(error))
                continue
            if found is None:
                continue
            scanner, rows, counts = found
            sockets.extend(rows)
            scanners.add(scanner)
            connections.extend(counted(namespace, protocol, counts))
    return Tables(
        sockets=tuple(sockets),
        connections=tuple(connections),
        blind_spots=tuple(BlindSpot(what, why, count) for (what, why), count in sorted(blind_spots.items())),
        scanner="+".join(sorted(scanners)),
    )


def _read_table(
    host: Host,
    question: Question,
    protocol: str,
    automatic: tuple[int, int],
    blind_spots: dict[tuple[str, str], int],
    namespace: Namespace,
) -> tuple[str, list[Socket], Counter[tuple[int | None, str]]]:
    sieve = Sieve(question, protocol, automatic)
    ranges = tuple((asked.low, asked.high) for asked in question.ports if asked.protocol in (None, protocol))
    if question.scanner == "auto":
        try:
            rows = list(sock_diag.read_sockets(host, namespace, protocol, ranges, sieve.keep))
            return "sock_diag", rows, sieve.counts
        except (NotSupported, NotPermitted) as error:
            _note(blind_spots, _DETAILS % protocol, str(error))
            sieve = Sieve(question, protocol, automatic)
    else:
        _note(blind_spots, _DETAILS % protocol, "asked for /proc/net")
    try:
        return "procnet", list(procnet.read_sockets(host, namespace, protocol, sieve.keep)), sieve.counts
    except (NotSupported, NotPermitted) as error:
        _note(blind_spots, "%s sockets of namespace %s" % (protocol, namespace.name), str(error))
        return "none", [], Counter()


def _note(blind_spots: dict[tuple[str, str], int], what: str, why: str) -> None:
    blind_spots[what, why] = blind_spots.get((what, why), 0) + 1


def counted(namespace: Namespace, protocol: str, counts: Counter[tuple[int | None, str]]) -> Iterator[ConnectionCount]:
    """Yield what a sieve has counted, by port."""
    by_port: dict[int | None, dict[str, int]] = {}
    for (port, state), count in counts.items():
        by_port.setdefault(port, {})[state] = count
    for port in sorted(by_port, key=lambda port: port or 0):
        yield ConnectionCount(namespace.id, protocol, port, dict(sorted(by_port[port].items())))
