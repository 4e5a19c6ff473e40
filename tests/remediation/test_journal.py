# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The record of a run: what is on the disk whatever happens, and what becomes of it in the end."""

from __future__ import annotations

import json
import os
import pathlib
import resource

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import InvalidInput
from ansible_collections.portreeve.fleet.plugins.plugin_utils.remediation.budgets import Limits
from ansible_collections.portreeve.fleet.plugins.plugin_utils.remediation.closing import remediation
from ansible_collections.portreeve.fleet.plugins.plugin_utils.remediation.health import read_health
from ansible_collections.portreeve.fleet.plugins.plugin_utils.remediation.journal import Journal
from ansible_collections.portreeve.fleet.plugins.plugin_utils.remediation.pages import remediation_page
from ansible_collections.portreeve.fleet.plugins.plugin_utils.remediation.plans import build
from ansible_collections.portreeve.fleet.plugins.plugin_utils.remediation.running import Order, begin, begin_host, close

from .looks import look, port_found, step

NAMES = ["web1", "web2", "web3"]


@pytest.fixture
def plan(tmp_path: pathlib.Path) -> dict:
    """Return a plan for three hosts, which is in plan.json."""
    made = build({name: look(port_found("due", steps=[step()])) for name in NAMES}, {}, "", "")
    (tmp_path / "plan.json").write_text(json.dumps(made))
    return made


def begun(place: pathlib.Path, plan: dict, **more):
    """Return the record of a new run, and its first line."""
    order = Order(str(place / "plan.json"), plan["digest"], str(place / "records"), Limits(most_failed=0), **more)
    return begin(order, NAMES, {})


def became(outcome: str, **more) -> dict:
    return {"application": "shop", "port": 8080, "protocol": "tcp", "outcome": outcome, "summary": outcome, **more}


@pytest.mark.parametrize("torn", ['{"event": "begin", "ho', "\0\0\0", '{"event": "begin"}\n{"ev'])
def test_a_line_that_was_cut_short_spoils_no_other(tmp_path: pathlib.Path, torn: str):
    journal = Journal(tmp_path / "run/journal.jsonl")
    journal.begin(run="r1")
    with journal.path.open("a") as stream:
        stream.write(torn)

    journal.append("end", host="web1")

    assert [line["event"] for line in journal.read()][-1] == "end"
    assert journal.read()[0]["run"] == "r1"


@pytest.mark.parametrize("content", ["", "}", '{"event": "run"}\n', "\xff\xfe"])
def test_a_record_that_cannot_be_read_stops_no_later_run(tmp_path: pathlib.Path, plan: dict, content: str):
    other = tmp_path / "records/2026-01-01T000000Z/journal.jsonl"
    other.parent.mkdir(parents=True)
    other.write_bytes(content.encode("latin-1"))

    _record, header = begun(tmp_path, plan)

    (sentence,) = header["earlier"]
    assert sentence.startswith(f"{other} is no journal of a run.")


def test_a_disk_that_is_full_is_said_and_leaves_no_part_of_a_line(tmp_path: pathlib.Path):
    journal = Journal(tmp_path / "run/journal.jsonl")
    journal.begin(run="r1")
    before = journal.path.read_text()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, limits[1]))
    try:
        with pytest.raises(InvalidInput, match=r"cannot be recorded in .*: File too large"):
            journal.append("begin", host="web1")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert journal.path.read_text() == before


def test_what_came_of_each_host_is_told_for_people_and_programs(tmp_path: pathlib.Path, plan: dict):
    record, _header = begun(tmp_path, plan)
    assert [begin_host(record, name) for name in NAMES[:2]] == [None, None]
    record.journal.append("reserved", host="web1", application="shop", port=8080, protocol="tcp")
    record.journal.append("end", host="web1", outcome="failed", why="unreachable: gone", ports=[])

    found = close(record)

    assert {name: host["outcome"] for name, host in found["hosts"].items()} == {
        "web1": "failed", "web2": "failed", "web3": "not done"
    }  # fmt: skip
    assert found["hosts"]["web1"]["not_undone"] == ["the reservation of 8080/tcp for shop"]
    assert "nothing is known of how it ended" in found["hosts"]["web2"]["why"]
    assert json.loads(record.result.read_text()) == found
    assert "- **not undone**: the reservation of 8080/tcp for shop" in record.page.read_text().replace("  - **", "- **")


