# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A run of the benchmark: one contest that cannot be held takes nothing from the others, and a bad guess is told."""

from __future__ import annotations

import contextlib
import importlib
import re
import sys

import pytest

from bench import fleet, fleet_costs
from bench.contest import HUGE, LOADED, Contest
from bench.timing import Command, Failed

run = importlib.import_module("bench.__main__")
GOOD, BAD = Command(("echo", "done")), Command(("false",))


def contest(question: str, ours: Command = GOOD, load=None, group: str = "port") -> Contest:
    return Contest(group, question, ours, GOOD, "echo", 100.0, load=load, rounds=3)


@pytest.fixture
def page(tmp_path, monkeypatch):
    """Return the page of a benchmark with little to do, over no load and no hosts."""
    page = tmp_path / "page.md"
    page.write_text("<!-- figures: begin -->\n<!-- figures: end -->\n" + "".join(run.SIMULATION))

    @contextlib.contextmanager
    def load(size):
        if size is HUGE:
            raise Failed("the load does not stand")
        yield {"sockets": 1}

    chosen = (contest("sound", load=LOADED, group="snapshot"), contest("broken", BAD), contest("large", load=HUGE))
    for name, value in {
        "PAGE": page,
        "contests": lambda: chosen,
        "standing_load": load,
        "of_a_small_host": list,
        "sshd_hosts": lambda _count: contextlib.nullcontext(),
    }.items():
        monkeypatch.setattr(run, name, value)
    monkeypatch.setattr(fleet, "contests", lambda _hosts: (contest("one port on 50 hosts", group="fleet"),))
    monkeypatch.setattr(fleet, "check_same_answers", lambda _hosts: None)
    figures = [("50", "sweep", "1 s", "2 s", "3 s")], "so much.", fleet_costs.check_row(24.5, 26.0)
    monkeypatch.setattr(fleet_costs, "measured_rows", lambda _hosts: figures)
    monkeypatch.setattr(sys, "argv", ["bench"])
    return page


def met(page) -> dict[str, str]:
    """Return by question the last cell of the rows of a page."""
    rows = (line.strip("| \n").split(" | ") for line in page.read_text().splitlines() if line.startswith("| "))
    return {row[0]: row[-1].strip() for row in rows}


def test_all_groups_run_when_none_is_named(page):
    makefile = (fleet.HERE / "bench.mk").read_text()

    assert run.main() == 1  # "broken" and "large"
    assert re.search(r"^BENCH [?]= (.*)$", makefile, re.MULTILINE)[1].split() == list(run.GROUPS)


def test_a_contest_that_fails_leaves_the_others_their_rows(page):
    assert run.main() == 1

    told = met(page)
    assert (told["sound"], told["broken"], told["large"]) == ("met", "failed", "failed")
    assert (told["one port on 50 hosts"], told[fleet_costs.CHECKED]) == ("met", "met")
    assert told["50"] == "3 s"


@pytest.mark.parametrize("broken", ["contests", "check_same_answers", "measured_rows"])
def test_hosts_that_are_not_there_leave_the_others_their_rows(page, monkeypatch, broken):
    def fail(_hosts):
        raise Failed("no such host")

    monkeypatch.setattr(fleet_costs if broken == "measured_rows" else fleet, broken, fail)

    assert run.main() == 1
    told = met(page)
    assert told["sound"] == "met"
    assert told.get("one port on 50 hosts") == {"check_same_answers": "failed", "measured_rows": "met"}.get(broken)
    assert told.get(fleet_costs.CHECKED) == {"check_same_answers": "met"}.get(broken)


@pytest.mark.parametrize(("simulated", "verdict"), [(24.5, "not met"), (26.3, "met"), (43.0, "met"), (44.0, "not met")])
def test_a_simulation_far_from_what_is_measured_is_told(simulated, verdict):
    assert fleet_costs.check_row(simulated, 35.0)[-1] == verdict
