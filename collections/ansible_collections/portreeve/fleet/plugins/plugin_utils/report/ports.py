# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One row per port of a host. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ..fleet.picture import HostAnswer
from .wire import Record, address, command, counts, moment, number, owner_name, record, records, words

#: How a verdict is to be taken: in order, worth a look, trouble, or hidden from view.
QUIET, NOTICE, ALARM, UNSEEN = "quiet", "notice", "alarm", "unseen"

# A verdict that is not named here is worth a look.
_TONES = {
    **dict.fromkeys(("free", "owned", "shared_workers", "socket_activated", "container_published"), QUIET),
    **dict.fromkeys(("leaked_to_heirs", "orphaned_listener", "hung_listener", "squatted"), ALARM),
    "unknown": UNSEEN,
}


@dataclass(frozen=True)
class RiskNote:
    """A danger beside the verdict."""

    id: str
    summary: str


@dataclass(frozen=True)
class Holders:
    """Processes of one program that hold a port alike: what they have in common and their pids, ascending.

    ``started`` is when the first of them started; ``via`` is None for the usual way, an open descriptor.
    """

    name: str
    owner: str | None
    user: str | None
    command: str | None
    exe: str | None
    exe_deleted: bool
    role: str | None
    via: str | None
    pids: tuple[int, ...]
    started: str | None


@dataclass(frozen=True)
class PortRow:
    """One port of one network namespace of one host. ``namespace`` is None for the host's own."""

    host: str
    port: int
    protocol: str
    namespace: str | None
    addresses: tuple[str, ...]
    verdict: str
    tone: str
    summary: str | None
    advice: str | None
    bind: str | None
    owners: tuple[str, ...]
    holders: tuple[Holders, ...]
    risks: tuple[RiskNote, ...]
    connections: tuple[tuple[str, int], ...]

    @property
    def label(self) -> str:
        """The port as people write it: ``443/tcp``, or ``443/tcp @edge`` in a namespace called edge."""
        plain = f"{self.port}/{self.protocol}"
        return plain if self.namespace is None else f"{plain} @{self.namespace}"

    @property
    def owner_words(self) -> str:
        """All owners, or what stands for none."""
        return ", ".join(self.owners) or ("not seen" if self.tone == UNSEEN else "-")

    @property
    def verdict_words(self) -> str:
        """The verdict's id as words."""
        return self.verdict.replace("_", " ")


def port_rows(answer: HostAnswer) -> tuple[PortRow, ...]:
    """Return the rows of one host's ports, by port, protocol and namespace, the host's own first."""
    host = words(answer.name) or ""
    rows = [_row(host, port) for port in records(record(answer.result).get("ports"))]
    return tuple(sorted(rows, key=lambda row: (row.port, row.protocol, row.namespace is not None, row.namespace or "")))


def risk_notes(value: Any) -> tuple[RiskNote, ...]:
    """Return the risks that are named by id, in the order given."""
    return tuple(
        RiskNote(identity, words(risk.get("summary")) or "")
        for risk in records(value)
        if (identity := words(risk.get("id")))
    )


def _row(host: str, port: Record) -> PortRow:
    sockets = records(port.get("sockets"))
    verdict = words(port.get("verdict")) or "unknown"
    namespace = record(port.get("namespace"))
    in_kernel = any(socket.get("in_kernel") is True for socket in sockets)
    holders = _holders([holder for socket in sockets for holder in records(socket.get("holders"))])
    owners = list(dict.fromkeys(group.owner for group in holders if group.owner))
    return PortRow(
        host=host,
        port=number(port.get("port")) or 0,
        protocol=words(port.get("protocol")) or "?",
        namespace=None if namespace.get("kind") in ("host", None) else words(namespace.get("name")) or "?",
        addresses=tuple(dict.fromkeys(_bound_to(socket) for socket in sockets)),
        verdict=verdict,
        tone=_TONES.get(verdict, NOTICE),
        summary=words(port.get("summary")),
        advice=words(port.get("advice")),
        bind=words(bind.get("summary")) if isinstance(bind := port.get("bind"), dict) else None,
        owners=tuple(owners or (["kernel"] if in_kernel else [])),
        holders=holders,
        risks=risk_notes(port.get("risks")),
        connections=counts(port.get("connections")),
    )


def _bound_to(socket: Record) -> str:
    """``127.0.0.1``, ``[::]%eth0`` for a socket bound to a device, ``10.0.0.2 → 10.0.0.3:443`` for a connected one."""
    bound = address(socket.get("local")) or "?"
    if device := words(socket.get("device")):
        bound += "%" + device
    peer = record(socket.get("remote"))
    return f"{bound} → {address(peer) or '?'}:{number(peer.get('port'))}" if peer else bound


def _holders(found: list[Record]) -> tuple[Holders, ...]:
    """One group per program, owner and way of holding; a process that holds several sockets of the port counts once."""
    groups: dict[Holders, dict[int, Record]] = {}
    for holder in found:
        process = record(holder.get("process"))
        alike = Holders(
            name=words(process.get("name")) or "?",
            owner=owner_name(holder.get("owner")),
            user=words(process.get("user")) or words(process.get("uid")),
            command=command(process.get("cmdline")),
            exe=words(process.get("exe")),
            exe_deleted=process.get("exe_deleted") is True,
            role=None if holder.get("role") == "unknown" else words(holder.get("role")),
            via=None if holder.get("via") == "descriptor" else words(holder.get("via")),
            pids=(),
            started=None,
        )
        groups.setdefault(alike, {}).setdefault(number(holder.get("pid")) or 0, process)
    grouped = [
        replace(alike, pids=tuple(sorted(processes)), started=moment(processes[min(processes)].get("started_at")))
        for alike, processes in groups.items()
    ]
    return tuple(sorted(grouped, key=lambda group: group.pids))
