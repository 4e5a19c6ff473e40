# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The tables of a history as they are now; migrations.py makes them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from sqlalchemy import Table


class Tables(NamedTuple):
    """What is kept.

    ``run`` has a row for each run; ``seen`` one for each host of a run, in the order of the run, with the ``outcome``
    that the host had there. An outcome belongs to a ``picture``. ``host`` has the last outcome of every host: what is
    open on it. Ids are given by whoever holds the lock.
    """

    run: Table
    host: Table
    picture: Table
    outcome: Table
    seen: Table


@functools.cache
def tables() -> Tables:
    """Return the tables, for statements."""
    from sqlalchemy import Column, Integer, LargeBinary, MetaData, String, Table

    kept = MetaData()
    return Tables(
        run=Table(
            "portreeve_run",
            kept,
            Column("id", Integer, primary_key=True),
            *(Column(name, String) for name in ("name", "began_at", "ended_at", "state", "fail_on", "format")),
            *(Column(name, LargeBinary) for name in ("counts", "past")),
            *(Column(name, Integer) for name in ("slice_number", "slice_count")),
            *(Column(name, String) for name in ("whole", "missing", "limited_to")),
        ),
        host=Table(
            "portreeve_host",
            kept,
            Column("id", Integer, primary_key=True),
            Column("name", String),
            Column("outcome_id", Integer),
            Column("moment", String),
        ),
        picture=Table(
            "portreeve_picture",
            kept,
            Column("id", Integer, primary_key=True),
            Column("digest", LargeBinary),
            Column("body", LargeBinary),
        ),
        outcome=Table(
            "portreeve_outcome",
            kept,
            Column("id", Integer, primary_key=True),
            Column("digest", LargeBinary),
            Column("picture_id", Integer),
            Column("body", LargeBinary),
        ),
        seen=Table(
            "portreeve_seen",
            kept,
            Column("run_id", Integer, primary_key=True),
            Column("position", Integer, primary_key=True),
            Column("host_id", Integer),
            Column("outcome_id", Integer),
            Column("taken_at", String),
        ),
    )
