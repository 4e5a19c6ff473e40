# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run over a fleet: what was judged, what has changed since, and what it comes to. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ..fleet.picture import OK
from .findings import Finding, JudgedHost
from .rules import at_least

#: What has become of a finding: it was not there when its host was last seen; it was; it is gone; or it was there and
#: its host, or its rule there, could not be judged this time.
NEW, PERSISTING, RESOLVED, UNSEEN = "new", "persisting", "resolved", "unseen"
STANDINGS = (NEW, PERSISTING, UNSEEN, RESOLVED)

#: What a run comes to. TOLERATED: nothing found but what is waived or below what fails a run.
COMPLIANT, TOLERATED, INCOMPLETE, NOT_COMPLIANT = "compliant", "tolerated", "incomplete", "not_compliant"
STATES = (COMPLIANT, TOLERATED, INCOMPLETE, NOT_COMPLIANT)
#: What it comes to when it could not be recorded, or not be written: nobody may rely on it.
ERROR = "error"


class Tracked(NamedTuple):
    """A finding over the runs: when it was first and last seen since it was last not there, ISO 8601 in UTC."""

    finding: Finding
    standing: str
    first_seen: str
    last_seen: str


@dataclass(frozen=True)
class Judged:
    """A run before it is recorded. ``name`` tells it from all others, ``began_at`` and ``ended_at`` are ISO 8601 in
    UTC.

    ``slice_of`` is (number, how many) where it is over a part of the inventory only; parts of one run share ``whole``.
    ``fail_on`` is the severity from which on a finding fails the run. ``limit`` is the pattern that it was limited to
    (``--limit``), None when it was not.
    """

    name: str
    began_at: str
    ended_at: str
    fail_on: str
    hosts: tuple[JudgedHost, ...]
    slice_of: tuple[int, int] | None = None
    whole: str | None = None
    limit: str | None = None

    @property
    def is_part(self) -> bool:
        """Whether it is over a part of the inventory only, and says nothing of the fleet."""
        return self.slice_of is not None or self.limit is not None


class Past(NamedTuple):
    """An earlier run, for the trend: findings by severity, waived ones apart, and hosts by status."""

    name: str
    ended_at: str
    state: str
    severities: Mapping[str, int]
    waived: int
    hosts: Mapping[str, int]


@dataclass(frozen=True)
class Run:
    """A run as it is recorded, and all that is ever shown of one: every output is made from this alone.

    ``tracked`` has resolved findings, too. ``past`` are the runs before it, the oldest first. ``missing`` are the
    numbers of slices of it that are not there. ``unkept`` are sentences on what of it could not be recorded or written.
    """

    judged: Judged
    tracked: tuple[Tracked, ...]
    past: tuple[Past, ...] = ()
    missing: tuple[int, ...] = ()
    unkept: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """What it comes to, one of STATES, or ERROR."""
        return state_of(self)

    @property
    def standing(self) -> tuple[Tracked, ...]:
        """Findings that are there now, or were and could not be judged anew."""
        return tuple(one for one in self.tracked if one.standing != RESOLVED)


def state_of(run: Run) -> str:
    """Return what a run comes to: who broke a rule is told before who was not seen, and that before 'compliant'."""
    if run.unkept:
        return ERROR
    counting = [one.finding for one in run.standing if one.finding.waived is None]
    if any(at_least(finding.severity, run.judged.fail_on) for finding in counting):
        return NOT_COMPLIANT
    unseen = any(host.status != OK or host.unjudged for host in run.judged.hosts)
    if unseen or run.missing or not run.judged.hosts:
        return INCOMPLETE
    return TOLERATED if run.standing else COMPLIANT


def host_counts(hosts: Iterable[JudgedHost]) -> dict[str, int]:
    """Return how many hosts have each status that any has."""
    return dict(sorted(Counter(host.status for host in hosts).items()))


def severity_counts(tracked: Iterable[Tracked]) -> dict[str, int]:
    """Return how many findings, waived ones left out, there are of each severity."""
    return dict(Counter(one.finding.severity for one in tracked if one.finding.waived is None))
