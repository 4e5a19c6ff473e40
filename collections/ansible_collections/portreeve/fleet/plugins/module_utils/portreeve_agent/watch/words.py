# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Events in words: one sentence each. Pure."""

from __future__ import annotations

from ..model import HeldSocket, Holder, Namespace
from ..typed import Callable
from ..verdicts.wording import listed, name_address, name_mark, name_owner, name_process, one_line
from .moments import Event, Place, Span

_STATES = {"LISTEN": "listening", "UNCONNECTED": "open", "BOUND": "bound but not listening"}


def say_event(event: Event, namespaces: dict[int, Namespace]) -> str:
    """Return what happened, in one line without its time."""
    where = "" if event.place is None else name_place(event.place, namespaces) + ": "
    return where + SENTENCES[event.kind](event)


def name_place(place: Place, namespaces: dict[int, Namespace]) -> str:
    """Return ``8080/tcp``, with the namespace where it is not the host's own."""
    namespace = namespaces.get(place.namespace)
    port = "%d/%s" % (place.port, place.protocol)
    if namespace is None or namespace.kind == "host":
        return port
    return "%s in namespace %s" % (port, one_line(namespace.name))


def name_span(span: Span) -> str:
    """Return a length with its precision: ``name_span(Span(11, 13)) == "12 ms ± 1"``."""
    return "%d ms ± %d" % (round(span.middle), max(1, -(-span.precision // 1)))


def name_gap(gap: Span | None) -> str:
    """Return how long nobody listened, in words."""
    if gap is None or gap.most <= 0:
        return "without a gap"
    if gap.least <= 0:
        return "with a gap of less than %d ms, if any" % max(1, -(-gap.most // 1))
    return "after a gap of %s in which nobody listened" % name_span(gap)


def _appeared(event: Event) -> str:
    return "%s now %s: %s" % (_address(event), _state(event), _holders(event.holders))


def _vanished(event: Event) -> str:
    return "%s no longer %s; it was held by %s" % (_address(event), _state(event), _holders(event.holders))


def _came(event: Event) -> str:
    return "%s came to hold the socket on %s" % (_holders(event.holders, True), _address(event))


def _left(event: Event) -> str:
    return "%s let go of the socket on %s" % (_holders(event.holders), _address(event))


def _migrated(event: Event) -> str:
    return "the same socket on %s has moved on from %s to %s" % (
        _address(event), _holders(event.former), _holders(event.holders, True)
    )  # fmt: skip


def _changed(event: Event) -> str:
    return "%s is %s now, and still holds the socket on %s" % (
        listed([name_process(holder) for holder in event.former]), _holders(event.holders), _address(event)
    )  # fmt: skip


def _handed_over(event: Event) -> str:
    return "handed over from %s to %s, %s" % (_holders(event.former), _holders(event.holders), name_gap(event.gap))


def _remain(event: Event) -> str:
    return "nobody listens to them, but connections remain: %s%s" % (_count(event.states), _held_by(event))


def _took_port(event: Event) -> str:
    remote = event.socket.socket.remote if event.socket else None
    peer = " to %s:%d" % (("[%s]" if ":" in remote.address else "%s") % remote.address, remote.port) if remote else ""
    return "a connection%s has the port: %s%s" % (peer, _count(event.states), _held_by(event))


def _gone(event: Event) -> str:
    return "no connection is left to which nobody listens"


def _refused(event: Event) -> str:
    refusal = event.refusal
    if refusal is None:
        return "a failed start"
    who = "pid %d (gone already)" % refusal.pid
    if refusal.process is not None:
        who = name_mark(refusal.process)
    if refusal.port is None:
        return "%s: %s() refused with %s at that moment; port not told" % (who, refusal.call, refusal.error)
    what = ("[%s]:%d" if ":" in (refusal.address or "") else "%s:%d") % (refusal.address, refusal.port)
    network = "" if refusal.namespace is not None else "; its network namespace is not told"
    times = "" if refusal.times == 1 else ", %d times" % refusal.times
    said = who, refusal.error, refusal.call, what, times, network
    return "failed start: %s got %s from %s() for %s%s%s" % said


def _flashed(event: Event) -> str:
    flash = event.flash
    if flash is None:
        return "a listener came and went"
    times = "" if flash.times == 1 else " %d times" % flash.times
    return "pid %d listened on port %d and ceased%s between two looks" % (flash.pid, flash.port, times)


#: Every kind of event that one look after another may show, and what is said of it.
SENTENCES: dict[str, Callable[[Event], str]] = {
    "socket_appeared": _appeared,
    "socket_changed": _appeared,
    "socket_vanished": _vanished,
    "holder_came": _came,
    "holder_left": _left,
    "holder_changed": _changed,
    "migrated": _migrated,
    "handed_over": _handed_over,
    "connections_remain": _remain,
    "connection_took_port": _took_port,
    "connections_gone": _gone,
    "bind_refused": _refused,
    "listener_flashed": _flashed,
}

_COUNTED = {
    "socket_appeared": ("socket appeared", "sockets appeared"),
    "socket_changed": ("socket changed its state", "sockets changed their state"),
    "socket_vanished": ("socket vanished", "sockets vanished"),
    "holder_came": ("arrival of holders", "arrivals of holders"),
    "holder_left": ("departure of holders", "departures of holders"),
    "holder_changed": ("change of program", "changes of program"),
    "migrated": ("migration", "migrations"),
    "handed_over": ("hand-over", "hand-overs"),
    "connections_remain": ("time that connections remained", "times that connections remained"),
    "connection_took_port": ("time that a connection took the port", "times that a connection took the port"),
    "connections_gone": ("time that the last of them went", "times that the last of them went"),
    "bind_refused": ("failed start", "failed starts"),
    "listener_flashed": ("listener that nobody could look at", "listeners that nobody could look at"),
}


def say_totals(totals: dict[str, int]) -> str:
    """Return what happened how often: ``say_totals({"handed_over": 2}) == "2 hand-overs"``."""
    counts = ["%d %s" % (number, _COUNTED[kind][number != 1]) for kind, number in sorted(totals.items())]
    return listed(counts, most=len(counts)) if counts else "nothing changed"


def _address(event: Event) -> str:
    return name_address(event.socket) if event.socket else "?"


def _state(event: Event) -> str:
    return _STATES.get(_socket_state(event.socket), _socket_state(event.socket))


def _socket_state(held: HeldSocket | None) -> str:
    return held.socket.state if held else "?"


def _holders(holders: tuple[Holder, ...], descriptors: bool = False) -> str:
    """Return processes with what owns them, ``haproxy[812] of haproxy.service``, or that none was seen."""
    if not holders:
        return "a holder that was not seen"
    named = []
    for holder in holders:
        owner = name_owner(holder.owner)
        fd = " fd %d" % holder.fd if descriptors else ""
        of = "" if holder.owner.kind == "process" else " of " + owner
        named.append(name_process(holder) + fd + of)
    return listed(named)


def _held_by(event: Event) -> str:
    return ", held by " + _holders(event.holders) if event.holders else ", held by no process"


def _count(states: dict[str, int] | None) -> str:
    return listed(["%d %s" % (number, state) for state, number in (states or {}).items()], most=99)
