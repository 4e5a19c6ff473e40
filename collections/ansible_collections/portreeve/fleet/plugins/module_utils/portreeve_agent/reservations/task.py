# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One run over the reservations of a host: look, plan, check, make it so, and tell. It joins all the rest."""

from __future__ import annotations

import os
import posixpath
from contextlib import contextmanager, nullcontext

from ..errors import NotPermitted, NotSupported, PortreeveError, one_sentence
from ..host import Host
from ..kernel.port_ranges import read_port_ranges, read_ranges_by_namespace
from ..kernel.reserved_ports import open_reserved, read_reserved
from ..kernel.sysctl_files import MAIN_FILE
from ..model import BlindSpot, Namespace, PortRanges, SettingFile
from ..ports import compress
from ..processes import own_ancestry
from ..record import dataclass, replace
from ..typed import Any, Iterator
from ..verdicts.wording import listed
from ..writing import ActingHost
from . import store
from .boot import cut_at_boot
from .commit import KEEP, Change, commit
from .eviction import evict
from .guards import check_plan, check_wish, drift_of, overlooked, say_overlooked, warnings_of
from .ledger import NOBODY, Account, OwnFile, Pending, format_ledger, format_own_file, parse_ledger, parse_own_file
from .occupancy import say_some, to_record
from .occupants import Occupants, look
from .place import choose, is_set_at_boot, key_of, may_be_anothers, without_ended
from .plan import Configured, Places, Running, Wish, make_plan
from .result import describe_drift, describe_name, describe_places, describe_wish, difference, differs, names_in
from .sentences import WHAT_A_BOOT_RESERVES, say_run

_UNCHANGED = "nothing was changed"


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
    place, unseen = choose(host, namespace)
    at_boot = is_set_at_boot(host, place)
    wish = replace(wish, persistent=at_boot if wish.persistent is None else wish.persistent)
    check_wish(wish, at_boot, minimum_automatic, evicting)
    ranges = _ranges(host, place)
    slips: tuple[str, ...] = ()
    with _told_as_unchanged(host), nullcontext() if pretend else store.locked(host):
        found = _find(host, place, at_boot, wish.persistent is True)
        after = make_plan(found.places, wish)
        check_plan(found.places, after, ranges.automatic, minimum_automatic)
        if not pretend:
            slips = commit(host, place, found.standing, _change(found, after, wish))
        stands = after if pretend else _seen(host, place, found, after)
    occupants = _look(host, place, after, ranges)
    mine = _on(occupants, wish.ports if wish.present else NOBODY)
    if evicting:
        mine = _without(host, place, mine, pretend)
        unseen += tuple(spot for spot in mine.blind_spots if spot not in occupants.blind_spots)
    drift = tuple(drift_of(found.places, store.OWN_FILE, finished=wish.runtime and not pretend))
    missed = overlooked(found.places)
    result = {
        **_describe(stands, place, ranges, occupants, unseen),
        **describe_wish(found.places, after, wish, ranges.automatic),
        "changed": any(one.destroyed for one in mine.squatters + mine.lingering) or differs(found.places, after),
        "drift": [describe_drift(one) for one in drift],
        "overlooked": compress(missed),
        "squatters": [to_record(one) for one in mine.squatters],
        "lingering": [to_record(one) for one in mine.lingering],
    }
    result["summary"] = say_run(result, foretold=pretend)
    if compared:
        result["diff"] = difference(found.places, after, mine.squatters + mine.lingering)
    result["automatic"]["floor"] = minimum_automatic
    result["warnings"] = [
        *slips,
        *(_in_the_way(host, place, found, after) if pretend else ()),
        *(one.summary for one in drift),
        *([say_overlooked(missed)] if missed else []),
        *warnings_of(after, wish, ranges.automatic),
        *_cut_at_boot(host, after, wish),
        *say_some(mine.squatters + mine.lingering),
    ]
    return result


def survey(host: Host, namespace: str = "host") -> dict[str, Any]:
    """Return what is reserved, by whom, and what is amiss; nothing is changed."""
    place, unseen = choose(host, namespace)
    ranges = _ranges(host, place)
    places = _find(host, place, is_set_at_boot(host, place), to_be_written=False).places
    drift = [describe_drift(one) for one in drift_of(places, store.OWN_FILE)]
    return {
        **_describe(places, place, ranges, _look(host, place, places, ranges), unseen),
        "drift": drift,
        "overlooked": compress(overlooked(places)),
    }


@contextmanager
def _told_as_unchanged(host: Host) -> Iterator[None]:
    """Say of what stops a run before it changes anything that nothing was changed, and what may be missing."""
    try:
        yield
    except (NotPermitted, NotSupported) as error:
        text = str(error)
        if isinstance(error, NotPermitted) and not host.is_root():
            text += "; reserving ports takes root (become: true)"
        raise type(error)(text if _UNCHANGED in text else "%s; %s" % (text, _UNCHANGED)) from error


