# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What has become of findings from one look at a host to the next. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

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
        if identity not in found and one.finding.rule not in host.ignored
    ]
    return (*now, *gone)


def precede(later: Iterable[Tracked], host: JudgedHost, moment: str) -> tuple[Tracked, ...]:
    """Return the findings over time of a look at a host that was over before the one that is recorded already.

    ``later`` is what that one made of them. What it knows is not new now, and nothing is resolved by an earlier look.
    """
    known = {one.finding.id: one for one in later}
    found = {finding.id for finding in host.findings}
    now = [_found_before(finding, known.get(finding.id), moment) for finding in host.findings]
    unseen = [
        one._replace(standing=UNSEEN)
        for identity, one in known.items()
        if identity not in found
        and one.standing != RESOLVED
        and one.first_seen <= moment
        and one.finding.rule not in host.ignored
        and not was_judged(host, one.finding)
    ]
    return (*now, *unseen)


def between(before: Iterable[Tracked], latest: Iterable[Tracked], ignored: Collection[str] = ()) -> tuple[Tracked, ...]:
    """Return what has become of findings of a host since an earlier look at it, however many there were in between.

    ``before`` is what had become of them by then, ``latest`` by the last look; ``ignored`` are the rules that were left
    out in that.
    """
    was_open = {one.finding.id: one for one in before if one.standing != RESOLVED}
    known = {one.finding.id: one for one in latest}
    now = [
        one if one.standing == UNSEEN else one._replace(standing=PERSISTING if identity in was_open else NEW)
        for identity, one in known.items()
        if one.standing != RESOLVED
    ]
    told = {one.finding.id for one in now}
    gone = [
        known.get(identity, one)
        for identity, one in was_open.items()
        if identity not in told and one.finding.rule not in ignored
    ]
    return (*now, *(one._replace(standing=RESOLVED) for one in gone))


def out_of_sight(before: Iterable[Tracked]) -> tuple[Tracked, ...]:
    """Return what has become of findings of a host that was not looked at."""
    return tuple(one._replace(standing=UNSEEN) for one in before if one.standing != RESOLVED)


def was_judged(host: JudgedHost, finding: Finding) -> bool:
    """Return whether a finding would be among the host's, were it still there."""
    covered = any(one.rule == finding.rule and one.place in ("", finding.place) for one in host.unjudged)
    return host.status in (OK, INCOMPLETE) and not covered


def _found_before(finding: Finding, later: Tracked | None, moment: str) -> Tracked:
    if later is None:
        return Tracked(finding, NEW, moment, moment)
    return Tracked(finding, PERSISTING, min(later.first_seen, moment), moment)


def _found_again(finding: Finding, before: Tracked | None, moment: str) -> Tracked:
    if before is None:
        return Tracked(finding, NEW, moment, moment)
    return Tracked(finding, PERSISTING, before.first_seen, moment)
