# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a few hosts are not as the others are. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ...module_utils.portreeve_agent.verdicts.wording import listed
from ..policy.findings import JudgedHost
from .naming import by_place, is_kernels_choice, name_holders, served
from .picture import INCOMPLETE, OK, natural

_CLEAR_MAJORITY = 0.8  # so there are 5 hosts at least,
_NEARLY_ALL = 0.9  # and 10


class Minority(NamedTuple):
    """Hosts, in natural order, on which somebody else has a port; nobody where ``who`` is empty."""

    who: str
    hosts: tuple[str, ...]


class Outlier(NamedTuple):
    """A port that most hosts have alike. ``usual`` is who has it on ``usual_hosts`` of them, empty where these have
    nothing in common but that somebody has it. ``others`` are the rest, ``said`` is all of it in one sentence."""

    place: str
    usual: str
    usual_hosts: int
    others: tuple[Minority, ...]
    said: str


def find_outliers(hosts: Iterable[JudgedHost]) -> tuple[Outlier, ...]:
    """Return the ports with a clear majority (80 % of the hosts that have it) and somebody else, and those that
    nearly all hosts have (90 % of those whose sockets were all seen) and a few have not; by port.

    Only those count that somebody who was seen serves, and that the kernel has not chosen.
    """
    places: dict[str, dict[str, list[str]]] = {}
    whole: set[str] = set()
    for host in hosts:
        if host.status not in (OK, INCOMPLETE):
            continue
        if host.picture.sockets_complete:
            whole.add(host.name)
        for listener, serving in served(host.picture):
            if not is_kernels_choice(host.picture, listener):
                places.setdefault(listener.place, {}).setdefault(name_holders(serving), []).append(host.name)
    found = []
    for place in sorted(places, key=by_place):
        found += [*_by_owner(place, places[place]), *_by_absence(place, places[place], whole)]
    return tuple(found)


def _by_owner(place: str, owners: dict[str, list[str]]) -> Iterable[Outlier]:
    seen = {who: hosts for who, hosts in owners.items() if who}
    total = sum(map(len, seen.values()))
    usual = max(seen, key=lambda who: (len(seen[who]), who), default="")
    if len(seen) < 2 or len(seen[usual]) < _CLEAR_MAJORITY * total:
        return
    others = sorted((_minority(who, seen[who]) for who in seen if who != usual), key=_smallest_first)
    rest = " and ".join(f"{one.who} on {_count(one.hosts)}" for one in others)
    said = f"{place} is {usual} on {len(seen[usual])} hosts, but {rest}."
    yield Outlier(place, usual, len(seen[usual]), tuple(others), said)


def _by_absence(place: str, owners: dict[str, list[str]], whole: set[str]) -> Iterable[Outlier]:
    having = {host for hosts in owners.values() for host in hosts} & whole
    lacking = len(whole) - len(having)
    if not lacking or len(having) < _NEARLY_ALL * len(whole):
        return
    minority = _minority("", whole - having)
    usual = "".join(owners) if len(owners) == 1 else ""
    by = f" by {usual}" if usual else ""
    said = f"{place} is served{by} on {len(having)} hosts, but not on {_count(minority.hosts)}."
    yield Outlier(place, usual, len(having), (minority,), said)


def _minority(who: str, hosts: Iterable[str]) -> Minority:
    return Minority(who, tuple(sorted(hosts, key=natural)))


def _smallest_first(one: Minority) -> tuple[int, str]:
    return len(one.hosts), one.who


def _count(hosts: tuple[str, ...]) -> str:
    return f"{len(hosts)} ({listed(list(hosts))})"
