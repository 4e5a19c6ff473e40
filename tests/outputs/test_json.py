# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""JSON and JSON lines: by the published schema, whatever the hosts are called, and nothing left out."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance import as_json, as_jsonl, as_summary
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.changes import changes_view
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.view import View, view_of
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.rules import RULES, SEVERITIES
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.runs import Run
from hypothesis import given

from ..conftest import ROOT
from .fleets import limited_fleet, small_fleet
from .hostile import ANY_TIME, runs

SCHEMA = json.loads(
    (ROOT / "collections/ansible_collections/portreeve/fleet/docs/portreeve.compliance-1.schema.json").read_text(
        "utf-8"
    )
)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def read(view: View) -> dict[str, Any]:
    """Return what is read back of a view, after its validation."""
    found = json.loads(as_json.render(view))
    VALIDATOR.validate(found)
    return found


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$defs"]["rule"]["enum"] == list(RULES)
    assert set(SCHEMA["$defs"]["severity"]["enum"]) == set(SEVERITIES)


def test_every_object_of_the_schema_is_closed() -> None:
    def objects(part: Any) -> list[dict[str, Any]]:
        parts = part.values() if isinstance(part, dict) else part if isinstance(part, list) else []
        own = [part] if isinstance(part, dict) and part.get("type") == "object" else []
        return own + [one for inner in parts for one in objects(inner)]

    assert [one for one in objects(SCHEMA) if one.get("additionalProperties", True) is True] == []


@ANY_TIME
@given(runs())
def test_output_follows_the_schema_whatever_hosts_send(run: Run) -> None:
    text = as_json.render(view_of(run))
    assert text.isascii()
    VALIDATOR.validate(json.loads(text))


def test_output_follows_the_schema(view: View) -> None:
    read(view)


@pytest.mark.parametrize("lost", ["state", "counts", "hosts", "matrix"])
def test_the_schema_misses_what_is_left_out(small: View, lost: str) -> None:
    found = read(small)
    del found[lost]
    assert not VALIDATOR.is_valid(found)


def test_all_listeners_and_findings_are_there(small: View) -> None:
    found = read(small)
    assert [host["name"] for host in found["hosts"]] == ["db1", "db2", "db3", "web1", "web2", "web10"]
    assert [len(host["listeners"]) for host in found["hosts"]] == [len(host.listeners) for host in small.hosts]
    assert found["findings"][0]["hosts"] == ["web1", "web2", "web10"]
    assert {row["place"] for row in found["matrix"]} >= {"8080/tcp", "4444/tcp"}


def test_hosts_of_the_matrix_are_positions(small: View) -> None:
    found = read(small)
    row = next(row for row in found["matrix"] if row["place"] == "5432/tcp")
    assert {found["hosts"][number]["name"] for cell in row["cells"] for number in cell["hosts"]} >= {"db1"}


def test_json_lines_tell_of_each_finding_and_each_host_not_seen(small: View) -> None:
    lines = [json.loads(line) for line in as_jsonl.render(small).splitlines()]
    assert (lines[0]["kind"], lines[0]["state"]) == ("run", "not_compliant")
    kinds = [line["kind"] for line in lines]
    assert (kinds.count("finding"), kinds.count("host"), kinds.count("unjudged")) == (8, 4, 1)
    assert {line["host"] for line in lines if line["kind"] == "host"} == {"db1", "db2", "db3", "web2"}
    assert {line["run"] for line in lines} == {"2026-11-21T020000Z-7f3a"}


@ANY_TIME
@given(runs())
def test_json_lines_are_lines(run: Run) -> None:
    text = as_jsonl.render(view_of(run))
    assert text.isascii()
    assert all(json.loads(line)["format"] == "portreeve.finding/1" for line in text.splitlines())


def test_the_summary_has_state_and_counts(small: View) -> None:
    found = json.loads(as_summary.render(small))
    assert (found["format"], found["state"]) == ("portreeve.summary/1", "not_compliant")
    assert found["counts"] == read(small)["counts"]
    assert found["sentence"] == small.sentence


def test_changes_between_two_runs() -> None:
    found = json.loads(as_json.render_changes(changes_view("one", "two", small_fleet().tracked)))
    assert (found["from"], found["to"]) == ("one", "two")
    assert {one["fails"] for one in found["findings"]} == {False}
    assert found["standings"] == {"new": 3, "persisting": 3, "unseen": 1, "resolved": 1}
    assert found["findings"][0]["hosts"] == ["web1", "web2", "web10"]


def test_changes_say_what_fails_the_run() -> None:
    changes = changes_view("one", "two", small_fleet().tracked, "high")
    found = json.loads(as_json.render_changes(changes))["findings"]
    failing = {one["rule"] for one in found if one["fails"]}
    assert failing == {one.row.rule for one in view_of(small_fleet()).findings if one.row.fails} - {"undeclared"}
    assert "wrong_owner" in failing


def test_what_is_resolved_gives_nobody_anything_to_do(small: View) -> None:
    found = read(small)
    assert [one["advice"] for one in found["resolved"]] == [""]
    assert {bool(one["advice"]) for one in found["findings"]} == {True}


def test_a_limited_run_says_so() -> None:
    view = view_of(limited_fleet())
    assert (read(view)["limit"], json.loads(as_summary.render(view))["limit"]) == ("web1", "web1")
    assert json.loads(as_jsonl.render(view).splitlines()[0])["limit"] == "web1"
