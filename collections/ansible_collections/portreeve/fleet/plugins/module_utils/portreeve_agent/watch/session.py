# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One watch from its first line to its last."""

from __future__ import annotations

import signal
import time
from collections import Counter

from .. import (
    bind_rules,
    bind_trial,
    bind_words,
    evidence,
    masking,
    message_queue,
    roles,
    scanned,
    second_process,
    socket_options,
)
from ..answers import answer_ports
from ..host import Host
from ..kernel import makers, procnet
from ..model import PROTOCOLS, Namespace, PortAnswer
from ..tables import Question
from ..typed import Any, Callable
from ..verdicts import registry
from ..verdicts.wording import one_line
from .events import advance, begin
from .moments import Event, Place, Refusal, Span
from .observing import Observer, monotonic_ms
from .wire import event_to_wire, line
from .words import name_gap, name_place, say_event, say_totals

# What a look imports when it needs it, a watch may need when no descriptor is left to read it by.
AT_HAND = (
    *(bind_rules, bind_trial, bind_words, evidence, makers, masking, message_queue, procnet, registry, roles),
    *(scanned, second_process, socket_options),
)

_ENDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
_UNTIL_WORTH_A_LOOK_MS = 3_600_000.0

Write = Callable[[str], None]


def watch(
    host: Host, question: Question, write: Write, output: int | None, seconds: float | None, every_ms: float, json: bool
) -> bool:
    """Tell by ``write`` what happens to the ports of ``question`` until ``seconds`` are over (None: until interrupted).

    ``output`` is the descriptor behind ``write``: when nobody reads it any more BrokenPipeError is raised, even if
    nothing happens. Returns whether everything relevant could be seen.
    """
    ends = _Ends()
    observer = Observer(host, question, every_ms)
    try:
        observer.also_wake_by(ends.descriptor, 1)
        if output is not None:
            observer.also_wake_by(output, 0)
        return _Session(observer, question, write, json).run(ends, output, seconds)
    finally:
        observer.close()
        ends.close()


class _Ends:
    """SIGINT and SIGTERM, turned into something to wait for."""

    def __init__(self) -> None:
        import socket

        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        self.reason: str | None = None
        self._woken = signal.set_wakeup_fd(self._writer.fileno())
        self._former = {number: signal.signal(number, self._note) for number in _ENDS}

    @property
    def descriptor(self) -> int:
        """Readable as soon as one has come."""
        return self._reader.fileno()

    def _note(self, number: int, _frame: object) -> None:
        self.reason = _ENDS[signal.Signals(number)]

    def close(self) -> None:
        for number, former in self._former.items():
            signal.signal(number, former)
        signal.set_wakeup_fd(self._woken)
        self._reader.close()
        self._writer.close()


