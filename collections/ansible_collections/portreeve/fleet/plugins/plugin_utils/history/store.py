# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Recording runs and reading them back. A run comes back exactly as it was when it was recorded.

Every ``url`` is as ``places.read_place`` takes it. All raise InvalidInput, in one sentence, when the history cannot be
used.
"""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from typing import TYPE_CHECKING

from ...module_utils.portreeve_agent.errors import InvalidInput
from ..fleet.host_picture import Listener
from ..policy.runs import RESOLVED, UNSEEN, Judged, Past, Run, Tracked
from .archive import (
    find_latest,
    find_run,
    last_between,
    newest_first,
    next_run_id,
    past_before,
    past_of,
    read_run_of,
    write_run,
)
from .documents import as_kept
from .drift import between, out_of_sight
from .opening import look, reading, rehearsing, writing
from .places import Place, read_place
from .recording import write_hosts
from .retention import check_limits, prune
from .sight import Sight, sight_before
from .slices import merge, numbered, refuse_taken, tracked_by_host

if TYPE_CHECKING:
    import pathlib

    from sqlalchemy import Connection


def record(
    url: str,
    judged: Judged,
    keep_days: int | None = None,
    keep_runs: int | None = None,
    only_look: bool = False,
) -> Run:
    """Record a run and return it, each finding with what has become of it since its host was last looked at.

    It is recorded whole or not at all; with ``only_look`` not at all. Runs older by ``keep_days`` than its end, and
    those beyond ``keep_runs`` with it, are dropped. A run over slice 0 gets the number that is its own.
    """
    check_limits(keep_days, keep_runs)
    twice = [name for name, count in Counter(host.name for host in judged.hosts).items() if count > 1]
    if twice:
        raise InvalidInput(f"A run has each host once; more than once there are: {', '.join(sorted(twice))}.")
    place = read_place(url)
    with rehearsing(place) if only_look else writing(place) as connection:
        if judged.slice_of is None:
            judged = dataclasses.replace(judged, whole=None)
        refuse_taken(connection, judged.name, judged.whole)
        run_id = next_run_id(connection)
        slice_of = numbered(connection, judged)
        tracked = write_hosts(connection, run_id, judged)
        pool: dict[Listener, Listener] = {}
        hosts = tuple(dataclasses.replace(host, picture=as_kept(host.picture, pool)) for host in judged.hosts)
        kept = dataclasses.replace(judged, hosts=hosts, slice_of=slice_of)
        run = Run(kept, tracked, past_before(connection, run_id, slice_of, judged.limit))
        write_run(connection, run_id, run)
        prune(connection, run_id, keep_days, keep_runs)
        return run


def merge_slices(
    url: str,
    whole: str,
    keep_days: int | None = None,
    keep_runs: int | None = None,
    stale_after: int = 86400,
) -> Run:
    """Make one run called ``whole`` out of the recorded slices of it and return it; made before, it is brought up to
    date.

    Findings are told from the last run before it over the whole inventory. An answer that is older by more than
    ``stale_after`` seconds than the newest is a stale one.
    """
    check_limits(keep_days, keep_runs)
    with writing(read_place(url)) as connection:
        run_id, run = merge(connection, whole, stale_after)
        prune(connection, run_id, keep_days, keep_runs)
        return run


def read_run(url: str, name: str | None = None) -> Run:
    """Return a run as it was recorded; without a name the latest, and of slices only where there is nothing else."""
    place = read_place(url)
    with reading(place) as connection:
        return _run(connection, place, name)


def list_runs(url: str) -> tuple[Past, ...]:
    """Return all runs that are kept, the oldest first."""
    with reading(read_place(url)) as connection:
        return tuple(past_of(row) for row in reversed(connection.execute(newest_first()).all()))


def changes(url: str, from_name: str, to_name: str) -> tuple[Tracked, ...]:
    """Return what has become of findings from one run to another, whatever there was between them.

    Of a host that the second run does not have, what the last run between them resolved is resolved, the rest unseen.
    """
    place = read_place(url)
    with reading(place) as connection:
        earlier = _run(connection, place, from_name, with_pictures=False)
        later = _run(connection, place, to_name, with_pictures=False)
        before, latest = tracked_by_host(earlier), tracked_by_host(later)
        there = {host.name for host in later.judged.hosts}
        elsewhere = {} if there.issuperset(before) else last_between(connection, from_name, to_name)
    followed = [
        one
        for host in later.judged.hosts
        for one in between(before.get(host.name, ()), latest.get(host.name, ()), host.ignored)
    ]
    lost = [
        one if one.standing == RESOLVED else one._replace(standing=UNSEEN)
        for name, tracked in before.items()
        if name not in there
        for one in (between(tracked, *elsewhere[name]) if name in elsewhere else out_of_sight(tracked))
    ]
    return (*followed, *lost)


def sight_of(url: str, run: Run) -> Sight:
    """Return which hosts have gone out of sight, or come back into it, in a run, each since the look before."""
    with reading(read_place(url)) as connection:
        return sight_before(connection, run.judged)


def check(
    url: str,
    keep_days: int | None = None,
    keep_runs: int | None = None,
    name: str | None = None,
    whole: str | None = None,
) -> None:
    """Raise InvalidInput when it can be told beforehand that a run, of that name or a slice of that one, cannot be
    recorded there; write nothing.
    """
    check_limits(keep_days, keep_runs)
    place = read_place(url)
    if look(place):
        with reading(place) as connection:
            refuse_taken(connection, name, whole)
    if place.path is not None:
        _check_path(place.path, place.shown)


def _check_path(path: pathlib.Path, shown: str) -> None:
    nearest = next(one for one in path.parents if os.path.lexists(one))
    if not nearest.is_dir():
        raise InvalidInput(f"The history {shown} cannot be used: {nearest} is not a directory.")
    for needed in [nearest, *([path] if path.exists() else [])]:
        if not os.access(needed, os.W_OK):
            raise InvalidInput(f"The history {shown} cannot be used: no permission to write {needed}.")


def _run(connection: Connection, place: Place, name: str | None, with_pictures: bool = True) -> Run:
    row = find_latest(connection) if name is None else find_run(connection, name)
    if row is None and name is None:
        raise InvalidInput(f"The history {place.shown} has no run yet.")
    if row is None:
        raise InvalidInput(f"The history {place.shown} has no run {name!r}.")
    return read_run_of(connection, row, with_pictures)
