# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""lingering: only remains of connections have the port, kept by the kernel without a process (RFC 9293, 3.6)."""

from __future__ import annotations

from ..lean import Counter
from .case import Case, Judgement
from .outgoing import outgoing, way_to_destroy
from .wording import listed, name_duration, name_peers, name_port, one_line

ID = "lingering"

_WHY = {
    "TIME_WAIT": "this host closed first",
    "FIN_WAIT1": "closed here, the peer is silent",
    "FIN_WAIT2": "closed here, not yet by the peer",
    "LAST_ACK": "the peer closed first and is silent now",
    "CLOSING": "both closed at once",
}
_LONGEST = 60_000  # milliseconds for which the kernel keeps TIME_WAIT (TCP_TIMEWAIT_LEN)


def judge(case: Case) -> Judgement | None:
    """Judge a port that has connections but nobody who holds one."""
    if case.serving or case.holders or any(held.socket.inode for held in case.sockets):
        return None
    if not case.sockets and not case.connections:
        return None
    counts = case.connections or Counter(held.socket.state for held in case.sockets)
    total = sum(counts.values())
    left = _time_left(case, total)
    chosen = bool(outgoing(case)) and not case.reserved
    return Judgement(
        "No process %s %s; %s %s still there: %s%s%s%s."
        % (
            "was seen to hold" if case.unseen_sockets else "holds",
            name_port(case),
            _name_connections(case, total),
            "is" if total == 1 else "are",
            listed(["%d %s%s" % (number, state, _why(state)) for state, number in sorted(counts.items())]),
            "" if left is None else ", for %s%s more" % ("" if total == 1 else "up to ", name_duration(left)),
            "; probably outgoing, as the kernel chooses such ports" if chosen else "",
            "; not everything could be seen: " + case.unseen_sockets if case.unseen_sockets else "",
        ),
        _advise(case, left, chosen),
    )


def _why(state: str) -> str:
    return " (%s)" % _WHY[state] if state in _WHY else ""


def _name_connections(case: Case, total: int) -> str:
    """Whose they were, as far as the kernel still tells: the unit in which they were made, and the peers."""
    units = sorted({held.creator.unit for held in case.sockets if held.creator and held.creator.unit})
    return "%d connection%s%s%s" % (
        total,
        "" if total == 1 else "s",
        " of " + listed([one_line(unit) for unit in units]) if units else "",
        " with " + name_peers(case.sockets) if case.sockets else "",
    )


def _time_left(case: Case, total: int) -> int | None:
    """Return the milliseconds until the last one has gone, None where one has no end of its own."""
    left = [held.socket.timer_ms for held in case.sockets]
    known = [one for one in left if one is not None]
    if not known or len(known) < len(left):
        return None
    return max(known) if len(left) == total else max(_LONGEST, *known)


def _advise(case: Case, left: int | None, chosen: bool) -> str:
    wait = "Wait until the peer answers or the kernel gives up" if left is None else "Wait " + name_duration(left)
    if left is not None and "FIN_WAIT2" in case.connections:
        wait += " (should the peer close meanwhile, 60 s from then)"
    if case.unseen_sockets:
        return wait + "; if a bind fails then, a socket that could not be seen has the port."
    destroy = "destroy what is left (%s)" % way_to_destroy(case)
    if case.reuseaddr_helps:
        advice = "Start the service with SO_REUSEADDR, which helps here, or %s%s" % (wait[0].lower(), wait[1:])
    else:
        advice = "%s and start the service again, or %s" % (wait, destroy)
    if case.reuseaddr_helps is False:
        advice += "; SO_REUSEADDR does not help, as the old socket had not set it"
    return advice + ("; then reserve the port." if chosen else "; there is nothing to kill.")
