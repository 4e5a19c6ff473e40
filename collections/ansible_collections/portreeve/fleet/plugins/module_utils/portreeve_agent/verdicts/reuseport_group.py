# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""reuseport_group: several sockets share one address and port on purpose (socket(7), SO_REUSEPORT)."""

from __future__ import annotations

from ..lean import Counter
from .case import Case, Judgement
from .wording import listed, name_owner, name_port, name_processes

ID = "reuseport_group"


def judge(case: Case) -> Judgement | None:
    """Judge a port on which more than one listening (or unconnected UDP) socket has the same address.

    Two TCP sockets can listen on one address only by SO_REUSEPORT; for UDP, SO_REUSEADDR allows it as well.
    """
    members = tuple(held for held in case.serving if held.socket.state != "BOUND" and held.holders)
    addresses = Counter((held.socket.local.address, held.socket.device) for held in members)
    if not addresses or max(addresses.values()) < 2 or len(members) < len(case.serving):
        return None
    option = "SO_REUSEPORT" if case.protocol == "tcp" else "SO_REUSEPORT or SO_REUSEADDR"
    users = sorted({str(holder.process.user or holder.process.uid) for holder in case.holders})
    programs = sorted({holder.process.exe or holder.process.name for holder in case.holders})
    strangers = ""
    if len(programs) > 1:
        strangers += "; different programs: " + listed(programs, most=2)
    if len(users) > 1:
        strangers += "; different users: " + listed(users, most=2)
    return Judgement(
        "%d sockets share %s by %s: %s (%s)%s."
        % (
            len(members),
            name_port(case),
            option,
            listed([name_owner(owner) for owner in case.owners]),
            name_processes(case.holders),
            strangers,
        ),
        "To free it, stop every owner named; stopping one leaves the others serving.",
    )
