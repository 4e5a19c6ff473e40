# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From what a healthy fleet shows now to a policy that it keeps, by the levels of its inventory. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from ...module_utils.portreeve_agent.ports import compress
from ..fleet.host_picture import HostPicture
from ..fleet.picture import natural
from ..fleet.port_sets import Place, ranges_of
from .draft_host import HostSight, OwnerWords, Service, sight_of
from .entry_names import free_name
from .records import ADDRESSES, ANY, WILDCARD

ALL = "all"
_NOT_A_LEVEL = (ALL, "ungrouped")
_FEWEST = 2  # hosts that show something before they are said to share it

#: What is served where, and on which address of each host.
_Showing = dict[str, str]


class Level(NamedTuple):
    """Hosts that see the same variables: all of them, those of a group, or one. ``hosts`` are those that take part."""

    kind: str  # all, group or host
    name: str
    hosts: frozenset[str]


class DraftedEntry(NamedTuple):
    """An entry of a policy; ``reserve`` and ``remarks`` say why it is as it is."""

    name: str
    ports: tuple[int | str, ...]
    owners: tuple[OwnerWords, ...]
    address: str
    is_application: bool
    reserve: str | None
    remarks: tuple[str, ...]


class DraftedLevel(NamedTuple):
    """What is declared for a level; ``left_out`` are sentences on what a host has and should not be declared."""

    level: Level
    entries: tuple[DraftedEntry, ...]
    left_out: tuple[str, ...]


class Draft(NamedTuple):
    """A policy; ``unseen`` are hosts that take no part, with their status, ``partly`` those on which not every holder
    was seen, ``clients`` sockets that take datagrams on ports of the kernel's choice and are left out."""

    levels: tuple[DraftedLevel, ...]
    unseen: tuple[tuple[str, str], ...]
    partly: tuple[str, ...]
    clients: int


class _Found(NamedTuple):
    level: Level
    place: Place
    service: Service
    address: str
    remark: str


def draft(
    pictures: Mapping[str, HostPicture],
    groups: Mapping[str, Collection[str]],
    depths: Mapping[str, int],
    unseen: Iterable[tuple[str, str]] = (),
) -> Draft:
    """Return a policy that the hosts of ``pictures`` are compliant with but for what is left out.

    All their sockets were seen; ``unseen`` are the hosts, of these or others, that were not seen in full, with why.
    ``groups`` have all their hosts, also those of groups in them; ``depths`` say how deep in the inventory they are: of
    groups with the same hosts the deepest counts.
    """
    sights = {host: sight_of(picture) for host, picture in pictures.items()}
    levels = list(_levels(frozenset(sights), groups, depths))
    doubtful: dict[Place, set[str]] = {}
    for host, sight in sights.items():
        for place in sight.doubtful:
            doubtful.setdefault(place, set()).add(host)
    found: list[_Found] = []
    for where, showing in _by_service(sights).items():
        excused = doubtful.setdefault(where[0], set())
        for one in _placed(where, showing, levels, excused):
            excused -= one.level.hosts  # nobody else's place there, too
            found.append(one)
    by_level: dict[tuple[str, str], list[_Found]] = {}
    for one in found:
        by_level.setdefault((one.level.kind, one.level.name), []).append(one)
    names = _names(found)
    unreserved = frozenset(port for sight in sights.values() for port in sight.unreserved)
    never = {names[one.service, one.address] for one in found if one.place[0] in unreserved}
    hosts = [Level("host", host, frozenset((host,))) for host in sorted(sights, key=natural)]
    whole = Level(ALL, ALL, frozenset(sights))
    drafted = (
        DraftedLevel(
            level,
            tuple(_entries(by_level.get((level.kind, level.name), []), names, never, unreserved)),
            sights[level.name].left_out if level.kind == "host" else (),
        )
        for level in (whole, *(level for level in levels if level.kind == "group"), *hosts)
    )
    kept = tuple(one for one in drafted if one.entries or one.left_out or one.level.kind == ALL)
    ordered = sorted(unseen, key=lambda one: natural(one[0]))
    return Draft(
        kept,
        tuple(one for one in ordered if one[0] not in sights),
        tuple(host for host, _status in ordered if host in sights),
        sum(one.clients for one in sights.values()),
    )


