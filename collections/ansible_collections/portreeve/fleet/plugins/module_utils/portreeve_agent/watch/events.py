# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From two looks to what happened in between. Pure."""

from __future__ import annotations

import math

from ..model import SERVING_STATES, HeldSocket, Holder
from ..ports import overlaps
from ..record import dataclass, field, replace
from ..typed import Iterable, Iterator
from .holders import holder_events, in_order_of_age
from .moments import OPEN_STATES, Event, Flash, Identity, Observation, Place, Span, Turn, identity, place_of

_NO_GAP = Span(0.0, 0.0)
_MOST_VACANCIES = 64  # that nobody has taken up yet; older ones are forgotten


@dataclass(frozen=True)
class Vacancy:
    """A listener that went, and nobody listens in its place yet."""

    held: HeldSocket
    since: Span


@dataclass(frozen=True)
class Course:
    """What has to be remembered from look to look: when sockets that came since the start opened, whose place is
    vacant, and where somebody has listened."""

    last: Observation
    opened: dict[Identity, Span] = field(default_factory=dict)
    vacancies: tuple[Vacancy, ...] = ()
    served: frozenset[Place] = frozenset()


def begin(first: Observation) -> Course:
    """Return the course of a watch that begins with ``first``."""
    return Course(last=first, served=frozenset(place_of(held) for held in first.sockets if is_open(held)))


def is_open(held: HeldSocket) -> bool:
    """Return whether a socket takes what comes to its port."""
    return held.socket.state in OPEN_STATES


def advance(course: Course, now: Observation) -> tuple[Course, tuple[Event, ...]]:
    """Return the course after one more look, and what happened since the one before."""
    step = _Step(course, now)
    events = [
        *_socket_events(step),
        *_handovers(step),
        *_flashes(step),
        *_connection_events(step),
        *(
            event
            for key in step.before.keys() & step.after.keys()
            for event in holder_events(step.before[key], step.after[key], course.last, now)
        ),
        *(Event("bind_refused", refusal.at, _place_of_refusal(refusal), refusal=refusal) for refusal in now.refusals),
    ]
    following = Course(
        last=now,
        opened={key: at for key, at in {**course.opened, **step.opened}.items() if key in step.after},
        vacancies=step.vacancies[-_MOST_VACANCIES:],
        served=course.served | {place_of(held) for held in step.after.values() if is_open(held)},
    )
    return following, tuple(sorted(events, key=lambda event: event.at.most))


def _place_of_refusal(refusal: object) -> Place | None:
    port, protocol = getattr(refusal, "port", None), getattr(refusal, "protocol", None)
    namespace = getattr(refusal, "namespace", None)
    return None if port is None or protocol is None or namespace is None else Place(port, protocol, namespace)


class _Step:
    """One step: the serving sockets before and after, which of them opened and closed, and when."""

    def __init__(self, course: Course, now: Observation) -> None:
        self.course = course
        self.now = now
        self.before = serving(course.last)
        self.after = serving(now)
        self.between = Span(course.last.tables_at.least, now.tables_at.most)
        self.opened = {
            key: self._opening(held)
            for key, held in self.after.items()
            if is_open(held) and not (key in self.before and is_open(self.before[key]))
        }
        self.closed = {
            key: self.ending(held)
            for key, held in self.before.items()
            if is_open(held) and not (key in self.after and is_open(self.after[key]))
        }
        self.vacancies: tuple[Vacancy, ...] = course.vacancies

    def ending(self, held: HeldSocket) -> Span:
        """Return when a socket went."""
        return self._turn(held, False) or self.now.destroyed.get(held.socket.cookie or 0, self.between)

    def _opening(self, held: HeldSocket) -> Span:
        return self._turn(held, True) or self.between

    def vacant_since(self, one: Vacancy, until: float) -> Span:
        """Return since when nobody listens in a place: listeners may have come and gone that no look has seen."""
        if self.now.turns_lost:
            return Span(one.since.least, max(one.since.most, min(until, self.between.most)))
        ends = [turn.at for turn in self._turns_at(one.held, False)]
        later = [at for at in ends if one.since.most < at < until]
        return Span(max(later), max(later)) if later else one.since

    def _turn(self, held: HeldSocket, begins: bool) -> Span | None:
        """Return when the kernel says that a socket began or ceased to listen, None where it does not.

        A turn does not name its socket. It is one that a holder of it has made, or else, as of a daemon whose parent
        began to listen and went, one of all that there were on its port.
        """
        if held.socket.state != "LISTEN" or self.now.turns_lost:
            return None
        turns = self._turns_at(held, begins)
        pids = {holder.pid for holder in held.holders}
        told = [turn.at for turn in turns if turn.pid in pids] or [turn.at for turn in turns]
        return Span(min(told), max(told)) if told else None

    def _turns_at(self, held: HeldSocket, begins: bool) -> list[Turn]:
        port, namespace = held.socket.local.port, held.socket.namespace
        told = (turn for turn in self.now.turns if turn.begins is begins and turn.port == port)
        return [turn for turn in told if turn.namespace in (None, namespace)]


def serving(look: Observation) -> dict[Identity, HeldSocket]:
    """Return the sockets that serve, by identity."""
    return {identity(held): held for held in look.sockets if held.socket.state in SERVING_STATES}


