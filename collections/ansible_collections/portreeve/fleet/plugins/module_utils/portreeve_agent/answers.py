# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a snapshot to answers: one per port, protocol and namespace. Pure."""

from __future__ import annotations

from .binding import BindForecast, BindGrounds
from .lean import Counter
from .model import (
    SERVING_STATES,
    UNACCEPTED,
    BlindSpot,
    HeldSocket,
    HidingSpot,
    Namespace,
    PortAnswer,
    PortRanges,
    Snapshot,
    Socket,
)  # fmt: skip
from .ports import PortRange, contains, overlaps
from .record import replace
from .risks.registry import host_risks, port_risks
from .typed import Any, Iterable, Iterator, Tuple
from .verdicts import free
from .verdicts.case import Case, Judgement
from .wire import to_wire

#: When more ports than this are asked for, those that nothing holds are not listed one by one.
MOST_FREE_PORTS = 4096  # as many as may be declared

Place = Tuple[int, str, int]  # port, protocol, namespace
_UNREAD = PortRanges(None, None, None)
_NO_CONNECTIONS: tuple[dict[str, int], dict[str, int] | None] = ({}, {})


def answer_ports(
    snapshot: Snapshot,
    ports: tuple[PortRange, ...],
    protocols: tuple[str, ...],
    address: str | None = None,
) -> tuple[PortAnswer, ...]:
    """Return an answer for every port held, and for every port asked for even if nothing holds it.

    With ``address`` only sockets count that a bind to it would meet; the snapshot must then have every connection.
    Free ports are listed for the host's own namespace, or for the one namespace the snapshot was limited to. Sorted by
    port, protocol, namespace.
    """
    sockets: dict[Place, list[HeldSocket]] = {}
    everybody: dict[Place, list[HeldSocket]] = {}
    for held in snapshot.sockets:
        socket = held.socket
        everybody.setdefault((socket.local.port, socket.protocol, socket.namespace), []).append(held)
        if address is None or overlaps(address, socket.local.address, socket.v6only is True):
            sockets.setdefault((socket.local.port, socket.protocol, socket.namespace), []).append(held)
    if address is None:
        counts = {
            (count.port, count.protocol, count.namespace): (count.states, count.unaccepted)
            for count in snapshot.connections
            if count.port is not None
        }
    else:
        counts = {place: _count_connections(met) for place, met in sockets.items()}
    if address is not None or snapshot.bind is not None:
        sockets = {place: _without_ordinary(met) for place, met in sockets.items()}
    namespaces = {namespace.id: namespace for namespace in snapshot.namespaces}
    own = own_namespace(snapshot.namespaces)
    keys = set(sockets) | set(counts)
    if own is not None:
        keys |= {(port, protocol, own.id) for port, protocol in _asked(ports, protocols)}
    order = {namespace.id: index for index, namespace in enumerate(snapshot.namespaces)}
    unseen = {(protocol, one): _unseen_sockets(snapshot, one, protocol) for _port, protocol, one in keys}
    unseen_holders = _say(snapshot.hiding_holders)
    ranges = dict(snapshot.ranges_by_namespace)
    reuseaddr = _tried(snapshot.bind)
    return tuple(
        _answer(
            Case(
                port=key[0],
                protocol=key[1],
                namespace=namespaces[key[2]],
                sockets=tuple(sockets.get(key, ())),
                connections=counts.get(key, _NO_CONNECTIONS)[0],
                unseen_sockets=unseen[key[1:]],
                unseen_holders=unseen_holders,
                unaccepted=counts.get(key, _NO_CONNECTIONS)[1],
                ranges=ranges.get(key[2]),
                asked=contains(ports, *key[:2]),
                reuseaddr_helps=reuseaddr.get(key),
            ),
            _forecast(snapshot.bind, key, everybody.get(key, []), ranges.get(key[2])),
        )
        for key in sorted(keys, key=lambda key: (key[0], key[1], order[key[2]]))
    )


def _count_connections(sockets: list[HeldSocket]) -> tuple[dict[str, int], dict[str, int] | None]:
    """Return the connections by state, and those among them that wait for their listener's accept()."""
    connections = [held.socket for held in sockets if held.socket.state not in SERVING_STATES]
    waiting = [one for one in connections if not one.inode and one.state in UNACCEPTED]
    return _by_state(connections), _by_state(waiting)


def _by_state(sockets: Iterable[Socket]) -> dict[str, int]:
    return dict(sorted(Counter(one.state for one in sockets).items()))


def _without_ordinary(sockets: list[HeldSocket]) -> list[HeldSocket]:
    """Leave out the connections of a listener, which are counted only: those to an address on which it listens."""
    listeners = {(one.local.address, one.v6only is True) for one, *_rest in sockets if one.state == "LISTEN"}
    return [
        held
        for held in sockets
        if held.socket.state in SERVING_STATES
        or not any(overlaps(held.socket.local.address, *listener) for listener in listeners)
    ]


def own_namespace(namespaces: tuple[Namespace, ...]) -> Namespace | None:
    """Return the namespace in which a port that nothing holds is worth naming: the host's, or the only one."""
    for namespace in namespaces:
        if namespace.kind == "host":
            return namespace
    return namespaces[0] if len(namespaces) == 1 else None