class _Session:
    def __init__(self, observer: Observer, question: Question, write: Write, json: bool) -> None:
        self._observer = observer
        self._question = question
        self._write = write
        self._json = json
        self._wall_clock = time.time() * 1000 - monotonic_ms()
        self._totals: Counter[str] = Counter()
        self._gaps: list[Span] = []
        self._names: dict[int, Namespace] = {}
        self._said: set[tuple[str, str]] = set()
        self._refused: object = None
        self._repeats = 0

    def run(self, ends: _Ends, output: int | None, seconds: float | None) -> bool:
        began = monotonic_ms()
        deadline = None if seconds is None else began + seconds * 1000
        course = begin(self._observer.look())
        self._learn_names()
        for answer in self._answers():
            self._tell_state("watching", answer)
        self._tell_blind_spots()
        while ends.reason is None and (deadline is None or monotonic_ms() < deadline):
            left = _UNTIL_WORTH_A_LOOK_MS if deadline is None else deadline - monotonic_ms()
            woken_by = self._observer.wait(left)
            if output is not None and any(descriptor == output for descriptor, _events in woken_by):
                raise BrokenPipeError
            course, events = advance(course, self._observer.look())
            self._learn_names()
            for event in events:
                self._tell(event)
            self._tell_blind_spots()
        self._observer.refresh()
        return self._end(ends.reason or "the time is up", (monotonic_ms() - began) / 1000)

    def _answers(self) -> tuple[PortAnswer, ...]:
        protocols = self._question.protocols
        return answer_ports(self._observer.snapshot, self._question.ports, protocols or PROTOCOLS)

    def _learn_names(self) -> None:
        self._names = {namespace.id: namespace for namespace in self._observer.snapshot.namespaces}

    def _tell(self, event: Event) -> None:
        repeated = event.refusal or event.flash
        self._totals[event.kind] += repeated.times if repeated else 1
        if event.kind == "handed_over" and event.gap is not None:
            self._gaps.append(event.gap)
        if self._json:
            self._emit(event_to_wire(event, self._names))
        elif event.refusal is None or not self._is_repeated(event.refusal):
            if event.refusal is None:
                self._tell_repeats()
            self._say(event.at, say_event(event, self._names))

    def _is_repeated(self, refusal: Refusal) -> bool:
        """Return whether the line before said the same: who tries again and again is told once, and counted."""
        again = (refusal.pid, refusal.call, refusal.address, refusal.port, refusal.error)
        if again == self._refused:
            self._repeats += refusal.times
            return True
        self._tell_repeats()
        self._refused = again
        return False

    def _tell_repeats(self) -> None:
        repeats, self._repeats, self._refused = self._repeats, 0, None
        if repeats:
            now = Span(monotonic_ms(), monotonic_ms())
            self._say(now, "that start failed %d more %s" % (repeats, "time" if repeats == 1 else "times"))

    def _tell_state(self, kind: str, answer: PortAnswer) -> None:
        now = Span(monotonic_ms(), monotonic_ms())
        place = Place(answer.port, answer.protocol, answer.namespace.id)
        named = {"id": answer.namespace.id, "name": answer.namespace.name}
        if self._json:
            where = {"port": answer.port, "protocol": answer.protocol, "namespace": named}
            self._emit(line(kind, now, answer.summary, verdict=answer.verdict, **where))
        else:
            said = answer.summary if answer.verdict != "free" else name_place(place, self._names) + " is free."
            self._say(now, "%s: %s" % ("watching" if kind == "watching" else "at the end", said))

    def _tell_blind_spots(self) -> None:
        for spot in self._observer.blind_spots:
            if (spot.what, spot.why) not in self._said:
                self._said.add((spot.what, spot.why))
                now = Span(monotonic_ms(), monotonic_ms())
                sentence = "cannot be seen: %s: %s" % (spot.what, spot.why)
                if self._json:
                    self._emit(line("blind_spot", now, sentence, complete=False))
                else:
                    self._say(now, sentence)

    def _end(self, reason: str, seconds: float) -> bool:
        self._tell_repeats()
        for answer in self._answers():
            self._tell_state("standing", answer)
        now = Span(monotonic_ms(), monotonic_ms())
        said = say_totals(self._totals)
        if self._gaps:
            said += "; longest hand-over " + name_gap(max(self._gaps, key=lambda gap: gap.middle))
        sentence = "watched for %.1f s (%s): %s" % (seconds, reason, said)
        complete = not self._observer.blind_spots
        if self._json:
            self._emit(line("ended", now, sentence, totals=dict(sorted(self._totals.items())), complete=complete))
        else:
            self._say(now, sentence)
        return complete

    def _say(self, at: Span, sentence: str) -> None:
        clock = (at.most + self._wall_clock) / 1000  # when it was known: lines do not go back in time
        told = time.strftime("%H:%M:%S", time.localtime(clock))
        self._write("%s.%03d  %s\n" % (told, int(clock * 1000) % 1000, one_line(sentence)))

    def _emit(self, event: dict[str, Any]) -> None:
        import json

        clock = (event["at_ms"] + self._wall_clock) / 1000
        utc = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(clock))
        event["at"] = "%s.%03dZ" % (utc, int(clock * 1000) % 1000)
        self._write(json.dumps(event) + "\n")
