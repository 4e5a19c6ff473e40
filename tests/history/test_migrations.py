# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A history of an earlier version is brought up to date with all that is in it; one of a later version is refused.

version_1.sqlite was written by the first version, with the runs of ``fleets.four_days``.
"""

from __future__ import annotations

import pathlib
import shutil
import sqlite3

import pytest
import sqlalchemy
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import InvalidInput
from ansible_collections.portreeve.fleet.plugins.plugin_utils.history import migrations, opening
from ansible_collections.portreeve.fleet.plugins.plugin_utils.history.places import read_place
from ansible_collections.portreeve.fleet.plugins.plugin_utils.history.schema import tables
from ansible_collections.portreeve.fleet.plugins.plugin_utils.history.store import (
    check,
    list_runs,
    merge_slices,
    read_run,
    record,
)

from tests.history.fleets import finding, four_days, moment, ok, run

FIRST = pathlib.Path(__file__).parent / "version_1.sqlite"
NEWEST = len(migrations.STEPS)


def engine_of(url: str) -> sqlalchemy.Engine:
    place = read_place(url)
    made = sqlalchemy.make_url(place.url) if place.url else sqlalchemy.URL.create("sqlite", database=str(place.path))
    return sqlalchemy.create_engine(made, poolclass=sqlalchemy.pool.NullPool)


def version_at(url: str) -> int:
    with engine_of(url).connect() as connection:
        return migrations.version_of(connection)


@pytest.fixture
def old_url(url: str) -> str:
    """Return a history that the first version wrote."""
    path = read_place(url).path
    if path is not None:
        path.parent.mkdir()
        shutil.copy(FIRST, path)
        return url
    kept = sqlalchemy.MetaData()
    with sqlalchemy.create_engine(f"sqlite:///{FIRST}").connect() as source, engine_of(url).begin() as target:
        migrations.step(target, 0)
        kept.reflect(source)
        for table in kept.sorted_tables:
            if table.name != "portreeve_version":
                target.execute(table.insert(), [dict(row) for row in source.execute(table.select()).mappings()])
    return url


def test_runs_of_the_first_version_are_read_as_they_were(old_url, tmp_path):
    assert version_at(old_url) == 1
    fresh = str(tmp_path / "fresh.sqlite")

    for judged in four_days():
        assert read_run(old_url, judged.name) == record(fresh, judged)
    assert list_runs(old_url) == list_runs(fresh)
    check(old_url, name="monday", whole="W")
    assert version_at(old_url) == 1


def test_a_run_follows_on_those_of_the_first_version(old_url, tmp_path):
    fresh = str(tmp_path / "fresh.sqlite")
    for judged in four_days():
        record(fresh, judged)
    web = four_days()[0].hosts[0].name
    part = run(4, [ok(web, moment(4), [finding(web)])], "W-1", (1, 2), "W")

    recorded = record(old_url, part)

    assert version_at(old_url) == NEWEST
    assert recorded == record(fresh, part)
    assert [(one.standing, one.first_seen) for one in recorded.tracked] == [("persisting", moment(0, 5))]
    assert merge_slices(old_url, "W") == merge_slices(fresh, "W")
    assert read_run(old_url, "run-1") == read_run(fresh, "run-1")


def test_only_looking_and_checking_leave_an_old_history_old(old_url):
    record(old_url, run(4, []), only_look=True)
    check(old_url)

    assert version_at(old_url) == 1


def test_a_step_that_fails_leaves_the_history_as_it_was(old_url, monkeypatch):
    def breaks(connection: sqlalchemy.Connection) -> None:
        migrations.STEPS[1](connection)
        connection.exec_driver_sql("SELECT * FROM nowhere")

    with monkeypatch.context() as context:
        context.setattr(opening, "STEPS", (migrations.STEPS[0], breaks))
        context.setattr(opening, "step", lambda connection, version: breaks(connection))
        with pytest.raises(InvalidInput, match=r"cannot be used: .*nowhere"):
            record(old_url, run(4, []))

    assert version_at(old_url) == 1
    assert read_run(old_url, "run-3").judged.name == "run-3"


def test_a_history_of_a_newer_version_is_refused(url):
    record(url, run(0, []))
    with engine_of(url).begin() as connection:
        connection.exec_driver_sql("UPDATE portreeve_version SET version = 99")

    for refuses in (lambda: record(url, run(1, [])), lambda: read_run(url), lambda: check(url)):
        with pytest.raises(InvalidInput) as refused:
            refuses()
        assert "is of version 99, written by a newer Portreeve; this one knows versions up to" in str(refused.value)
        assert str(refused.value).count(".") - str(read_place(url).shown).count(".") == 1


def test_statements_know_the_tables_that_the_steps_make(url):
    record(url, run(0, []))
    with engine_of(url).connect() as connection:
        found = sqlalchemy.inspect(connection)
        made = {table.name: {column["name"] for column in found.get_columns(table.name)} for table in tables()}

    assert made == {table.name: set(table.c.keys()) for table in tables()}


def test_the_first_version_is_what_it_was():
    rows = sqlite3.connect(f"file:{FIRST}?mode=ro", uri=True)

    assert rows.execute("SELECT version FROM portreeve_version").fetchone() == (1,)
    assert "whole" not in [column[1] for column in rows.execute("PRAGMA table_info(portreeve_run)")]
