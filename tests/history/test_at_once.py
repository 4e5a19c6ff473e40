# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Runs that record at the same time come out as if one had come after the other."""

from __future__ import annotations

import multiprocessing
import random
from multiprocessing.synchronize import Barrier
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.history.store import (
    list_runs,
    merge_slices,
    read_run,
    record,
)

from tests.history.fleets import away, finding, moment, ok, run

FORK = multiprocessing.get_context("fork")
HOSTS = [f"h{number}" for number in range(12)]


def some_run(number: int):
    """Return a run over some of the hosts, with findings of its own choice."""
    dice = random.Random(number)
    hosts: list[Any] = []
    for name in dice.sample(HOSTS, 8):
        places = dice.sample(["80/tcp", "81/tcp", "82/tcp"], dice.randrange(4))
        hosts.append(
            ok(name, moment(number), [finding(name, place) for place in places]) if dice.random() < 0.8 else away(name)
        )
    return run(number, hosts)


def record_at(barrier: Barrier, url: str, judged: Any) -> None:
    barrier.wait(60)
    record(url, judged)


def all_at_once(url: str, runs: list[Any]) -> None:
    barrier = FORK.Barrier(len(runs))
    processes = [FORK.Process(target=record_at, args=(barrier, url, judged)) for judged in runs]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * len(runs)


@pytest.mark.parametrize("times", [1, pytest.param(40, marks=pytest.mark.full)])
def test_runs_at_once_are_as_one_after_the_other(url, tmp_path, times, request):
    for time in range(times):
        numbers = range(time * 6, time * 6 + 6)
        all_at_once(url, [some_run(number) for number in numbers])

    order = [past.name for past in list_runs(url)]
    by_name = {f"run-{number}": some_run(number) for number in range(times * 6)}
    replayed = str(tmp_path / "replayed.sqlite")
    expected = {name: record(replayed, by_name[name]) for name in order}

    assert sorted(order) == sorted(by_name)
    assert {name: read_run(url, name) for name in order} == expected


def test_slices_at_once_become_one_run(url):
    slices = [
        run(1, [ok(name, moment(1), [finding(name)])], f"W-{k}", (k + 1, 6), "W") for k, name in enumerate(HOSTS[:6])
    ]
    record(url, run(0, [ok(name, moment(0), [finding(name)]) for name in HOSTS[:3]]))
    all_at_once(url, slices)
    merged = merge_slices(url, "W")

    assert merged.missing == ()
    assert [one.standing for one in merged.tracked] == ["persisting"] * 3 + ["new"] * 3


def test_a_name_that_two_runs_have_is_given_to_one(url):
    barrier = FORK.Barrier(2)
    processes = [FORK.Process(target=record_at, args=(barrier, url, run(0, []))) for _process in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)

    assert sorted(process.exitcode for process in processes) == [0, 1]
    assert [past.name for past in list_runs(url)] == ["run-0"]
