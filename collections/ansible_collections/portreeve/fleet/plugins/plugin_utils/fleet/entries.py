# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The entries of the lists in which an inventory declares applications, and what is wrong with them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...module_utils.portreeve_agent.ports import PortRange
from ...module_utils.portreeve_agent.remedies.records import ACTS, STRATEGIES
from ..policy.records import LISTEN
from ..policy.rules import SEVERITIES
from . import keys
from .lists import Kind, Origin, Said, disagreements, located, read_lists, unknown_origin
from .port_sets import Place, merge, places_served

AUTO, ALWAYS, NEVER = "auto", "always", "never"
RESERVE = (AUTO, ALWAYS, NEVER)

#: How the ports of an application are got back; of use only to one whose owner is known.
REMEDY = ("service", "strategy", "at_most")


def _needed(where: str, key: str, given: Any) -> tuple[tuple[PortRange, ...], tuple[Place, ...]]:
    """Return the ports, and these with the protocols of a server on them."""
    keys.ports(where, key, given)
    return merge(given), places_served(given)


APPLICATIONS = Kind(
    "application",
    "applications",
    {
        "name": keys.name,
        "ports": _needed,
        "reserve": keys.one_of(RESERVE),
        "owner": keys.owners,
        "address": keys.address,
        "listen": keys.one_of(LISTEN),
        "severity": keys.one_of(SEVERITIES),
        "service": keys.text("the name of a systemd unit"),
        "strategy": keys.one_of(STRATEGIES),
        "at_most": keys.one_of(ACTS),
    },
    {"name": None, "ports": []},
)


def read_entries(
    declared: Mapping[str, Any], origin: Origin = unknown_origin
) -> tuple[dict[str, list[Said]], list[str]]:
    """Return the entries of all lists (variable → its value) by name, and a sentence for each mistake."""
    entries, mistakes = read_lists(declared, APPLICATIONS, origin)
    by_name: dict[str, list[Said]] = {}
    for entry in entries:
        by_name.setdefault(entry.values["name"], []).append(entry)
    agreed = {key: str for key in APPLICATIONS.keys if key not in APPLICATIONS.required} | {"owner": _in_words}
    return by_name, [*mistakes, *disagreements(by_name, agreed), *_in_vain(by_name)]


def _in_vain(by_name: Mapping[str, list[Said]]) -> Iterator[str]:
    """Yield a sentence for each name whose ports nobody could get back, though it is said how."""
    for name in sorted(by_name):
        owners = next((entry.values["owner"] for entry in by_name[name] if "owner" in entry.values), ())
        for entry in by_name[name]:
            for key in sorted(entry.values.keys() & set(REMEDY)):
                sentence = f"{entry.where} says {key}, but "
                if not owners:
                    yield located(f"{sentence}no entry of {name} says owner: {keys.ACCEPTED_OWNER}.", entry.origin)
                elif len(owners) > 1:
                    why = f"{name} has several owners, so that it cannot be told for whom to get its ports back"
                    yield located(f"{sentence}{why}: accepted is one owner beside it.", entry.origin)


def _in_words(owners: Any) -> str:
    return " or ".join(", ".join(f"{part} {name}" for part, name in owner) for owner in owners)
