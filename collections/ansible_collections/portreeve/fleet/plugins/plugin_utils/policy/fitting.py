# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether an address and its holders are as a declaration has them. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

from ...module_utils.portreeve_agent.expectations import is_expected
from ..fleet.host_picture import Bound
from ..fleet.naming import HEIR, name_holders, name_holdings
from .records import ANY, LOOPBACK, WILDCARD, Declaration

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_LOOPBACK_DEVICE = "lo"


def is_address_declared(declaration: Declaration, bound: Bound) -> bool:
    """Return whether a port may be bound there.

    ``::ffff:127.0.0.1`` is 127.0.0.1 (ipv6(7)), 0.0.0.0 and ``::`` are both all addresses, and what is bound to the
    loopback device is on loopback whatever its address.
    """
    if declaration.address == ANY:
        return True
    on_device = bound.device == _LOOPBACK_DEVICE
    return _is_declared(declaration.address, _LOOPBACK_DEVICE if on_device else bound.address)


def is_owner_declared(declaration: Declaration, bound: Bound) -> bool:
    """Return whether all who hold it, and have not merely inherited it, are of the declared owners.

    False as well where nobody was seen and somebody is declared.
    """
    if not declaration.owners:
        return True
    if not bound.holdings:
        return False
    return all(
        any(is_expected(owner, holding) for owner in declaration.owners)
        for holding in bound.holdings
        if holding.role != HEIR
    )


def strangers(declaration: Declaration, bound: Iterable[Bound]) -> str:
    """Return in words who holds some addresses and should not, as far as it was seen."""
    addresses = list(bound)
    found = name_holdings(
        holding
        for one in addresses
        for holding in one.holdings
        if holding.role != HEIR and not any(is_expected(owner, holding) for owner in declaration.owners)
    )
    return found or name_holders(addresses)


@lru_cache(maxsize=4096)
def _is_declared(declared: str, bound: str) -> bool:
    address = _read(bound)
    if declared == LOOPBACK:
        return bound == _LOOPBACK_DEVICE or (address is not None and address.is_loopback)
    if address is None:
        return False
    wanted = _read(declared)
    if declared == WILDCARD or (wanted is not None and wanted.is_unspecified):
        return address.is_unspecified
    return wanted == address


def _read(text: str) -> _Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
