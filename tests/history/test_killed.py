# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A run that is killed while it writes leaves the history as it was before, or whole with it."""

from __future__ import annotations

import functools
import os
import pathlib
import random
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable

import pytest
import sqlalchemy
from ansible_collections.portreeve.fleet.plugins.plugin_utils.history import opening
from ansible_collections.portreeve.fleet.plugins.plugin_utils.history.migrations import STEPS, version_of
from ansible_collections.portreeve.fleet.plugins.plugin_utils.history.places import read_place
from ansible_collections.portreeve.fleet.plugins.plugin_utils.history.store import list_runs, read_run, record

from tests.history.fleets import finding, four_days, moment, ok, run

HOSTS = 60
FEW = 16  # KiB
FIRST = pathlib.Path(__file__).parent / "version_1.sqlite"


def day(number: int):
    """Return the run of a day: each host is another than the day before, and has one finding that stays."""
    return run(number, [ok(f"h{k}", moment(number), [finding(f"h{k}")], ports=[22, number]) for k in range(HOSTS)])


def in_a_child(work: Callable[[], object]) -> int:
    """Start ``work`` in a process of its own; return its pid."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return pid


def end_of(pid: int) -> int:
    """Return the signal that ended a child, 0 for none."""
    return os.WTERMSIG(os.waitpid(pid, 0)[1])


def die_at(statement: int, then: int = signal.SIGKILL, pages: int = FEW) -> None:
    """Let this process get a signal before the statement of that number; with few pages in memory, most are in the file
    by then."""
    left = [statement]

    opening.CACHE_KIB = pages

    @sqlalchemy.event.listens_for(sqlalchemy.Engine, "before_cursor_execute")
    @sqlalchemy.event.listens_for(sqlalchemy.Engine, "commit")
    def count(*_statement) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), then)


def die_within_statements(instructions: int) -> None:
    """Let this process be killed after so many portions of steps of SQLite's machine."""
    opening.CACHE_KIB = FEW
    left = [instructions]

    def count() -> int:
        left[0] -= 1
        if left[0] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return 0

    @sqlalchemy.event.listens_for(sqlalchemy.Engine, "connect")
    def watch(connection, _record) -> None:
        connection.set_progress_handler(count, 10)