def _levels(seen: frozenset[str], groups: Mapping[str, Collection[str]], depths: Mapping[str, int]) -> Iterator[Level]:
    """Yield the levels on which hosts can share something, the largest first."""
    if len(seen) >= _FEWEST:
        yield Level(ALL, ALL, seen)
    members = {name: seen.intersection(hosts) for name, hosts in groups.items() if name not in _NOT_A_LEVEL}
    for name in sorted(members, key=lambda name: (-len(members[name]), -depths.get(name, 0), natural(name))):
        if len(members[name]) >= _FEWEST:
            yield Level("group", name, members[name])


def _by_service(sights: Mapping[str, HostSight]) -> dict[tuple[Place, Service], _Showing]:
    found: dict[tuple[Place, Service], _Showing] = {}
    for host, sight in sights.items():
        for where, address in sight.services.items():
            found.setdefault(where, {})[host] = address
    return dict(sorted(found.items()))


def _placed(
    where: tuple[Place, Service], showing: _Showing, levels: list[Level], excused: set[str]
) -> Iterator[_Found]:
    """Yield on which levels a service at a place is declared: where all hosts show it, but those in doubt there."""
    place, service = where
    rest = dict(showing)
    for address in sorted(set(showing.values())):
        alike = {host for host, one in showing.items() if one == address}
        for level in _shared(alike, excused, levels):
            yield _Found(level, place, service, address, "")
            rest = {host: one for host, one in rest.items() if host not in level.hosts}
    own = {host for host, address in rest.items() if address not in ADDRESSES}
    for level in _shared(own, excused, levels):
        yield _Found(level, place, service, ANY, "Each host serves it on an address of its own.")
        rest = {host: one for host, one in rest.items() if host not in level.hosts}
    for host, address in rest.items():
        yield _Found(Level("host", host, frozenset((host,))), place, service, address, "")


def _shared(showing: set[str], excused: set[str], levels: list[Level]) -> Iterator[Level]:
    left = set(showing)
    for level in levels:
        if len(left) < _FEWEST:
            return
        if level.hosts <= showing | excused and len(level.hosts & left) >= _FEWEST:
            left -= level.hosts
            yield level


def _names(found: Iterable[_Found]) -> dict[tuple[Service, str], str]:
    """Return a name for each service on an address: entries of one name have all in common but their ports."""
    addresses: dict[Service, set[str]] = {}
    for one in found:
        addresses.setdefault(one.service, set()).add(one.address)
    names: dict[tuple[Service, str], str] = {}
    taken: set[str] = set()
    for service in sorted(addresses, key=lambda one: (one.base, not one.is_application, one)):
        base = free_name(service.base, taken)
        taken.add(base)
        for address in sorted(addresses[service], key=lambda one: (one != WILDCARD, one)):
            plain = len(addresses[service]) == 1 or address == WILDCARD
            name = base if plain else free_name(f"{base[:24]}-{address.replace(':', '-')}", taken)
            names[service, address] = name
            taken.add(name)
    return names


def _entries(
    found: list[_Found], names: Mapping[tuple[Service, str], str], never: Collection[str], unreserved: frozenset[int]
) -> Iterator[DraftedEntry]:
    together: dict[tuple[str, Service, str], list[_Found]] = {}
    for one in found:
        together.setdefault((names[one.service, one.address], one.service, one.address), []).append(one)
    for (name, service, address), places in sorted(together.items()):
        risky = {one.place[0] for one in places} & unreserved
        remarks = [service.remark, *dict.fromkeys(one.remark for one in places)]
        if risky and service.is_application:
            remarks.append(
                f"The kernel may give {compress(risky)} to outgoing connections: reserve: auto has that reserved."
            )
        yield DraftedEntry(
            name=name,
            ports=_written({one.place for one in places}),
            owners=service.owners,
            address=address,
            is_application=service.is_application,
            reserve="never" if name in never and service.is_application else None,
            remarks=tuple(filter(None, remarks)),
        )


def _written(places: set[Place]) -> tuple[int | str, ...]:
    """Return ports as an entry has them: ``{(53, "tcp"), (53, "udp")}`` as ``(53, "53/udp")``, neighbours joined."""
    tcp = ranges_of({port for port, protocol in places if protocol == "tcp"})
    rest = {protocol for _port, protocol in places} - {"tcp"}
    others = [
        str(one)
        for protocol in sorted(rest)
        for one in ranges_of({port for port, found in places if found == protocol}, protocol)
    ]
    return (*(one.low if one.low == one.high else str(one) for one in tcp), *others)
