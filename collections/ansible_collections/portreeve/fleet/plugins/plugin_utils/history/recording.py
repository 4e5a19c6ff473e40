# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writing what came of each host of a run, a batch of hosts at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..policy.findings import JudgedHost
from ..policy.runs import Judged, Tracked
from . import documents
from .documents import Document
from .drift import follow
from .schema import tables

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

_BATCH = 250


class _LastLook(NamedTuple):
    host_id: int
    outcome: dict[str, Any]
    moment: str


def write_hosts(
    connection: Connection, run_id: int, judged: Judged
) -> tuple[tuple[JudgedHost, ...], tuple[Tracked, ...]]:
    """Write the hosts of a run; return them as they will come back, and their findings over time."""
    hosts: list[JudgedHost] = []
    tracked: list[Tracked] = []
    for first in range(0, len(judged.hosts), _BATCH):
        for host, found in _write_batch(connection, run_id, first, judged):
            hosts.append(host)
            tracked.extend(found)
    return tuple(hosts), tuple(tracked)


def _write_batch(
    connection: Connection, run_id: int, first: int, judged: Judged
) -> Iterator[tuple[JudgedHost, tuple[Tracked, ...]]]:
    from sqlalchemy import bindparam, insert, update

    batch = judged.hosts[first : first + _BATCH]
    last = _last_looks(connection, [host.name for host in batch])
    moments = [host.taken_at or judged.ended_at for host in batch]
    followed = [
        follow(_open(last.get(host.name), host.name), host, moment) for host, moment in zip(batch, moments, strict=True)
    ]
    pictures = [documents.document(host.picture.to_wire()) for host in batch]
    picture_ids = _keep(connection, tables().picture, pictures, [{}] * len(batch))
    outcomes = [
        documents.document(documents.outcome(host, found, moment), picture.digest)
        for host, found, moment, picture in zip(batch, followed, moments, pictures, strict=True)
    ]
    outcome_ids = _keep(connection, tables().outcome, outcomes, [{"picture_id": one} for one in picture_ids])
    free = _next_id(connection, tables().host)
    host_ids = [last[host.name].host_id if host.name in last else free + index for index, host in enumerate(batch)]
    table = tables().host
    rows = [
        {"host_id": host_id, "outcome_id": outcome_id, "moment": moment}
        for host_id, outcome_id, moment in zip(host_ids, outcome_ids, moments, strict=True)
    ]
    known = [row for row, host in zip(rows, batch, strict=True) if host.name in last]
    new = [{**row, "name": host.name} for row, host in zip(rows, batch, strict=True) if host.name not in last]
    values: dict[str, Any] = {name: bindparam(name) for name in ("outcome_id", "moment")}
    if new:
        connection.execute(insert(table).values(id=bindparam("host_id"), name=bindparam("name"), **values), new)
    if known:
        connection.execute(update(table).where(table.c.id == bindparam("host_id")).values(**values), known)
    connection.execute(
        insert(tables().seen),
        [
            {"run_id": run_id, "position": first + index, "host_id": host_id, "outcome_id": outcome_id,
             "taken_at": host.taken_at}
            for index, (host, host_id, outcome_id) in enumerate(zip(batch, host_ids, outcome_ids, strict=True))
        ],
    )  # fmt: skip
    for host, found in zip(batch, followed, strict=True):
        yield JudgedHost(**{**host.__dict__, "picture": documents.as_kept(host.picture)}), found


def _last_looks(connection: Connection, names: Sequence[str]) -> dict[str, _LastLook]:
    from sqlalchemy import select

    host, outcome = tables().host, tables().outcome
    rows = connection.execute(
        select(host.c.name, host.c.id, outcome.c.body, host.c.moment)
        .join(outcome, outcome.c.id == host.c.outcome_id)
        .where(host.c.name.in_(names))
    )
    return {name: _LastLook(identity, documents.unpack(body), moment) for name, identity, body, moment in rows}


def _open(last: _LastLook | None, name: str) -> tuple[Tracked, ...]:
    return () if last is None else documents.tracked_of(last.outcome, name, last.moment)


def _keep(
    connection: Connection, table: Table, kept: Sequence[Document], beside: Sequence[dict[str, Any]]
) -> list[int]:
    """Keep documents that are not kept yet; return the ids of all."""
    from sqlalchemy import insert, select

    digests = {one.digest for one in kept}
    rows = connection.execute(select(table.c.digest, table.c.id).where(table.c.digest.in_(digests)))
    ids = {bytes(digest): int(identity) for digest, identity in rows}
    free = _next_id(connection, table)
    new: list[dict[str, Any]] = []
    for one, columns in zip(kept, beside, strict=True):
        if one.digest not in ids:
            ids[one.digest] = free + len(new)
            new.append({"id": ids[one.digest], "digest": one.digest, "body": one.packed(), **columns})
    if new:
        connection.execute(insert(table), new)
    return [ids[one.digest] for one in kept]


def _next_id(connection: Connection, table: Table) -> int:
    from sqlalchemy import func, select

    return 1 + (connection.execute(select(func.max(table.c.id))).scalar_one() or 0)
