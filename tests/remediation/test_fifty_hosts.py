# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Fifty hosts, of which one in twenty is broken: a run ends where its budget says. One that is killed is finished."""

from __future__ import annotations

import contextlib
import os
import signal

import pytest

from .conftest import Shops, until

pytestmark = pytest.mark.slow

FIFTY = [f"web{number}" for number in range(1, 51)]
TEN = FIFTY[:10]


@pytest.mark.full
def test_the_budget_ends_a_run_on_fifty_hosts_exactly_where_it_says(shops: Shops, ends: contextlib.ExitStack):
    shops.open(ends, FIFTY)
    digest = shops.make_plan(portreeve_most_failed=1)
    shops.lose(unreachable=["web4"], broken=["web8", "web30"])

    run = shops.remediate(digest, "--forks", "1")

    assert run.code == 2, run.output
    assert shops.result()["ended_because"] == "2 hosts have failed (web4, web8), but most_failed is 1"
    done = {"web1", "web2", "web3", "web5", "web6", "web7"}  # waves of 1, 2, 12, 35: it ends within the third
    hosts = shops.result()["hosts"]
    assert {name for name in hosts if hosts[name]["outcome"] == "done"} == done
    assert {name for name in hosts if hosts[name]["outcome"] == "failed"} == {"web4", "web8"}
    assert shops.outcomes()["not done"] == 42
    assert "/nowhere/python3" in hosts["web8"]["why"]
    assert hosts["web4"]["why"].startswith("unreachable: ")
    assert {name for name in FIFTY if shops.trail(name)} == done
    assert shops.held() == set(FIFTY) - done


@pytest.mark.full
def test_a_run_whose_controller_is_killed_is_recorded_and_finished_by_the_next(
    shops: Shops, ends: contextlib.ExitStack
):
    shops.open(ends, TEN)
    digest = shops.make_plan()

    with shops.remediating(digest, "--forks=2", portreeve_waves=[1, 1, "100%"]) as killed:
        until(lambda: sum(line["event"] == "end" for line in shops.journal()) >= 3)
        os.killpg(killed.pid, signal.SIGKILL)
    until(lambda: not any(_is_under_way(shops, name) for name in TEN))

    lines = shops.journal()
    begun = {line["host"] for line in lines if line["event"] == "begin"}
    over = {line["host"] for line in lines if line["event"] == "end"}
    assert over < set(TEN)
    assert {name for name in TEN if shops.trail(name)} <= begun  # nobody was touched without a record
    assert not list(shops.records.glob("*/remediation.json"))

    run = shops.remediate(digest)

    assert run.code == 0, run.output
    assert shops.held() == set()
    assert shops.outcomes() == {"done": 10}
    assert {name for name in TEN if run.recap(name)["changed"] == 0} >= over
    (earlier,) = shops.result()["earlier"]
    assert "was cut off" in earlier
    assert earlier in run.said
    assert {name: len([one for one in shops.trail(name) if one["event"] == "act"]) for name in over} == dict.fromkeys(
        over, 1
    )


def _is_under_way(shops: Shops, host: str) -> bool:
    events = [line["event"] for line in shops.trail(host)]
    return events.count("begin") > events.count("end")
