# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks at some ports again and again: cheaply at the tables, at the descriptors only when something suggests it."""

from __future__ import annotations

import select
import time

from ..errors import PortreeveError
from ..host import Host
from ..model import BlindSpot, HeldSocket, Snapshot, Socket
from ..record import replace
from ..snapshot import take_snapshot
from ..tables import Question, read_tables
from .handles import Handles
from .moments import Identity, Observation, Span, Turn, identity
from .sight import Sight
from .signals_of_change import SignalsOfChange

_REST = 20  # times as long as a look or a walk took is the least until the next one that nothing has suggested
_LEAST_DELAY_MS = 1.0  # from what happens until we are awake; more as soon as we were seen to wake up later
_MOST_WALKING_MS = 2000.0  # in one go, when sockets come all the time; from then on half of the time
_TOO_MANY_HOLDERS = (
    "the moment at which some of the holders end",
    "there are more of them than descriptors to spare: they are looked at once a second or less",
)
_LAPSE = ("every change of the sockets", "for a while the kernel told less of them than before")
_SECONDS_BETWEEN_WALKS = 1.0  # at least, as long as no socket has changed


def monotonic_ms() -> float:
    """Return the time in milliseconds by which everything here is told."""
    return time.monotonic() * 1000


class Observer:
    """Looks at the ports of a question. ``every_ms`` is how long it rests between two looks, if that is enough for a
    look to take no more than a twentieth of the time."""

    def __init__(self, host: Host, question: Question, every_ms: float) -> None:
        self._host = host
        self._question = question
        self._every = every_ms
        self._known: dict[Identity, HeldSocket] = {}
        self._sight = Sight()
        self._lapses = 0
        self._last: Observation | None = None
        self._walk_cost = self._look_cost = self._walked = 0.0
        self._stale = False
        self._turns_lost = False
        self._late_turns: tuple[Turn, ...] = ()
        self._late_destroyed: dict[int, Span] = {}
        self._late_deaths: dict[int, Span] = {}
        self._holders_at = Span(0.0, 0.0)
        self._delay = _LEAST_DELAY_MS
        self._drained = monotonic_ms()
        self._heard = Span(self._drained, self._drained)
        self.snapshot = self._walk()
        self.signals = SignalsOfChange(host, question, self.snapshot.namespaces)
        self._poll = select.poll()
        for descriptor in self.signals.descriptors:
            self._poll.register(descriptor, select.POLLIN)
        self._handles = Handles(host, self._poll, self.signals.taken)

    @property
    def blind_spots(self) -> tuple[BlindSpot, ...]:
        """What stays out of sight for the whole watch."""
        spots = []
        if self._handles.unheard:
            spots.append(BlindSpot(*_TOO_MANY_HOLDERS, self._handles.unheard))
        if self._lapses:
            spots.append(BlindSpot(*_LAPSE, self._lapses))
        return (*self.snapshot.blind_spots, *self.signals.blind_spots, *spots)

    def also_wake_by(self, descriptor: int, events: int) -> None:
        """Let ``wait`` return when something else happens; ``events`` as for poll(2), 0 for a broken pipe."""
        self._poll.register(descriptor, events)

    def wait(self, most_ms: float) -> list[tuple[int, int]]:
        """Rest until the next look is due; the kernel's word of a change is heard at once. Returns as poll(2) does."""
        time.sleep(max(min(self._look_cost, most_ms), 0) / 1000)  # a port in tumult does not get all of a CPU
        rest = max(min(max(self._every, _REST * self._look_cost), most_ms), 0)
        silent, since = self.signals.is_silent(), monotonic_ms()
        woken_by = self._poll.poll(rest)
        now = monotonic_ms()
        if not woken_by:
            self._delay = max(self._delay, now - since - rest)
        self._heard = Span(max(since, now - self._delay) if silent else self._drained, now)
        return woken_by

    def look(self) -> Observation:
        """Return what there is now. Raises PortreeveError where the tables cannot be had any more."""
        deaths = {**self._late_deaths, **dict.fromkeys(self._handles.take_ended(), self._heard)}
        told = self.signals.drain(self._heard, self._concerns_us)
        self._drained = monotonic_ms()
        started = monotonic_ms()
        tables = read_tables(self._host, self._question, self.snapshot.namespaces, self.snapshot.ranges)
        ended = monotonic_ms()
        self._look_cost = ended - started
        # What happens while the tables are read may show in them or not: it counts for this look and for the next one.
        late = self.signals.drain(Span(self._drained, monotonic_ms()), self._concerns_us)
        self._drained = monotonic_ms()
        turns = (*self._late_turns, *told.turns, *late.turns)
        destroyed = {**self._late_destroyed, **told.destroyed, **late.destroyed}
        refusals = told.refusals + late.refusals
        if not self._sight.learn(tables.sources) and self._last is not None:
            self._lapses += 1
            self._stale = True
            self._late_turns, self._late_destroyed, self._late_deaths = turns, destroyed, deaths
            self._turns_lost |= told.turns_lost or late.turns_lost
            return replace(self._last, destroyed={}, deaths={}, turns=(), turns_lost=False, refusals=refusals)
        self._late_turns = tuple(turn for turn in turns if turn.at >= started)
        self._late_destroyed, self._late_deaths = late.destroyed, {}
        lost, self._turns_lost = self._turns_lost or told.turns_lost or late.turns_lost, False
        rows = self._sight.rows(tables.sockets)
        if deaths or any(row.inode and _key(row) not in self._known for row in rows):
            self._stale = True
        self._walk_if_due(ended, any(row.inode for row in rows))
        sockets = tuple(self._with_holders(row) for row in rows)
        present = {identity(held) for held in sockets}
        self._known = {key: held for key, held in self._known.items() if key in present}
        holders = [holder for held in self._known.values() for holder in held.holders]
        self._stale = not self._handles.follow(holders) or self._stale
        self._last = Observation(
            tables_at=Span(started, ended), holders_at=self._holders_at, sockets=sockets,
            destroyed=destroyed, deaths=deaths, turns=tuple(turn for turn in turns if turn.at <= ended),
            turns_lost=lost, refusals=refusals,
        )  # fmt: skip
        return self._last

    def _walk_if_due(self, now: float, anything: bool) -> None:
        rested = now - self._holders_at.most
        due = max(_SECONDS_BETWEEN_WALKS * 1000, _REST * self._walk_cost)
        affordable = self._walked - rested < _MOST_WALKING_MS
        if (self._stale and affordable) or (rested >= due and anything):
            self.snapshot = self._walk()

    def refresh(self) -> None:
        """Look at everything once more, whatever it costs."""
        self.snapshot = self._walk()

    def _walk(self) -> Snapshot:
        started = monotonic_ms()
        rested = started - self._holders_at.most
        snapshot = take_snapshot(self._host, self._question)
        self._holders_at = Span(started, monotonic_ms())
        self._walk_cost = self._holders_at.most - started
        self._walked = max(self._walked - rested, 0.0) + self._walk_cost
        self._known.update((identity(held), held) for held in self._sight.held(snapshot.sockets) if held.socket.inode)
        self._stale = False
        return snapshot

    def _with_holders(self, row: Socket) -> HeldSocket:
        known = self._known.get(_key(row)) if row.inode else None
        return HeldSocket(row, (), None, None) if known is None else known._replace(socket=row)

    def _concerns_us(self, pid: int) -> int | None:
        """Return the network namespace of a process if it is watched, 0 if it is not, None if it cannot be told."""
        try:
            found = self._host.inode("/proc/%d/ns/net" % pid)
        except PortreeveError:
            return None
        return found if found in {namespace.id for namespace in self.snapshot.namespaces} else 0

    def close(self) -> None:
        """Let go of everything that was opened."""
        self._handles.close()
        self.signals.close()


def _key(row: Socket) -> Identity:
    return row.namespace, row.protocol, row.inode if row.cookie is None else row.cookie
