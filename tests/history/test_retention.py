# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What is dropped: old runs and what only they needed, never since when something is open."""

from __future__ import annotations

import pytest
import sqlalchemy
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import InvalidInput
from ansible_collections.portreeve.fleet.plugins.plugin_utils.history.places import read_place
from ansible_collections.portreeve.fleet.plugins.plugin_utils.history.store import (
    check,
    list_runs,
    merge_slices,
    read_run,
    record,
)

from tests.history.fleets import away, finding, moment, ok, run


def names(url):
    return [past.name for past in list_runs(url)]


def rows(url):
    place = read_place(url)
    made = sqlalchemy.make_url(place.url) if place.url else sqlalchemy.URL.create("sqlite", database=str(place.path))
    with sqlalchemy.create_engine(made, poolclass=sqlalchemy.pool.NullPool).connect() as connection:
        return {
            table: connection.exec_driver_sql(f"SELECT count(*) FROM portreeve_{table}").scalar_one()
            for table in ("run", "host", "picture", "outcome", "seen")
        }


def day(number, **other):
    """Return a run in which the host serves another port than the day before."""
    return run(number, [ok("a", moment(number), [finding("a")], ports=[number + 1])], **other)


def test_runs_beyond_a_number_are_dropped(url):
    for number in range(6):
        recorded = record(url, day(number), keep_runs=3)

    assert names(url) == ["run-3", "run-4", "run-5"]
    assert rows(url) == {"run": 3, "host": 1, "picture": 3, "outcome": 3, "seen": 3}
    assert read_run(url) == recorded
    assert [past.name for past in recorded.past] == ["run-2", "run-3", "run-4"]


def test_runs_beyond_an_age_are_dropped(url):
    for number in (0, 1, 2, 10, 11):
        record(url, day(number), keep_days=9)

    assert names(url) == ["run-2", "run-10", "run-11"]
    record(url, day(400), keep_days=9)
    assert names(url) == ["run-400"]
    assert rows(url) == {"run": 1, "host": 1, "picture": 1, "outcome": 1, "seen": 1}


def test_without_limits_everything_is_kept(url):
    for number in (0, 5000):
        record(url, day(number))

    assert names(url) == ["run-0", "run-5000"]


def test_first_seen_outlives_the_run_that_saw_it(url):
    for number in range(5):
        record(url, day(number), keep_runs=1)
    record(url, run(5, [away("a")]), keep_runs=1)
    record(url, run(6, [ok("b", moment(6))]), keep_runs=1)
    record(url, run(7, [ok("b", moment(7))]), keep_runs=1)
    last = record(url, day(8), keep_runs=1)

    assert [(one.standing, one.first_seen) for one in last.tracked] == [("persisting", moment(0))]
    assert names(url) == ["run-8"]


def test_a_host_that_no_run_has_had_for_so_long_is_forgotten(url):
    record(url, run(0, [ok("gone", moment(0), [finding("gone")])]), keep_days=30)
    record(url, run(20, [ok("a", moment(20)), away("b")]), keep_days=30)
    assert rows(url)["host"] == 3
    record(url, run(40, [ok("a", moment(40))]), keep_days=30)

    assert rows(url) == {"run": 2, "host": 2, "picture": 2, "outcome": 2, "seen": 3}


def test_what_a_kept_run_needs_is_kept(url):
    first = record(url, day(0))
    record(url, run(1, [ok("a", moment(1), [finding("a")], ports=[1])], "again"))
    same = record(url, run(2, [ok("a", moment(2), [finding("a")], ports=[1])], "and again"))
    record(url, day(3), keep_runs=2)

    assert read_run(url, "and again") == same
    assert same.judged.hosts[0].picture == first.judged.hosts[0].picture
    assert rows(url) == {"run": 2, "host": 1, "picture": 2, "outcome": 2, "seen": 2}


def test_a_trend_comes_back_as_it_was(url):
    for number in range(40):
        record(url, day(number))
    recorded = record(url, day(40), keep_runs=2)

    assert [past.name for past in recorded.past] == [f"run-{number}" for number in range(10, 40)]
    assert names(url) == ["run-39", "run-40"]
    assert read_run(url) == recorded


def test_the_slices_of_a_run_count_as_one_with_it(url):
    for number in range(4):
        for part in (1, 2):
            record(url, run(number, [ok(f"h{part}", moment(number))], f"{number}-{part}", (part, 2), f"W{number}"))
        merge_slices(url, f"W{number}", keep_runs=2)

    assert names(url) == ["2-1", "2-2", "W2", "3-1", "3-2", "W3"]


@pytest.mark.parametrize(
    "limits", [{"keep_runs": 0}, {"keep_days": 0}, {"keep_days": -1}, {"keep_runs": True}, {"keep_days": "9"}]
)
def test_a_limit_under_which_nothing_is_kept_is_refused(limits, tmp_path):
    path = str(tmp_path / "history.sqlite")
    for refuses in (lambda: record(path, day(0), **limits), lambda: check(path, **limits)):
        with pytest.raises(InvalidInput, match=r"to keep are .*: accepted is a whole number from 1 on, or none\.$"):
            refuses()
    assert list(tmp_path.iterdir()) == []


def test_slices_wait_for_the_run_that_is_made_of_them(url):
    parts = [run(day, [], f"part-{day}", (day, 2), "W") for day in (1, 2)]
    record(url, parts[0], keep_runs=1)
    record(url, run(3, [], "another"), keep_runs=1)
    record(url, parts[1], keep_runs=1)

    assert merge_slices(url, "W", keep_runs=1).missing == ()
    assert [past.name for past in list_runs(url)] == ["part-1", "part-2", "W"]
