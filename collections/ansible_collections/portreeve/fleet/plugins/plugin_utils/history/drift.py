# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What has become of findings from one look at a host to the next. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..fleet.picture import INCOMPLETE, OK
from ..policy.findings import Finding, JudgedHost
from ..policy.runs import NEW, PERSISTING, RESOLVED, UNSEEN, Tracked


def follow(before: Iterable[Tracked], host: JudgedHost, moment: str) -> tuple[Tracked, ...]:
    """Return the findings of a host over time: those of now, then those that were open before and are not found now.

    ``before`` is what this returned when the host was last looked at, ``moment`` when it was looked at now, ISO 8601 in
    UTC.
    """
    was_open = {one.finding.id: one for one in before if one.standing != RESOLVED}
    found = {finding.id for finding in host.findings}
    now = [_found_again(finding, was_open.get(finding.id), moment) for finding in host.findings]
    gone = [
        one._replace(standing=RESOLVED if was_judged(host, one.finding) else UNSEEN)
        for identity, one in was_open.items()
        if identity not in found
    ]
    return (*now, *gone)


def between(before: Iterable[Tracked], host: JudgedHost, latest: Sequence[Tracked]) -> tuple[Tracked, ...]:
    """Return what has become of findings since an earlier look at a host, with others in between.

    ``latest`` is what has become of them since the last of those, and knows the times.
    """
    times = {one.finding.id: one for one in latest}
    followed = [
        one._replace(first_seen=times[one.finding.id].first_seen, last_seen=times[one.finding.id].last_seen)
        if one.finding.id in times
        else one
        for one in follow(before, host, "")
    ]
    told = {one.finding.id for one in followed}
    return (*followed, *(one for one in latest if one.standing == UNSEEN and one.finding.id not in told))


def out_of_sight(before: Iterable[Tracked]) -> tuple[Tracked, ...]:
    """Return what has become of findings of a host that was not looked at."""
    return tuple(one._replace(standing=UNSEEN) for one in before if one.standing != RESOLVED)


def was_judged(host: JudgedHost, finding: Finding) -> bool:
    """Return whether a finding would be among the host's, were it still there."""
    covered = any(one.rule == finding.rule and one.place in ("", finding.place) for one in host.unjudged)
    return host.status in (OK, INCOMPLETE) and not covered


def _found_again(finding: Finding, before: Tracked | None, moment: str) -> Tracked:
    if before is None:
        return Tracked(finding, NEW, moment, moment)
    return Tracked(finding, PERSISTING, before.first_seen, moment)
