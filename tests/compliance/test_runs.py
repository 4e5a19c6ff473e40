# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Runs that are cut off, that meet others, that are large, and that are looked at again."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal

import pytest

from .conftest import PORT, Held, listening, until

pytestmark = pytest.mark.slow

OTHER = 8081


def test_a_run_that_is_killed_leaves_the_next_one_alone(held: Held, ends: contextlib.ExitStack):
    held.open("web1", "web2")
    stuck = held.place / "web2.python"
    works = stuck.read_text()
    stuck.write_text(f"#!/bin/sh\necho $$ > {held.place}/stuck\nexec sleep 600\n")
    held.hold(ends, "web1", listening(PORT))

    with held.complying() as killed:
        until(lambda: (held.place / "stuck").exists() and (held.place / "stuck").read_text().endswith("\n"))
        ends.callback(os.kill, int((held.place / "stuck").read_text()), signal.SIGKILL)  # it outlives the controller
        until(lambda: list(held.reports.glob("compliance/.answers-*/*.json.gz")))
        [left] = held.reports.glob("compliance/.answers-*")
        assert left.stat().st_mode & 0o777 == 0o700
        os.killpg(killed.pid, signal.SIGKILL)
    assert held.runs() == set()
    assert not list(held.reports.glob("history.sqlite*"))

    stuck.write_text(works)
    held.hold(ends, "web2", listening(PORT))
    verdict = held.comply()

    assert (verdict.state, verdict.run.code) == ("compliant", 0)
    assert verdict.summary["counts"]["hosts"]["ok"] == 2
    assert left.is_dir()  # somebody may want to look

    os.utime(left, (1, 1))
    held.comply()

    assert not left.exists()


def test_two_runs_at_once_are_two_runs(held: Held, ends: contextlib.ExitStack):
    held.open("web1", "web2")
    held.hold(ends, "web1", listening(PORT))

    with held.complying() as one, held.complying() as other:
        said = [run.communicate(timeout=120)[0] for run in (one, other)]

    assert (one.returncode, other.returncode) == (2, 2), said
    assert len(held.runs()) == 2
    summaries = [json.loads((held.reports / f"compliance/{name}/summary.json").read_text()) for name in held.runs()]
    assert sorted(summary["counts"]["standings"]["new"] for summary in summaries) == [0, 1]
    assert sorted(summary["counts"]["standings"]["persisting"] for summary in summaries) == [0, 1]
    assert (held.reports / "compliance/latest").resolve().name in held.runs()


def test_a_past_run_is_reported_as_it_was_then_and_nobody_is_asked(held: Held, ends: contextlib.ExitStack):
    held.open("web1", "gone1")
    with contextlib.ExitStack() as wrong:
        held.hold(wrong, "web1", listening(OTHER))
        first = held.comply()
    held.hold(ends, "web1", listening(PORT))
    second = held.comply()
    (held.place / "web1.visited").unlink()

    latest = held.report()
    past = held.report(portreeve_run=first.directory.name)
    changed = held.report(portreeve_since=first.directory.name)

    assert (latest.code, past.code, changed.code) == (0, 0, 0), latest.output
    for verdict, told in ((first, past), (second, latest)):
        again = held.reports / "past" / verdict.directory.name
        then = {path.name: path.read_bytes() for path in verdict.directory.iterdir()}
        assert {path.name: path.read_bytes() for path in again.iterdir()} == then
        assert told.output.splitlines()[-1] == verdict.last
    [change] = held.reports.glob("past/*..*")
    assert change.name == f"{first.directory.name}..{second.directory.name}"
    said = (change / "changes.md").read_text()
    assert f"{OTHER}/tcp" in said
    assert f"{PORT}/tcp" in said
    assert "2 findings resolved" in changed.output.splitlines()[-1]
    assert held.visited() == set()


@pytest.mark.full
def test_a_past_run_that_is_not_there_is_said(held: Held):
    held.open("web1")
    nothing = held.report()
    held.comply()

    unknown = held.report(portreeve_run="monday")

    assert nothing.code == unknown.code == 2
    assert nothing.output.splitlines()[-1].startswith("ERROR: ")
    assert "'monday'" in unknown.output.splitlines()[-1]
    assert not (held.reports / "past").exists()


@pytest.mark.full
def test_a_report_on_the_past_in_check_mode_writes_nothing(held: Held):
    held.open("web1")
    verdict = held.comply()

    told = held.report("--check")

    assert told.code == 0
    assert told.output.splitlines()[-1] == verdict.last
    assert not (held.reports / "past").exists()


def test_what_ansible_keeps_of_an_answer_is_small(held: Held, ends: contextlib.ExitStack):
    held.open("web1")
    held.hold(ends, "web1", listening(*range(PORT, PORT + 100)))
    held.environment["PORTREEVE_OUTPUT"] = "json"

    run = held.comply().run

    begun, collected, judged = (json.loads(line) for line in run.output.splitlines())
    assert (collected["host"], collected["status"], collected["ports"]) == ("web1", "ok", 100)
    assert len(json.dumps(collected)) < 400
    assert begun["run"] == judged["run"]
    assert judged["state"] == "not_compliant"


@pytest.mark.full
def test_fifty_hosts_in_one_run(held: Held, ends: contextlib.ExitStack):
    hosts = [f"web{number}" for number in range(1, 51)]
    held.open(*hosts)
    for host in hosts:
        held.hold(ends, host, listening(*range(PORT, PORT + (61 if host == "web50" else 60))))
    held.declare(portreeve_allowed=[{"name": "others", "ports": ["8081-8139"]}])

    verdict = held.comply()

    assert verdict.findings == {("web50", "undeclared", "8140/tcp", "new")}
    assert verdict.last == "NOT COMPLIANT: 1 finding (medium or worse, 1 new) on 1 of 50 hosts."
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert most < 400 * 1024  # KiB, of the largest process
