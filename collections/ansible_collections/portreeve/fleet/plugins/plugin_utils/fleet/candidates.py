# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ports that the kernel may give to any connection, and that somebody needs: candidates for a reservation. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ...module_utils.portreeve_agent.ports import port_set
from ...module_utils.portreeve_agent.verdicts.wording import listed
from ..policy.findings import JudgedHost
from .declared_places import applications_by_place
from .naming import by_place, is_kernels_choice, name_holders, served
from .picture import natural


class Candidate(NamedTuple):
    """A port, who needs it, an application by its name, and on which hosts, in natural order.

    ``said`` is one sentence.
    """

    place: str
    who: str
    hosts: tuple[str, ...]
    said: str


def find_candidates(hosts: Iterable[JudgedHost]) -> tuple[Candidate, ...]:
    """Return the ports in the automatic range of their host that somebody listens on or that are declared, and that it
    does not reserve; those on most hosts first.

    Hosts whose range or reservations are not known, and datagram sockets that nobody declared, do not count.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for host in hosts:
        for need in _needs(host):
            found.setdefault(need, []).append(host.name)
    ordered = sorted(found, key=lambda need: (-len(found[need]), by_place(need[0]), need[1]))
    return tuple(_candidate(*need, found[need]) for need in ordered)


def _needs(host: JudgedHost) -> Iterator[tuple[str, str]]:
    automatic, reserved = host.picture.automatic, port_set(host.picture.reserved)
    if automatic is None or reserved is None:
        return
    needs = {place: listed(names) for place, names in applications_by_place(host).items()}
    for listener, serving in served(host.picture):
        if not is_kernels_choice(host.picture, listener):
            needs.setdefault(listener.place, name_holders(serving))
    for place, who in needs.items():
        port = by_place(place)[0]
        if automatic[0] <= port <= automatic[1] and port not in reserved:
            yield place, who


def _candidate(place: str, who: str, hosts: list[str]) -> Candidate:
    count = "1 host" if len(hosts) == 1 else f"{len(hosts)} hosts"
    needed = f"{who} needs {place}" if who else f"{place} is needed"
    said = f"{needed} on {count}, where the kernel may give it to any connection."
    return Candidate(place, who, tuple(sorted(hosts, key=natural)), said)
