# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run over reservations returns: plain JSON types, and the difference as text. Pure."""

from __future__ import annotations

from ..model import Namespace, SettingFile
from ..ports import compress, port_set
from ..typed import Any, Iterator, Sequence
from .guards import Bounds, Drift, left, outside, overriding
from .ledger import NOBODY, union
from .occupancy import Occupant
from .plan import Places, Wish

FORMAT = "portreeve.port_reservation/1"


def differs(before: Places, after: Places) -> bool:
    """Return whether anything changes that is reserved or written down for a name."""
    return _essence(before) != _essence(after)


def describe_wish(before: Places, after: Places, wish: Wish, automatic: Bounds) -> dict[str, Any]:
    """Return the part of the result about the name asked for, and about what a run takes away."""
    return {
        "name": wish.name,
        "state": "present" if wish.present else "absent",
        "ports": compress(_held_by(wish.name, after)),
        "outside": compress(outside(automatic, _held_by(wish.name, after))),
        "still_reserved": compress(_let_go(wish.name, before, after) & _reserved(after)),
        **_losses(before, after, wish),
    }


def describe_places(places: Places, namespace: Namespace, automatic: Bounds) -> dict[str, Any]:
    """Return the part of the result about all that is reserved."""
    configured = places.configured
    return {
        "format": FORMAT,
        "namespace": {"id": namespace.id, "name": namespace.name, "kind": namespace.kind},
        "reserved": {"runtime": compress(places.running.ports), "after_boot": _text(_after_boot(places))},
        "foreign": {
            "runtime": compress(places.running.foreign),
            "files": _files(configured.earlier if configured else ()),
            "by_hand": compress(configured.own.by_hand if configured else NOBODY),
        },
        "left_out": compress(configured.own.left_out if configured else NOBODY),
        "overridden_by": _files(overriding(places)),
        "automatic": {
            "low": automatic[0] if automatic else None,
            "high": automatic[1] if automatic else None,
            "left": left(automatic, places.running.ports),
        },
    }


def describe_drift(drift: Drift) -> dict[str, str]:
    """Return one loss that was found."""
    return {"where": drift.where, "missing": compress(drift.missing), "summary": drift.summary}


def names_in(places: Places) -> dict[str, frozenset[int]]:
    """Return every name that reserves something now or for the next boot, with all its ports."""
    return {name: _held_by(name, places) for name in sorted({*places.running.account.names, *_persistent(places)})}


def describe_name(name: str, places: Places, unused: bool | None) -> dict[str, Any]:
    """Return whose reservation it is, and where it stands."""
    now, then = places.running.account.names.get(name, NOBODY), _persistent(places).get(name, NOBODY)
    in_both = name in places.running.account.names and name in _persistent(places)
    return {
        "name": name,
        "ports": compress(now | then),
        "runtime": name in places.running.account.names,
        "persistent": name in _persistent(places),
        "only_now": compress(now - then) if in_both else "",
        "only_after_boot": compress(then - now) if in_both else "",
        "unused": unused,
    }


def difference(before: Places, after: Places, occupants: Sequence[Occupant] = ()) -> dict[str, str]:
    """Return what stands before and after as text, one line for each range, as Ansible shows differences.

    The connections of ``occupants`` that are evicted stand in the first text only.
    """
    there = "".join(_connections(occupants, also_evicted=True))
    left_there = "".join(_connections(occupants, also_evicted=False))
    return {"before": "".join(_lines(before)) + there, "after": "".join(_lines(after)) + left_there}


def _connections(occupants: Sequence[Occupant], also_evicted: bool) -> Iterator[str]:
    for one in occupants:
        row = one.socket
        if row.remote and (also_evicted or not one.evicted):
            ends = (row.local.address, row.local.port, row.remote.address, row.remote.port)
            yield "connection of %s from %s port %d to %s port %d\n" % (row.protocol, *ends)


def _lines(places: Places) -> Iterator[str]:
    yield from _listed("reserved now", places.running.ports)
    yield from _listed("reserved now by others", places.running.foreign)
    for name, ports in sorted(places.running.account.names.items()):
        yield from _listed("reserved now by %s" % name, ports)
    if places.configured is None:
        return
    after_boot = places.configured.after_boot
    yield from _listed("reserved after a boot", after_boot or NOBODY)
    for name, ports in sorted(places.configured.own.names.items()):
        yield from _listed("reserved after a boot by %s" % name, ports)
    yield from _listed("left out after a boot", places.configured.own.left_out)


def _listed(title: str, ports: frozenset[int]) -> Iterator[str]:
    if ports:
        yield "%s:\n" % title
        yield from ("  %s\n" % one for one in compress(ports).split(","))


def _let_go(name: str, before: Places, after: Places) -> frozenset[int]:
    return _held_by(name, before) - _held_by(name, after)


def _reserved(places: Places) -> frozenset[int]:
    """Return what is reserved now or after a boot."""
    return places.running.ports | (_after_boot(places) or NOBODY)


def _essence(places: Places) -> tuple[Any, ...]:
    own = places.configured.own if places.configured else None
    return places.running.ports, places.running.account.names, places.running.foreign, own


def _held_by(name: str, places: Places) -> frozenset[int]:
    return places.running.account.names.get(name, NOBODY) | _persistent(places).get(name, NOBODY)


def _persistent(places: Places) -> dict[str, frozenset[int]]:
    return dict(places.configured.own.names) if places.configured else {}


def _after_boot(places: Places) -> frozenset[int] | None:
    return places.configured.after_boot if places.configured else None


def _losses(before: Places, after: Places, wish: Wish) -> dict[str, dict[str, str]]:
    """Return the ports that are reserved no longer, now and after a boot: which names held, which an exclusive run
    removes, and which another file has given up."""
    now = before.running.ports - after.running.ports
    then = (_after_boot(before) or NOBODY) - (_after_boot(after) or NOBODY)
    named_now, named_then = union(before.running.account.names), union(_persistent(before))
    unnamed = {"runtime": compress(now - named_now), "file": compress(then - named_then)}
    none = dict.fromkeys(unnamed, "")
    return {
        "given_back": {"runtime": compress(now & named_now), "file": compress(then & named_then)},
        "removed": unnamed if wish.exclusive else none,
        "dropped": none if wish.exclusive else unnamed,
    }


def _files(files: tuple[SettingFile, ...]) -> list[dict[str, Any]]:
    return [{"path": file.path, "ports": _text(port_set(file.value))} for file in files]


def _text(ports: frozenset[int] | None) -> str | None:
    return None if ports is None else compress(ports)
