# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The way into a history: one transaction at a time, and every error as one sentence."""

from __future__ import annotations

import contextlib
import os
import pathlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...module_utils.portreeve_agent.errors import InvalidInput
from .migrations import STEPS, refuse_newer, show_as_newest, step, version_of
from .places import Place
from .refusals import WAIT_SECONDS, refusal

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

#: Of all runs that write into one PostgreSQL database, one at a time has it; any number that nobody else uses would do.
_ADVISORY_LOCK = 0x706F7274

#: As long as what a run changes has room here, the file is not touched before its end, and nobody who reads waits.
CACHE_KIB = 65536

_IN_MEMORY = Place("in memory", pathlib.Path(":memory:"), None)


@contextlib.contextmanager
def writing(place: Place) -> Iterator[Connection]:
    """Enter a history alone, made or brought up to date where need be. It is written whole or not at all."""
    with _translated(place):
        if place.path is not None:
            place.path.parent.mkdir(parents=True, exist_ok=True)
        with _engine(place, alone=True) as engine:
            up_to_date = False
            while not up_to_date:
                with engine.begin() as connection:
                    version = _lock(connection, place)
                    up_to_date = version == len(STEPS)
                    if up_to_date:
                        yield connection
                    else:
                        step(connection, version)


@contextlib.contextmanager
def rehearsing(place: Place) -> Iterator[Connection]:
    """Enter a history as for writing; all that is done in it is undone, and none is made."""
    exists = place.path is None or os.path.lexists(place.path)
    with (
        _translated(place),
        _engine(place if exists else _IN_MEMORY, alone=True) as engine,
        engine.connect() as connection,
        connection.begin() as transaction,
    ):
        for version in range(_lock(connection, place), len(STEPS)):
            step(connection, version)
        yield connection
        transaction.rollback()


@contextlib.contextmanager
def reading(place: Place) -> Iterator[Connection]:
    """Enter a history to read it as it is at this moment; nothing is written, and an older one stays an older one."""
    need_packages(place)
    if place.path is not None and not os.path.lexists(place.path):
        raise InvalidInput(f"There is no history {place.shown} yet: the first run makes it.")
    with _translated(place), _engine(place, alone=False) as engine, engine.begin() as connection:
        version = _version(connection, place)
        if version == 0:
            raise InvalidInput(f"The history {place.shown} has no run yet.")
        show_as_newest(connection, version)
        yield connection


def look(place: Place) -> int | None:
    """Return the version of a history, None where there is no file; raises InvalidInput when it cannot be read."""
    need_packages(place)
    if place.path is not None and not os.path.lexists(place.path):
        return None
    with _translated(place), _engine(place, alone=False) as engine, engine.begin() as connection:
        return _version(connection, place)


@contextlib.contextmanager
def _translated(place: Place) -> Iterator[None]:
    need_packages(place)
    import sqlalchemy.exc

    try:
        yield
    except (sqlalchemy.exc.SQLAlchemyError, OSError, UnicodeError) as error:
        raise InvalidInput(refusal(place, error)) from error


@contextlib.contextmanager
def _engine(place: Place, alone: bool) -> Iterator[Engine]:
    engine = _postgresql(str(place.url), alone) if place.path is None else _sqlite(str(place.path), alone)
    try:
        yield engine
    finally:
        engine.dispose()


def _sqlite(path: str, alone: bool) -> Engine:
    import sqlalchemy

    url = sqlalchemy.URL.create("sqlite", database=path)
    engine = sqlalchemy.create_engine(
        url,
        poolclass=sqlalchemy.pool.NullPool,
        hide_parameters=True,
        connect_args={"timeout": WAIT_SECONDS, "isolation_level": None},
    )

    # Python's module would begin a transaction late, and let two runs read before either writes.
    @sqlalchemy.event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA cache_size = -{CACHE_KIB}")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if alone else "BEGIN")

    return engine


def _postgresql(url: str, alone: bool) -> Engine:
    import sqlalchemy

    made = sqlalchemy.make_url(url)
    arguments: dict[str, Any] = {"application_name": "portreeve", "connect_timeout": 10}
    return sqlalchemy.create_engine(
        made,
        poolclass=sqlalchemy.pool.NullPool,
        hide_parameters=True,
        isolation_level="READ COMMITTED" if alone else "REPEATABLE READ",
        connect_args={key: value for key, value in arguments.items() if key not in made.query},
    )


def _lock(connection: Connection, place: Place) -> int:
    """Wait for those who came before; return the version of the history."""
    if place.path is None:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{WAIT_SECONDS}s'")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")
    return _version(connection, place)


def _version(connection: Connection, place: Place) -> int:
    version = version_of(connection)
    refuse_newer(version, place.shown)
    foreign = place.path is not None and version == 0
    if foreign and connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one():
        raise InvalidInput(f"{place.shown} is an SQLite file of something else: name another path for the history.")
    return version


def need_packages(place: Place) -> None:
    """Raise InvalidInput where the interpreter at hand lacks what a history there needs."""
    try:
        import sqlalchemy
    except ImportError:
        found = "is not installed"
    else:
        found = "" if sqlalchemy.__version__.split(".")[0] == "2" else f"is {sqlalchemy.__version__}"
    if found:
        raise _lacking("SQLAlchemy 2", "sqlalchemy>=2,<3", found)
    if place.path is None:
        try:
            import psycopg  # noqa: F401
        except ImportError:
            raise _lacking("the driver psycopg 3 for PostgreSQL", "psycopg[binary]>=3,<4", "is not usable") from None


def _lacking(what: str, package: str, found: str) -> InvalidInput:
    return InvalidInput(
        f"The history needs {what}, which {found} for {sys.executable}: {sys.executable} -m pip install '{package}'."
    )