def test_a_host_on_which_other_servers_fell_says_so(tmp_path: pathlib.Path, plan: dict):
    record, header = begun(tmp_path, plan)
    port = became("done", fell=["9000/tcp is served no more."])
    lines = [*record.journal.read(), {"event": "end", "host": "web1", "outcome": "done", "why": None, "ports": [port]}]

    found = remediation(lines, plan, "")

    assert found["hosts"]["web1"]["fell"] == ["9000/tcp is served no more."]
    assert found["run"] == header["run"]
    assert "`web1`" in remediation_page(found)


@pytest.mark.parametrize(
    ("check", "told", "summary"),
    [
        (False, "Done in part", "Done on 0 of 3 hosts. Done in part: 1 (web1). Not done: 2 (web2, web3)."),
        (True, "Would be done in part",
         "Would be done on 0 of 3 hosts. Would be done in part: 1 (web1). Not done: 2 (web2, web3)."),
    ],
)  # fmt: skip
def test_a_host_done_in_part_is_told_as_such_and_what_was_left_out_too(
    tmp_path: pathlib.Path, plan: dict, check: bool, told: str, summary: str
):
    record, _header = begun(tmp_path, plan, check=check)
    ports = [became("done"), became("left", port=81)]
    end = {"event": "end", "host": "web1", "outcome": "done in part", "why": "some", "ports": ports}
    first = {**record.journal.read()[0], "left_out": {"gone": "unreachable when the plan was made: gone"}}

    found = remediation([first, end], plan, "")

    assert found["summary"] == f"{summary} Left out: 1 (gone)."
    assert found["hosts"]["web1"]["as_approved"] is True
    page = remediation_page(found)
    assert f"## {told}: 1 host" in page
    assert f"shop, 8080/tcp, {'would be done' if check else 'done'}: done" in page
    assert "shop, 81/tcp, left: left" in page


def test_no_host_is_begun_after_the_budget(tmp_path: pathlib.Path, plan: dict):
    record, _header = begun(tmp_path, plan)
    record.journal.append("end", host="web1", outcome="failed", why="no", ports=[])

    assert begin_host(record, "web2") == "1 host has failed (web1), but most_failed is 0"
    assert begin_host(record, "web3") == "1 host has failed (web1), but most_failed is 0"
    assert [line["event"] for line in record.journal.read()] == ["run", "end", "ended"]


def test_two_runs_of_the_same_second_have_records_of_their_own(tmp_path: pathlib.Path, plan: dict):
    assert begun(tmp_path, plan)[0].directory != begun(tmp_path, plan)[0].directory


PLACES = ["53/udp", "8080/tcp", "8081/tcp"]


@pytest.mark.parametrize(
    ("given", "ports"),
    [([8080], ["8080/tcp"]), (["8080-8081"], ["8080/tcp", "8081/tcp"]), (["53/udp", 8080], ["53/udp", "8080/tcp"]),
     ("8080", ["8080/tcp"]), (8081, ["8081/tcp"])],
)  # fmt: skip
def test_declared_ports_are_a_health_check(given, ports):
    assert read_health(given, PLACES) == {"ports": ports, "file": None}


def test_a_file_of_tasks_is_found_from_where_one_is(tmp_path: pathlib.Path):
    (tmp_path / "health.yml").write_text("[]")
    relative = os.path.relpath(tmp_path / "health.yml")

    assert read_health(relative, PLACES) == {"ports": [], "file": str(tmp_path / "health.yml")}
    assert read_health([], PLACES) is read_health("", PLACES) is read_health(None, PLACES) is None


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([9999], "The health check asks for 9999, which is declared with an owner on no host of the run."),
        ([8080, 53], "The health check asks for 53, which is declared"),
        (["8080/udp"], "The health check asks for '8080/udp', which is declared"),
        ("health.yml", "is not there: accepted is a file of tasks, or declared ports."),
        (["http"], "'http' is not a port"),
    ],
)
def test_a_health_check_of_nothing_is_refused(given, sentence):
    with pytest.raises(InvalidInput) as refused:
        read_health(given, PLACES)
    assert sentence in str(refused.value)
