# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""shared_workers: pre-fork workers of one program hold the same socket on purpose."""

from __future__ import annotations

from .case import Case, Judgement
from .wording import name_addresses, name_owner, name_port, name_processes

ID = "shared_workers"


def judge(case: Case) -> Judgement | None:
    """Judge a port that several processes of one program under one owner hold together, through the same socket."""
    shared = any(len({holder.pid for holder in held.holders}) > 1 for held in case.sockets)
    if not shared or case.unseen or len(case.owners) != 1:
        return None
    if len({holder.process.exe for holder in case.holders}) != 1:
        return None
    owner = name_owner(case.owners[0])
    return Judgement(
        "%s on %s is held by %s: %d processes of one program share it (%s)."
        % (name_port(case), name_addresses(case.sockets), owner, len(case.holders), name_processes(case.holders)),
        "To free it, stop %s as a whole; killing single workers does not help." % owner,
    )
