# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writing what came of each host of a run, a batch of hosts at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..fleet.picture import INCOMPLETE, OK
from ..policy.findings import JudgedHost
from ..policy.runs import Judged, Tracked
from . import documents
from .documents import Document
from .drift import follow, precede
from .schema import tables

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

_BATCH = 250


class _LastLook(NamedTuple):
    host_id: int
    tracked: tuple[Tracked, ...]
    moment: str
    status: str

    def is_after(self, moment: str) -> bool:
        """Return whether the host was seen after that: runs at once need not record in the order of their looks."""
        return self.status in (OK, INCOMPLETE) and self.moment > moment


class _Look(NamedTuple):
    host: JudgedHost
    moment: str
    tracked: tuple[Tracked, ...]


def write_hosts(connection: Connection, run_id: int, judged: Judged) -> tuple[Tracked, ...]:
    """Write the hosts of a run; return their findings over time, told from what was open at the last look at each."""
    tracked: list[Tracked] = []
    for first in range(0, len(judged.hosts), _BATCH):
        batch = judged.hosts[first : first + _BATCH]
        last = _last_looks(connection, batch)
        looks = []
        for host in batch:
            moment, before = moment_of(host, judged), last.get(host.name)
            becomes = precede if before and before.is_after(moment) else follow
            looks.append(_Look(host, moment, becomes(before.tracked if before else (), host, moment)))
        outcome_ids = _keep_outcomes(connection, looks)
        host_ids = _keep_hosts(connection, looks, outcome_ids, last)
        _keep_seen(connection, run_id, first, batch, host_ids, outcome_ids)
        tracked.extend(one for look in looks for one in look.tracked)
    return tuple(tracked)


def write_known(connection: Connection, run_id: int, judged: Judged, known: Mapping[str, tuple[Tracked, ...]]) -> None:
    """Write hosts that were looked at before, with what has become of their findings."""
    for first in range(0, len(judged.hosts), _BATCH):
        batch = judged.hosts[first : first + _BATCH]
        last = _last_looks(connection, batch)
        looks = [_Look(host, moment_of(host, judged), known[host.name]) for host in batch]
        host_ids = [last[host.name].host_id for host in batch]
        _keep_seen(connection, run_id, first, batch, host_ids, _keep_outcomes(connection, looks))


def moment_of(host: JudgedHost, judged: Judged) -> str:
    """Return when a host was looked at, ISO 8601 in UTC."""
    return host.taken_at or judged.ended_at


def _last_looks(connection: Connection, hosts: Sequence[JudgedHost]) -> dict[str, _LastLook]:
    from sqlalchemy import select

    host, outcome = tables().host, tables().outcome
    rows = connection.execute(
        select(host.c.name, host.c.id, outcome.c.body, host.c.moment)
        .join(outcome, outcome.c.id == host.c.outcome_id)
        .where(host.c.name.in_([one.name for one in hosts]))
    )
    last = {}
    for name, identity, body, moment in rows:
        kept = documents.unpack(body)
        last[name] = _LastLook(identity, documents.tracked_of(kept, name, moment), moment, kept["status"])
    return last


def _keep_outcomes(connection: Connection, looks: Sequence[_Look]) -> list[int]:
    pictures = [documents.document(look.host.picture.to_wire()) for look in looks]
    picture_ids = _keep(connection, tables().picture, pictures, [{} for _look in looks])
    outcomes = [
        documents.document(documents.outcome(look.host, look.tracked, look.moment), picture.digest)
        for look, picture in zip(looks, pictures, strict=True)
    ]
    return _keep(connection, tables().outcome, outcomes, [{"picture_id": one} for one in picture_ids])


def _keep_hosts(
    connection: Connection, looks: Sequence[_Look], outcome_ids: Sequence[int], last: Mapping[str, _LastLook]
) -> list[int]:
    from sqlalchemy import bindparam, insert, update

    table = tables().host
    free = _next_id(connection, table)
    ids: list[int] = []
    new: list[dict[str, Any]] = []
    known: list[dict[str, Any]] = []
    for look, outcome_id in zip(looks, outcome_ids, strict=True):
        row = {"outcome_id": outcome_id, "moment": look.moment}
        if look.host.name in last:
            ids.append(last[look.host.name].host_id)
            if not last[look.host.name].is_after(look.moment):
                known.append({**row, "host_id": ids[-1]})
        else:
            ids.append(free + len(new))
            new.append({**row, "id": ids[-1], "name": look.host.name})
    if new:
        connection.execute(insert(table), new)
    if known:
        statement = update(table).where(table.c.id == bindparam("host_id"))
        connection.execute(statement.values(outcome_id=bindparam("outcome_id"), moment=bindparam("moment")), known)
    return ids


def _keep_seen(
    connection: Connection,
    run_id: int,
    first: int,
    hosts: Sequence[JudgedHost],
    host_ids: Sequence[int],
    outcome_ids: Sequence[int],
) -> None:
    from sqlalchemy import insert

    rows = [
        {
            "run_id": run_id,
            "position": first + index,
            "host_id": host_ids[index],
            "outcome_id": outcome_ids[index],
            "taken_at": host.taken_at,
        }
        for index, host in enumerate(hosts)
    ]
    connection.execute(insert(tables().seen), rows)


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
