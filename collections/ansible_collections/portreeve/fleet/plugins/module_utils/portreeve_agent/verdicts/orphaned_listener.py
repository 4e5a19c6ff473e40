# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""orphaned_listener: who made the socket is gone; only heirs hold it, and the port migrates from one to the next."""

from __future__ import annotations

from ..model import HeldSocket, Holder
from .case import Case, Judgement
from .heirs import heirs_of, name_creators, name_heirs, others_of
from .wording import name_addresses, name_port, name_processes

ID = "orphaned_listener"


def judge(case: Case) -> Judgement | None:
    """Judge a port that has no holders but heirs."""
    orphaned = tuple(held for held in case.serving if held.holders)
    heirs = heirs_of(orphaned)
    if not heirs or others_of(orphaned):
        return None
    one = len(heirs) == 1
    return Judgement(
        "%s on %s is served by nobody: %s is gone, and %s keep%s the inherited descriptor open."
        % (name_port(case), name_addresses(orphaned), name_creators(orphaned), name_heirs(heirs), "s" if one else ""),
        _advise(case, orphaned, heirs),
    )


def _advise(case: Case, orphaned: tuple[HeldSocket, ...], heirs: tuple[Holder, ...]) -> str:
    names = name_processes(heirs)
    if case.protocol != "tcp":
        if len(heirs) == 1:
            return "To free it, end or restart %s: no server can bind while it lives." % names
        return "To free it, end or restart all of them: %s; ending one only moves the port to the next." % names
    if all(held.socket.state == "BOUND" and held.options and held.options.reuseaddr for held in orphaned):
        return "A server that sets SO_REUSEADDR can bind it now; for others, end or restart %s." % names
    if len(heirs) == 1:
        return "To free it, detach it from %s, which lives on (port_release)." % names
    return "To free it, detach it from %s, who live on (port_release); ending one only moves it to the next." % names
