# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run comes to, in one sentence. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...module_utils.portreeve_agent.verdicts.wording import listed
from ..fleet.picture import INCOMPLETE as SEEN_IN_PART
from ..fleet.picture import OK
from ..policy.rules import NEVER, SEVERITIES
from ..policy.runs import COMPLIANT, ERROR, INCOMPLETE, NEW, NOT_COMPLIANT, TOLERATED, UNSEEN
from ..report.sentences import counted

if TYPE_CHECKING:
    from .view import View

#: The states as the last line of a run begins with them.
STATE_WORDS = {
    COMPLIANT: "COMPLIANT",
    TOLERATED: "TOLERATED",
    INCOMPLETE: "INCOMPLETE",
    NOT_COMPLIANT: "NOT COMPLIANT",
    ERROR: "ERROR",
}


_LONGEST_LIMIT = 80
_STATUS_WORDS = {SEEN_IN_PART: "seen in part"}


def closing(view: View) -> str:
    """Return the last line of a run: its state, why, and, whatever the state, what could not be seen."""
    say = {COMPLIANT: _compliant, TOLERATED: _tolerated, INCOMPLETE: _tolerated, NOT_COMPLIANT: _failing}
    found = _failing if view.failing else _tolerated
    parts = [*(one.rstrip(".") for one in view.unkept), say.get(view.state, found)(view), *_unseen(view), *_part(view)]
    return f"{STATE_WORDS[view.state]}: {'; '.join(parts)}."


def _compliant(view: View) -> str:
    number, asked = len(view.hosts), " asked" if _part(view) else ""
    return f"the only host{asked} is as declared" if number == 1 else f"all {number} hosts{asked} are as declared"


def _failing(view: View) -> str:
    failing = [folded for folded in view.findings if folded.row.fails]
    hosts = {host for folded in failing for host in folded.hosts}
    standing = {standing: sum(len(one.hosts) for one in failing if one.row.standing == standing)
                for standing in (NEW, UNSEEN)}  # fmt: skip
    limit = view.fail_on if view.fail_on == SEVERITIES[-1] else f"{view.fail_on} or worse"
    details = [limit]
    details += [f"{standing[NEW]} new"] if standing[NEW] else []
    details += [f"{standing[UNSEEN]} from before and not judged anew"] if standing[UNSEEN] else []
    return f"{counted(view.failing, 'finding')} ({', '.join(details)}) on {_some(len(hosts), view)}"


def _some(number: int, view: View) -> str:
    return f"{number} of {counted(len(view.hosts), 'host')}"


def _tolerated(view: View) -> str:
    tolerated = sum(view.severity_counts.values())
    if not tolerated + view.waived:
        return "nothing was found"
    limit = "that fail no run" if view.fail_on == NEVER else f"below {view.fail_on}"
    parts = [f"{tolerated} {limit}"] if tolerated else []
    parts += [f"{view.waived} waived"] if view.waived else []
    hosts = {host for folded in view.findings for host in folded.hosts}
    return f"{counted(tolerated + view.waived, 'finding')} ({', '.join(parts)}) on {_some(len(hosts), view)}"


def _unseen(view: View) -> list[str]:
    said = [] if view.hosts else ["no host was asked"]
    said += [f"{counted(number, 'host')} {_STATUS_WORDS.get(status, status)}"
             for status, number in view.host_counts.items() if number and status != OK]  # fmt: skip
    unjudged = [{one.rule for one in host.unjudged} for host in view.hosts if host.unjudged]
    rules, hosts = counted(sum(map(len, unjudged)), "rule"), counted(len(unjudged), "host")
    said += [f"{rules} not judged on {hosts}"] if unjudged else []
    slices = f"{counted(len(view.missing), 'slice')} missing ({_numbers(view.missing)})"
    return [*said, slices] if view.missing else said


def _part(view: View) -> list[str]:
    said = [f"limited to {shown_limit(view)}"] if view.limit else []
    return [*said, f"slice {view.slice_of[0] or '*'} of {view.slice_of[1]}"] if view.slice_of else said


def shown_limit(view: View) -> str:
    """Return what the run was limited to, cut where it is a long list of hosts."""
    limit = view.limit or ""
    return limit if len(limit) <= _LONGEST_LIMIT else f"{limit[: _LONGEST_LIMIT - 1]}…"


def _numbers(numbers: tuple[int, ...]) -> str:
    return listed([str(number) for number in numbers], len(numbers))
