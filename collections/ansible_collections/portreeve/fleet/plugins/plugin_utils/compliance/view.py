# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is shown of a run, ready to be put into any format: every text on one line, every list in stable order. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ..fleet.candidates import Candidate, find_candidates
from ..fleet.collisions import Collision, find_collisions
from ..fleet.folding import Folded, fold
from ..fleet.matrix import Matrix, build_matrix
from ..fleet.outliers import Outlier, find_outliers
from ..fleet.picture import natural
from ..policy.findings import Finding
from ..policy.rules import SEVERITIES
from ..policy.runs import RESOLVED, STANDINGS, Past, Run, Tracked, host_counts, severity_counts
from .rows import STATUSES, FindingRow, HostRow, Pool, finding_row, host_row, safe
from .sentences import closing


class FoldedRow(NamedTuple):
    """The same finding on several ``hosts``; ``row`` is that of the first of them, with the first time on any."""

    row: FindingRow
    hosts: tuple[str, ...]


class TrendPoint(NamedTuple):
    """A run among those before it: findings by severity, waived ones apart, and hosts by status."""

    run: str
    ended_at: str
    state: str
    severities: Mapping[str, int]
    waived: int
    hosts: Mapping[str, int]


@dataclass(frozen=True)
class View:
    """All that is shown of a run. Times are ISO 8601 in UTC; ``hosts`` are in natural order.

    ``findings`` are there now or could not be judged anew, ``resolved`` gone since; both folded over the hosts.
    ``limit`` is the pattern that the run was limited to. ``trend`` ends with this run. ``outliers``, ``matrix``,
    ``collisions`` and ``candidates`` are the records of the files of the same names in fleet. ``unkept`` are sentences
    on what could not be recorded or written.
    """

    run: str
    began_at: str
    ended_at: str
    state: str
    fail_on: str
    slice_of: tuple[int, int] | None
    whole: str | None
    limit: str | None
    missing: tuple[int, ...]
    hosts: tuple[HostRow, ...]
    findings: tuple[FoldedRow, ...]
    resolved: tuple[FoldedRow, ...]
    trend: tuple[TrendPoint, ...]
    outliers: tuple[Outlier, ...]
    matrix: Matrix
    collisions: tuple[Collision, ...]
    candidates: tuple[Candidate, ...]
    unkept: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """What the run comes to, in a sentence that begins with the state in capitals."""
        return closing(self)

    @property
    def host_counts(self) -> dict[str, int]:
        """How many hosts have each status, also those that none has."""
        found = Counter(host.status for host in self.hosts)
        return {status: found[status] for status in STATUSES}

    @property
    def severity_counts(self) -> dict[str, int]:
        """How many findings of single hosts have each severity, the most severe first; neither waived nor resolved."""
        found = self._count("severity")
        return {severity: found[severity] for severity in reversed(SEVERITIES)}

    @property
    def rule_counts(self) -> dict[str, int]:
        """How many findings of single hosts break each rule that is broken, the most first; neither waived nor
        resolved."""
        return dict(sorted(self._count("rule").items(), key=lambda pair: (-pair[1], pair[0])))

    @property
    def standing_counts(self) -> dict[str, int]:
        """How many findings of single hosts have each standing, waived ones left out."""
        found = self._count("standing")
        found[RESOLVED] = sum(len(one.hosts) for one in self.resolved if one.row.waived is None)
        return {standing: found[standing] for standing in STANDINGS}

    @property
    def waived(self) -> int:
        """How many findings of single hosts are waived."""
        return sum(len(one.hosts) for one in self.findings if one.row.waived is not None)

    @property
    def failing(self) -> int:
        """How many findings of single hosts fail the run."""
        return sum(len(one.hosts) for one in self.findings if one.row.fails)

    @property
    def unjudged(self) -> int:
        """How many rules could not be judged at places of hosts that answered."""
        return sum(len(host.unjudged) for host in self.hosts)

    @property
    def unseen(self) -> tuple[HostRow, ...]:
        """Hosts that were not seen, or not seen in full, the worst first."""
        troubled = [host for host in self.hosts if host.status != STATUSES[-1]]
        return tuple(sorted(troubled, key=lambda host: STATUSES.index(host.status)))

    def _count(self, field: str) -> Counter[str]:
        found: Counter[str] = Counter()
        for folded, hosts in self.findings:
            if folded.waived is None:
                found[getattr(folded, field)] += len(hosts)
        return found


def view_of(run: Run) -> View:
    """Return what is shown of a run."""
    judged = run.judged
    by_host: dict[str, list[FindingRow]] = {}
    for one in run.tracked:
        by_host.setdefault(one.finding.host, []).append(finding_row(one, judged.fail_on))
    pool: Pool = {}
    hosts = sorted(judged.hosts, key=lambda host: natural(host.name))  # as in the matrix
    return View(
        run=safe(judged.name),
        began_at=safe(judged.began_at),
        ended_at=safe(judged.ended_at),
        state=run.state,
        fail_on=judged.fail_on,
        slice_of=judged.slice_of,
        whole=safe(judged.whole),
        limit=safe(judged.limit),
        missing=tuple(sorted(run.missing)),
        hosts=tuple(host_row(host, by_host.get(host.name, ()), pool) for host in hosts),
        findings=folded(run.standing, judged.fail_on),
        resolved=folded((one for one in run.tracked if one.standing == RESOLVED), judged.fail_on),
        trend=tuple(_point(past) for past in (*run.past, _as_past(run))),
        outliers=safe(find_outliers(judged.hosts)),
        matrix=safe(build_matrix(judged.hosts, (one.finding for one in run.standing))),
        collisions=safe(find_collisions(judged.hosts)),
        candidates=safe(find_candidates(judged.hosts)),
        unkept=safe(run.unkept),
    )


def folded(tracked: Iterable[Tracked], fail_on: str) -> tuple[FoldedRow, ...]:
    """Return findings that differ in nothing but the host as one each, in the order in which to read them."""
    return tuple(_folded_row(one, fail_on) for one in fold(tracked))


def _folded_row(one: Folded, fail_on: str) -> FoldedRow:
    finding = Finding(
        one.hosts[0], one.rule, one.place, one.subject, one.who, one.severity, one.said, one.advice, one.evidence,
        one.waived,
    )  # fmt: skip
    row = finding_row(Tracked(finding, one.standing, one.first_seen, one.last_seen), fail_on)
    return FoldedRow(row, safe(one.hosts))


def _as_past(run: Run) -> Past:
    waived = sum(one.finding.waived is not None for one in run.standing)
    counts = severity_counts(run.standing), waived, host_counts(run.judged.hosts)
    return Past(run.judged.name, run.judged.ended_at, run.state, *counts)


def _point(past: Past) -> TrendPoint:
    severities = {severity: past.severities.get(severity, 0) for severity in reversed(SEVERITIES)}
    hosts = {status: past.hosts.get(status, 0) for status in STATUSES}
    return TrendPoint(safe(past.name), safe(past.ended_at), past.state, severities, past.waived, hosts)