def _socket_events(step: _Step) -> Iterator[Event]:
    for key, held in step.after.items():
        if key not in step.before:
            at = step.opened.get(key, step.between)
            yield Event("socket_appeared", at, place_of(held), held, in_order_of_age(held.holders))
        elif step.before[key].socket.state != held.socket.state:
            at = step.opened.get(key, step.closed.get(key, step.between))
            yield Event("socket_changed", at, place_of(held), held, in_order_of_age(held.holders))
    for key, held in step.before.items():
        if key not in step.after:
            yield Event("socket_vanished", step.ending(held), place_of(held), held, in_order_of_age(held.holders))


def _handovers(step: _Step) -> Iterator[Event]:
    """Yield who listens now in whose place. A vacancy remains where nobody does."""
    found: list[Event] = []
    vacancies = list(step.vacancies)
    for key, since in step.closed.items():
        old = step.before[key]
        successors = [held for held in step.after.values() if is_open(held) and _stands_in(held, old)]
        new = [held for held in successors if identity(held) in {**step.course.opened, **step.opened}]
        if new:
            at = {**step.course.opened, **step.opened}
            first = min(new, key=lambda held: at[identity(held)].middle)
            together = identity(first) in step.before and is_open(step.before[identity(first)])
            opened = at[identity(first)]
            vacant = step.vacant_since(Vacancy(old, since), opened.least)
            found.append(_handover(old, first, _NO_GAP if together else gap_between(vacant, opened), since))
        elif not successors:
            vacancies.append(Vacancy(old, since))
    for key, at_last in step.opened.items():
        taken = [one for one in vacancies if _stands_in(step.after[key], one.held)]
        for one in taken:
            vacancies.remove(one)
            vacant = step.vacant_since(one, at_last.least)
            found.append(_handover(one.held, step.after[key], gap_between(vacant, at_last), at_last))
    step.vacancies = tuple(replace(one, since=step.vacant_since(one, math.inf)) for one in vacancies)
    return iter(_longest_of_each(found))


def _flashes(step: _Step) -> Iterator[Event]:
    """Yield who listened between the two looks only, as a program does that fails as soon as it has started."""
    seen = {
        (holder.pid, held.socket.local.port)
        for held in (*step.before.values(), *step.after.values())
        for holder in held.holders
    }
    begun: dict[tuple[int, int], float] = {}
    flashes: dict[tuple[int, int], list[Turn]] = {}
    for turn in step.now.turns:
        key = turn.pid, turn.port
        if turn.begins:
            begun[key] = turn.at
        elif key in begun and key not in seen and turn.at > step.course.last.tables_at.most:
            flashes.setdefault(key, []).append(turn)
    for (pid, port), turns in flashes.items():
        last = turns[-1]
        place = None if last.namespace is None else Place(port, "tcp", last.namespace)
        at = Span(begun[pid, port] if len(turns) == 1 else turns[0].at, last.at)
        yield Event("listener_flashed", at, place, flash=Flash(pid, port, len(turns)))


def _handover(old: HeldSocket, new: HeldSocket, gap: Span, at: Span) -> Event:
    former, holders = in_order_of_age(old.holders), in_order_of_age(new.holders)
    return Event("handed_over", at, place_of(new), new, holders, former, gap)


def gap_between(closed: Span, opened: Span) -> Span:
    """Return how long nobody listened: ``gap_between(Span(10, 12), Span(30, 31)) == Span(18, 21)``; never less than
    nothing."""
    return Span(max(opened.least - closed.most, 0.0), max(opened.most - closed.least, 0.0))


def _stands_in(new: HeldSocket, old: HeldSocket) -> bool:
    return place_of(new) == place_of(old) and overlaps(
        old.socket.local.address, new.socket.local.address, new.socket.v6only is True
    )


def _longest_of_each(events: list[Event]) -> Iterable[Event]:
    """One program hands over many sockets at once: the longest gap stands for all of them."""
    longest: dict[object, Event] = {}
    for event in events:
        key = event.place, _pids(event.former), _pids(event.holders)
        if key not in longest or (event.gap or _NO_GAP) > (longest[key].gap or _NO_GAP):
            longest[key] = event
    return longest.values()


def _pids(holders: tuple[Holder, ...]) -> tuple[int, ...]:
    return tuple(holder.pid for holder in holders)


def _connection_events(step: _Step) -> Iterator[Event]:
    """Yield when connections are left on a port to which nobody listens, or take it, and when the last of them goes."""
    before, after = connections(step.course.last), connections(step.now)
    for place, rows in after.items():
        if place not in before:
            kind = "connections_remain" if place in step.course.served else "connection_took_port"
            holders = in_order_of_age(tuple(holder for held in rows for holder in held.holders))
            yield Event(kind, step.between, place, rows[0], holders, states=count_states(rows))
    for place in before.keys() - after.keys():
        yield Event("connections_gone", step.between, place)


def connections(look: Observation) -> dict[Place, list[HeldSocket]]:
    """Return the connections by place where nobody serves their address."""
    servers: dict[Place, list[HeldSocket]] = {}
    for held in serving(look).values():
        servers.setdefault(place_of(held), []).append(held)
    found: dict[Place, list[HeldSocket]] = {}
    for held in look.sockets:
        served = any(_stands_in(server, held) for server in servers.get(place_of(held), ()))
        if held.socket.state not in SERVING_STATES and not served:
            found.setdefault(place_of(held), []).append(held)
    return found


def count_states(rows: Iterable[HeldSocket]) -> dict[str, int]:
    """Return how many sockets are in which state, by name."""
    states = sorted(held.socket.state for held in rows)
    return {state: states.count(state) for state in states}
