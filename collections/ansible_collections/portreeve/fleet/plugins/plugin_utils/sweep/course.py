# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The course of a sweep: from the hosts of an inventory to what is shown and kept of their answers."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible.errors import AnsibleError

from ..fleet.picture import FAILED, UNREACHABLE, HostAnswer, natural, read_answer, without_bind
from ..report.writing import write_report
from .asking import Declared
from .showing import Shown
from .target import Outcome, Target
from .targets import Reach, sentence_of

_INTERRUPTED = "no answer: the sweep was interrupted"


@dataclass(frozen=True)
class Ended:
    """How a sweep ended: the statuses that hosts have, and whether it was interrupted."""

    statuses: frozenset[str]
    interrupted: bool


@dataclass
class Course:
    """One question to many hosts. ``options`` are those of ``module`` but for what each host has ``declared``."""

    reach: Reach
    module: str
    options: Mapping[str, Any]
    declared: Declared | None
    at_once: int
    host_timeout: float
    _hindered: list[Outcome] = field(default_factory=list)

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
            shown.answer(answer)

        shown.begin()
        try:
            for outcome in self._outcomes(hosts):
                take(outcome)
        except KeyboardInterrupt:
            interrupted = True
            for name in list(missing):
                take(Outcome(name, UNREACHABLE, reason=_INTERRUPTED))
        kept.sort(key=lambda answer: natural(answer.name))
        shown.end(write_report(kept, directory) if directory else None)
        return Ended(frozenset(statuses), interrupted)

    def _outcomes(self, hosts: Sequence[Any]) -> Iterator[Outcome]:
        from .crowd import sweep

        for outcome in sweep(self._asked(hosts), self.module, self.at_once, self.host_timeout):
            yield outcome
            yield from self._drained()
        yield from self._drained()

    def _drained(self) -> Iterator[Outcome]:
        while self._hindered:
            yield self._hindered.pop(0)

    def _asked(self, hosts: Sequence[Any]) -> Iterator[tuple[Target, Mapping[str, Any]]]:
        """Yield every host that can be asked, with its own question."""
        for target in self.reach.targets(hosts):
            hindrance = target.hindrance
            options = self.options
            if hindrance is None and self.declared is not None:
                try:
                    options = {**options, "declared": self.declared.of_host(self.reach.templar)}
                except AnsibleError as error:
                    hindrance = sentence_of(error)
            if hindrance is None:
                yield target, options
            else:
                self._hindered.append(Outcome(target.name, FAILED, reason=hindrance))


def _registered(outcome: Outcome) -> dict[str, Any]:
    """Return what a task of Ansible would have registered."""
    told = {} if outcome.status == "ok" else {outcome.status: True, "msg": outcome.reason}
    return {**(outcome.result or {}), **told}
