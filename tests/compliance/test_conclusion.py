# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What cannot be recorded or written is said, and takes nothing along that can be."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import subprocess

import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance import conclusion
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.answers import Answer, write_answer
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.beginning import Begun, Places, begin
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.conclusion import Conclusion, conclude
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.course import moment_of
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.formats import RENDERERS
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.telling import told
from ansible_collections.portreeve.fleet.plugins.plugin_utils.history.store import read_run
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.records import Policy

from bench import fleet_answers
from tests.reservations.world import World

pytestmark = pytest.mark.needs("module:sqlalchemy")

FILES = {renderer.file_name for renderer in RENDERERS}
NOW = 1_777_899_731.0
SILENT = Policy(severities=dict.fromkeys(("undeclared", "undeclared_automatic"), "ignore")).to_wire()


def places_in(place: pathlib.Path, **changes: object) -> Places:
    return dataclasses.replace(Places(place / "reports", str(place / "history.sqlite")), **changes)


def run(places: Places, policy: dict = SILENT, hosts: int = 1, name: str = "monday", **part: object) -> Conclusion:
    begun = begin(Begun(places.runs, name, moment_of(NOW), "medium", 10**10, **part), places, only_look=False)
    answers = [(host, result) for host, result in fleet_answers.answers(3 * hosts) if result][:hosts]
    for host, result in answers:
        write_answer(begun.answers, Answer(host, moment_of(NOW), "ok", None, policy, {**result, "risks": []}))
    return conclude(begun, [host for host, _result in answers], places, only_look=False)


def summary_in(ended: Conclusion) -> dict:
    found: dict = json.loads((ended.directory / "summary.json").read_text())
    return found


def test_a_run_that_can_be_kept_leaves_no_answers(tmp_path: pathlib.Path):
    ended = run(places_in(tmp_path))

    assert ended.run.state in ("compliant", "tolerated")
    assert {path.name for path in ended.directory.iterdir()} == FILES
    assert not list((tmp_path / "reports/compliance").glob(".*"))


@pytest.mark.parametrize("part", [{"limit": "web"}, {"slice_of": (1, 2), "whole": "nightly"}])
def test_what_tells_of_the_fleet_is_left_alone_by_a_run_over_a_part_of_it(tmp_path: pathlib.Path, part: dict):
    places = places_in(tmp_path, textfile=tmp_path / "metrics.prom")
    whole = run(places, hosts=2)
    metrics = (tmp_path / "metrics.prom").read_text()

    ended = run(places, name="tuesday", **part)

    assert {path.name for path in ended.directory.iterdir()} == FILES
    assert (places.runs / "latest").resolve() == whole.directory
    assert (tmp_path / "metrics.prom").read_text() == metrics
    assert read_run(places.history).judged.name == "monday"


def test_a_run_that_cannot_be_recorded_is_reported_and_never_compliant(tmp_path: pathlib.Path):
    places = places_in(tmp_path, textfile=tmp_path / "metrics.prom")
    (tmp_path / "history.sqlite").write_text("it was a database once, but is none any more " * 100)

    ended = run(places)

    assert ended.run.state == "error"
    assert {path.name for path in ended.directory.iterdir()} == FILES
    assert summary_in(ended)["state"] == "error"
    assert 'state="error"} 1' in (tmp_path / "metrics.prom").read_text()
    [said] = summary_in(ended)["unkept"]
    assert "history.sqlite" in said
    last = told(ended)["said"][-1]
    assert last.startswith("ERROR: ")
    assert said.rstrip(".") in last
    assert "history.sqlite" in (ended.directory / "report.html").read_text()
    assert list((tmp_path / "reports/compliance").glob(".answers-*/*.json.gz"))  # they are kept


def test_metrics_that_cannot_be_written_are_said_in_the_report(tmp_path: pathlib.Path):
    ended = run(places_in(tmp_path, textfile=tmp_path / "nowhere/metrics.prom"))

    assert ended.run.state == summary_in(ended)["state"] == "error"
    assert "metrics.prom cannot be written: No such file or directory" in summary_in(ended)["unkept"][0]


def test_a_report_that_cannot_be_written_is_said_wherever_else_one_looks(tmp_path: pathlib.Path):
    places = places_in(tmp_path, textfile=tmp_path / "metrics.prom")
    (places.runs / "monday").mkdir(parents=True)
    (places.runs / "monday/mine").write_text("")

    ended = run(places)

    assert (ended.run.state, ended.files) == ("error", {})
    assert 'state="error"} 1' in (tmp_path / "metrics.prom").read_text()
    assert "cannot be written" in told(ended)["said"][-1]


def test_one_format_that_fails_takes_no_other_along(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch):
    def fails(_view: object) -> str:
        raise ZeroDivisionError("a page of\nno size")

    broken = [dataclasses.replace(one, render=fails) if one.name == "html" else one for one in RENDERERS]
    monkeypatch.setattr(conclusion, "RENDERERS", broken)

    ended = run(places_in(tmp_path))

    assert {path.name for path in ended.directory.iterdir()} == FILES - {"report.html"}
    assert summary_in(ended)["unkept"] == ["report.html could not be rendered: ZeroDivisionError: a page of."]
    assert summary_in(ended)["state"] == "error"


@pytest.mark.needs("root", "unshare", "nsenter", "mount")
def test_on_a_full_disk_the_summary_may_still_find_room(tmp_path: pathlib.Path):
    (tmp_path / "reports").mkdir()

    def fill() -> Conclusion:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96k", "none", str(tmp_path / "reports")], check=True)
        ended = run(places_in(tmp_path), hosts=3)
        assert [path.name for path in ended.directory.iterdir()] == ["summary.json"]
        assert summary_in(ended)["state"] == "error"
        return ended

    with World() as world:
        ended = world.run(fill)

    assert "No space left on device" in ended.run.unkept[0]
    assert set(ended.files) == {"summary"}


def test_a_command_that_cannot_be_told_is_a_warning(tmp_path: pathlib.Path):
    ended = run(places_in(tmp_path, notify=("false",)), policy=Policy().to_wire())

    assert ended.run.state == "not_compliant"
    assert len(ended.warnings) == 1
    assert "false" in ended.warnings[0]
