# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Holds one host against its policy. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator

from ...module_utils.portreeve_agent.verdicts.wording import one_line
from ..fleet.host_picture import HostPicture
from ..fleet.picture import INCOMPLETE, OK
from .case import Broken, Case, Untold
from .findings import Finding, JudgedHost, Unjudged
from .listening import judge_silence
from .ports import judge_listeners
from .records import Policy
from .reservations import judge_reservations
from .rules import IGNORE, RULES, SEVERITIES
from .troubles import judge_dangers, judge_verdicts
from .waivers import judge_waivers, waived

_Rule = Callable[[Case], Iterator[Broken | Untold]]

#: All groups of rules; waivers come last, as they are about what these find.
GROUPS: tuple[_Rule, ...] = (judge_listeners, judge_silence, judge_reservations, judge_verdicts, judge_dangers)


def judge_host(
    name: str,
    status: str,
    reason: str | None,
    taken_at: str | None,
    picture: HostPicture,
    policy: Policy,
    today: datetime.date,
) -> JudgedHost:
    """Return what is not as it should be on a host, and what could not be told; the worst first.

    Of a host that gave no answer, or too old a one, nothing is found: its status says all. ``today`` is the day in UTC.
    """
    declared = tuple((one.name, str(place)) for one in policy.declarations if one.is_application for place in one.ports)
    judged = JudgedHost(name, status, reason, taken_at, picture, declared)
    if status not in (OK, INCOMPLETE):
        return judged
    case = Case(picture, policy, status == OK)
    told = [one for group in GROUPS for one in group(case) if policy.severities.get(one.rule) != IGNORE]
    broken = [one for one in told if isinstance(one, Broken)]
    accepted = [(one, waived(one, policy.waivers, today)) for one in broken]
    if policy.severities.get("waiver_expired") != IGNORE:
        standing = [one for one, why in accepted if why is None]
        accepted += [(one, None) for one in judge_waivers(policy.waivers, standing, today)]
    findings = [_finding(name, one, policy, why) for one, why in accepted]
    unjudged = dict.fromkeys(
        Unjudged(name, one.rule, one.place, one_line(one.why)) for one in told if isinstance(one, Untold)
    )
    return JudgedHost(
        name, status, reason, taken_at, picture, declared, tuple(sorted(findings, key=_worst_first)), tuple(unjudged)
    )


def _finding(host: str, broken: Broken, policy: Policy, why: str | None) -> Finding:
    severity = broken.severity or policy.severities.get(broken.rule) or RULES[broken.rule]
    told = (one_line(text) for text in (broken.place, broken.subject, broken.who))
    sentences = (one_line(text) for text in (broken.said, broken.advice, broken.evidence))
    return Finding(host, broken.rule, *told, severity, *sentences, None if why is None else one_line(why))


def _worst_first(finding: Finding) -> tuple[int, int, str, str, str]:
    digits = finding.place.partition("/")[0].partition("-")[0]
    port = int(digits) if digits.isdecimal() else -1
    return -SEVERITIES.index(finding.severity), port, finding.place, finding.rule, finding.subject
