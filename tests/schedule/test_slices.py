# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Runs over the slices of an inventory, cut as AWX cuts it, become one."""

from __future__ import annotations

import contextlib
import json
import pathlib

import pytest

from tests.compliance.conftest import Held, Verdict, ends, held, listening  # noqa: F401

HOSTS = ["a1", "a2", "b1", "b2", "b3"]
COUNT = 2
JOB = {"awx_job_id": 4712, "awx_workflow_job_id": 4711, "portreeve_slice": f"*/{COUNT}"}
#: A command that keeps each thing it is told in a file of its own, with the state it is given beside it.
LISTENER = 'cat > "$0.$PORTREEVE_STATE"'


def run_slice(held: Held, number: int) -> Verdict:  # noqa: F811
    """Run over what AWX hands a sliced job: of the hosts by name, every COUNT-th; the job is not told its number."""
    return held.comply("--limit", ",".join(sorted(HOSTS)[number - 1 :: COUNT]), **JOB, **told(held))


def told(held: Held) -> dict[str, object]:  # noqa: F811
    """Return the variable that has changes told."""
    return {"portreeve_notify": ["sh", "-c", LISTENER, str(held.place / "told")]}


def merge(held: Held) -> tuple[int, str, dict[str, object], pathlib.Path]:  # noqa: F811
    """Make one run of the slices; return its exit code, last line, summary and directory."""
    run = held.report(portreeve_whole="awx-4711", **told(held))
    newest = (held.reports / "compliance/latest").resolve()
    last = [line for line in run.output.splitlines() if line.strip()][-1]
    return run.code, last, json.loads((newest / "summary.json").read_text()), newest


def test_slices_become_one_run_and_a_missing_one_is_told(held: Held, ends: contextlib.ExitStack) -> None:  # noqa: F811
    held.open(*HOSTS)
    for name in HOSTS[:-1]:  # on b3 nobody listens
        held.hold(ends, name, listening(8080))

    first = run_slice(held, 2)
    assert (first.state, first.summary["counts"]["hosts"]["ok"]) == ("compliant", 2)
    code, last, summary, _where = merge(held)
    assert (code, summary["state"], summary["missing_slices"]) == (2, "incomplete", [2])
    assert "slice" in last
    assert json.loads((held.place / "told.incomplete").read_text())["state"] == "incomplete"

    second = run_slice(held, 1)
    assert second.state == "not_compliant"
    assert not (held.place / "told.not_compliant").exists()  # it is told of the whole
    code, last, summary, where = merge(held)
    assert (code, summary["state"], summary["missing_slices"]) == (2, "not_compliant", [])
    assert (summary["run"], summary["counts"]["hosts"]["ok"]) == ("awx-4711", len(HOSTS))
    assert last.startswith("NOT COMPLIANT: ")
    assert {host["name"] for host in json.loads((where / "report.json").read_text())["hosts"]} == set(HOSTS)
    changes = json.loads((held.place / "told.not_compliant").read_text())
    assert [(one["rule"], one["hosts"]) for one in changes["findings"]] == [("not_listening", ["b3"])]


@pytest.mark.full
def test_slices_that_are_not_there_are_no_run(held: Held) -> None:  # noqa: F811
    held.open("a1")
    held.comply(portreeve_slice="1/2", portreeve_whole="tonight")

    run = held.report(portreeve_whole="last-night")

    assert run.code == 2
    assert "No slice of a run called 'last-night' is recorded." in run.said
