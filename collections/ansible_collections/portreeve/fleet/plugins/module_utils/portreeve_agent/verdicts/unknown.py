# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""unknown: held, or perhaps held, by what could not be seen or told apart."""

from __future__ import annotations

from .case import Case, Judgement
from .wording import listed, name_addresses, name_owner, name_port, name_processes

ID = "unknown"


def judge(case: Case) -> Judgement | None:
    """Judge every port that no other verdict explains."""
    if not case.sockets:
        return Judgement(
            "No socket was seen on %s, but not everything could be: %s." % (name_port(case), case.unseen_sockets),
            "Do not take it for free unless a bind to it succeeds; what hides is named here.",
        )
    if case.unseen:
        return Judgement(
            "%s on %s is held, but by whom could not be seen: %s%s."
            % (
                name_port(case),
                name_addresses(case.unseen),
                case.unseen_holders or "no holder was found",
                "; beside it: " + name_processes(case.holders) if case.holders else "",
            ),
            "Look again as root in the host's own PID namespace.",
        )
    return Judgement(
        "%s on %s is held by several owners together: %s (%s); which of them serves it is not decided."
        % (
            name_port(case),
            name_addresses(case.sockets),
            listed([name_owner(owner) for owner in case.owners]),
            name_processes(case.holders),
        ),
        "Find out which of them should have it before you stop any.",
    )
