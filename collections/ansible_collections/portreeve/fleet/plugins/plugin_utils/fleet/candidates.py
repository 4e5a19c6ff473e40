# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ports that the kernel may give to any connection, and that somebody needs: candidates for a reservation. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from ...module_utils.portreeve_agent.model import PROTOCOLS
from ...module_utils.portreeve_agent.ports import PortRange, parse_ports, port_set
from ...module_utils.portreeve_agent.verdicts.wording import listed
from ..policy.case import MOST_TOLD_APART
from ..policy.findings import JudgedHost
from .declared_places import declared_places
from .naming import by_place, is_kernels_choice, name_holders, served
from .picture import natural
from .port_sets import ranges_of


class Candidate(NamedTuple):
    """A port or a range of ports, who needs it, an application by its name, and on which hosts, in natural order.

    ``said`` is one sentence.
    """

    place: str
    who: str
    hosts: tuple[str, ...]
    said: str


def find_candidates(hosts: Iterable[JudgedHost]) -> tuple[Candidate, ...]:
    """Return the ports in the automatic range of their host that somebody listens on or that are declared, and that it
    does not reserve; those on most hosts first. Neighbours that the same need on the same hosts are one.

    Hosts whose range or reservations are not known, and datagram sockets that nobody declared, do not count. A wide
    range of which many parts are reserved is told as a whole.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for host in hosts:
        for need in dict.fromkeys(_needs(host)):
            found.setdefault(need, []).append(host.name)
    alike: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (place, who), needing in found.items():
        alike.setdefault((who, tuple(needing)), []).append(place)
    together = [(str(one), who, needing) for (who, needing), places in alike.items() for one in parse_ports(places)]
    together.sort(key=lambda one: (-len(one[2]), by_place(one[0]), one[1]))
    return tuple(_candidate(*one) for one in together)


def _needs(host: JudgedHost) -> Iterator[tuple[str, str]]:
    automatic, reserved = host.picture.automatic, port_set(host.picture.reserved)
    if automatic is None or reserved is None:
        return
    declared = declared_places(host)
    needs = {place: listed(list(names)) for place, names in declared.single.items()}
    for listener, serving in served(host.picture):
        if listener.protocol not in PROTOCOLS:
            continue
        if not is_kernels_choice(host.picture, listener) and not declared.wide_at(listener.place):
            needs.setdefault(listener.place, name_holders(serving))
    for place, who in needs.items():
        port = by_place(place)[0]
        if automatic[0] <= port <= automatic[1] and port not in reserved:
            yield place, who
    for wide, who in declared.wide:
        for place in _free(wide, automatic, host.picture.reserved):
            yield place, who


@lru_cache(maxsize=256)
def _free(wide: PortRange, automatic: tuple[int, int], reserved: str | None) -> tuple[str, ...]:
    """Return those of a range that the kernel may give away; the hosts of a fleet have the same by the thousand."""
    low, high = max(wide.low, automatic[0]), min(wide.high, automatic[1])
    free = ranges_of(set(range(low, high + 1)) - (port_set(reserved) or frozenset()), wide.protocol)
    if len(free) > MOST_TOLD_APART:
        free = (PortRange(low, high, wide.protocol),)
    return tuple(map(str, free))


def _candidate(place: str, who: str, hosts: tuple[str, ...]) -> Candidate:
    count = "1 host" if len(hosts) == 1 else f"{len(hosts)} hosts"
    needed = f"{who} needs {place}" if who else f"{place} is needed"
    said = f"{needed} on {count}, where the kernel may give it to any connection."
    return Candidate(place, who, tuple(sorted(hosts, key=natural)), said)
