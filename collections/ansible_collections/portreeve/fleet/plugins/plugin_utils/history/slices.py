# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One run out of the runs over the slices of an inventory."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ...module_utils.portreeve_agent.errors import InvalidInput
from ..fleet.host_picture import HostPicture
from ..fleet.picture import INCOMPLETE, OK, natural
from ..policy.findings import STALE, JudgedHost
from ..policy.rules import SEVERITIES
from ..policy.runs import NEW, PERSISTING, Judged, Run, Tracked
from .archive import find_run, newest_first, next_run_id, past_before, read_run_of, write_run
from .drift import between, out_of_sight
from .recording import moment_of, write_known
from .schema import tables

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row


class _Part(NamedTuple):
    """A host in a slice. ``tracked`` are its findings there."""

    host: JudgedHost
    moment: str
    tracked: tuple[Tracked, ...]


def merge(connection: Connection, whole: str, stale_after: int) -> tuple[int, Run]:
    """Make the run called ``whole`` out of its slices, anew where it was made before; return its id, and it.

    Of a host in several slices the later answer counts, and any before none; one older by more than ``stale_after``
    seconds than the newest counts for nothing. Raises InvalidInput when there is no slice, or when they are not of one
    run.
    """
    from sqlalchemy import delete

    rows = _slices(connection, whole)
    made = find_run(connection, whole)
    if made is not None and made.slice_number is not None:
        raise InvalidInput(f"A slice is called {whole!r} like the whole run: give the slices names of their own.")
    refuse_taken(connection, None, whole)
    runs = [read_run_of(connection, row) for row in rows]
    parts = _parts(runs)
    names = sorted(parts, key=natural)
    chosen = {name: max(parts[name], key=_rank) for name in names}
    newest = max((part.moment for part in chosen.values() if _is_seen(part)), default="")
    chosen = {name: _stale(part, newest) if _age(part, newest) > stale_after else part for name, part in chosen.items()}
    run_id = next_run_id(connection) if made is None else made.id
    first = min(row.id for row in rows)
    before = _before(connection, first, parts)
    tracked = {name: between(before[name], chosen[name].tracked, chosen[name].host.ignored) for name in names}
    judged = Judged(
        name=whole,
        began_at=min(run.judged.began_at for run in runs),
        ended_at=max(run.judged.ended_at for run in runs),
        fail_on=_strictest(run.judged.fail_on for run in runs),
        hosts=tuple(chosen[name].host for name in names),
        whole=whole,
    )
    if made is not None:
        connection.execute(delete(tables().seen).where(tables().seen.c.run_id == run_id))
        connection.execute(delete(tables().run).where(tables().run.c.id == run_id))
    write_known(connection, run_id, judged, tracked)
    there = {row.slice_number for row in rows}
    run = Run(
        judged,
        tuple(itertools.chain.from_iterable(tracked.values())),
        past_before(connection, first, None),
        tuple(number for number in range(1, rows[0].slice_count + 1) if number not in there),
    )
    write_run(connection, run_id, run)
    return run_id, run


def refuse_taken(connection: Connection, name: str | None, whole: str | None) -> None:
    """Raise InvalidInput when a run cannot have a name, or slices cannot be of one of that name, for another has it."""
    run = tables().run
    if name and find_run(connection, name):
        raise InvalidInput(f"A run called {name!r} is recorded already: give this one another name.")
    if name and not whole and connection.execute(newest_first().where(run.c.whole == name).limit(1)).first():
        raise InvalidInput(f"{name!r} is the name that slices share: give this run another name.")
    made = find_run(connection, whole) if whole else None
    if made is not None and made.whole is None:
        raise InvalidInput(
            f"A run called {whole!r} is recorded already, and it is none of slices: give the slices another name to "
            "share."
        )


