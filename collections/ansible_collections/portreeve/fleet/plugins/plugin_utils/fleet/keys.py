# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the keys of an entry of the inventory are read. Pure.

Each takes where the entry is, the key and what was given for it, and raises InvalidInput with one sentence that says
what is accepted.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any

from ...module_utils.portreeve_agent.errors import InvalidInput
from ...module_utils.portreeve_agent.ports import PortRange, parse_address, shown
from ...module_utils.portreeve_agent.reservations.ledger import parse_name
from ...module_utils.portreeve_agent.verdicts.wording import one_line
from ..policy.records import ADDRESSES, OWNER
from .port_sets import ranges_served

ACCEPTED_PORTS = "accepted are ports such as 8080, 8000-8010 or 53/udp"
_ACCEPTED_NAME = "accepted are up to 64 letters, digits and . _ @ -, a letter or digit first"
ACCEPTED_OWNER = (
    "accepted is a dictionary of at least one of unit, exe, user and container, or a list of these, any one of which "
    "may hold the ports"
)
_BOOLEAN = "YAML takes a bare on, off, yes or no for true or false"

Owner = tuple[tuple[str, str], ...]  # such as (("unit", "shop.service"), ("user", "shop"))


def listed(words: tuple[str, ...]) -> str:
    """Return words as people list them: ``listed(("a", "b", "c")) == "a, b and c"``."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)


def meant(given: Any, accepted: tuple[str, ...]) -> str:
    """Return the end of a sentence that names the accepted word which is almost what was given, or nothing."""
    near = difflib.get_close_matches(given.lower(), accepted, 1) if isinstance(given, str) else []
    return f"; {near[0]} may be meant" if near else ""


def one_of(accepted: tuple[str, ...]) -> Callable[[str, str, Any], str]:
    """Return the reader of a key that takes one of some words."""

    def read(where: str, key: str, given: Any) -> str:
        if given not in accepted:
            why = f" ({_BOOLEAN})" if isinstance(given, bool) else ""
            raise InvalidInput(
                f"{where} has {key}: {shown(given)}{why}: accepted are {', '.join(accepted)}{meant(given, accepted)}."
            )
        return str(given)

    return read


def text(what: str) -> Callable[[str, str, Any], str]:
    """Return the reader of a key that takes any text but an empty one."""

    def read(where: str, key: str, given: Any) -> str:
        if not isinstance(given, str) or not given.strip():
            raise InvalidInput(f"{where} has {key}: {shown(given)}: accepted is {what}.")
        return given

    return read


def name(where: str, _key: str, given: Any) -> str:
    """Return the name; a whole number stands for its digits, as it does for the module."""
    if given is None:
        raise InvalidInput(f"{where} has no name: {_ACCEPTED_NAME}.")
    if isinstance(given, (bool, float)):
        raise InvalidInput(f"{where} has a name that is {shown(given)} to YAML: accepted is a text, so quote it.")
    try:
        return parse_name(str(given) if isinstance(given, int) else given)
    except InvalidInput as error:
        raise InvalidInput(f"{where} has no name that will do: {error}.") from None


def ports(where: str, _key: str, given: Any) -> tuple[PortRange, ...]:
    """Return where a server on the ports would be, each range with its protocol."""
    try:
        served = ranges_served(given)
    except InvalidInput as error:
        raise InvalidInput(f"{where} has ports that cannot be read: {error}.") from None
    if not served:
        raise InvalidInput(f"{where} has no ports: {ACCEPTED_PORTS}.")
    return served


def owners(where: str, key: str, given: Any) -> tuple[Owner, ...]:
    """Return the owners, any one of which may hold the ports, in order and each once."""
    several = given if isinstance(given, list) else [given]
    if not several:
        raise InvalidInput(f"{where} has {key}: an empty list: {ACCEPTED_OWNER}.")
    return tuple(sorted({_owner(where, key, one) for one in several}))


def _owner(where: str, key: str, given: Any) -> Owner:
    if not isinstance(given, Mapping) or not given:
        found = "an empty dictionary" if isinstance(given, Mapping) else shown(given)
        raise InvalidInput(f"{where} has {key}: {found}: {ACCEPTED_OWNER}.")
    unknown = sorted(str(one) for one in set(given) - set(OWNER))
    if unknown:
        wrong = one_line(unknown[0])
        raise InvalidInput(f"{where} has an {key} with {wrong}: {ACCEPTED_OWNER}{meant(wrong, OWNER)}.")
    for part, found in given.items():
        if isinstance(found, (bool, float)) or not isinstance(found, (str, int)) or found == "":
            why = f" {_BOOLEAN}: quote it." if isinstance(found, bool) else ""
            raise InvalidInput(f"{where} has an {key} with {part}: {shown(found)}: accepted is the name of one.{why}")
    return tuple((part, str(given[part])) for part in OWNER if part in given)


def address(where: str, key: str, given: Any) -> str:
    """Return where it should listen: any, loopback, wildcard, or an address as inet_ntop(3) writes it."""
    if given in ADDRESSES:
        return str(given)
    try:
        return parse_address(given)
    except InvalidInput:
        accepted = f"accepted are {', '.join(ADDRESSES)} or an address such as 10.0.0.5 or ::1"
        raise InvalidInput(f"{where} has {key}: {shown(given)}: {accepted}{meant(given, ADDRESSES)}.") from None
