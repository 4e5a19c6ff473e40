# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which hosts have gone out of sight from one run to the next, and which have come back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from ..fleet.picture import INCOMPLETE, OK
from ..policy.findings import JudgedHost
from . import documents
from .schema import tables

if TYPE_CHECKING:
    from sqlalchemy import Connection


class Sight(NamedTuple):
    """Names of hosts, in the order of the run: ``lost`` were seen or not known before, ``back`` were not seen."""

    lost: tuple[str, ...] = ()
    back: tuple[str, ...] = ()


def sight_since(connection: Connection, before: str, hosts: Iterable[JudgedHost]) -> Sight:
    """Return what has become of the sight of hosts since the run called ``before``."""
    from sqlalchemy import select

    run, host, _picture, outcome, seen = tables()
    rows = connection.execute(
        select(host.c.name, outcome.c.body)
        .join(seen, seen.c.host_id == host.c.id)
        .join(outcome, outcome.c.id == seen.c.outcome_id)
        .join(run, run.c.id == seen.c.run_id)
        .where(run.c.name == before)
    )
    hidden = {name for name, body in rows if documents.unpack(body)["status"] not in (OK, INCOMPLETE)}
    changed = [one for one in hosts if (one.status in (OK, INCOMPLETE)) == (one.name in hidden)]
    return Sight(
        tuple(one.name for one in changed if one.name not in hidden),
        tuple(one.name for one in changed if one.name in hidden),
    )
