# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What network namespaces are called from day to day: not by a pid or by the id of a container. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..report.wire import Record, number, owner_name, record, records, words

#: Names that are others after a restart: of a process, or made of an id as those of container engines are.
_PASSING = re.compile(r"pid \d.*|.*[0-9a-f]{8}.*", re.DOTALL)
_NOBODY = "unknown"

#: The number of a namespace, None in answers without it, and what the agent calls it.
_Namespace = tuple[int | None, str]


def namespace_of(port: Record) -> _Namespace | None:
    """Return the namespace of a port of port_audit, None for the host's own."""
    found = record(port.get("namespace"))
    return None if found.get("kind") in ("host", None) else (number(found.get("id")), words(found.get("name")) or "?")


def lasting_names(ports: Iterable[Record]) -> dict[_Namespace, str]:
    """Return what to call each namespace of a host's ports: as it is called there, or else by who serves its
    lowest port, whatever else comes and goes in it.

    Where these are the same in several, they are numbered in the order of their ports: ``shop.service 2``.
    """
    inside: dict[_Namespace, list[Record]] = {}
    for port in ports:
        namespace = namespace_of(port)
        if namespace is not None:
            inside.setdefault(namespace, []).append(port)
    names: dict[_Namespace, str] = {}
    times: dict[str, int] = {}
    for namespace in sorted(inside, key=lambda one: (sorted(map(_place, inside[one])), one[1], one[0] or 0)):
        plain = _owners(inside[namespace]) if _PASSING.fullmatch(namespace[1]) else namespace[1]
        times[plain] = times.get(plain, 0) + 1
        names[namespace] = plain if times[plain] == 1 else f"{plain} {times[plain]}"
    return names


def _place(port: Record) -> tuple[int, str]:
    return number(port.get("port")) or 0, words(port.get("protocol")) or "?"


def _owners(ports: Iterable[Record]) -> str:
    for port in sorted(ports, key=_place):
        found = {_owner(holder) for socket in records(port.get("sockets")) for holder in _holders(socket)}
        if found:
            return ", ".join(sorted(found))
    return _NOBODY


def _holders(socket: Record) -> list[Record]:
    return [holder for holder in records(socket.get("holders")) if holder.get("role") != "heir"]


def _owner(holder: Record) -> str:
    """Return who it is, of a login session or a bare process the program: a session's number is another each time."""
    owner = record(holder.get("owner"))
    program = words(record(holder.get("process")).get("name")) or "?"
    return program if owner.get("kind") in ("session", "process") else owner_name(owner) or program
