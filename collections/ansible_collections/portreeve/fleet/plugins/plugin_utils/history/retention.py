# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is no longer kept: runs beyond a number or an age, and what only they needed."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ...module_utils.portreeve_agent.errors import InvalidInput
from .schema import tables

if TYPE_CHECKING:
    from sqlalchemy import Connection

_PORTION = 500  # of ids in one statement


def check_limits(keep_days: int | None, keep_runs: int | None) -> None:
    """Raise InvalidInput for a limit under which nothing would be kept."""
    for name, value in (("days", keep_days), ("runs", keep_runs)):
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise InvalidInput(f"The {name} to keep are {value!r}: accepted is a whole number from 1 on, or none.")


def prune(connection: Connection, newest: int, keep_days: int | None, keep_runs: int | None) -> None:
    """Drop what need not be kept beside the run with the id ``newest``, which is.

    The slices of a run count as one run with it, and for none as long as it is not made of them. What is open on a host
    stays known as long as a run within ``keep_days`` has the host, or for good without that limit.
    """
    from sqlalchemy import select

    run = tables().run
    asked = select(run.c.id, run.c.name, run.c.whole, run.c.slice_number, run.c.ended_at).order_by(run.c.id.desc())
    rows = connection.execute(asked).all()
    made = {row.name for row in rows if row.slice_number is None}
    ended_at = next(row.ended_at for row in rows if row.id == newest)
    oldest = None if keep_days is None else _moment(ended_at) - datetime.timedelta(days=keep_days)
    order: dict[str, int] = {}
    doomed = []
    for row in rows:
        waits = row.slice_number is not None and row.whole not in made
        place = -1 if waits else order.setdefault(row.whole or row.name, len(order))
        too_many = keep_runs is not None and place >= keep_runs
        too_old = oldest is not None and _moment(row.ended_at) < oldest
        if row.id != newest and (too_many or too_old):
            doomed.append(row.id)
    if doomed:
        _drop(connection, doomed, oldest)


def _drop(connection: Connection, runs: Sequence[int], oldest: datetime.datetime | None) -> None:
    from sqlalchemy import delete, exists, select

    run, host, picture, outcome, seen = tables()
    for some in _portions(runs):
        connection.execute(delete(seen).where(seen.c.run_id.in_(some)))
        connection.execute(delete(run).where(run.c.id.in_(some)))
    looks = connection.execute(select(host.c.id, host.c.moment)) if oldest else ()
    for some in _portions([identity for identity, moment in looks if oldest and _moment(moment) < oldest]):
        connection.execute(delete(host).where(host.c.id.in_(some), host.c.id.not_in(select(seen.c.host_id))))
    connection.execute(
        delete(outcome).where(
            ~exists().where(seen.c.outcome_id == outcome.c.id), ~exists().where(host.c.outcome_id == outcome.c.id)
        )
    )
    connection.execute(delete(picture).where(~exists().where(outcome.c.picture_id == picture.c.id)))


def _portions(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[first : first + _PORTION] for first in range(0, len(ids), _PORTION))


def _moment(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=None)  # all of them are in UTC
