# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The same finding on many hosts, told once. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..policy.rules import SEVERITIES
from ..policy.runs import RESOLVED, STANDINGS, Tracked
from .naming import by_place
from .picture import natural


class Folded(NamedTuple):
    """A finding, and the hosts that have it, in natural order.

    ``said``, ``advice`` and ``evidence`` are those of the first host. ``first_seen`` is when the first of them was
    found, ``last_seen`` when the last one was, ISO 8601 in UTC.
    """

    rule: str
    place: str
    subject: str
    who: str
    severity: str
    waived: str | None
    standing: str
    hosts: tuple[str, ...]
    said: str
    advice: str
    evidence: str
    first_seen: str
    last_seen: str


def fold(tracked: Iterable[Tracked]) -> tuple[Folded, ...]:
    """Return the findings, alike ones of all hosts as one.

    Those that are resolved come last, before them those that are waived, the worst first in each part; of the same
    severity those on most hosts.
    """
    alike: dict[tuple[str | None, ...], list[Tracked]] = {}
    for one in tracked:
        found = one.finding
        key = (found.rule, found.place, found.subject, found.who, found.severity, found.waived, one.standing)
        alike.setdefault(key, []).append(one)
    order: dict[str, tuple[tuple[int, int, str], ...]] = {}
    for together in alike.values():
        for one in together:
            if one.finding.host not in order:
                order[one.finding.host] = natural(one.finding.host)
        together.sort(key=lambda one: order[one.finding.host])
    return tuple(sorted(map(_fold, alike.values()), key=_worst_first))


def _fold(together: list[Tracked]) -> Folded:
    first = together[0].finding
    return Folded(
        first.rule,
        first.place,
        first.subject,
        first.who,
        first.severity,
        first.waived,
        together[0].standing,
        tuple(one.finding.host for one in together),
        first.said,
        first.advice,
        first.evidence,
        min(one.first_seen for one in together),
        max(one.last_seen for one in together),
    )


def _worst_first(folded: Folded) -> tuple[bool, bool, int, int, tuple[int, str], str, int, str, str]:
    return (
        folded.standing == RESOLVED,
        folded.waived is not None,
        -SEVERITIES.index(folded.severity),
        -len(folded.hosts),
        by_place(folded.place),
        folded.rule,
        STANDINGS.index(folded.standing),
        folded.subject,
        folded.who,
    )
