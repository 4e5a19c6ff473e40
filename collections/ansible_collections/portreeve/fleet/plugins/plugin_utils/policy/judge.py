# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Holds one host against its policy. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from dataclasses import replace

from ...module_utils.portreeve_agent.verdicts.wording import one_line
from ..fleet.host_picture import HostPicture
from ..fleet.naming import by_place
from ..fleet.picture import INCOMPLETE, OK
from .blindness import judge_blindness
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

#: All groups of rules; waivers come after them, as they are about what these find.
GROUPS: tuple[_Rule, ...] = (
    judge_listeners,
    judge_silence,
    judge_reservations,
    judge_verdicts,
    judge_dangers,
    judge_blindness,
)


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
    ignored = tuple(sorted(rule for rule, severity in policy.severities.items() if severity == IGNORE))
    judged = JudgedHost(name, status, reason, taken_at, picture, declared, ignored=ignored)
    if status not in (OK, INCOMPLETE):
        return judged
    case = Case(picture, policy, status == OK)
    told = [one for group in GROUPS for one in group(case) if one.rule not in ignored]
    broken = [one for one in told if isinstance(one, Broken)]
    accepted = [(one, waived(one, policy.waivers, today)) for one in broken]
    if "waiver_expired" not in ignored:
        standing = [one for one, why in accepted if why is None]
        accepted += [(one, None) for one in judge_waivers(policy.waivers, standing, today)]
    findings = [_finding(name, one, policy, why) for one, why in accepted]
    unjudged = dict.fromkeys(
        Unjudged(name, one.rule, one.place, one_line(one.why)) for one in told if isinstance(one, Untold)
    )
    return replace(judged, findings=tuple(sorted(findings, key=_worst_first)), unjudged=tuple(unjudged))


def _finding(host: str, broken: Broken, policy: Policy, why: str | None) -> Finding:
    severity = broken.severity or policy.severities.get(broken.rule) or RULES[broken.rule]
    return Finding(
        host,
        broken.rule,
        one_line(broken.place),
        one_line(broken.subject),
        one_line(broken.who),
        severity,
        one_line(broken.said),
        one_line(broken.advice),
        one_line(broken.evidence),
        None if why is None else one_line(why),
    )


def _worst_first(finding: Finding) -> tuple[int, tuple[int, str], str, str]:
    return -SEVERITIES.index(finding.severity), by_place(finding.place), finding.rule, finding.subject
