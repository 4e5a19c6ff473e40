# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is declared for a host: applications, what else may listen, and what is waived. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ...module_utils.portreeve_agent.expectations import Expectation
from ...module_utils.portreeve_agent.ports import PortRange, parse_ports

FORMAT = "portreeve.policy/1"

ANY, LOOPBACK, WILDCARD = "any", "loopback", "wildcard"
ADDRESSES = (ANY, LOOPBACK, WILDCARD)  # or an address
MUST, MAY = "must", "may"
LISTEN = (MUST, MAY)
OWNER = ("unit", "exe", "user", "container")  # what may be said of one


@dataclass(frozen=True)
class Declaration:
    """Ports of an application, or of something else that may listen.

    Each range has a protocol. ``address`` is one of ADDRESSES or an IP address; ``owners`` are those any one of which
    should hold the ports, none when anybody may; ``listen`` MUST or MAY; ``reserve`` the ports to be kept out of the
    kernel's choice: auto, always or never. ``severity`` is that of findings about it, None for the rule's own.
    """

    name: str
    ports: tuple[PortRange, ...]
    address: str = ANY
    owners: tuple[Expectation, ...] = ()
    listen: str = MAY
    reserve: str = "never"
    severity: str | None = None
    is_application: bool = True

    def to_wire(self) -> dict[str, Any]:
        """Return it in plain JSON types; ``policy_from_wire`` reads it back."""
        return {
            "name": self.name,
            "ports": [str(one) for one in self.ports],
            "address": self.address,
            "owners": [
                {key: getattr(owner, key) for key in OWNER if getattr(owner, key) is not None} for owner in self.owners
            ],
            "listen": self.listen,
            "reserve": self.reserve,
            "severity": self.severity,
            "is_application": self.is_application,
        }


@dataclass(frozen=True)
class Waiver:
    """Findings that are accepted for a time. No ``rules`` or ``ports`` means all of them; ``hosts`` is the pattern that
    the host at hand matched, ``where`` the variable and entry. It holds to the end of the day ``expires``, in UTC."""

    rules: tuple[str, ...]
    ports: tuple[PortRange, ...]
    hosts: str
    reason: str
    expires: datetime.date
    where: str

    def to_wire(self) -> dict[str, Any]:
        """Return it in plain JSON types; ``policy_from_wire`` reads it back."""
        return {
            "rules": list(self.rules),
            "ports": [str(one) for one in self.ports],
            "hosts": self.hosts,
            "reason": self.reason,
            "expires": self.expires.isoformat(),
            "where": self.where,
        }


@dataclass(frozen=True)
class Policy:
    """What one host is held against. ``severities`` are what the policy says of rules, IGNORE to leave one out."""

    declarations: tuple[Declaration, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    severities: Mapping[str, str] = field(default_factory=dict)

    def to_wire(self) -> dict[str, Any]:
        """Return it in plain JSON types; ``policy_from_wire`` reads it back."""
        return {
            "format": FORMAT,
            "declarations": [one.to_wire() for one in self.declarations],
            "waivers": [one.to_wire() for one in self.waivers],
            "severities": dict(self.severities),
        }


@lru_cache(maxsize=1 << 16)
def _ranges(texts: tuple[str, ...]) -> tuple[PortRange, ...]:
    """Hosts of a kind declare the same ports."""
    return parse_ports(list(texts)) if texts else ()


def policy_from_wire(kept: Mapping[str, Any]) -> Policy:
    """Return the policy that ``to_wire`` wrote."""
    declarations = [
        Declaration(
            **{
                **one,
                "ports": _ranges(tuple(one["ports"])),
                "owners": tuple(Expectation(**owner) for owner in one["owners"]),
            }
        )
        for one in kept["declarations"]
    ]
    waivers = [
        Waiver(
            tuple(one["rules"]),
            _ranges(tuple(one["ports"])),
            one["hosts"],
            one["reason"],
            datetime.date.fromisoformat(one["expires"]),
            one["where"],
        )
        for one in kept["waivers"]
    ]
    return Policy(tuple(declarations), tuple(waivers), dict(kept["severities"]))
