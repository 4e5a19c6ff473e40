# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How far a run may go: on how many hosts, to how many owners, after how many failures. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from ...module_utils.portreeve_agent.errors import InvalidInput
from ...module_utils.portreeve_agent.ports import shown
from ..report.sentences import counted, named
from .plans import ports_to_do
from .victims import owners_of

_EVERYWHERE = ("all", "ungrouped")  # groups that every inventory has


@dataclass(frozen=True)
class Limits:
    """None is no limit. Unreachable hosts are failed ones; ``most_failed`` 0 ends the run with the first of them."""

    most_hosts: int | None = None
    most_failed: int | None = None
    most_owners_per_host: int | None = None
    most_owners_per_group: int | None = None

    def to_wire(self) -> dict[str, int | None]:
        """Return them in plain JSON types."""
        return asdict(self)


def read_limits(given: Mapping[str, Any]) -> Limits:
    """Return the limits that are given by name, as numbers or texts of digits; an empty text is none given."""
    return Limits(**{one.name: _number(one.name, given.get(one.name)) for one in fields(Limits)})


def tightest(*several: Limits) -> Limits:
    """Return limits that keep within each of ``several``."""
    named = {one.name: [getattr(limits, one.name) for limits in several] for one in fields(Limits)}
    return Limits(
        **{name: min((one for one in found if one is not None), default=None) for name, found in named.items()}
    )


def exceeded(
    plan: Mapping[str, Any], hosts: Collection[str], groups: Mapping[str, Collection[str]], limits: Limits
) -> Iterator[str]:
    """Yield a sentence for each limit that a plan would exceed on ``hosts``, those on which something is to be done.

    ``groups`` are the inventory's, by name. Whether too many fail, only the run can tell.
    """
    if limits.most_hosts is not None and len(hosts) > limits.most_hosts:
        yield f"The plan acts on {counted(len(hosts), 'host')}, but most_hosts is {limits.most_hosts}."
    owners = {
        host: sorted({one for port in ports_to_do(plan["hosts"][host]) for one in owners_of(port)}) for host in hosts
    }
    most = limits.most_owners_per_host
    for host, found in owners.items():
        if most is not None and len(found) > most:
            many = f"{counted(len(found), 'owner')} on {host} ({named(found)})"
            yield f"The plan acts on {many}, but most_owners_per_host is {most}."
    most = limits.most_owners_per_group
    for group in sorted(set(groups) - set(_EVERYWHERE)):
        number = sum(len(owners[host]) for host in groups[group] if host in owners)
        if most is not None and number > most:
            many = f"{counted(number, 'owner')} in the group {group}"
            yield f"The plan acts on {many}, but most_owners_per_group is {most}."


def _number(name: str, given: Any) -> int | None:
    if given is None or given == "":
        return None
    if isinstance(given, str) and given.isascii() and given.isdecimal():
        return int(given)
    if isinstance(given, int) and not isinstance(given, bool) and given >= 0:
        return int(given)
    raise InvalidInput(f"{name} is {shown(given)}: accepted is a whole number from 0 on, or nothing for no limit.")
