# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is accepted for a time, and what is not any more. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator

from ...module_utils.portreeve_agent.ports import PortRange, describe
from ...module_utils.portreeve_agent.verdicts.wording import listed
from . import sentences
from .case import Broken
from .records import Waiver


def waived(broken: Broken, waivers: Iterable[Waiver], today: datetime.date) -> str | None:
    """Return why and until when it is accepted, None when it is not."""
    valid = [one for one in waivers if today <= one.expires and covers(one, broken)]
    if not valid:
        return None
    longest = max(valid, key=lambda one: one.expires)
    return f"{longest.reason}, until {longest.expires.isoformat()}"


def covers(waiver: Waiver, broken: Broken) -> bool:
    """Return whether a waiver is about it; with ports, only where it has all those that something is wrong with."""
    if waiver.rules and broken.rule not in waiver.rules:
        return False
    if not waiver.ports:
        return True
    return bool(broken.ports) and all(_has(waiver.ports, one) for one in broken.ports)


def judge_waivers(waivers: Iterable[Waiver], standing: Iterable[Broken], today: datetime.date) -> Iterator[Broken]:
    """Yield waiver_expired for each that has, once for those that are alike; ``standing`` is what nobody accepts."""
    still = list(standing)
    alike: dict[tuple[str, str], list[Waiver]] = {}
    for waiver in waivers:
        if today > waiver.expires:
            about = f"{', '.join(waiver.rules) or 'all rules'} on {describe(waiver.ports) or 'all ports'}"
            subject = f"{about} until {waiver.expires.isoformat()}: {waiver.reason}"
            alike.setdefault((about, subject), []).append(waiver)
    for (about, subject), expired in alike.items():
        first = expired[0]
        covered = sum(covers(first, one) for one in still)
        said, advice = sentences.waiver_expired(first, about, covered)
        place = str(first.ports[0]) if len(first.ports) == 1 else ""
        where = listed(list(dict.fromkeys(one.where for one in expired)))
        yield Broken("waiver_expired", place, first.ports, subject, "", said, advice, where)


def _has(ports: tuple[PortRange, ...], wanted: PortRange) -> bool:
    return any(
        one.low <= wanted.low and wanted.high <= one.high and one.protocol in (None, wanted.protocol) for one in ports
    )
