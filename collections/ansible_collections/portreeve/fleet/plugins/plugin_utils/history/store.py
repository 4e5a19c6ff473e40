# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Recording runs and reading them back. A run comes back exactly as it was when it was recorded."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from ...module_utils.portreeve_agent.errors import InvalidInput
from ..fleet.host_picture import HostPicture, from_wire
from ..policy.runs import Judged, Past, Run, host_counts, severity_counts
from . import documents
from .opening import need_sqlalchemy, reading, writing
from .places import read_place
from .recording import write_hosts
from .schema import tables

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

#: Runs before a run that are kept with it, for the trend.
TREND = 30


def record(url: str, judged: Judged, keep_days: int | None = None, keep_runs: int | None = None) -> Run:
    """Record a run and return it, each finding with what has become of it since its host was last looked at.

    It is recorded whole or not at all. Raises InvalidInput, in one sentence, when the history cannot be used.
    """
    place = read_place(url)
    need_sqlalchemy(place)
    with writing(place) as connection:
        return _write(connection, judged)


def read_run(url: str, name: str | None = None) -> Run:
    """Return a run as it was recorded, the latest without a name; raises InvalidInput when there is none."""
    place = read_place(url)
    need_sqlalchemy(place)
    with reading(place) as connection:
        found = _find_run(connection, name)
        if found is None:
            raise InvalidInput(
                f"The history {place.shown} has no run yet."
                if name is None
                else f"The history {place.shown} has no run {name!r}."
            )
        return _read(connection, found)


def list_runs(url: str) -> tuple[Past, ...]:
    """Return all runs that are kept, the oldest first."""
    place = read_place(url)
    need_sqlalchemy(place)
    with reading(place) as connection:
        return tuple(reversed(_past(connection, None)))


def _write(connection: Connection, judged: Judged) -> Run:
    from sqlalchemy import func, insert, select

    run = tables().run
    if connection.execute(select(run.c.id).where(run.c.name == judged.name)).first():
        raise InvalidInput(f"A run called {judged.name!r} is recorded already: give this one another name.")
    identity = 1 + (connection.execute(select(func.max(run.c.id))).scalar_one() or 0)
    past = tuple(reversed(_past(connection, TREND)))
    hosts, tracked = write_hosts(connection, identity, judged)
    recorded = Run(Judged(**{**judged.__dict__, "hosts": hosts}), tracked, past)
    counts = _counts(recorded)
    connection.execute(
        insert(run),
        {
            "id": identity,
            "name": judged.name,
            "began_at": judged.began_at,
            "ended_at": judged.ended_at,
            "state": recorded.state,
            "fail_on": judged.fail_on,
            "format": documents.FORMAT,
            "counts": documents.document(counts).packed(),
            "past": documents.document(past).packed(),
        },
    )
    return recorded


def _counts(run: Run) -> list[Any]:
    waived = sum(one.finding.waived is not None for one in run.standing)
    return [severity_counts(run.standing), waived, host_counts(run.judged.hosts)]


def _past(connection: Connection, at_most: int | None) -> list[Past]:
    """The newest first."""
    from sqlalchemy import select

    run = tables().run
    rows = connection.execute(select(run).order_by(run.c.id.desc()).limit(at_most))
    return [Past(row.name, row.ended_at, row.state, *documents.unpack(row.counts)) for row in rows]


def _find_run(connection: Connection, name: str | None) -> Row[Any] | None:
    from sqlalchemy import select

    run = tables().run
    asked = select(run).order_by(run.c.id.desc()).limit(1)
    return connection.execute(asked if name is None else asked.where(run.c.name == name)).first()


def _read(connection: Connection, row: Row[Any]) -> Run:
    from sqlalchemy import select

    _run, host, _picture, outcome, seen = tables()
    pictures = _pictures(connection, row.id)
    hosts, tracked = [], []
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
        hosts.append(documents.judged_host(kept, name, taken_at, pictures[picture_id], found))
    judged = Judged(row.name, row.began_at, row.ended_at, row.fail_on, tuple(hosts))
    past = documents.past_again(documents.unpack(row.past))
    return Run(judged, tuple(itertools.chain.from_iterable(tracked)), past)


def _pictures(connection: Connection, run_id: int) -> dict[int, HostPicture]:
    from sqlalchemy import select

    _run, _host, picture, outcome, seen = tables()
    needed = select(outcome.c.picture_id).join(seen, seen.c.outcome_id == outcome.c.id).where(seen.c.run_id == run_id)
    rows = connection.execute(select(picture.c.id, picture.c.body).where(picture.c.id.in_(needed)))
    return {identity: from_wire(documents.unpack(body)) for identity, body in rows}
