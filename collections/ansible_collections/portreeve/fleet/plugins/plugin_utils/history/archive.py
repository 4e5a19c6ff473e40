# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs as rows: finding, writing and reading them."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

from ..fleet.host_picture import HostPicture, from_wire
from ..policy.runs import Judged, Past, Run, Tracked, host_counts, severity_counts
from . import documents
from .schema import tables

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row, Select

#: Runs before a run that are kept with it, for the trend.
TREND = 30


def find_run(connection: Connection, name: str) -> Row[Any] | None:
    """Return the row of a run, None when there is none."""
    return connection.execute(newest_first().where(tables().run.c.name == name)).first()


def find_latest(connection: Connection) -> Row[Any] | None:
    """Return the row of the latest run, of one over a part of the inventory only where there is nothing else; None
    when there is none."""
    run = tables().run
    parts = (run.c.slice_number.is_not(None), run.c.limited_to.is_not(None))
    whole_first = newest_first().order_by(None).order_by(*parts, run.c.id.desc())
    return connection.execute(whole_first.limit(1)).first()


def newest_first() -> Select[Any]:
    """Return the statement that finds all runs, the latest first."""
    from sqlalchemy import select

    run = tables().run
    return select(run).order_by(run.c.id.desc())


def next_run_id(connection: Connection) -> int:
    """Return an id that is greater than that of any run."""
    row = connection.execute(newest_first().limit(1)).first()
    return 1 if row is None else row.id + 1


def past_before(
    connection: Connection, run_id: int, slice_of: tuple[int, int] | None, limit: str | None = None
) -> tuple[Past, ...]:
    """Return the runs before one over the same part of the inventory, the oldest first."""
    run = tables().run
    number, count = slice_of or (None, None)
    asked = newest_first().where(run.c.id < run_id, run.c.slice_number == number, run.c.slice_count == count)
    asked = asked.where(run.c.limited_to == limit)
    return tuple(past_of(row) for row in reversed(connection.execute(asked.limit(TREND)).all()))


def past_of(row: Row[Any]) -> Past:
    """Return a run in figures."""
    return Past(row.name, row.ended_at, row.state, *documents.unpack(row.counts))


def write_run(connection: Connection, run_id: int, run: Run) -> None:
    """Write the row of a run."""
    from sqlalchemy import insert

    judged = run.judged
    number, count = judged.slice_of or (None, None)
    waived = sum(one.finding.waived is not None for one in run.standing)
    counts = [severity_counts(run.standing), waived, host_counts(judged.hosts)]
    connection.execute(
        insert(tables().run),
        {
            "id": run_id,
            "name": judged.name,
            "began_at": judged.began_at,
            "ended_at": judged.ended_at,
            "state": run.state,
            "fail_on": judged.fail_on,
            "format": documents.FORMAT,
            "counts": documents.document(counts).packed(),
            "past": documents.document(run.past).packed(),
            "whole": judged.whole,
            "slice_number": number,
            "slice_count": count,
            "missing": json.dumps(run.missing),
            "limited_to": judged.limit,
        },
    )


def read_run_of(connection: Connection, row: Row[Any], with_pictures: bool = True) -> Run:
    """Return the run of a row; without its pictures it takes a tenth of the time and memory."""
    from sqlalchemy import select

    _run, host, _picture, outcome, seen = tables()
    pictures = _pictures(connection, row.id) if with_pictures else {}
    nothing = HostPicture()
    hosts: list[Any] = []
    tracked: list[tuple[Tracked, ...]] = []
    rows = connection.execute(
        select(host.c.name, seen.c.taken_at, outcome.c.picture_id, outcome.c.body)
        .join(host, host.c.id == seen.c.host_id)
        .join(outcome, outcome.c.id == seen.c.outcome_id)
        .where(seen.c.run_id == row.id)
        .order_by(seen.c.position)
    )
    for name, taken_at, picture_id, body in rows:
        kept = documents.unpack(body)
        found = documents.tracked_of(kept, name, taken_at or row.ended_at)
        tracked.append(found)
        hosts.append(documents.judged_host(kept, name, taken_at, pictures.get(picture_id, nothing), found))
    slice_of = None if row.slice_number is None else (row.slice_number, row.slice_count)
    return Run(
        Judged(row.name, row.began_at, row.ended_at, row.fail_on, tuple(hosts), slice_of, row.whole, row.limited_to),
        tuple(itertools.chain.from_iterable(tracked)),
        documents.past_again(documents.unpack(row.past)),
        tuple(json.loads(row.missing)),
    )


def last_between(
    connection: Connection, first: str, last: str
) -> dict[str, tuple[tuple[Tracked, ...], tuple[str, ...]]]:
    """Return the findings over time of each host at its last look after the run called ``first`` and up to that called
    ``last``, and the rules that were left out then."""
    from sqlalchemy import func, select

    run, host, _picture, outcome, seen = tables()
    since, until = (select(run.c.id).where(run.c.name == name).scalar_subquery() for name in (first, last))
    between = (seen.c.run_id > since, seen.c.run_id <= until)
    latest = select(seen.c.host_id, func.max(seen.c.run_id).label("run_id")).where(*between).group_by(seen.c.host_id)
    look = latest.subquery()
    rows = connection.execute(
        select(host.c.name, seen.c.taken_at, run.c.ended_at, outcome.c.body)
        .join(look, look.c.host_id == host.c.id)
        .join(seen, (seen.c.host_id == look.c.host_id) & (seen.c.run_id == look.c.run_id))
        .join(run, run.c.id == seen.c.run_id)
        .join(outcome, outcome.c.id == seen.c.outcome_id)
    )
    found = {}
    for name, taken_at, ended_at, body in rows:
        kept = documents.unpack(body)
        found[name] = (documents.tracked_of(kept, name, taken_at or ended_at), tuple(kept["ignored"]))
    return found


def _pictures(connection: Connection, run_id: int) -> dict[int, HostPicture]:
    from sqlalchemy import select

    _run, _host, picture, outcome, seen = tables()
    needed = select(outcome.c.picture_id).join(seen, seen.c.outcome_id == outcome.c.id).where(seen.c.run_id == run_id)
    rows = connection.execute(select(picture.c.id, picture.c.body).where(picture.c.id.in_(needed)))
    pool: dict[Any, Any] = {}
    return {identity: from_wire(documents.unpack(body), pool) for identity, body in rows}
