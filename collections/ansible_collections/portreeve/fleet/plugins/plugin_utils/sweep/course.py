# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The course of a sweep: from the hosts of an inventory to what is shown and kept of their answers."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible.errors import AnsibleError

from ..agent_file.archive import archive
from ..fleet.picture import UNREACHABLE, HostAnswer, natural, read_answer, without_bind
from ..report.directory import ReportNotKept
from .asking import Declared
from .crowd import Limits, sweep
from .showing import Shown
from .target import Outcome, Question, Target
from .targets import Reach, sentence_of

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
        missing = dict.fromkeys(host.name for host in hosts)
        statuses: set[str] = set()
        kept: list[HostAnswer] = []
        interrupted = False

        def take(outcome: Outcome) -> None:
            missing.pop(outcome.name, None)
            registered = _registered(outcome)
            if directory:
                kept.append(read_answer(outcome.name, registered))
            answer = read_answer(outcome.name, registered if with_bind else without_bind(registered))
            statuses.add(answer.status)
            shown.answer(answer, outcome)

        shown.begin()
        try:
            for outcome in sweep(self._asked(hosts), archive(), self.limits):
                take(outcome)
        except KeyboardInterrupt:
            interrupted = True
            for name in list(missing):
                take(Outcome(name, UNREACHABLE, reason=_INTERRUPTED))
        kept.sort(key=lambda answer: natural(answer.name))
        try:
            written = _written(kept, directory) if directory else None
        except ReportNotKept:
            shown.end(None)
            raise
        shown.end(written)
        return Ended(frozenset(statuses), interrupted)

    def _asked(self, hosts: Sequence[Any]) -> Iterator[tuple[Target, Question]]:
        """Yield every host with its own question."""
        for target in self.reach.targets(hosts):
            options = self.options
            if self.declared is not None and target.hindrance is None:
                try:
                    options = {**options, "declared": self.declared.of_host(self.reach.templar)}
                except AnsibleError as error:
                    target = replace(target, hindrance=sentence_of(error))
            yield target, Question(self.module, options)


def _written(answers: list[HostAnswer], directory: pathlib.Path) -> dict[str, Any]:
    from ..report.writing import write_report

    return write_report(answers, directory)


def _registered(outcome: Outcome) -> dict[str, Any]:
    """Return what a task of Ansible would have registered."""
    told = {} if outcome.status == "ok" else {outcome.status: True, "msg": outcome.reason}
    return {**(outcome.result or {}), **told}
