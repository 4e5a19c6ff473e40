# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""How far a run may go, and when: budgets before and during it, the maintenance window."""

from __future__ import annotations

import datetime

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import InvalidInput
from ansible_collections.portreeve.fleet.plugins.plugin_utils.remediation.budgets import (
    Limits,
    exceeded,
    read_limits,
    tightest,
)
from ansible_collections.portreeve.fleet.plugins.plugin_utils.remediation.gate import (
    why_closed,
    why_no_host,
    why_no_wave,
)
from ansible_collections.portreeve.fleet.plugins.plugin_utils.remediation.plans import build, hosts_to_do
from ansible_collections.portreeve.fleet.plugins.plugin_utils.remediation.windows import parse_window

from .looks import look, port_found, step, unit

TWICE = [unit("a.service"), {**unit("a.service"), "if_still_held": True}, step("destroy", pid=9)]
FLEET = {
    "web1": look(port_found("due", steps=TWICE), port_found("due", 81, steps=[unit("a.service"), unit("b.service")])),
    "web2": look(port_found("due", steps=[step(pid=1000), step(pid=1001)])),
    "db1": look(port_found("due", steps=[step("detach")])),
    "db2": look(port_found("needless")),
}
GROUPS = {"all": list(FLEET), "ungrouped": [], "web": ["web1", "web2"], "db": ["db1", "db2"]}


@pytest.mark.parametrize(
    ("limits", "sentences"),
    [
        ({}, []),
        ({"most_hosts": 3, "most_owners_per_host": 2, "most_owners_per_group": 4, "most_failed": 0}, []),
        ({"most_hosts": 2}, ["The plan acts on 3 hosts, but most_hosts is 2."]),
        (
            {"most_owners_per_host": 1},
            [
                "The plan acts on 2 owners on web1 (a.service, b.service), but most_owners_per_host is 1.",
                "The plan acts on 2 owners on web2 (sleep[1000], sleep[1001]), but most_owners_per_host is 1.",
            ],
        ),
        (
            {"most_owners_per_group": 3},
            ["The plan acts on 4 owners in the group web, but most_owners_per_group is 3."],
        ),
    ],
)
def test_what_a_plan_would_exceed_is_said_beforehand(limits, sentences):
    plan = build(FLEET, {}, "", "")
    assert list(exceeded(plan, hosts_to_do(plan), GROUPS, Limits(**limits))) == sentences


def test_who_is_dragged_along_counts_as_well():
    others = {**unit("a.service"), "others": ["b.service", "c.service"]}
    port = port_found("due", steps=[others])
    port["plan"]["then"] = {"verb": "restart", "unit": "shop.service", "others": ["d.service"], "harm": ""}
    plan = build({"web1": look(port)}, {}, "", "")

    (sentence,) = exceeded(plan, ["web1"], GROUPS, Limits(most_owners_per_host=4))

    assert "5 owners on web1 (a.service, b.service, c.service, d.service, shop.service)" in sentence
    plan["hosts"]["web1"]["ports"][0]["plan"]["then"]["verb"] = "start"
    assert list(exceeded(plan, ["web1"], GROUPS, Limits(most_owners_per_host=4))) == []


def test_hosts_that_the_run_does_not_reach_do_not_count():
    plan = build(FLEET, {}, "", "")
    assert list(exceeded(plan, ["db1"], GROUPS, Limits(1, 0, 0, 0))) == []


def test_limits_may_be_texts_and_the_smaller_one_counts():
    assert read_limits({"most_hosts": "10", "most_failed": 0, "other": 1}) == Limits(most_hosts=10, most_failed=0)
    assert read_limits({"most_hosts": "", "most_failed": None}) == Limits()
    assert tightest(Limits(10, 2), Limits(3, None, 5)) == Limits(3, 2, 5)


@pytest.mark.parametrize("given", ["-1", -1, "two", True, 1.5, "5%", []])
def test_a_limit_that_is_none_is_refused(given):
    with pytest.raises(InvalidInput, match=r"^most_failed is .*: accepted is a whole number from 0 on"):
        read_limits({"most_failed": given})


def journal(*events: dict, most_failed: int | None = 1, health: bool = False) -> list[dict]:
    return [{"event": "run", "limits": {"most_failed": most_failed}, "health": health}, *events]


def over(host: str, outcome: str) -> dict:
    return {"event": "end", "host": host, "outcome": outcome}