def in_own_namespace(answers: tuple[PortAnswer, ...], namespaces: tuple[Namespace, ...]) -> tuple[PortAnswer, ...]:
    """Return the answers that expectations are about."""
    own = own_namespace(namespaces)
    return tuple(answer for answer in answers if own is not None and answer.namespace.id == own.id)


def unseen_in_own_namespace(snapshot: Snapshot) -> str:
    """Return why a port there that has no answer may be held all the same, empty when it cannot be."""
    own = own_namespace(snapshot.namespaces)
    return _unseen_sockets(snapshot, own.id) if own is not None else ""


def _unseen_sockets(snapshot: Snapshot, namespace: int, protocol: str | None = None) -> str:
    return _say(
        spot
        for spot in snapshot.hiding_sockets
        if spot.namespace in (None, namespace) and (protocol is None or spot.protocol in (None, protocol))
    )


def _asked(ports: tuple[PortRange, ...], protocols: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    if sum(asked.high - asked.low + 1 for asked in ports) > MOST_FREE_PORTS:
        return
    for asked in ports:
        for protocol in protocols:
            if asked.protocol in (None, protocol):
                for port in range(asked.low, asked.high + 1):
                    yield port, protocol


def _say(spots: Iterable[BlindSpot | HidingSpot]) -> str:
    return "; ".join(dict.fromkeys("%s (%s)" % (spot.what, spot.why) for spot in spots))


def _tried(grounds: BindGrounds | None) -> dict[Place, bool]:
    """Return where it was tried whether a server with SO_REUSEADDR could start now, and whether it could."""
    return {
        (trial.port, trial.request.protocol, trial.namespace): trial.result == "ok"
        for trial in (grounds.trials if grounds is not None else ())
        if trial.request.options.reuseaddr and trial.result in ("ok", "EADDRINUSE")
    }


def _forecast(
    grounds: BindGrounds | None, place: Place, sockets: list[HeldSocket], ranges: PortRanges | None
) -> BindForecast | None:
    """Return what the bind that is asked about would return; None where no port or not this protocol is asked about."""
    if grounds is None:
        return None
    from .bind_rules import forecast

    port, protocol, namespace = place
    for request in grounds.requests:
        if request.protocol == protocol:
            tried = [one.result for one in grounds.trials if one[:3] == (namespace, port, request)]
            address = grounds.addresses.get((namespace, request))
            return forecast(port, request, sockets, ranges or _UNREAD, address, tried[0] if tried else None)
    return None


def _judge(case: Case) -> tuple[str, Judgement]:
    """Return the verdict and what it says. Whether a port is free comes first, and takes none of the others to say."""
    judgement = free.judge(case)
    if judgement is not None:
        return free.ID, judgement
    from .verdicts.registry import judge

    return judge(case)


def _answer(case: Case, bind: BindForecast | None) -> PortAnswer:
    verdict, judgement = _judge(case)
    return PortAnswer(
        port=case.port,
        protocol=case.protocol,
        namespace=case.namespace,
        verdict=verdict,
        summary=judgement.summary,
        advice=judgement.advice,
        risks=port_risks(case),
        connections=case.connections,
        unaccepted=case.unaccepted,
        sockets=case.sockets,
        bind=bind and _with_summary(bind, case.port),
    )


def _with_summary(bind: BindForecast, port: int) -> BindForecast:
    from .bind_words import name_bind

    return replace(bind, summary=name_bind(bind, port))


def owner_result(snapshot: Snapshot, answers: tuple[PortAnswer, ...]) -> dict[str, Any]:
    """Return the result of ``port_owner`` in plain JSON types."""
    return {
        "changed": False,
        "format": "portreeve.port_owner/1",
        "complete": snapshot.complete,
        "blind_spots": to_wire(snapshot.blind_spots),
        "agent": to_wire(snapshot.agent),
        "host": to_wire(snapshot.host),
        "ports": to_wire(answers),
    }


def audit_result(
    snapshot: Snapshot, answers: tuple[PortAnswer, ...], declared: tuple[PortRange, ...] = ()
) -> dict[str, Any]:
    """Return the result of ``port_audit`` in plain JSON types: the host's whole picture, connections only counted."""
    totals: dict[tuple[int, str], dict[str, int]] = {}
    for count in snapshot.connections:
        states = totals.setdefault((count.namespace, count.protocol), {})
        for state, number in count.states.items():
            states[state] = states.get(state, 0) + number
    return {
        **owner_result(snapshot, answers),
        "format": "portreeve.port_audit/1",
        "sockets_complete": own_namespace(snapshot.namespaces) is not None and not unseen_in_own_namespace(snapshot),
        "declared": [str(one) for one in declared],
        "namespaces": to_wire(snapshot.namespaces),
        "connections": [
            {"namespace": namespace, "protocol": protocol, "states": dict(sorted(states.items()))}
            for (namespace, protocol), states in totals.items()
        ],
        "ranges": to_wire(snapshot.ranges),
        "descriptors": to_wire(snapshot.descriptors),
        "risks": to_wire(host_risks(snapshot)),
    }
