# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""dual_stack_split: IPv4 and IPv6 clients of one port meet different owners, or those of IPv4 nobody (ipv6(7))."""

from __future__ import annotations

from ..model import HeldSocket
from ..typed import Iterator
from ..verdicts.case import Case, distinct_owners, identity
from ..verdicts.wording import listed, name_owner, name_port

ID = "dual_stack_split"

_LOOPBACK, _WILDCARD = "loopback", "all addresses"


def of_port(case: Case) -> Iterator[str]:
    """Compare who serves each family where the addresses match: both on all addresses, or both on loopback."""
    for place in (_WILDCARD, _LOOPBACK):
        sockets = [held for held in case.serving if held.socket.state != "BOUND" and _place(held) == place]
        v4 = tuple(held for held in sockets if held.socket.family == 4)
        v6 = tuple(held for held in sockets if held.socket.family == 6)
        both = any(held.socket.v6only is False for held in v6)
        owners4, owners6 = (distinct_owners(tuple(one for held in part for one in held.holders)) for part in (v4, v6))
        if owners4 and owners6 and {identity(one) for one in owners4} != {identity(one) for one in owners6}:
            yield "On %s, IPv4 clients of %s meet %s, those of IPv6 %s." % (
                place,
                name_port(case),
                listed([name_owner(owner) for owner in owners4]),
                listed([name_owner(owner) for owner in owners6]),
            )
        elif place == _WILDCARD and case.protocol == "tcp" and owners6 and not both and _only_ipv6(case):
            yield "%s of %s takes IPv6 only, and nobody listens for IPv4 clients." % (
                listed([name_owner(owner) for owner in owners6]),
                name_port(case),
            )


def _place(held: HeldSocket) -> str | None:
    address = held.socket.local.address
    if address in ("0.0.0.0", "::"):
        return _WILDCARD
    return _LOOPBACK if address == "::1" or address.startswith("127.") else None


def _only_ipv6(case: Case) -> bool:
    """Every listener is of IPv6, is known to leave IPv4 alone, and has no address of IPv4 inside."""
    return all(held.socket.family == 6 and held.socket.v6only is True for held in case.serving)
