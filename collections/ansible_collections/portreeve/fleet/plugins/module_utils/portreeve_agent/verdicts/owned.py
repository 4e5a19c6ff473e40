# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""owned: every socket of the port has one owner, in order."""

from __future__ import annotations

from .case import Case, Judgement, distinct_owners
from .wording import listed, name_addresses, name_owner, name_port, name_processes

ID = "owned"


def judge(case: Case) -> Judgement | None:
    """Judge a port each of whose sockets is held by a single owner; different addresses may have different ones."""
    held_by_one = all(len(distinct_owners(held.holders)) == 1 for held in case.sockets if held.socket.inode)
    if not case.holders or not held_by_one:
        return None
    owners = listed([name_owner(owner) for owner in case.owners])
    verb = "is held by" if case.serving else "is the local port of a connection of"
    return Judgement(
        "%s on %s %s %s: %s."
        % (name_port(case), name_addresses(case.sockets), verb, owners, name_processes(case.holders)),
        "To free it, restart or stop %s." % owners,
    )
