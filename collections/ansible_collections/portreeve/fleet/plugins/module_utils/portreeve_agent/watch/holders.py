# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who came to a socket, who left it, and to whom it wandered. Pure."""

from __future__ import annotations

from ..model import HeldSocket, Holder
from ..typed import Iterator
from .moments import Event, Observation, Span, place_of


def in_order_of_age(holders: tuple[Holder, ...]) -> tuple[Holder, ...]:
    """Return one holder for each process, the oldest process first."""
    first = {_person(holder): holder for holder in reversed(holders)}
    return tuple(sorted(first.values(), key=lambda holder: (holder.process.start_ticks, holder.pid)))


def holder_events(before: HeldSocket, after: HeldSocket, last: Observation, now: Observation) -> Iterator[Event]:
    """Yield what happened to the holders of one socket.

    It has migrated when the oldest of its holders left it and others go on holding it: a socket that nobody closed,
    which tools that show one holder show somewhere else from then on.
    """
    were = {_person(holder): holder for holder in in_order_of_age(before.holders)}
    are = {_person(holder): holder for holder in in_order_of_age(after.holders)}
    place = place_of(after)
    between = Span(last.holders_at.least, now.holders_at.most)
    came = tuple(holder for person, holder in are.items() if person not in were)
    left = tuple(holder for person, holder in were.items() if person not in are)
    at = min((now.deaths.get(holder.pid, between) for holder in left), key=lambda span: span.middle, default=between)
    if came:
        yield Event("holder_came", between, place, after, came)
    if left:
        yield Event("holder_left", at, place, after, left)
    eldest = next(iter(were), None)
    if are and eldest is not None and eldest not in are:
        yield Event("migrated", at, place, after, tuple(are.values()), tuple(were.values())[:1])
    became = tuple(
        holder for person, holder in are.items() if person in were and _program(holder) != _program(were[person])
    )
    if became:
        former = tuple(were[_person(holder)] for holder in became)
        yield Event("holder_changed", between, place, after, became, former)


def _person(holder: Holder) -> tuple[int, int]:
    return holder.pid, holder.process.start_ticks


def _program(holder: Holder) -> tuple[str, str | None]:
    return holder.process.name, holder.process.exe
