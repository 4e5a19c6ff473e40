# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The socket tables of every namespace asked for: which rows are kept in full and which are only counted."""

from __future__ import annotations

from .binding import BindWish
from .endpoint import Endpoint
from .errors import InvalidInput, NotPermitted, NotSupported, PortreeveError
from .host import Host
from .kernel import sock_diag
from .kernel.namespaces import in_reach
from .lean import Counter, partial
from .model import (
    SERVING_STATES,
    UNACCEPTED,
    BlindSpot,
    ConnectionCount,
    HidingSpot,
    Namespace,
    PortRanges,
    Socket,
)  # fmt: skip
from .ports import PortRange, contains, overlaps
from .record import dataclass
from .typed import Collection, Iterable, Iterator, Tuple

USUAL_AUTOMATIC_RANGE = (32768, 60999)
BOUND_ONLY = "TCP sockets that are bound but do not listen"
_MOST_REMAINS_PER_PORT = 200
_DETAILS = "details of %s sockets (queue limits, cookies)"

Table = Tuple[int, str]  # namespace, protocol


@dataclass(frozen=True)
class Question:
    """What is asked: ports (empty: all), protocols, and how much of it.

    ``declared`` are ports that applications need: whatever has one of them is kept, as if it were asked for.
    ``namespaces`` is 'all', 'host', or the name or inode number of one. ``every_connection`` keeps connections that
    are otherwise only counted, ``host_picture`` adds the host's descriptor figures. ``bind`` is what
    somebody wants to do with the ports.
    """

    ports: tuple[PortRange, ...] = ()
    protocols: tuple[str, ...] = ("tcp", "udp")
    namespaces: str = "all"
    every_connection: bool = False
    host_picture: bool = False
    show_secrets: bool = False
    scanner: str = "auto"
    bind: BindWish | None = None
    declared: tuple[PortRange, ...] = ()

    def __post_init__(self) -> None:
        if not self.protocols:
            raise InvalidInput("no protocol was given: accepted are tcp and udp")
        if self.bind and self.bind.protocol and not self.concerns(self.bind.protocol):
            said = "the bind is one of %s, which is not asked about: accepted is a port of the same protocol"
            raise InvalidInput(said % self.bind.protocol)

    def concerns(self, protocol: str) -> bool:
        """Return whether any port of a protocol is asked for."""
        asked = not self.ports or any(one.protocol in (None, protocol) for one in self.ports)
        return asked and protocol in self.protocols


@dataclass(frozen=True)
class Tables:
    """The rows kept, the connections counted, and what could not be read: ``hiding_sockets`` whole rows, else parts.

    ``sources`` tells by what each table was read: ``sock_diag``, ``procnet``, or ``none``.
    """

    sockets: tuple[Socket, ...]
    connections: tuple[ConnectionCount, ...]
    blind_spots: tuple[BlindSpot, ...]
    hiding_sockets: tuple[HidingSpot, ...]
    sources: dict[Table, str]

    @property
    def scanner(self) -> str:
        """The sources together, ``procnet+sock_diag``."""
        return "+".join(sorted(set(self.sources.values())))


class Sieve:
    """Decides row by row, for one namespace and protocol, and counts the connections.

    A connection is ordinary, and only counted, when a listener has its address and port, or when nobody asked for the
    port, nobody declared it, and the kernel chose it. Listening rows come first in a dump, so they are known in time.
    Of connections that no process has, of which there may be very many, some are kept for each port.
    """

    def __init__(self, question: Question, protocol: str, automatic: tuple[int, int]) -> None:
        self._question = question
        self._protocol = protocol
        self._low, self._high = automatic
        self._kept: Counter[int] = Counter()
        self._listeners: dict[int, list[tuple[str, bool]]] = {}
        self._listened: dict[int, dict[str, bool]] = {}  # whether one listens to an address, worked out once
        self._declared = frozenset(
            port
            for one in question.declared
            if one.protocol in (None, protocol)
            for port in range(one.low, one.high + 1)
        )
        self.counts: Counter[tuple[int | None, str]] = Counter()
        self.unaccepted: Counter[tuple[int | None, str]] = Counter()

    def sift(self, rows: Iterable[Socket]) -> list[Socket]:
        """Return rows that are made one by one as ``keep`` lets them through; learn of listeners meanwhile."""
        sifted = []
        for row in rows:
            if row.state == "LISTEN":
                self.learn(row.local, row.v6only is True)
            sifted.append(row)
        return sifted

    def learn(self, listening: Endpoint, v6only: bool) -> None:
        """Take connections to where somebody listens for ordinary from now on."""
        self._listeners.setdefault(listening.port, []).append((listening.address, v6only))
        self._listened[listening.port] = {}

    def keep(self, state: str, port: int, inode: int, address: str) -> bool:
        """Return whether a row is kept, and count it if it is a connection."""
        question = self._question
        if question.ports and not contains(question.ports, port, self._protocol):
            return False
        if state in SERVING_STATES:
            return True
        addresses = self._listened.get(port)
        listened = addresses is not None and (addresses[address] if address in addresses else self._find(port, address))
        if listened and not inode and state in UNACCEPTED:
            self.unaccepted[port, state] += 1
        picked = question.ports or not self._low <= port <= self._high or port in self._declared
        self.counts[port if listened or picked else None, state] += 1
        if question.every_connection:
            return True
        if listened or not picked:
            return False
        if inode:
            return True
        self._kept[port] += 1
        return self._kept[port] <= _MOST_REMAINS_PER_PORT

    def _find(self, port: int, address: str) -> bool:
        found = any(overlaps(address, *listener) for listener in self._listeners[port])
        self._listened[port][address] = found
        return found


