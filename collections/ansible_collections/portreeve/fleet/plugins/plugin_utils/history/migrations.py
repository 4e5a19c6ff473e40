# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a history of any earlier version to one of now, step by step. A step is never changed once it is released."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from ...module_utils.portreeve_agent.errors import InvalidInput

if TYPE_CHECKING:
    from sqlalchemy import Connection

_VERSION = "portreeve_version"


class _Column(NamedTuple):
    name: str
    type: str
    default: str = "NULL"


#: What the step at each index adds to the table of runs; no other table has changed since the first.
_ADDED_TO_RUN = (
    (),
    (
        _Column("whole", "VARCHAR"),
        _Column("slice_number", "INTEGER"),
        _Column("slice_count", "INTEGER"),
        _Column("missing", "VARCHAR", "'[]'"),
    ),
    (_Column("limited_to", "VARCHAR"),),
)


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


def show_as_newest(connection: Connection, version: int) -> None:
    """Let statements for the newest version read a history of ``version``, as long as the connection lasts.

    A temporary view of the same name goes before a table, in SQLite and in PostgreSQL, and is not in the history.
    """
    added = [column for columns in _ADDED_TO_RUN[version:] for column in columns]
    if added:
        beyond = "main." if connection.dialect.name == "sqlite" else ""
        shown = ", ".join(f"CAST({one.default} AS {one.type}) AS {one.name}" for one in added)
        statement = f"CREATE TEMPORARY VIEW portreeve_run AS SELECT *, {shown} FROM {beyond}portreeve_run"  # noqa: S608
        connection.exec_driver_sql(statement)


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
    _widen(connection, 1)
    connection.exec_driver_sql("CREATE INDEX portreeve_run_whole ON portreeve_run (whole)")


def _limits(connection: Connection) -> None:
    """Runs that were limited to some hosts."""
    _widen(connection, 2)


def _widen(connection: Connection, version: int) -> None:
    for one in _ADDED_TO_RUN[version]:
        kind = f"{one.type} NOT NULL DEFAULT {one.default}" if one.default != "NULL" else one.type
        connection.exec_driver_sql(f"ALTER TABLE portreeve_run ADD COLUMN {one.name} {kind}")


#: The step at index n leads from version n to n + 1.
STEPS: tuple[Callable[[Connection], None], ...] = (_first, _slices, _limits)