def numbered(connection: Connection, judged: Judged) -> tuple[int, int] | None:
    """Return which slice a run is over. One that does not know, number 0, is the slice that has had its first host,
    or the first that is not recorded; raises InvalidInput when all are.
    """
    from sqlalchemy import select

    if judged.slice_of is None or judged.slice_of[0]:
        return judged.slice_of
    run, host, _picture, _outcome, seen = tables()
    count = judged.slice_of[1]
    names = [host.name for host in judged.hosts]
    taken = select(run.c.slice_number).where(run.c.whole == judged.whole, run.c.slice_count == count)
    there = set(connection.execute(taken).scalars())
    anew = connection.execute(
        taken.join(seen, seen.c.run_id == run.c.id)
        .join(host, host.c.id == seen.c.host_id)
        .where(host.c.name.in_(names[:1]))
    ).scalar()
    free = [number for number in range(1, count + 1) if number not in there]
    if anew is None and not free:
        raise InvalidInput(f"All {count} slices of {judged.whole!r} are recorded already, and this is none of them.")
    return anew or free[0], count


def _slices(connection: Connection, whole: str) -> Sequence[Row[Any]]:
    run = tables().run
    rows = connection.execute(newest_first().where(run.c.whole == whole, run.c.slice_number.is_not(None))).all()
    counts = sorted({row.slice_count for row in rows})
    if not rows:
        raise InvalidInput(f"No slice of a run called {whole!r} is recorded.")
    if len(counts) > 1:
        many = " and ".join(map(str, counts))
        raise InvalidInput(f"The slices of {whole!r} are of {many}: one run has slices of one inventory cut once.")
    return rows[::-1]


def _parts(runs: Iterable[Run]) -> dict[str, list[_Part]]:
    parts: dict[str, list[_Part]] = {}
    for run in runs:
        found = tracked_by_host(run)
        for host in run.judged.hosts:
            part = _Part(host, moment_of(host, run.judged), tuple(found.get(host.name, ())))
            parts.setdefault(host.name, []).append(part)
    return parts


def tracked_by_host(run: Run) -> dict[str, list[Tracked]]:
    """Return the findings of a run by the name of their host."""
    found: dict[str, list[Tracked]] = {}
    for one in run.tracked:
        found.setdefault(one.finding.host, []).append(one)
    return found


def _age(part: _Part, newest: str) -> float:
    """In seconds, of what was answered before the newest."""
    if not _is_seen(part):
        return 0
    then, now = (datetime.datetime.fromisoformat(one) for one in (part.moment, newest))
    return (now - then).total_seconds()


def _stale(part: _Part, newest: str) -> _Part:
    reason = f"its answer is from {part.moment}, too long before the newest, from {newest}"
    host = JudgedHost(part.host.name, STALE, reason, part.host.taken_at, HostPicture(), part.host.declared)
    return _Part(host, part.moment, out_of_sight(part.tracked))


def _rank(part: _Part) -> tuple[bool, str]:
    return _is_seen(part), part.moment


def _is_seen(part: _Part) -> bool:
    return part.host.status in (OK, INCOMPLETE)


def _before(connection: Connection, first: int, parts: dict[str, list[_Part]]) -> dict[str, tuple[Tracked, ...]]:
    """What was open in the last whole run; of a host that it does not have, what was open before the first slice."""
    run = tables().run
    row = connection.execute(
        newest_first().where(run.c.slice_number.is_(None), run.c.limited_to.is_(None), run.c.id < first).limit(1)
    ).first()
    last = None if row is None else read_run_of(connection, row, with_pictures=False)
    known = {} if last is None else tracked_by_host(last)
    there = set() if last is None else {host.name for host in last.judged.hosts}
    return {
        name: tuple(known.get(name, ()))
        if name in there
        else tuple(one._replace(standing=PERSISTING) for one in parts[name][0].tracked if one.standing != NEW)
        for name in parts
    }


def _strictest(severities: Iterable[str]) -> str:
    """The least severity that fails one of them; NEVER comes last."""
    return min(severities, key=lambda one: SEVERITIES.index(one) if one in SEVERITIES else len(SEVERITIES))
