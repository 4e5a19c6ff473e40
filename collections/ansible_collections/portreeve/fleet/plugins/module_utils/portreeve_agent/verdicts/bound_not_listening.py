# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""bound_not_listening: bound by bind(2) without listen(2); most tools do not show such a socket."""

from __future__ import annotations

from .case import Case, Judgement
from .wording import listed, name_addresses, name_owner, name_port, name_processes

ID = "bound_not_listening"


def judge(case: Case) -> Judgement | None:
    """Judge a port whose only sockets are bound but neither listen nor connect."""
    if not case.serving or case.unseen or any(held.socket.state != "BOUND" for held in case.serving):
        return None
    return Judgement(
        "%s on %s is bound but nobody listens: %s of %s; lsof, netstat and older ss do not show it."
        % (
            name_port(case),
            name_addresses(case.serving),
            name_processes(case.holders),
            listed([name_owner(owner) for owner in case.owners]),
        ),
        "Restart or stop %s." % listed([name_owner(owner) for owner in case.owners]),
    )
