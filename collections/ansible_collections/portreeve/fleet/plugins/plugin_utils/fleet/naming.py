# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who has a port, in words that are the same from day to day and from host to host. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...module_utils.portreeve_agent.ports import port_set
from ...module_utils.portreeve_agent.verdicts.wording import one_line
from .host_picture import Bound, Holding, HostPicture, Listener

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


def served(picture: HostPicture) -> Iterator[tuple[Listener, tuple[Bound, ...]]]:
    """Yield the ports that somebody serves in the host's own network namespace, with the addresses that are served."""
    for listener in picture.listeners:
        serving = tuple(one for one in listener.bound if one.serving)
        if serving and listener.namespace is None:
            yield listener, serving


def is_kernels_choice(picture: HostPicture, listener: Listener) -> bool:
    """Return whether it takes datagrams on a port that the kernel may have chosen: most that do are clients.

    It chooses none that is reserved, and its own sockets, such as WireGuard's, are servers.
    """
    if listener.protocol != "udp" or picture.automatic is None or any(one.in_kernel for one in listener.bound):
        return False
    if listener.port in (port_set(picture.reserved) or ()):
        return False
    return picture.automatic[0] <= listener.port <= picture.automatic[1]


def by_place(place: str) -> tuple[int, str]:
    """Return a sort key by which 443/tcp comes before 8080/tcp, and the host as a whole before both."""
    digits = place.partition("/")[0].partition("-")[0]
    return (int(digits) if digits.isdecimal() else -1), place