@pytest.mark.parametrize(
    ("outcomes", "most_failed", "goes_on"),
    [
        ([], 0, True),
        (["done", "refused", "not done"], 0, True),
        (["failed"], 0, False),
        (["undone"], 0, False),
        (["failed", "done"], 1, True),
        (["failed", "done", "failed"], 1, False),
        (["failed"] * 9, None, True),
    ],
)
def test_the_run_ends_with_the_first_failure_beyond_the_budget(outcomes, most_failed, goes_on):
    lines = journal(*(over(f"web{number}", one) for number, one in enumerate(outcomes)), most_failed=most_failed)
    assert (why_no_host(lines) is None) is goes_on


@pytest.mark.parametrize(
    ("ports", "goes_on"),
    [
        ([("done", True), ("left", False)], True),
        ([("done", False), ("refused", False)], True),
        ([("done", True), ("refused", False)], False),
        ([("done", False), ("undone", True)], False),
    ],
)
def test_a_host_done_in_part_has_failed_if_more_than_the_plan_refused(ports, goes_on):
    told = [{"outcome": outcome, "changed": changed} for outcome, changed in ports]
    lines = journal({**over("web1", "done in part"), "ports": told}, most_failed=0)
    assert (why_no_host(lines) is None) is goes_on


def test_why_the_run_ends_names_the_hosts():
    lines = journal(*(over(f"web{number}", "failed") for number in range(7)))
    assert why_no_host(lines) == ("7 hosts have failed (web0, web1, web2, web3, web4 and 2 more), but most_failed is 1")
    assert why_no_host([*journal(), {"event": "ended", "why": "somebody said so"}]) == "somebody said so"


def test_a_wave_waits_for_the_health_of_those_before():
    done = [over("web1", "done"), over("web2", "refused"), over("web3", "done")]
    well = [{"event": "healthy", "host": "web1"}]

    assert why_no_wave(journal(*done, *well)) is None
    assert why_no_wave(journal(*done, *well, health=True)) == "the health check has not been passed by web3"
    assert why_no_wave(journal(*done, *well, {"event": "healthy", "host": "web3"}, health=True)) is None
    assert why_no_host(journal(*done, *well, health=True)) is None  # within a wave nobody waits for it


def test_no_wave_is_begun_after_other_servers_fell():
    fell = {**over("web1", "done"), "ports": [{"fell": ["9000/tcp is served no more."]}]}
    fine = {**over("web2", "done"), "ports": [{"outcome": "done"}]}

    assert why_no_wave(journal(fine)) is None
    assert why_no_wave(journal(fell, fine)) == "other servers fell on web1"


def at(text: str, zone: str = "+00:00") -> datetime.datetime:
    return datetime.datetime.fromisoformat(f"{text}{zone}")


@pytest.mark.parametrize(
    ("window", "now", "is_open"),
    [
        ("22:00-04:00", "2026-05-04T21:59:59", False),
        ("22:00-04:00", "2026-05-04T22:00:00", True),
        ("22:00-04:00", "2026-05-05T00:00:00", True),
        ("22:00-04:00", "2026-05-05T03:59:59", True),
        ("22:00-04:00", "2026-05-05T04:00:00", False),
        ("09:30-17:00", "2026-05-05T09:29:59", False),
        ("09:30-17:00", "2026-05-05T12:00:00", True),
        ("09:30-17:00", "2026-05-05T17:00:00", False),
        ("22:00-04:00 Europe/Berlin", "2026-07-01T20:00:00", True),
        ("22:00-04:00 Europe/Berlin", "2026-01-01T20:30:00", False),  # winter
        ("00:00-00:01 Asia/Kolkata", "2026-05-04T18:30:30", True),
    ],
)
def test_when_a_window_is_open(window, now, is_open):
    assert parse_window(window).is_open(at(now)) is is_open
    assert (why_closed(parse_window(window), at(now)) is None) is is_open


def test_the_zone_of_the_moment_does_not_matter():
    assert parse_window("22:00-04:00").is_open(at("2026-05-04T23:30:00", "+02:00")) is False
    assert why_closed(parse_window("22:00-04:00"), at("2026-05-04T12:00:00")) == (
        "the maintenance window 22:00-04:00 UTC is closed"
    )
    assert why_closed(None, at("2026-05-04T12:00:00")) is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("22-04", "cannot be read: accepted is a text such as '22:00-04:00' or"),
        ("24:00-04:00", "cannot be read"),
        ("22:00-04:60", "cannot be read"),
        ("", "cannot be read"),
        (79200, "cannot be read"),
        ("22:00-22:00", "opens when it closes"),
        ("22:00-04:00 Mars/Olympus", "has a time zone that is not known here"),
        ("22:00-04:00 ../../etc/passwd", "has a time zone that is not known here"),
    ],
)
def test_a_window_that_is_none_is_refused_in_a_sentence(text, sentence):
    with pytest.raises(InvalidInput) as refused:
        parse_window(text)
    assert str(refused.value).startswith("The maintenance window ")
    assert sentence in str(refused.value)
