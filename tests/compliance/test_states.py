# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What a run comes to, on real listeners: each end state, and findings over several runs."""

from __future__ import annotations

import contextlib
import datetime
import json
import sys

import pytest

from .conftest import PORT, Held, listening

pytestmark = pytest.mark.slow

FORMATS = {
    "report.html", "report.json", "findings.jsonl", "junit.xml", "portreeve.prom", "report.md", "summary.json",
}  # fmt: skip
OTHER = 8081


def test_a_fleet_as_declared_is_compliant(held: Held, ends: contextlib.ExitStack):
    held.open("web1", "web2")
    for host in ("web1", "web2"):
        held.hold(ends, host, listening(PORT))

    verdict = held.comply()

    assert (verdict.state, verdict.run.code) == ("compliant", 0)
    assert {path.name for path in verdict.directory.iterdir()} == FORMATS
    assert (held.reports / "compliance/latest").resolve() == verdict.directory
    assert (held.reports / "history.sqlite").is_file()
    assert [path.name for path in held.reports.glob("compliance/.*")] == []  # nothing is left of the answers
    noise = ("PLAY", "TASK", "RECAP", "fatal", "=> {", "WARNING", "DEPRECATION")
    assert [word for word in noise if word in verdict.run.output] == []


def test_findings_are_new_then_persist_then_are_resolved(held: Held, ends: contextlib.ExitStack):
    held.open("web1", "web2")
    held.hold(ends, "web1", listening(PORT))
    with contextlib.ExitStack() as wrong:
        held.hold(wrong, "web1", listening(OTHER))

        first = held.comply()
        second = held.comply(portreeve_run="second")

    held.hold(ends, "web2", listening(PORT))
    third = held.comply()

    undeclared, missing = ("web1", "undeclared", f"{OTHER}/tcp"), ("web2", "not_listening", f"{PORT}/tcp")
    assert (first.state, first.run.code) == ("not_compliant", 2)
    assert first.findings == {(*undeclared, "new"), (*missing, "new")}
    assert second.directory.name == second.summary["run"] == "second"
    assert (second.state, second.findings) == ("not_compliant", {(*undeclared, "persisting"), (*missing, "persisting")})
    assert (third.state, third.run.code) == ("compliant", 0)
    assert third.findings == {(*undeclared, "resolved"), (*missing, "resolved")}


@pytest.mark.full
def test_what_does_not_reach_fail_on_is_tolerated(held: Held, ends: contextlib.ExitStack):
    held.open("web1")
    held.hold(ends, "web1", listening(PORT, OTHER))

    verdict = held.comply(portreeve_fail_on="high")

    assert (verdict.state, verdict.run.code) == ("tolerated", 0)
    assert verdict.findings == {("web1", "undeclared", f"{OTHER}/tcp", "new")}


@pytest.mark.full
def test_nothing_fails_a_run_that_is_told_so(held: Held):
    held.open("web1")

    verdict = held.comply(portreeve_fail_on="never")

    assert (verdict.state, verdict.run.code) == ("tolerated", 0)
    assert verdict.findings == {("web1", "not_listening", f"{PORT}/tcp", "new")}


def test_who_was_not_seen_is_no_part_of_a_compliant_fleet(held: Held, ends: contextlib.ExitStack):
    held.open("web1", "web2", "web3", "gone1")
    for host in ("web1", "web2", "web3"):
        held.hold(ends, host, listening(PORT))
    entry = held.place / "web2.python"
    nobody = f"setpriv --reuid 65534 --clear-groups {sys.executable}"
    entry.write_text(entry.read_text().replace(sys.executable, nobody))
    (held.place / "web3.python").write_text("#!/bin/sh\nexit 3\n")

    verdict = held.comply()

    assert (verdict.state, verdict.run.code) == ("incomplete", 2)
    report = json.loads((verdict.directory / "report.json").read_text())
    statuses = {host["name"]: (host["status"], host["reason"]) for host in report["hosts"]}
    assert {name: status for name, (status, _reason) in statuses.items()} == {
        "web1": "ok", "web2": "incomplete", "web3": "failed", "gone1": "unreachable",
    }  # fmt: skip
    assert "not seen: " in statuses["web2"][1]
    assert "Connection refused" in statuses["gone1"][1]
    assert "unreachable" in verdict.run.output
    assert verdict.findings == set()


@pytest.mark.full
def test_a_waiver_holds_until_it_expires(held: Held, ends: contextlib.ExitStack):
    today = datetime.datetime.now(datetime.UTC).date()
    waiver = {"rule": "undeclared", "ports": [OTHER], "reason": "moves out"}
    held.open("web1", portreeve_waivers=[{**waiver, "expires": (today + datetime.timedelta(days=2)).isoformat()}])
    held.hold(ends, "web1", listening(PORT, OTHER))

    waived = held.comply()
    held.declare(portreeve_waivers=[{**waiver, "expires": (today - datetime.timedelta(days=2)).isoformat()}])
    expired = held.comply()

    assert waived.state == "tolerated"
    assert waived.summary["counts"]["waived"] == 1
    assert (expired.state, expired.run.code) == ("not_compliant", 2)
    assert {rule for _host, rule, _place, _standing in expired.findings} == {"undeclared", "waiver_expired"}


def test_a_limited_run_says_nothing_of_other_hosts(held: Held, ends: contextlib.ExitStack):
    held.open("web1", "web2")
    first = held.comply()
    for host in ("web1", "web2"):
        held.hold(ends, host, listening(PORT))

    limited = held.comply("--limit", "web1")
    assert (held.reports / "compliance/latest").resolve() == first.directory
    whole = held.comply()

    assert limited.state == "compliant"
    assert limited.summary["limit"] == "web1"
    assert limited.summary["counts"]["hosts"]["total"] == 1
    assert limited.findings == {("web1", "not_listening", f"{PORT}/tcp", "resolved")}
    assert whole.findings == {("web2", "not_listening", f"{PORT}/tcp", "resolved")}


def test_in_check_mode_all_is_judged_and_nothing_written(held: Held, ends: contextlib.ExitStack):
    held.open("web1")
    first = held.comply()
    written = {path: path.lstat().st_mtime_ns for path in held.reports.rglob("*")}
    held.hold(ends, "web1", listening(PORT, OTHER))

    verdict = held.comply("--check", portreeve_textfile=str(held.place / "metrics.prom"))

    assert first.state == "not_compliant"
    assert verdict.run.code == 2
    assert verdict.last.startswith("NOT COMPLIANT: 1 finding (medium or worse, 1 new)")
    assert f"medium undeclared {OTHER}/tcp on web1" in verdict.run.output
    assert "(not written)" in verdict.run.output
    assert {path: path.lstat().st_mtime_ns for path in held.reports.rglob("*")} == written
    assert not (held.place / "metrics.prom").exists()


@pytest.mark.full
def test_the_first_run_in_check_mode_makes_no_directory(held: Held):
    held.open("web1")

    verdict = held.comply("--check")

    assert verdict.last.startswith("NOT COMPLIANT: ")
    assert not held.reports.exists()


@pytest.mark.full
def test_the_metrics_are_put_where_the_collector_reads_them(held: Held):
    held.open("web1")
    textfile = held.place / "metrics.prom"

    verdict = held.comply(portreeve_textfile=str(textfile))

    assert textfile.read_text() == (verdict.directory / "portreeve.prom").read_text()
    assert "not_listening" in textfile.read_text()
