# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The grammar of a bind that is asked about. Pure."""

from __future__ import annotations

from .binding import BindWish
from .errors import InvalidInput
from .model import PROTOCOLS
from .ports import parse_address, shown
from .typed import Any

_FLAGS = ("reuseaddr", "reuseport", "v6only")
_NAMES = ("protocol", "device", "user")
_ACCEPTED = "accepted is an address and then, after commas, reuseaddr, reuseport, v6only (each with =no for not set), "
_ACCEPTED += "protocol=, device= or user="
_ANSWERS = {"": True, "yes": True, "no": False}
_LONGEST_DEVICE = 15  # IFNAMSIZ of linux/if.h, less the zero at the end


def parse_bind(text: str) -> BindWish:
    """Return what ``127.0.0.1,reuseport,user=www`` asks about. Raises InvalidInput with one sentence that says what is
    accepted."""
    wish: dict[str, Any] = {}
    first, *rest = text.split(",")
    if first.partition("=")[0] in _FLAGS + _NAMES:
        rest.insert(0, first)
    else:
        wish["address"] = first
    for item in rest:
        name, equals, value = item.partition("=")
        if name in wish:
            raise InvalidInput("%s is given twice: %s" % (name, _ACCEPTED))
        if name in _FLAGS and value in _ANSWERS and bool(equals) == bool(value):
            wish[name] = _ANSWERS[value]
        elif name in _NAMES and value:
            wish[name] = value
        else:
            raise InvalidInput("%s is not an option of a bind: %s" % (shown(item), _ACCEPTED))
    return checked_bind(wish)


def checked_bind(options: dict[str, Any]) -> BindWish:
    """Return the wish with these options, any of which may be None or missing. Raises InvalidInput if it cannot be."""
    given = {name: value for name, value in options.items() if value is not None}
    if "address" in given:
        given["address"] = parse_address(given["address"])
    if given.get("protocol") not in (None, *PROTOCOLS):
        raise InvalidInput("protocol %s is not known: accepted are tcp and udp" % shown(given["protocol"]))
    device = given.get("device")
    if device is not None and (not 0 < len(device.encode()) <= _LONGEST_DEVICE or "/" in device or " " in device):
        raise InvalidInput("%s is no network device: accepted is the name of an interface such as eth0" % shown(device))
    if given.get("v6only") and ":" not in given.get("address", "::"):
        raise InvalidInput("v6only does not go with %s: accepted is an IPv6 address such as ::" % given["address"])
    return BindWish(**given)
