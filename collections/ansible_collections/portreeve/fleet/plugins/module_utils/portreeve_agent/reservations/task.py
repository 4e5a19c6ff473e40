# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One run over the reservations of a host: look, plan, check, make it so, and tell. It joins all the rest."""

from __future__ import annotations

import posixpath
from contextlib import nullcontext
from dataclasses import dataclass, replace
from socket import AF_INET, SOCK_DGRAM, SOL_SOCKET
from sys import byteorder
from typing import Any, Iterator

from ..errors import InvalidInput, NotPermitted, NotSupported, PortreeveError
from ..host import Host
from ..kernel.namespaces import choose_namespaces, read_namespaces, read_own_namespace
from ..kernel.port_ranges import read_port_ranges, read_ranges_by_namespace
from ..model import BlindSpot, Namespace, PortRanges, SettingFile
from ..ports import compress
from ..writing import ActingHost
from . import store
from .boot import cut_at_boot
from .commit import KEEP, Change, commit
from .eviction import evict, protected_pids
from .guards import check_plan, check_wish, drift_of, warnings_of
from .ledger import NOBODY, Account, OwnFile, format_ledger, format_own_file, parse_ledger, parse_own_file
from .occupancy import say_some, to_record
from .occupants import Occupants, look
from .plan import Configured, Places, Running, Wish, make_plan
from .result import describe_drift, describe_name, describe_places, describe_wish, difference, differs, names_in

_MAIN_FILE = "/etc/sysctl.conf"  # where no link leads to it, sysctl(8) applies it after all others
_SO_NETNS_COOKIE = 71  # asm-generic/socket.h, Linux 5.14


@dataclass(frozen=True)
class _Found:
    """What a run starts from."""

    standing: store.Standing
    accounts: dict[str, Account]
    key: str
    places: Places


def reserve(
    host: ActingHost,
    wish: Wish,
    namespace: str = "host",
    minimum_automatic: int = 0,
    evicting: bool = False,
    pretend: bool = False,
    compared: bool = True,
) -> dict[str, Any]:
    """Bring about a wish and return the result, with ``warnings``; with ``pretend`` change nothing.

    ``compared``: with the ``diff`` as well, which is long where many ports are reserved.

    Raises a PortreeveError, one sentence, when nothing was changed or the old state was put back.
    """
    place, unseen = _choose(host, namespace)
    is_hosts_own = place.kind == "host"
    wish = replace(wish, persistent=is_hosts_own if wish.persistent is None else wish.persistent)
    check_wish(wish, is_hosts_own)
    ranges = _ranges(host, place)
    slips: tuple[str, ...] = ()
    with nullcontext() if pretend else store.locked(host):
        found = _find(host, place, wish.persistent is True)
        after = make_plan(found.places, wish)
        check_plan(found.places, after, ranges.automatic, minimum_automatic)
        if not pretend:
            slips = commit(host, place, found.standing, _change(found, after, wish))
    occupants = _look(host, place, after, ranges)
    mine = _on(occupants, wish.ports if wish.present else NOBODY)
    if evicting:
        mine = evict(host, place, mine, protected_pids(host), pretend)
    drift = tuple(drift_of(found.places, store.OWN_FILE))
    result = {
        **_describe(after, place, ranges, occupants, unseen),
        **describe_wish(found.places, after, wish, ranges.automatic),
        "changed": any(one.evicted for one in mine.squatters + mine.lingering) or differs(found.places, after),
        "drift": [describe_drift(one) for one in drift],
        "squatters": [to_record(one) for one in mine.squatters],
        "lingering": [to_record(one) for one in mine.lingering],
    }
    if compared:
        result["diff"] = difference(found.places, after, mine.squatters + mine.lingering)
    result["automatic"]["floor"] = minimum_automatic
    result["warnings"] = [
        *slips,
        *(one.summary for one in drift),
        *warnings_of(after, wish, ranges.automatic),
        *_cut_at_boot(host, after, wish),
        *say_some(mine.squatters + mine.lingering),
    ]
    return result


def survey(host: Host, namespace: str = "host") -> dict[str, Any]:
    """Return what is reserved, by whom, and what is amiss; nothing is changed."""
    place, unseen = _choose(host, namespace)
    ranges = _ranges(host, place)
    places = _find(host, place, to_be_written=False).places
    drift = [describe_drift(one) for one in drift_of(places, store.OWN_FILE)]
    return {**_describe(places, place, ranges, _look(host, place, places, ranges), unseen), "drift": drift}


