# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""lingering: only remains of connections have the port, kept by the kernel without a process (RFC 9293, TIME-WAIT)."""

from __future__ import annotations

from collections import Counter

from .case import Case, Judgement
from .wording import listed, name_duration, name_port

ID = "lingering"


def judge(case: Case) -> Judgement | None:
    """Judge a port that has connections but nobody who holds one."""
    if case.serving or case.holders or any(held.socket.inode for held in case.sockets):
        return None
    if not case.sockets and not case.connections:
        return None
    left = [held.socket.timer_ms for held in case.sockets if held.socket.timer_ms is not None]
    counts = case.connections or Counter(held.socket.state for held in case.sockets)
    states = listed(["%s: %d" % item for item in sorted(counts.items())])
    total = sum(counts.values())
    wait = name_duration(max(left)) if left else "until the peer or the kernel ends them"
    if case.unseen_sockets:
        advice = "Wait %s; if a bind fails then, a socket that could not be seen has the port."
    else:
        advice = "Wait %s and start the service again; there is nothing to kill."
    return Judgement(
        "No process %s %s; %d connection%s still there (%s)%s%s."
        % (
            "was seen to hold" if case.unseen_sockets else "holds",
            name_port(case),
            total,
            " is" if total == 1 else "s are",
            states,
            ", the last for another " + wait if left else "",
            "; not everything could be seen: " + case.unseen_sockets if case.unseen_sockets else "",
        ),
        advice % wait,
    )
