# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""free: no socket of any state has the port."""

from __future__ import annotations

from .case import Case, Judgement
from .wording import name_port

ID = "free"


def judge(case: Case) -> Judgement | None:
    """Judge a port without any socket, when none can have been missed."""
    if case.sockets or case.connections or case.unseen_sockets:
        return None
    return Judgement("%s is free: no socket of any state has it." % name_port(case), "Nothing to do.")
