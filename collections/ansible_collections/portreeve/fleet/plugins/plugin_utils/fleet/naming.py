# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who has a port, in words that are the same from day to day and from host to host. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from ...module_utils.portreeve_agent.verdicts.wording import one_line
from .host_picture import Bound, Holding

HEIR = "heir"
KERNEL = "the kernel"


def name_holding(holding: Holding) -> str:
    """Return the owner in words; a login session by its program and user, as its number is another each time."""
    if holding.owner.kind != "session":
        return holding.who
    return one_line(f"{holding.program} in a login session of {holding.owner.user or holding.user or 'somebody'}")


def name_holdings(holdings: Iterable[Holding]) -> str:
    """Return all owners in words, each once, in order; empty when there is none."""
    return ", ".join(sorted({name_holding(holding) for holding in holdings}))


def name_holders(bound: Iterable[Bound]) -> str:
    """Return who holds some addresses in words, those who only inherited them where there is nobody else.

    Empty when nobody was seen.
    """
    addresses = list(bound)
    holdings = [holding for one in addresses for holding in one.holdings]
    named = name_holdings(holding for holding in holdings if holding.role != HEIR) or name_holdings(holdings)
    return named or (KERNEL if any(one.in_kernel for one in addresses) else "")