def _in_the_way(host: ActingHost, namespace: Namespace, found: _Found, after: Places) -> Iterator[str]:
    """Say what check mode does not meet: the kernel's list cannot be written, or not by this user."""
    if not differs(found.places, after):
        return
    try:
        with _told_as_unchanged(host):
            os.close(open_reserved(host, namespace))
            if not host.is_root():
                raise NotPermitted("not root")
    except PortreeveError as error:
        yield "This is check mode; a run would fail: %s." % error


def _seen(host: Host, namespace: Namespace, found: _Found, planned: Places) -> Places:
    """Return what stands after a run: somebody else may have set the kernel's list as well."""
    if planned.running.ports == found.places.running.ports:
        return planned
    try:
        return replace(planned, running=replace(planned.running, ports=read_reserved(host, namespace)))
    except PortreeveError:  # it was read back when it was written
        return planned


def _describe(
    places: Places, namespace: Namespace, ranges: PortRanges, occupants: Occupants, unseen: tuple[BlindSpot, ...]
) -> dict[str, Any]:
    blind_spots = unseen + occupants.blind_spots
    if ranges.automatic is None:
        blind_spots += (BlindSpot("the automatic range", "it cannot be read", 1),)
    unreadable = places.configured.unreadable if places.configured else ()
    if unreadable:
        blind_spots += (BlindSpot(WHAT_A_BOOT_RESERVES, "cannot be read: " + listed([*unreadable]), len(unreadable)),)
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


def _find(host: Host, namespace: Namespace, at_boot: bool, to_be_written: bool) -> _Found:
    standing = store.read(host, namespace)
    configured = _configured(standing, to_be_written) if at_boot else None
    key = key_of(host, namespace)
    accounts = without_ended(host, parse_ledger(standing.ledger, standing.boot_id, store.LEDGER), key)
    account = accounts.get(key)
    if account is not None and not at_boot and may_be_anothers(key, account, standing.kernel):
        account = None
    if account is None:  # nobody has reserved anything in this namespace since the boot
        account = _since_boot(configured.own, standing.kernel) if configured else Account()
    return _Found(standing, accounts, key, Places(Running(standing.kernel, account), configured))


def _since_boot(own: OwnFile, kernel: frozenset[int]) -> Account:
    """Return the account that the boot has opened: it reserved what our file says, ports of others among them."""
    return Account(own.names, (own.kept | own.by_hand) & kernel)


def _configured(standing: store.Standing, to_be_written: bool) -> Configured:
    files, unreadable = standing.files
    if unreadable and to_be_written:
        raise NotPermitted("%s: cannot be read, so what it reserves would be lost: nothing was changed" % unreadable[0])
    others = tuple(file for file in files if file.path != store.OWN_FILE)
    later = tuple(file for file in others if _sorts_later(file))
    earlier = tuple(file for file in others if not _sorts_later(file))
    return Configured(parse_own_file(standing.own_file, store.OWN_FILE), earlier, later, unreadable)


def _sorts_later(file: SettingFile) -> bool:
    return file.path == MAIN_FILE or posixpath.basename(file.path) > posixpath.basename(store.OWN_FILE)


def _change(found: _Found, after: Places, wish: Wish) -> Change:
    """Return what is to be written where the places differ."""

    def ledger(account: Account) -> str:
        return format_ledger({**found.accounts, found.key: account}, found.standing.boot_id)

    running, kernel = after.running, found.standing.kernel
    own_file = KEEP if after.configured == found.places.configured else _own_file(after.configured)
    changes = wish.runtime and (running.ports != kernel or own_file is not KEEP)
    return Change(
        kernel=running.ports if wish.runtime else None,
        own_file=own_file,
        ledger=ledger(running.account),
        ledger_meanwhile=ledger(replace(running.account, pending=Pending(kernel, running.ports))) if changes else None,
    )


def _own_file(configured: Configured | None) -> str | None:
    """Return the text of our file, None where it has nothing to set."""
    return format_own_file(configured.own) if configured and configured.own.value is not None else None


def _cut_at_boot(host: ActingHost, after: Places, wish: Wish) -> Iterator[str]:
    value = after.configured.own.value if after.configured and wish.persistent else None
    told = cut_at_boot(host, compress(value)) if value else None
    if told is not None:
        yield told


def _look(host: Host, namespace: Namespace, after: Places, ranges: PortRanges) -> Occupants:
    wanted = NOBODY.union(*names_in(after).values())
    try:
        return look(host, namespace, wanted, ranges.automatic)
    except Exception as error:  # what is reserved is reserved: only who is there cannot be told
        return Occupants(hidden=True, blind_spots=(BlindSpot("who is on the ports", one_sentence(error), 1),))


def _without(host: Host, namespace: Namespace, occupants: Occupants, pretend: bool) -> Occupants:
    """Return what became of those who are on the ports."""
    try:
        return evict(host, namespace, occupants, own_ancestry(host), pretend)
    except Exception as error:  # as above
        spot = BlindSpot("what became of the connections", one_sentence(error), 1)
        return replace(occupants, blind_spots=(*occupants.blind_spots, spot))


def _on(occupants: Occupants, ports: frozenset[int]) -> Occupants:
    return replace(
        occupants,
        squatters=tuple(one for one in occupants.squatters if one.socket.local.port in ports),
        lingering=tuple(one for one in occupants.lingering if one.socket.local.port in ports),
    )
