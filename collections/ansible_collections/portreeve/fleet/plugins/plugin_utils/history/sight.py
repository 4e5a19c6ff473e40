# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which hosts have gone out of sight from one run to the next, and which have come back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..fleet.picture import INCOMPLETE, OK
from ..policy.runs import Judged
from . import documents
from .archive import TREND, find_run
from .schema import tables

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row


class Sight(NamedTuple):
    """Names of hosts, in the order of the run: ``lost`` were seen or not known before, ``back`` were not seen."""

    lost: tuple[str, ...] = ()
    back: tuple[str, ...] = ()


def sight_before(connection: Connection, judged: Judged) -> Sight:
    """Return what has become of the sight of the hosts of a run that is recorded, each since it was last looked at."""
    own = find_run(connection, judged.name)
    hidden = set() if own is None else _hidden(connection, own)
    changed = [one for one in judged.hosts if (one.status in (OK, INCOMPLETE)) == (one.name in hidden)]
    return Sight(
        tuple(one.name for one in changed if one.name not in hidden),
        tuple(one.name for one in changed if one.name in hidden),
    )


def _hidden(connection: Connection, own: Row[Any]) -> set[str]:
    """The hosts that were not seen when they were last looked at before a run; its own slices are no look before."""
    from sqlalchemy import func, or_, select, true

    run, host, _picture, outcome, seen = tables()
    foreign = or_(run.c.whole.is_(None), run.c.whole != own.whole) if own.whole else true()
    some = select(run.c.id).where(run.c.id < own.id, foreign).order_by(run.c.id.desc()).limit(TREND)
    before = seen.c.run_id.in_(some.scalar_subquery())
    last = select(seen.c.host_id, func.max(seen.c.run_id).label("run_id")).where(before).group_by(seen.c.host_id)
    look = last.subquery()
    rows = connection.execute(
        select(host.c.name, outcome.c.body)
        .join(look, look.c.host_id == host.c.id)
        .join(seen, (seen.c.host_id == look.c.host_id) & (seen.c.run_id == look.c.run_id))
        .join(outcome, outcome.c.id == seen.c.outcome_id)
    )
    return {name for name, body in rows if documents.unpack(body)["status"] not in (OK, INCOMPLETE)}
