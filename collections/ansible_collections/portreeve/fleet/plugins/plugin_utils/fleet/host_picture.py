# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host serves, in a size that suits ten thousand hosts. Pure.

Pids, times and command lines are left out on purpose: the picture of a host on which nothing has changed but them is
the same picture, and is kept once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ...module_utils.portreeve_agent.model import SERVING_STATES, Owner
from ...module_utils.portreeve_agent.verdicts.wording import name_owner, one_line
from ..report.wire import Record, number, record, records, words
from .namespace_names import lasting_names, namespace_of

#: Of an owner's details those by which it is told from another.
_TELLING = ("unit", "triggers")

#: What sockets have in common that are told as one: address, device, serving, in the kernel, whether anybody holds it.
_Alike = tuple[str, str | None, bool, bool, bool]


class Holding(NamedTuple):
    """Processes that hold a port alike; ``program`` is what they call themselves."""

    owner: Owner
    program: str
    exe: str | None
    user: str | None
    uid: int | None
    role: str

    @property
    def process(self) -> Holding:
        """What the processes have in common, as an expectation asks for it."""
        return self

    @property
    def who(self) -> str:
        """The owner in words, as in the agent's sentences; with its user where it is a bare process or a session."""
        named = name_owner(self.owner)
        bare = self.owner.kind in ("process", "session") and self.user
        return f"{named} of {self.user}" if bare else named


class Bound(NamedTuple):
    """An address on which a port is bound, and by whom; no ``holdings`` means that the holder could not be seen.

    Sockets of one address are one, but for those that nobody was seen to hold: they stand apart from the others.
    ``serving`` is False for a socket that is bound, yet neither listens nor takes datagrams.
    """

    address: str
    device: str | None
    serving: bool
    in_kernel: bool
    holdings: tuple[Holding, ...]


class Listener(NamedTuple):
    """A port of one network namespace, None for the host's own. ``risks`` are ids.

    ``summary`` and ``advice`` are the agent's sentences; they are not kept with the picture and None in a past one.
    """

    port: int
    protocol: str
    namespace: str | None
    verdict: str
    bound: tuple[Bound, ...]
    risks: tuple[str, ...]
    summary: str | None = None
    advice: str | None = None
    dangers: tuple[tuple[str, str], ...] = ()

    @property
    def place(self) -> str:
        """The port as people write it: ``443/tcp``, or ``443/tcp @edge`` in a namespace called edge."""
        plain = f"{self.port}/{self.protocol}"
        return plain if self.namespace is None else f"{plain} @{self.namespace}"

    @property
    def serves(self) -> bool:
        """True when somebody can reach it: it listens, or takes datagrams."""
        return any(one.serving for one in self.bound)

    @property
    def holdings(self) -> tuple[Holding, ...]:
        """All holders of all its addresses, each once."""
        return tuple(dict.fromkeys(holding for one in self.bound for holding in one.holdings))

    @property
    def who(self) -> str:
        """All owners in words, empty when none was seen."""
        named = list(dict.fromkeys(holding.who for holding in self.holdings))
        return ", ".join(named or (["the kernel"] if any(one.in_kernel for one in self.bound) else []))


@dataclass(frozen=True)
class HostPicture:
    """What one host answered. ``automatic`` and ``reserved`` are its kernel's settings, None where not known.

    ``sockets_complete``: a port without a listener is free. ``dangers`` are risks to the host as a whole with their
    sentences, ``blind_spots`` what could not be seen.
    """

    listeners: tuple[Listener, ...] = ()
    sockets_complete: bool = False
    automatic: tuple[int, int] | None = None
    reserved: str | None = None
    system: str | None = None
    dangers: tuple[tuple[str, str], ...] = ()
    blind_spots: tuple[str, ...] = ()

    def to_wire(self) -> dict[str, Any]:
        """Return it in plain JSON types, without the sentences about single ports; ``from_wire`` reads it back."""
        owners: dict[tuple[Any, ...], int] = {}
        listeners = [
            [
                one.port,
                one.protocol,
                one.namespace,
                one.verdict,
                [
                    [bound.address, bound.device, bound.serving, bound.in_kernel]
                    + [[owners.setdefault(_flat(holding), len(owners)) for holding in bound.holdings]]
                    for bound in one.bound
                ],
                list(one.risks),
            ]
            for one in self.listeners
        ]
        return {
            "listeners": listeners,
            "holdings": [[dict(part) if isinstance(part, tuple) else part for part in flat] for flat in owners],
            "sockets_complete": self.sockets_complete,
            "automatic": None if self.automatic is None else list(self.automatic),
            "reserved": self.reserved,
            "system": self.system,
            "dangers": [list(danger) for danger in self.dangers],
            "blind_spots": list(self.blind_spots),
        }


def from_wire(kept: Mapping[str, Any], pool: dict[Any, Any] | None = None) -> HostPicture:
    """Return the picture that ``to_wire`` wrote; pictures read with one ``pool`` share the listeners that are alike."""
    pool = {} if pool is None else pool
    holdings = [_holding_again(flat, pool) for flat in kept["holdings"]]
    listeners = [
        Listener(port, protocol, namespace, verdict, tuple(_bound_again(one, holdings) for one in bound), tuple(risks))
        for port, protocol, namespace, verdict, bound, risks in kept["listeners"]
    ]
    return HostPicture(
        listeners=tuple(pool.setdefault(one, one) for one in listeners),
        sockets_complete=kept["sockets_complete"],
        automatic=None if kept["automatic"] is None else (kept["automatic"][0], kept["automatic"][1]),
        reserved=kept["reserved"],
        system=kept["system"],
        dangers=tuple((one[0], one[1]) for one in kept["dangers"]),
        blind_spots=tuple(kept["blind_spots"]),
    )


