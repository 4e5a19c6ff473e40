# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The run on a terminal or in a log: its last line is the state, and names control nothing."""

from __future__ import annotations

import re

import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance import as_terminal
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.changes import changes_view
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.view import View, view_of
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.runs import Run, Tracked
from hypothesis import given

from .fleets import ENDED, finding, host, nasty_fleet, run_of, small_fleet
from .hostile import ANY_TIME, runs

CONTROL = re.compile(r"\x1b\[[0-9;]*m")
WORDS = {"compliant": "COMPLIANT: ", "tolerated": "TOLERATED: ", "incomplete": "INCOMPLETE: ", "error": "ERROR: ",
         "not_compliant": "NOT COMPLIANT: "}  # fmt: skip


@ANY_TIME
@given(runs())
def test_the_last_line_is_the_state(run: Run) -> None:
    view = view_of(run)
    last = as_terminal.render(view).split("\n")[-1]
    assert last == view.sentence
    assert last.startswith(WORDS[view.state])


@ANY_TIME
@given(runs())
def test_plain_text_has_no_control_sequences(run: Run) -> None:
    text = as_terminal.render(view_of(run), width=80)
    assert [line for line in text.split("\n") if not line.isprintable()] == []


def test_what_is_wrong_is_said_in_order(small: View) -> None:
    lines = as_terminal.render(small).split("\n")
    assert lines[:3] == [
        "New (3)",
        "  critical wrong_owner 8080/tcp on web1, web2, web10",
        "    8080/tcp is held by process java of mara, it should be by billing.service.",
    ]
    assert "  db1: unreachable. No route to host" in lines


@pytest.mark.parametrize("make", [small_fleet, nasty_fleet])
def test_colours_are_all_that_rich_adds(make: type[Run]) -> None:
    view = view_of(make())
    coloured = as_terminal.render(view, width=100, colour=True, plain=False)
    assert CONTROL.search(coloured)
    shown = CONTROL.sub("", coloured)
    assert "\x1b" not in shown
    assert shown.split() == as_terminal.render(view, width=100).split()


def test_the_last_line_is_one_line_on_a_narrow_terminal(small: View) -> None:
    for plain in (True, False):
        text = as_terminal.render(small, width=40, colour=True, plain=plain)
        assert CONTROL.sub("", text).split("\n")[-1] == small.sentence


def test_long_lists_are_cut() -> None:
    tracked = [Tracked(finding("web1", "undeclared", f"{port}/tcp"), "new", ENDED, ENDED) for port in range(1000, 1050)]
    lines = as_terminal.render(view_of(run_of([host("web1")], tracked))).split("\n")
    assert "  … and 30 more lines in the report" in lines
    assert sum(line.startswith("  medium undeclared") for line in lines) == 20


def test_changes_between_two_runs() -> None:
    lines = as_terminal.render_changes(changes_view("one", "two", small_fleet().tracked)).split("\n")
    assert lines[0] == "New (3)"
    assert lines[-1].startswith("From one to two: 3 findings new, ")
