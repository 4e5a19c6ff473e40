# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who could not run on one host, which nobody notices as long as they run on different ones. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ...module_utils.portreeve_agent.ports import overlaps
from ...module_utils.portreeve_agent.verdicts.wording import listed
from ..policy.findings import JudgedHost
from .declared_places import applications_by_place
from .host_picture import Bound, Listener
from .naming import HEIR, by_place, is_kernels_choice, name_holding, served
from .picture import natural

_ALL = ("0.0.0.0", "::")
#: What stands for any address that a host has to itself: moved to another host, it would be one of that host (RFC 5737,
#: RFC 3849).
_OWN_ADDRESSES = ("192.0.2.1", "2001:db8::1")

_Addresses = frozenset[str]


class Party(NamedTuple):
    """Who has a port, an application by its name, and the hosts with it, in natural order."""

    who: str
    hosts: tuple[str, ...]


class Collision(NamedTuple):
    """A port that several have, each on hosts of its own; those on most hosts first. ``said`` is one sentence."""

    place: str
    parties: tuple[Party, ...]
    said: str


def find_collisions(hosts: Iterable[JudgedHost]) -> tuple[Collision, ...]:
    """Return the ports on which two owners would meet on overlapping addresses if they ran on one host, by port.

    An application and who rightly holds its port are one. Where somebody else holds it that is a finding already, and
    does not count here.
    """
    places: dict[str, _Parties] = {}
    for host in hosts:
        taken = {one.place for one in host.findings if one.rule == "wrong_owner"}
        applications = applications_by_place(host)
        listening = {one.place: (one, serving) for one, serving in served(host.picture)}
        for place in {**listening, **applications}:
            if place not in taken:
                parties = places.setdefault(place, _Parties())
                _gather(parties, host, listening.get(place), applications.get(place, []))
    found = ((place, places[place].colliding()) for place in sorted(places, key=by_place))
    return tuple(Collision(place, parties, _say(place, parties)) for place, parties in found if parties)


def _gather(
    parties: _Parties,
    host: JudgedHost,
    found: tuple[Listener, tuple[Bound, ...]] | None,
    applications: list[str],
) -> None:
    if found is None:
        for name in applications:
            parties.add([(name, True)], host.name, _ALL)
        return
    listener, serving = found
    if not applications and is_kernels_choice(host.picture, listener):
        return
    named = [(applications[0], True)] if len(applications) == 1 else []
    for bound in serving:
        holders = [(name_holding(one), False) for one in bound.holdings if one.role != HEIR]
        if holders or named:
            parties.add([*named, *holders], host.name, [_stand_in(bound)])


class _Parties:
    """Who has one port, on which hosts and addresses; names that were seen together are one party."""

    def __init__(self) -> None:
        self._together: dict[tuple[str, bool], tuple[str, bool]] = {}
        self._hosts: dict[tuple[str, bool], list[str]] = {}
        self._addresses: dict[tuple[str, bool], set[str]] = {}

    def add(self, names: list[tuple[str, bool]], host: str, addresses: Iterable[str]) -> None:
        """Add names, each with whether it is an application's, that have the port on a host together."""
        first = names[0]
        for name in names:
            self._together.setdefault(name, name)
            self._together[self._root(name)] = self._root(first)
        self._hosts.setdefault(first, []).append(host)
        self._addresses.setdefault(first, set()).update(addresses)

    def colliding(self) -> tuple[Party, ...]:
        """Return those whose addresses overlap with another's."""
        if len(self._together) < 2:
            return ()
        names: dict[tuple[str, bool], list[tuple[str, bool]]] = {}
        for name in self._together:
            names.setdefault(self._root(name), []).append(name)
        addresses = {root: self._united(together) for root, together in names.items()}
        kinds = Counter(addresses.values())
        parties = [self._party(names[root]) for root, own in addresses.items() if any(_meet(own, kinds))]
        return tuple(sorted(parties, key=lambda one: (-len(one.hosts), one.who)))

    def _root(self, name: tuple[str, bool]) -> tuple[str, bool]:
        while self._together[name] != name:
            self._together[name] = self._together[self._together[name]]
            name = self._together[name]
        return name

    def _united(self, names: list[tuple[str, bool]]) -> _Addresses:
        return frozenset(address for name in names for address in self._addresses.get(name, ()))

    def _party(self, names: list[tuple[str, bool]]) -> Party:
        applications = [name for name, is_application in names if is_application]
        hosts = {host for name in names for host in self._hosts.get(name, ())}
        told = applications or [name for name, _is_application in names]
        return Party(listed(sorted(told)), tuple(sorted(hosts, key=natural)))


def _meet(own: _Addresses, kinds: Counter[_Addresses]) -> Iterator[bool]:
    """Yield whether addresses overlap with those of each other party; ``kinds`` counts parties by addresses."""
    for other, count in kinds.items():
        if other != own or count > 1:
            yield any(overlaps(one, another, v6only=False) for one in own for another in other)


def _stand_in(bound: Bound) -> str:
    address = bound.address.removeprefix("::ffff:") if "." in bound.address else bound.address
    if address in _ALL or address.startswith("127.") or address == "::1":
        return address
    return _OWN_ADDRESSES[":" in address]


def _say(place: str, parties: tuple[Party, ...]) -> str:
    named = [f"{one.who} ({'1 host' if len(one.hosts) == 1 else f'{len(one.hosts)} hosts'})" for one in parties]
    return f"On {place} could not run on one host: {listed(named)}."
