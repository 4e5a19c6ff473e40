# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a history of any earlier version to one of now, step by step. A step is never changed once it is released."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ...module_utils.portreeve_agent.errors import InvalidInput

if TYPE_CHECKING:
    from sqlalchemy import Connection

_VERSION = "portreeve_version"


def version_of(connection: Connection) -> int:
    """Return the version of a history, 0 where there is none."""
    from sqlalchemy import inspect

    if not inspect(connection).has_table(_VERSION):
        return 0
    return int(connection.exec_driver_sql(f"SELECT version FROM {_VERSION}").scalar_one())  # noqa: S608


def refuse_newer(version: int, shown: str) -> None:
    """Raise InvalidInput for a history that a later Portreeve has written."""
    if version > len(STEPS):
        raise InvalidInput(
            f"The history {shown} is of version {version}, written by a newer Portreeve; this one knows versions up to "
            f"{len(STEPS)}: use the newer one, or another history."
        )


def step(connection: Connection, version: int) -> None:
    """Bring a history of ``version`` to the next."""
    STEPS[version](connection)
    connection.exec_driver_sql(f"UPDATE {_VERSION} SET version = {version + 1}")  # noqa: S608


def _first(connection: Connection) -> None:
    from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, String, Table

    kept = MetaData()
    Table(_VERSION, kept, Column("version", Integer, nullable=False))
    Table(
        "portreeve_run",
        kept,
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("name", String, nullable=False, unique=True),
        *(Column(name, String, nullable=False) for name in ("began_at", "ended_at", "state", "fail_on", "format")),
        *(Column(name, LargeBinary, nullable=False) for name in ("counts", "past")),
    )
    Table(
        "portreeve_picture",
        kept,
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("digest", LargeBinary, nullable=False, unique=True),
        Column("body", LargeBinary, nullable=False),
    )
    Table(
        "portreeve_outcome",
        kept,
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("digest", LargeBinary, nullable=False, unique=True),
        Column("picture_id", Integer, nullable=False, index=True),
        Column("body", LargeBinary, nullable=False),
    )
    Table(
        "portreeve_host",
        kept,
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("name", String, nullable=False, unique=True),
        Column("outcome_id", Integer, nullable=False, index=True),
        Column("moment", String, nullable=False),
    )
    seen = Table(
        "portreeve_seen",
        kept,
        Column("run_id", Integer, primary_key=True, autoincrement=False),
        Column("position", Integer, primary_key=True, autoincrement=False),
        Column("host_id", Integer, nullable=False),
        Column("outcome_id", Integer, nullable=False),
        Column("taken_at", String),
        sqlite_with_rowid=False,
    )
    Index("portreeve_seen_outcome", seen.c.outcome_id)
    kept.create_all(connection, checkfirst=False)
    connection.exec_driver_sql(f"INSERT INTO {_VERSION} (version) VALUES (0)")  # noqa: S608


def _slices(connection: Connection) -> None:
    """Runs over a part of the inventory, and the one run that is made of them."""
    for column in (
        "whole VARCHAR",
        "slice_number INTEGER",
        "slice_count INTEGER",
        "missing VARCHAR NOT NULL DEFAULT '[]'",
    ):
        connection.exec_driver_sql(f"ALTER TABLE portreeve_run ADD COLUMN {column}")
    connection.exec_driver_sql("CREATE INDEX portreeve_run_whole ON portreeve_run (whole)")


#: The step at index n leads from version n to n + 1.
STEPS: tuple[Callable[[Connection], None], ...] = (_first, _slices)
