# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The course of a sweep: from the hosts of an inventory to what is shown and kept of their answers."""

from __future__ import annotations

import pathlib
import signal
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..agent_file.archive import archive
from ..fleet.picture import FAILED, UNREACHABLE, HostAnswer, natural, read_answer, without_bind
from ..report.directory import ReportNotKept
from ..report.view import report_of
from .asking import Declared
from .crowd import Limits, sweep
from .hearing import NO_ANSWER
from .showing import Shown
from .target import Outcome, Question, Target
from .targets import Reach, hindrance_of

_INTERRUPTED = "no answer: the sweep was interrupted"


@dataclass(frozen=True)
class Ended:
    """How a sweep ended: the statuses that hosts have, and whether it was interrupted."""

    statuses: frozenset[str]
    interrupted: bool


@dataclass(frozen=True)
class Course:
    """One question to many hosts. ``options`` are those of ``module`` but for what each host has ``declared``."""

    reach: Reach
    module: str
    options: Mapping[str, Any]
    declared: Declared | None
    limits: Limits

    def run(self, hosts: Sequence[Any], shown: Shown, directory: pathlib.Path | None, with_bind: bool) -> Ended:
        """Ask, show each answer, write the report to ``directory`` if there is one, and show what it comes to.

        Raises ReportNotKept.
        """
        taken = _Taken(shown, with_bind, keeping=directory is not None)
        in_hand: Outcome | None = None
        shown.begin()
        outcomes = sweep(self._asked(hosts), archive(), self.limits)
        interrupted = False
        try:
            for in_hand in outcomes:
                taken.take(in_hand)
        except KeyboardInterrupt:
            interrupted = True
            known = [*([in_hand] if in_hand else []), *_come_in(outcomes)]
            rest = {host.name: Outcome(host.name, UNREACHABLE, reason=_INTERRUPTED) for host in hosts}
            for outcome in {**rest, **{outcome.name: outcome for outcome in known}}.values():
                if outcome.name not in taken.statuses:
                    taken.take(outcome)
        try:
            written = _written(taken.answers, directory) if directory else None
        except ReportNotKept:
            shown.end(None)
            raise
        shown.end(written)
        return Ended(frozenset(taken.statuses.values()), interrupted)

    def _asked(self, hosts: Sequence[Any]) -> Iterator[tuple[Target, Question]]:
        """Yield every host with its own question."""
        for target in self.reach.targets(hosts):
            options = self.options
            if self.declared is not None and target.hindrance is None:
                try:
                    options = {**options, "declared": self.declared.of_host(self.reach.templar)}
                except Exception as error:  # a plugin of anybody's may have been asked
                    target = replace(target, hindrance=hindrance_of(error))
            yield target, Question(self.module, options)


class _Taken:
    """What has been taken of the outcomes: shown, and kept for a report where there will be one.

    A host may answer anything. What cannot be shown of one has failed, and is no other host's matter.
    """

    def __init__(self, shown: Shown, with_bind: bool, keeping: bool) -> None:
        self.statuses: dict[str, str] = {}
        self.answers: dict[str, HostAnswer] = {}
        self._shown, self._with_bind, self._keeping = shown, with_bind, keeping

    def take(self, outcome: Outcome) -> None:
        """Take what came of a host, as a whole: an interrupt comes after it, a second one at once.

        Raises OSError where standard output is gone.
        """
        interrupts: list[int] = []

        def note(number: int, _frame: Any) -> None:
            if interrupts:
                raise KeyboardInterrupt
            interrupts.append(number)

        before = signal.signal(signal.SIGINT, note)
        try:
            self._take(outcome)
        except OSError:
            raise
        except Exception:
            self._take(replace(outcome, status=FAILED, result=None, reason=NO_ANSWER))
        finally:
            signal.signal(signal.SIGINT, before)
        if interrupts:
            raise KeyboardInterrupt

    def _take(self, outcome: Outcome) -> None:
        registered = _registered(outcome)
        answer = read_answer(outcome.name, registered if self._with_bind else without_bind(registered))
        if self._keeping:
            self.answers[answer.name] = read_answer(outcome.name, registered)
        self._shown.answer(answer, outcome)
        self.statuses[answer.name] = answer.status  # next: whoever reads the answer may interrupt at once


def _come_in(outcomes: Generator[Outcome]) -> Iterator[Outcome]:
    """Yield what had come in of an interrupted sweep, and end it."""
    try:
        yield outcomes.throw(KeyboardInterrupt())
        yield from outcomes
    except KeyboardInterrupt:
        return


def _written(answers: Mapping[str, HostAnswer], directory: pathlib.Path) -> dict[str, Any]:
    from ..report.writing import write_report

    found = [answers[name] for name in sorted(answers, key=natural)]
    try:
        return write_report(found, directory)
    except ReportNotKept:
        raise
    except Exception:
        return write_report([_readable(answer) for answer in found], directory)


def _readable(answer: HostAnswer) -> HostAnswer:
    """Return an answer that every format of a report can take."""
    from ..report.formats import RENDERERS

    try:
        report = report_of([answer], "")
        for renderer in RENDERERS:
            renderer.render(report)
    except Exception:
        return HostAnswer(answer.name, FAILED, NO_ANSWER, None)
    return answer


def _registered(outcome: Outcome) -> dict[str, Any]:
    """Return what a task of Ansible would have registered."""
    told = {} if outcome.status == "ok" else {outcome.status: True, "msg": outcome.reason}
    return {**(outcome.result or {}), **told}