def read_tables(host: Host, question: Question, namespaces: Collection[Namespace], ranges: PortRanges) -> Tables:
    """Return the rows that answer ``question`` in ``namespaces``, as of now."""
    sockets: list[Socket] = []
    connections: list[ConnectionCount] = []
    unread = _Unread()
    sources: dict[Table, str] = {}
    automatic = ranges.automatic or USUAL_AUTOMATIC_RANGE
    for namespace in namespaces:
        for protocol in question.protocols:
            if not question.concerns(protocol):
                continue
            read = partial(_read_table, host, question, protocol, automatic, unread)
            try:
                found = in_reach(host, namespace, read)
            except NotSupported as error:
                unread.table(protocol, namespace, str(error))
                sources[namespace.id, protocol] = "none"
                continue
            if found is None:
                continue
            source, rows, sieve = found
            sockets.extend(rows)
            sources[namespace.id, protocol] = source
            connections.extend(counted(namespace, protocol, sieve.counts, sieve.unaccepted))
    return Tables(
        sockets=tuple(sockets),
        connections=tuple(connections),
        blind_spots=tuple(BlindSpot(*details, count) for details, count in sorted(unread.details.items())),
        hiding_sockets=tuple(unread.hiding_sockets),
        sources=sources,
    )


def _read_table(
    host: Host,
    question: Question,
    protocol: str,
    automatic: tuple[int, int],
    unread: _Unread,
    namespace: Namespace,
) -> tuple[str, list[Socket], Sieve]:
    sieve = Sieve(question, protocol, automatic)
    ranges = tuple((asked.low, asked.high) for asked in question.ports if asked.protocol in (None, protocol))
    if question.scanner != "procnet":
        try:
            rows = sieve.sift(sock_diag.read_sockets(host, namespace, protocol, ranges, sieve.keep))
            return "sock_diag", rows, sieve
        except (NotSupported, NotPermitted) as error:
            why = str(error)
            sieve = Sieve(question, protocol, automatic)
    else:
        why = "asked for /proc/net"
    from .kernel import procnet

    try:
        rows = sieve.sift(procnet.read_sockets(host, namespace, protocol, sieve.keep))
    except (NotSupported, NotPermitted) as error:
        unread.table(protocol, namespace, str(error))
        return "none", [], Sieve(question, protocol, automatic)
    unread.details[_DETAILS % protocol, why] += 1
    if protocol == "tcp":
        unread.hiding_sockets.append(HidingSpot(BOUND_ONLY, "/proc/net does not list them", protocol, namespace.id))
    return "procnet", rows, sieve


class _Unread:
    """What could not be read so far: details by what and why, and where sockets may hide."""

    def __init__(self) -> None:
        self.details: Counter[tuple[str, str]] = Counter()
        self.hiding_sockets: list[HidingSpot] = []

    def table(self, protocol: str, namespace: Namespace, why: str) -> None:
        what = "%s sockets of namespace %s" % (protocol, namespace.name)
        self.hiding_sockets.append(HidingSpot(what, why, protocol, namespace.id))


def unlisted_bound_sockets(host: Host, question: Question, tables: Tables) -> tuple[HidingSpot, ...]:
    """Return the spot in which bound sockets hide from sock_diag, none where the kernel lists them.

    Where that is not known, and no such row is among ``tables``, the kernel is asked for a socket that is there for
    sure: one of our own.
    """
    if not question.concerns("tcp") or "sock_diag" not in tables.scanner:
        return ()
    if sock_diag.surely_lists_bound_sockets(host) or any(row.state == "BOUND" for row in tables.sockets):
        return ()
    try:
        if sock_diag.lists_bound_sockets(host):
            return ()
        why = "this kernel does not list them (before Linux 6.8)"
    except PortreeveError as error:
        why = "whether this kernel lists them could not be tried: %s" % error
    return (HidingSpot(BOUND_ONLY, why, "tcp"),)


def blind_spots_of(hiding: Iterable[HidingSpot]) -> tuple[BlindSpot, ...]:
    """Return the same for people: what and why, wherever it is, with their number."""
    counts: Counter[tuple[str, str]] = Counter()
    for spot in hiding:
        counts[spot.what, spot.why] += spot.count
    return tuple(BlindSpot(*said, count) for said, count in counts.items())


def counted(
    namespace: Namespace,
    protocol: str,
    counts: Counter[tuple[int | None, str]],
    unaccepted: Counter[tuple[int | None, str]] | None,
) -> Iterator[ConnectionCount]:
    """Yield what a sieve has counted, by port; ``unaccepted`` is None where that cannot be told."""
    by_port = _by_port(counts)
    waiting = None if unaccepted is None else _by_port(unaccepted)
    for port in sorted(by_port, key=lambda port: port or 0):
        yield ConnectionCount(
            namespace.id, protocol, port, by_port[port], None if waiting is None else waiting.get(port, {})
        )


def _by_port(counts: Counter[tuple[int | None, str]]) -> dict[int | None, dict[str, int]]:
    """Return ``{8080: {"CLOSE_WAIT": 3}}`` for ``Counter({(8080, "CLOSE_WAIT"): 3})``, the states sorted."""
    by_port: dict[int | None, dict[str, int]] = {}
    for port, state in sorted(counts, key=lambda key: key[1]):
        by_port.setdefault(port, {})[state] = counts[port, state]
    return by_port