class Killing:
    """A history with one run, of which each attempt gets a copy, and what is right after it."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.before = directory / "before.sqlite"
        self.path = directory / "history.sqlite"
        whole = directory / "whole.sqlite"
        self.runs = {judged.name: record(str(whole), judged) for judged in (day(0), day(1), day(2))}
        self.first = record(str(self.before), day(0))
        alone = directory / "without.sqlite"
        shutil.copy(self.before, alone)
        self.without = record(str(alone), day(2))

    def start(self, prepare: Callable[[], None]) -> int:
        """Let a child record the second run onto a new copy; return its pid."""
        shutil.copy(self.before, self.path)
        self.path.with_name("history.sqlite-journal").unlink(missing_ok=True)

        def work() -> None:
            prepare()
            record(str(self.path), day(1))

        return in_a_child(work)

    def is_whole(self) -> bool:
        """Hold the copy against what is right; return whether the second run is in it."""
        names = [past.name for past in list_runs(str(self.path))]
        assert names in (["run-0"], ["run-0", "run-1"])
        assert {name: read_run(str(self.path), name) for name in names} == {name: self.runs[name] for name in names}
        checked = sqlite3.connect(self.path)
        assert checked.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        checked.close()
        recorded = record(str(self.path), day(2))
        assert recorded == (self.runs["run-2"] if "run-1" in names else self.without)
        return "run-1" in names


@pytest.fixture
def killing(tmp_path: pathlib.Path) -> Killing:
    """Return a history to be killed on."""
    return Killing(tmp_path)


def test_killed_before_each_statement(killing):
    ends, statement = [], 0
    while not ends or ends[-1]:
        statement += 1
        ends.append(end_of(killing.start(functools.partial(die_at, statement))))
        assert killing.is_whole() is (ends[-1] == 0)

    assert statement > 15
    assert set(ends[:-1]) == {signal.SIGKILL}


def test_killed_within_statements(killing):
    ends, portions = [], 1
    while not ends or ends[-1]:
        ends.append(end_of(killing.start(functools.partial(die_within_statements, portions))))
        assert killing.is_whole() is (ends[-1] == 0)
        portions += 150

    assert ends.count(signal.SIGKILL) > 5


@pytest.mark.parametrize("times", [8, pytest.param(300, marks=pytest.mark.full)])
def test_killed_at_any_time(killing, times):
    began = time.monotonic()
    assert end_of(killing.start(lambda: None)) == 0
    takes = time.monotonic() - began
    assert killing.is_whole()
    dice = random.Random(7)

    outcomes = []
    for _time in range(times):
        pid = killing.start(lambda: None)
        time.sleep(dice.uniform(0, takes))  # the moment is the point: nothing is awaited
        os.kill(pid, signal.SIGKILL)
        outcomes.append((end_of(pid), killing.is_whole()))

    assert (signal.SIGKILL, False) in outcomes


def test_a_run_that_is_stopped_half_way_holds_up_nobody_who_reads(killing):
    pid = killing.start(lambda: die_at(14, signal.SIGSTOP, opening.CACHE_KIB))
    os.waitpid(pid, os.WUNTRACED)
    assert killing.path.with_name("history.sqlite-journal").exists()
    assert read_run(str(killing.path)) == killing.first

    waiting = in_a_child(lambda: record(str(killing.path), day(2)))
    assert os.waitpid(waiting, os.WNOHANG) == (0, 0)
    os.kill(pid, signal.SIGKILL)

    assert end_of(pid) == signal.SIGKILL
    assert end_of(waiting) == 0
    assert read_run(str(killing.path)) == killing.without


def test_killed_with_a_part_in_the_file(killing):
    pid = killing.start(lambda: die_at(14, signal.SIGSTOP))
    os.waitpid(pid, os.WUNTRACED)
    assert killing.path.with_name("history.sqlite-journal").stat().st_size > 4096
    assert killing.path.read_bytes() != killing.before.read_bytes()
    os.kill(pid, signal.SIGKILL)

    assert end_of(pid) == signal.SIGKILL
    assert killing.is_whole() is False


def test_killed_while_an_old_history_is_brought_up_to_date(tmp_path):
    path, ends, versions = tmp_path / "history.sqlite", [], set()
    judged = four_days()

    def record_more() -> None:
        die_at(len(ends) + 1)
        record(str(path), run(4, []))

    while not ends or ends[-1]:
        shutil.copy(FIRST, path)
        ends.append(end_of(in_a_child(record_more)))
        engine = sqlalchemy.create_engine(f"sqlite:///{path}", poolclass=sqlalchemy.pool.NullPool)
        with engine.connect() as connection:
            versions.add(version_of(connection))
        assert [past.name for past in list_runs(str(path))][:4] == [one.name for one in judged]
        assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)

    assert versions == set(range(1, len(STEPS) + 1))


def test_killed_on_postgresql(server):
    url, ends, statement = "", [], 0
    whole = server.new_url()
    runs = {judged.name: record(whole, judged) for judged in (day(0), day(1), day(2))}
    while not ends or ends[-1]:
        statement += 3
        url = server.new_url()
        record(url, day(0))

        def work(url: str = url, statement: int = statement) -> None:
            die_at(statement)
            record(url, day(1))

        ends.append(end_of(in_a_child(work)))
        names = ["run-0"] if ends[-1] else ["run-0", "run-1"]
        assert read_run(url) == runs[names[-1]]
        assert [past.name for past in list_runs(url)] == names
        assert [one.standing for one in record(url, day(2)).tracked] == ["persisting"] * HOSTS

    assert read_place(url).path is None
    assert ends.count(signal.SIGKILL) > 5