def parse_picture(result: Mapping[str, Any] | None) -> HostPicture:
    """Return the picture in a result of port_audit of any agent version; what is missing in it is not known."""
    found = record(result)
    ranges = record(found.get("ranges"))
    host = record(found.get("host"))
    pool: dict[Any, Any] = {}
    ports = records(found.get("ports"))
    names = lasting_names(ports)
    listeners = [_listener(port, _name_in(names, port), pool) for port in ports]
    return HostPicture(
        listeners=tuple(sorted(listeners, key=lambda one: (one.port, one.protocol, one.namespace or ""))),
        sockets_complete=found.get("sockets_complete") is True,
        automatic=_pair(ranges.get("automatic")),
        reserved=words(ranges.get("reserved")) if ranges.get("reserved") else _empty_or_none(ranges),
        system=" ".join(filter(None, (words(host.get("system")), words(host.get("kernel"))))) or None,
        dangers=_dangers(found.get("risks")),
        blind_spots=tuple(_blind_spot(spot) for spot in records(found.get("blind_spots"))),
    )


def _name_in(names: Mapping[Any, str], port: Record) -> str | None:
    namespace = namespace_of(port)
    return None if namespace is None else names[namespace]


def _listener(port: Record, namespace: str | None, pool: dict[Any, Any]) -> Listener:
    sockets: dict[_Alike, list[Record]] = {}
    for socket in records(port.get("sockets")):
        if socket.get("state") in SERVING_STATES:
            local = words(record(socket.get("local")).get("address")) or "?"
            serving = socket.get("state") != "BOUND"
            holders = records(socket.get("holders"))
            key = (local, words(socket.get("device")), serving, socket.get("in_kernel") is True, bool(holders))
            sockets.setdefault(key, []).extend(holders)
    dangers = _dangers(port.get("risks"))
    return Listener(
        port=number(port.get("port")) or 0,
        protocol=words(port.get("protocol")) or "?",
        namespace=namespace,
        verdict=words(port.get("verdict")) or "unknown",
        bound=tuple(
            Bound(local, device, serving, in_kernel, _holdings(holders, pool))
            for (local, device, serving, in_kernel, _seen), holders in sorted(sockets.items(), key=_by_address)
        ),
        risks=tuple(dict.fromkeys(identity for identity, _said in dangers)),
        summary=words(port.get("summary")),
        advice=words(port.get("advice")),
        dangers=dangers,
    )


def _by_address(item: tuple[_Alike, list[Record]]) -> tuple[str, str, bool, bool, bool]:
    (address, device, serving, in_kernel, seen), _holders = item
    return address, device or "", serving, in_kernel, seen


def _holdings(holders: list[Record], pool: dict[Any, Any]) -> tuple[Holding, ...]:
    found = {}
    for holder in holders:
        process, owner = record(holder.get("process")), record(holder.get("owner"))
        detail = tuple((key, str(value)) for key, value in record(owner.get("detail")).items() if key in _TELLING)
        flat = (
            words(owner.get("kind")) or "process",
            words(owner.get("name")) or "?",
            *(words(owner.get(key)) for key in ("manager", "id", "user")),
            detail,
            words(process.get("name")) or "?",
            words(process.get("exe")),
            words(process.get("user")),
            number(process.get("uid")),
            words(holder.get("role")) or "unknown",
        )
        found[flat] = _pooled(pool, flat, _holding)
    return tuple(found[flat] for flat in sorted(found, key=str))


def _pooled(pool: dict[Any, Any], flat: tuple[Any, ...], make: Callable[[tuple[Any, ...]], Holding]) -> Holding:
    if flat not in pool:
        pool[flat] = make(flat)
    holding: Holding = pool[flat]
    return holding


def _holding(flat: tuple[Any, ...]) -> Holding:
    kind, name, manager, identity, user, detail, *process = flat
    return Holding(_HashableOwner(kind, name, manager, identity, user, dict(detail) or None), *process)


class _HashableOwner(Owner):
    """An owner that can be told from others in a set; its details are never changed."""

    def __hash__(self) -> int:
        return hash((self.kind, self.name, self.manager, self.id, self.user))


def _flat(holding: Holding) -> tuple[Any, ...]:
    owner = holding.owner
    detail = tuple((owner.detail or {}).items())
    return owner.kind, owner.name, owner.manager, owner.id, owner.user, detail, *holding[1:]


def _holding_again(flat: list[Any], pool: dict[Any, Any]) -> Holding:
    return _pooled(pool, (*flat[:5], tuple(flat[5].items()), *flat[6:]), _holding)


def _bound_again(flat: list[Any], holdings: list[Holding]) -> Bound:
    address, device, serving, in_kernel, indices = flat
    return Bound(address, device, serving, in_kernel, tuple(holdings[index] for index in indices))


def _dangers(value: Any) -> tuple[tuple[str, str], ...]:
    return tuple((words(one.get("id")) or "?", words(one.get("summary")) or "") for one in records(value))


def _blind_spot(spot: Record) -> str:
    count = number(spot.get("count"))
    many = f" ({count})" if count is not None and count > 1 else ""
    return one_line(f"{words(spot.get('what')) or '?'}{many}: {words(spot.get('why')) or 'reason not known'}")


def _pair(value: Any) -> tuple[int, int] | None:
    good = isinstance(value, list) and len(value) == 2 and all(number(one) is not None for one in value)
    return (value[0], value[1]) if good else None


def _empty_or_none(ranges: Record) -> str | None:
    return "" if ranges.get("reserved") == "" else None
