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
from .declared_places import Spans, declared_places
from .host_picture import Bound, Listener
from .naming import HEIR, by_place, is_kernels_choice, name_holding, served
from .picture import natural

_ALL = ("0.0.0.0", "::")
#: What stands for any address that a host has to itself: moved to another host, it would be one of that host (RFC 5737,
#: RFC 3849).
_OWN_ADDRESSES = ("192.0.2.1", "2001:db8::1")

_Addresses = frozenset[str]
_Name = tuple[str, bool]  # and whether it is an application's
#: Names that have a port together, on which host, on which addresses.
_Gathered = tuple[list[_Name], str, tuple[str, ...]]


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
    does not count here. A wide range is one place, of who runs in it on a host that does not declare it as well.
    """
    judged = tuple(hosts)
    spans = Spans(wide for host in judged for wide, _name in declared_places(host).wide)
    places: dict[str, _Parties] = {}
    for host in judged:
        for place, gathered in _on_host(host, spans):
            places.setdefault(place, _Parties()).add(*gathered)
    found = ((place, places[place].colliding()) for place in sorted(places, key=by_place))
    return tuple(Collision(place, parties, _say(place, parties)) for place, parties in found if parties)


def _on_host(host: JudgedHost, spans: Spans) -> Iterator[tuple[str, _Gathered]]:
    """Yield who has which port or span of ports on a host."""
    taken = {one.place for one in host.findings if one.rule == "wrong_owner"}
    declared = declared_places(host)
    for wide, name in declared.wide:
        for span in spans.within(wide):
            yield span, ([(name, True)], host.name, _ALL)
    listening = {one.place: (one, serving) for one, serving in served(host.picture)}
    for place in {**listening, **declared.single}:
        if place in taken:
            continue
        single, wide_here = declared.single.get(place, ()), declared.wide_at(place)
        for gathered in _gather(host, listening.get(place), single, wide_here):
            yield place, gathered
            around = spans.over(place)
            if around not in (None, place) and not (wide_here and len(single + wide_here) > 1):
                yield str(around), gathered


def _gather(
    host: JudgedHost,
    found: tuple[Listener, tuple[Bound, ...]] | None,
    single: tuple[str, ...],
    wide: tuple[str, ...],
) -> Iterator[_Gathered]:
    if found is None:
        for name in single:
            yield [(name, True)], host.name, _ALL
        return
    listener, serving = found
    applications = single + wide
    if not applications and is_kernels_choice(host.picture, listener):
        return
    named = [(applications[0], True)] if len(applications) == 1 else []
    for bound in serving:
        holders = [(name_holding(one), False) for one in bound.holdings if one.role != HEIR]
        if holders or named:
            yield [*named, *holders], host.name, (_stand_in(bound),)


class _Parties:
    """Who has one port, on which hosts and addresses; names that were seen together are one party."""

    def __init__(self) -> None:
        self._together: dict[_Name, _Name] = {}
        self._hosts: dict[_Name, list[str]] = {}
        self._addresses: dict[_Name, set[str]] = {}

    def add(self, names: list[_Name], host: str, addresses: Iterable[str]) -> None:
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
        names: dict[_Name, list[_Name]] = {}
        for name in self._together:
            names.setdefault(self._root(name), []).append(name)
        addresses = {root: self._united(together) for root, together in names.items()}
        kinds = Counter(addresses.values())
        parties = [self._party(names[root]) for root, own in addresses.items() if any(_meet(own, kinds))]
        return tuple(sorted(parties, key=lambda one: (-len(one.hosts), one.who)))

    def _root(self, name: _Name) -> _Name:
        while self._together[name] != name:
            self._together[name] = self._together[self._together[name]]
            name = self._together[name]
        return name

    def _united(self, names: list[_Name]) -> _Addresses:
        return frozenset(address for name in names for address in self._addresses.get(name, ()))

    def _party(self, names: list[_Name]) -> Party:
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
