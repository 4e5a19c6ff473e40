# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""squatted: the kernel gave the port to an outgoing connection, as its automatic local port (ip(7))."""

from __future__ import annotations

from ..lean import Counter
from .case import Case, Judgement
from .outgoing import outgoing, way_to_destroy
from .wording import listed, name_owner, name_peers, name_port, name_processes

ID = "squatted"


def judge(case: Case) -> Judgement | None:
    """Judge a port that was asked for and that only outgoing connections of processes have."""
    connections = outgoing(case)
    if not case.asked or not case.holders or case.unseen or not connections:
        return None
    owners = listed([name_owner(owner) for owner in case.owners])
    states = Counter(held.socket.state for held in connections)
    return Judgement(
        "%s is the automatic local port of %s: %s of %s to %s (%s)."
        % (
            name_port(case),
            "an outgoing connection" if len(connections) == 1 else "%d outgoing connections" % len(connections),
            name_processes(case.holders),
            owners,
            name_peers(connections),
            listed(["%s: %d" % state for state in sorted(states.items())]) if len(states) > 1 else min(states),
        ),
        "Least harm: destroy %s (%s) or restart %s; %s."
        % (
            "that connection" if len(connections) == 1 else "those connections",
            way_to_destroy(case),
            owners,
            "the port is reserved by now, so it will not come again"
            if case.reserved
            else "then reserve the port, so that the kernel chooses another",
        ),
    )