def _describe(
    places: Places, namespace: Namespace, ranges: PortRanges, occupants: Occupants, unseen: tuple[BlindSpot, ...]
) -> dict[str, Any]:
    blind_spots = unseen + occupants.blind_spots
    if ranges.automatic is None:
        blind_spots += (BlindSpot("the automatic range", "it cannot be read", 1),)
    return {
        **describe_places(places, namespace, ranges.automatic),
        "complete": not blind_spots,
        "blind_spots": [{"what": one.what, "why": one.why, "count": one.count} for one in blind_spots],
        "reservations": [
            describe_name(name, places, occupants.unused(ports)) for name, ports in names_in(places).items()
        ],
    }


def _ranges(host: Host, namespace: Namespace) -> PortRanges:
    return dict(read_ranges_by_namespace(host, (namespace,), read_port_ranges(host)))[namespace.id]


def _choose(host: Host, wanted: str) -> tuple[Namespace, tuple[BlindSpot, ...]]:
    """Return the namespace meant: the host's own costs no search, another one may be named as its container is."""
    if wanted == "host":
        return read_own_namespace(host), ()
    if wanted == "all":
        raise InvalidInput("namespace 'all' has no list of its own: accepted are host, or the name or number of one")
    from ..ownership.case import Scene
    from ..ownership.namespace_names import name_namespace

    found, unseen = read_namespaces(host)
    scene = Scene(host)
    named = tuple(replace(one, name=name_namespace(scene, one)) for one in found)
    return choose_namespaces(named, wanted, accepted="host")[0], unseen


def _find(host: Host, namespace: Namespace, to_be_written: bool) -> _Found:
    standing = store.read(host, namespace)
    configured = _configured(standing, to_be_written) if namespace.kind == "host" else None
    accounts = parse_ledger(standing.ledger, store.LEDGER)
    key = _key(host, namespace)
    account = accounts.get(key)
    if account is None:  # nobody has reserved anything in this namespace since the boot
        account = _since_boot(configured.own, standing.kernel) if configured else Account()
    return _Found(standing, accounts, key, Places(Running(standing.kernel, account), configured))


def _since_boot(own: OwnFile, kernel: frozenset[int]) -> Account:
    """Return the account that the boot has opened: it reserved what our file says, ports of others among them."""
    return Account(own.names, (own.kept | own.by_hand) & kernel)


def _configured(standing: store.Standing, to_be_written: bool) -> Configured:
    if standing.files is None and to_be_written:
        raise NotPermitted("a file of sysctl.d cannot be read, so what it reserves would be lost: nothing was changed")
    others = tuple(file for file in standing.files or () if file.path != store.OWN_FILE)
    later = tuple(file for file in others if _sorts_later(file))
    earlier = tuple(file for file in others if not _sorts_later(file))
    return Configured(parse_own_file(standing.own_file, store.OWN_FILE), earlier, later)


def _sorts_later(file: SettingFile) -> bool:
    return file.path == _MAIN_FILE or posixpath.basename(file.path) > posixpath.basename(store.OWN_FILE)


def _key(host: Host, namespace: Namespace) -> str:
    """Return what tells a namespace from all others of this boot: its inode number is used again after its end."""
    way = (None, None) if namespace.kind == "host" else (namespace.path, namespace.id)
    try:
        with host.inet_socket(AF_INET, SOCK_DGRAM, *way) as one:
            cookie = int.from_bytes(one.getsockopt(SOL_SOCKET, _SO_NETNS_COOKIE, 8), byteorder)
            return "%d-%d" % (namespace.id, cookie)
    except (OSError, NotSupported):
        return str(namespace.id)


def _change(found: _Found, after: Places, wish: Wish) -> Change:
    """Return what is to be written where the places differ."""
    accounts = {**found.accounts, found.key: after.running.account}
    return Change(
        kernel=after.running.ports if wish.runtime else None,
        own_file=KEEP if after.configured == found.places.configured else _own_file(after.configured),
        ledger=format_ledger(accounts, found.standing.boot_id),
    )


def _own_file(configured: Configured | None) -> str | None:
    """Return the text of our file, None where it has nothing to set."""
    return format_own_file(configured.own) if configured and configured.own.value is not None else None


def _cut_at_boot(host: Host, after: Places, wish: Wish) -> Iterator[str]:
    value = after.configured.own.value if after.configured and wish.persistent else None
    told = cut_at_boot(host, compress(value)) if value else None
    if told is not None:
        yield told


def _look(host: Host, namespace: Namespace, after: Places, ranges: PortRanges) -> Occupants:
    wanted = NOBODY.union(*names_in(after).values())
    try:
        return look(host, namespace, wanted, ranges.automatic)
    except PortreeveError as error:  # what is reserved is reserved: only who is there cannot be told
        return Occupants(hidden=True, blind_spots=(BlindSpot("who is on the ports", str(error), 1),))


def _on(occupants: Occupants, ports: frozenset[int]) -> Occupants:
    return replace(
        occupants,
        squatters=tuple(one for one in occupants.squatters if one.socket.local.port in ports),
        lingering=tuple(one for one in occupants.lingering if one.socket.local.port in ports),
    )
