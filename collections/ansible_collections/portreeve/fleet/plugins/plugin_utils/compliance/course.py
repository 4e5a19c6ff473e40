# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The course of a run on the controller: from the hosts' answers, one at a time, to what is judged of them. Pure."""

from __future__ import annotations

import calendar
import dataclasses
import datetime
import time
from collections.abc import Iterable

from ...module_utils.portreeve_agent.verdicts.wording import one_line
from ..fleet.host_answer import parse_picture
from ..fleet.host_picture import HostPicture
from ..fleet.picture import FAILED, INCOMPLETE, OK, natural
from ..history.documents import as_kept
from ..policy.findings import STALE, JudgedHost
from ..policy.judge import judge_host
from ..policy.records import Policy, policy_from_wire
from ..report.sentences import counted
from .answers import Answer

_MOMENT = "%Y-%m-%dT%H:%M:%SZ"


def judge_answers(answers: Iterable[Answer], now: float, stale_after: int) -> tuple[JudgedHost, ...]:
    """Return what is judged of each host, in natural order of names.

    ``now`` is in seconds since the epoch; what was taken more than ``stale_after`` seconds before counts for nothing.
    """
    judged = [judge_answer(answer, now, stale_after) for answer in answers]
    return tuple(sorted(judged, key=lambda host: natural(host.name)))


def judge_answer(answer: Answer, now: float, stale_after: int) -> JudgedHost:
    """Return what is judged of one host. An answer that cannot be judged makes it a failed one, and ends no run."""
    try:
        found = _judged(answer, now, stale_after)
    except Exception as error:
        reason = f"its answer cannot be judged: {one_line(f'{type(error).__name__}: {error}')}"
        return JudgedHost(answer.host, FAILED, reason, answer.taken_at, HostPicture())
    return dataclasses.replace(found, picture=as_kept(found.picture, {}))  # shown now and shown again it is the same


def _judged(answer: Answer, now: float, stale_after: int) -> JudgedHost:
    status, reason, picture = answer.status, answer.reason, HostPicture()
    if status in (OK, INCOMPLETE):
        if answer.taken_at is not None and now - seconds_of(answer.taken_at) > stale_after:
            status, reason = STALE, f"its answer is from {answer.taken_at}, older than {_span(stale_after)}"
        else:
            picture = parse_picture(answer.result)
    policy = policy_from_wire(answer.policy) if answer.policy else Policy()
    today = datetime.date(*time.gmtime(now)[:3])
    return judge_host(answer.host, status, reason, answer.taken_at, picture, policy, today)


def moment_of(seconds: float) -> str:
    """Return seconds since the epoch as ``2026-05-04T13:02:11Z``."""
    return time.strftime(_MOMENT, time.gmtime(seconds))


def seconds_of(moment: str) -> float:
    """Return what ``moment_of`` was given, in whole seconds."""
    return calendar.timegm(time.strptime(moment, _MOMENT))


def _span(seconds: int) -> str:
    for size, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds and seconds % size == 0:
            return counted(seconds // size, name)
    return counted(seconds, "second")
