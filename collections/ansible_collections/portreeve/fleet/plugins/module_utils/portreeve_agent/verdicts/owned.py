# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""owned: every socket of the port has one owner, in order."""

from __future__ import annotations

from .case import Case, Judgement, distinct_owners
from .wording import listed, name_addresses, name_owner, name_peers, name_port, name_processes

ID = "owned"


def judge(case: Case) -> Judgement | None:
    """Judge a port each of whose sockets is held by a single owner; different addresses may have different ones."""
    held_by_one = all(len(distinct_owners(held.holders)) == 1 for held in case.sockets if held.socket.inode)
    if not case.holders or not held_by_one:
        return None
    owners = listed([name_owner(owner) for owner in case.owners])
    if not case.serving:
        return _judge_connections(case, owners)
    return Judgement(
        "%s on %s is held by %s: %s."
        % (name_port(case), name_addresses(case.sockets), owners, name_processes(case.holders)),
        "To free it, restart or stop %s." % owners,
    )


def _judge_connections(case: Case, owners: str) -> Judgement:
    """Judge connections that outlived their listener, or that were opened from a port of the program's own choice."""
    held = tuple(one for one in case.sockets if one.holders)
    states = sorted({one.socket.state for one in held})
    closed = " (the peer has closed, the process has not)" if states == ["CLOSE_WAIT"] else ""
    return Judgement(
        "Nobody listens on %s; %s of %s still %s %d connection%s from it to %s: %s%s."
        % (
            name_port(case),
            name_processes(case.holders),
            owners,
            "has" if len(case.holders) == 1 else "have",
            len(held),
            "" if len(held) == 1 else "s",
            name_peers(held),
            listed(states),
            closed,
        ),
        "To free it, restart or stop %s%s." % (owners, _reuse(case)),
    )


def _reuse(case: Case) -> str:
    """Whether SO_REUSEADDR helps depends on the other socket too (ip(7)); its flag is read where ports are asked."""
    options = [held.options for held in case.sockets]
    if not options or None in options:
        return ""
    if all(one is not None and one.reuseaddr for one in options):
        return "; a server that sets SO_REUSEADDR can bind beside it now"
    return "; SO_REUSEADDR in a new server does not help, as the old socket has not set it"
