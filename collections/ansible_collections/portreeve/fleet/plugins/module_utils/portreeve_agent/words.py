# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Answers as text for a terminal: plain columns, one line per fact, control characters as escapes."""

from __future__ import annotations

from typing import Iterable, Iterator

from .model import BlindSpot, Endpoint, HeldSocket, Holder, PortAnswer, Snapshot
from .verdicts.case import distinct_owners, distinct_processes
from .verdicts.wording import listed, name_duration, name_owner, name_processes, one_line


def say_owner(answers: Iterable[PortAnswer], snapshot: Snapshot) -> Iterator[str]:
    """Yield the lines that answer ``owner``: verdict, sentence, advice and every holder of every socket."""
    for answer in answers:
        namespace = "" if answer.namespace.kind == "host" else "  (namespace %s)" % one_line(answer.namespace.name)
        yield "%d/%s  %s%s" % (answer.port, answer.protocol, answer.verdict, namespace)
        yield "  " + answer.summary
        yield "  " + answer.advice
        for risk in answer.risks:
            yield "  Risk: %s: %s" % (risk.id, risk.summary)
        if answer.connections:
            yield "  Connections: " + listed(["%s %d" % item for item in answer.connections.items()], most=12)
        rows = [row for held in answer.sockets for row in _socket_rows(held)]
        if rows:
            yield ""
            header = ("STATE", "LOCAL", "PEER", "PID", "FD", "PROCESS", "USER", "ROLE", "OWNER", "SINCE")
            for line in columns([header] + rows):
                yield "  " + line
        yield ""
    yield from say_blind_spots(snapshot.blind_spots)


def say_list(answers: Iterable[PortAnswer], snapshot: Snapshot) -> Iterator[str]:
    """Yield one line per held port."""
    rows = [("PORT", "ADDRESS", "VERDICT", "OWNER", "PROCESSES", "NAMESPACE")]
    for answer in answers:
        holders = distinct_processes(answer.sockets)
        rows.append(
            (
                "%d/%s" % (answer.port, answer.protocol),
                listed(sorted({held.socket.local.address for held in answer.sockets})) or "-",
                answer.verdict,
                listed([name_owner(owner) for owner in distinct_owners(holders)]) or "-",
                name_processes(holders) or "-",
                one_line(answer.namespace.name),
            )
        )
    yield from columns(rows)
    yield from say_blind_spots(snapshot.blind_spots)


def say_snapshot(snapshot: Snapshot) -> Iterator[str]:
    """Yield one line per socket with all its holders, then the connections that were only counted."""
    for held in snapshot.sockets:
        socket = held.socket
        yield "%-4s %-12s %6d %6d %-28s %-28s %s" % (
            socket.protocol, socket.state, socket.queue, socket.queue_limit or 0, name_endpoint(socket.local, socket.family),
            name_endpoint(socket.remote, socket.family) if socket.remote else "*",
            " ".join("%s[%d]/%d" % (one_line(holder.process.name), holder.pid, holder.fd) for holder in held.holders),
        )  # fmt: skip
    for count in snapshot.connections:
        port = "other ports" if count.port is None else "port %d" % count.port
        states = listed(["%s %d" % item for item in count.states.items()], most=12)
        yield "%-4s connections of %s: %s" % (count.protocol, port, states)
    if snapshot.descriptors:
        yield "descriptors of the host: %d of %d" % (snapshot.descriptors.used, snapshot.descriptors.maximum)
    yield from say_blind_spots(snapshot.blind_spots)


def say_blind_spots(blind_spots: Iterable[BlindSpot]) -> Iterator[str]:
    """Yield what could not be seen, or nothing."""
    for spot in blind_spots:
        yield "Incomplete: %s not seen: %s (%d)" % (spot.what, spot.why, spot.count)


def name_endpoint(endpoint: Endpoint, family: int) -> str:
    """Return ``127.0.0.1:80`` or ``[::1]:80``."""
    return ("[%s]:%d" if family == 6 else "%s:%d") % (endpoint.address, endpoint.port)


def columns(rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Yield the rows with every column but the last padded to its widest cell."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()


def _socket_rows(held: HeldSocket) -> Iterator[tuple[str, ...]]:
    socket = held.socket
    peer = name_endpoint(socket.remote, socket.family) if socket.remote else "*"
    common = (socket.state, name_endpoint(socket.local, socket.family), peer)
    if not held.holders:
        left = "%s left" % name_duration(socket.timer_ms) if socket.timer_ms is not None else ""
        nobody = "kernel" if held.in_kernel else "no process" if held.in_kernel is False else "not seen"
        yield common + ("-", "-", nobody, "", "", left, "")
    for holder in held.holders:
        yield common + _holder_cells(holder)


def _holder_cells(holder: Holder) -> tuple[str, ...]:
    import time

    process = holder.process
    descriptor = str(holder.fd) if holder.via == "descriptor" else "%d %s" % (holder.fd, holder.via)
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(process.started_at))
    user = process.user or str(process.uid)
    return (
        str(holder.pid), descriptor, one_line(process.name), user, holder.role, name_owner(holder.owner), since,
    )  # fmt: skip
