# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ephemeral_unreserved: a port that a service needs may be given to any outgoing connection (ip-sysctl.rst)."""

from __future__ import annotations

from ..typed import Iterator
from ..verdicts.case import Case

ID = "ephemeral_unreserved"


def of_port(case: Case) -> Iterator[str]:
    """Warn of a port that is listened on, asked for or declared while the kernel may choose it.

    A UDP socket without a peer is a server or a client with a port the kernel chose: it counts only when asked for.
    """
    needed = case.asked or any(held.socket.state in ("LISTEN", "BOUND") for held in case.serving)
    if case.automatic and needed and not case.reserved and case.ranges and case.ranges.automatic:
        yield "The kernel chooses ports from %d to %d, and %d is not reserved: a connection may take it." % (
            *case.ranges.automatic,
            case.port,
        )
