# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Makes the picture of a host from what port_audit returned on it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...module_utils.portreeve_agent.model import SERVING_STATES
from ...module_utils.portreeve_agent.verdicts.wording import one_line
from ..report.wire import Record, number, record, records, words
from .host_picture import Bound, Holding, HostPicture, Listener, make_holding, pooled
from .namespace_names import lasting_names, namespace_of

#: Of an owner's details those by which it is told from another.
_TELLING = ("unit", "triggers")

#: What sockets have in common that are told as one: address, device, serving, in the kernel, whether anybody holds it.
_Alike = tuple[str, str | None, bool, bool, bool]


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
    found: set[Holding] = set()
    for holder in holders:
        process, owner = record(holder.get("process")), record(holder.get("owner"))
        detail = tuple((key, str(value)) for key, value in record(owner.get("detail")).items() if key in _TELLING)
        raw = (
            *(owner.get(key) for key in ("kind", "name", "manager", "id", "user")),
            detail,
            *(process.get(key) for key in ("name", "exe", "user", "uid")),
            holder.get("role"),
        )
        found.add(pooled(pool, raw, _holding_of) if _is_hashable(raw) else _holding_of(raw))
    return tuple(sorted(found, key=str) if len(found) > 1 else found)


def _is_hashable(raw: tuple[Any, ...]) -> bool:
    """What is no JSON scalar, of an agent that is none of ours, cannot be looked up."""
    return not any(isinstance(part, (dict, list)) for part in raw)


def _holding_of(raw: tuple[Any, ...]) -> Holding:
    kind, name, manager, identity, user, detail, program, exe, account, uid, role = raw
    return make_holding(
        (
            words(kind) or "process",
            words(name) or "?",
            *(words(part) for part in (manager, identity, user)),
            detail,
            words(program) or "?",
            words(exe),
            words(account),
            number(uid),
            words(role) or "unknown",
        )
    )


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
