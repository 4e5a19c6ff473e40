# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From what an inventory says of applications, and of what else may listen, to what is declared. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from ...module_utils.portreeve_agent.expectations import Expectation
from ...module_utils.portreeve_agent.ports import PortRange
from ..fleet import keys
from ..fleet.applications import Application, united
from ..fleet.entries import read_entries
from ..fleet.lists import Kind, Origin, Said, located, read_lists
from ..fleet.port_sets import ranges_of, ranges_served
from .asking import MOST_PORTS, count, needed_ports
from .records import ANY, MAY, MUST, WILDCARD, Declaration
from .rules import SEVERITIES

_ALLOWED = Kind(
    "allowed listener",
    "allowed listeners",
    {
        "name": keys.name,
        "ports": keys.ports,
        "owner": keys.owners,
        "address": keys.address,
        "severity": keys.one_of(SEVERITIES),
        "reason": keys.text("a text that says why it may listen"),
    },
    {"name": None, "ports": []},
)


def read_applications(declared: Mapping[str, Any], origin: Origin) -> tuple[tuple[Declaration, ...], list[str]]:
    """Return what the lists of applications declare, by name, and a sentence for each mistake.

    It is one as well that two of them would have to listen on one port of the host.
    """
    by_name, mistakes = read_entries(declared, origin)
    if mistakes:
        return (), mistakes
    declarations = tuple(map(_declaration, united(by_name)))
    return declarations, [*_collisions(declarations, by_name), *_too_many(declarations, by_name)]


def read_allowed(declared: Mapping[str, Any], origin: Origin) -> tuple[tuple[Declaration, ...], list[str]]:
    """Return what else the lists allow to listen, in order and each once, and a sentence for each mistake."""
    entries, mistakes = read_lists(declared, _ALLOWED, origin)
    allowed = {
        Declaration(
            entry.values["name"],
            entry.values["ports"],
            entry.values.get("address", ANY),
            _expectations(entry.values.get("owner", ())),
            severity=entry.values.get("severity"),
            is_application=False,
        )
        for entry in entries
    }
    return tuple(sorted(allowed, key=lambda one: str(sorted(one.to_wire().items())))), mistakes


def _declaration(application: Application) -> Declaration:
    return Declaration(
        application.name,
        _ranges(application),
        application.policy.get("address", ANY),
        _expectations(application.owners),
        application.policy.get("listen", MUST),
        application.reserve,
        application.policy.get("severity"),
    )


def _ranges(application: Application) -> tuple[PortRange, ...]:
    ports: dict[str, set[int]] = {}
    for port, protocol in application.places:
        ports.setdefault(protocol, set()).add(port)
    return ranges_served([one for protocol in ports for one in ranges_of(ports[protocol], protocol)])


def _expectations(owners: Iterable[keys.Owner]) -> tuple[Expectation, ...]:
    found = map(dict, owners)
    return tuple(Expectation(one.get("unit"), one.get("exe"), one.get("user"), one.get("container")) for one in found)


def _collisions(declarations: Iterable[Declaration], by_name: Mapping[str, list[Said]]) -> Iterator[str]:
    """Yield a sentence for each two applications that must listen in one place for different owners."""
    needed = sorted(
        ((port.protocol or "", port.low, port.high, one) for one in declarations for port in one.ports if _binds(one)),
        key=lambda need: (*need[:3], need[3].name),
    )
    told: set[tuple[str, str]] = set()
    for index, (protocol, low, high, one) in enumerate(needed):
        for other_protocol, other_low, _other_high, other in needed[index + 1 :]:
            if other_protocol != protocol or other_low > high:
                break
            if (one.name, other.name) not in told and _collide(one, other):
                told |= {(one.name, other.name), (other.name, one.name)}
                place = f"{max(low, other_low)}/{protocol}"
                first, second = by_name[one.name][0], by_name[other.name][0]
                yield located(
                    f"{first.where} and {second.where} must both listen on {place}, each with an owner of its own: "
                    f"accepted is one of them on a host, listen: {MAY} for one of them, or an address for each.",
                    first.origin,
                    second.origin,
                )


def _too_many(declarations: Collection[Declaration], by_name: Mapping[str, list[Said]]) -> Iterator[str]:
    """Yield a sentence on the widest entry where somebody must listen on more ports than a host can be asked for."""
    needed = count(needed_ports(declarations))
    if needed > MOST_PORTS:
        entries = [entry for one in declarations if one.listen == MUST for entry in by_name[one.name]]
        widest = max(entries, key=lambda entry: count(entry.values["ports"][0]))
        yield located(
            f"{widest.where} has {count(widest.values['ports'][0])} of the {needed} ports of the host on which "
            f"somebody must listen: accepted are at most {MOST_PORTS} on a host, and listen: {MAY} for what need not "
            "be listened on.",
            widest.origin,
        )


def _binds(one: Declaration) -> bool:
    return one.listen == MUST and bool(one.owners)


def _collide(one: Declaration, other: Declaration) -> bool:
    """Two that must listen on addresses of their own do not meet; where one says any, it may choose another."""
    meet = one.address == other.address or {one.address, other.address} == {ANY, WILDCARD}
    return meet and one.name != other.name and not set(one.owners) & set(other.owners)
