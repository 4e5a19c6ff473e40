# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What would keep a run from its end is said before any host is contacted, all of it at once."""

from __future__ import annotations

import pytest

from .conftest import SHOP, Held

pytestmark = pytest.mark.slow


def test_mistakes_of_all_hosts_end_the_run_before_any_is_contacted(held: Held):
    held.open("web1", "web2", "gone1", portreeve_allowed=[{"name": "ssh"}])
    held._write("host_vars/gone1.yml", {"portreeve_waivers": [{"rule": "undeclard", "reason": "x", "expires": "soon"}]})
    held._write(
        "host_vars/web2.yml", {"portreeve_applications_own": [{**SHOP, "name": "till", "onwer": {"unit": "x"}}]}
    )

    verdict = held.comply()

    assert verdict.run.code == 2
    for part in ("portreeve_allowed", "'undeclard'", "'soon'", "onwer", "web2.yml", "accepted "):
        assert part in verdict.run.output, part
    assert verdict.last.startswith("ERROR: no host was asked, because of ")
    assert held.visited() == set()
    assert "nreachable" not in verdict.run.output
    assert not held.reports.exists()


def test_what_cannot_be_kept_is_said_before_any_host_is_contacted(held: Held):
    held.open("web1")
    (held.place / "file").write_text("")

    verdict = held.comply(
        portreeve_history=str(held.place / "file/history.sqlite"),
        portreeve_textfile=str(held.place / "nowhere/metrics.prom"),
        portreeve_notify=["/nowhere/mail"],
        portreeve_run="../up",
        portreeve_stale_after="soon",
    )

    assert verdict.run.code == 2
    assert verdict.last == "ERROR: no host was asked, because of 5 mistakes."
    for part in (
        "file/history.sqlite",
        "nowhere/metrics.prom",
        "/nowhere/mail",
        "portreeve_run is '../up'",
        "portreeve_stale_after is 'soon'",
    ):
        assert part in verdict.run.output, part
    assert held.visited() == set()


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("portreeve_fail_on", "sometimes", "portreeve_fail_on is 'sometimes': accepted are info, "),
        pytest.param("portreeve_slice", "5/4", "portreeve_slice is '5/4'", marks=pytest.mark.full),
        ("portreeve_slice", "2/4", "portreeve_whole is empty"),
        pytest.param("portreeve_keep_days", "long", "portreeve_keep_days is 'long'", marks=pytest.mark.full),
        ("portreeve_history", "mysql://me:secret@db/x", "mysql://db/x"),
    ],
)
def test_a_setting_that_is_not_accepted_ends_the_run_as_well(held: Held, variable: str, value: str, said: str):
    held.open("web1")

    verdict = held.comply(**{variable: value})

    assert verdict.run.code == 2
    assert said in verdict.run.said
    assert "secret" not in verdict.run.output
    assert verdict.last.startswith("ERROR: ")
    assert held.visited() == set()
    assert not held.reports.exists()


@pytest.mark.full
def test_a_name_is_given_once(held: Held):
    held.open("web1")
    held.comply(portreeve_run="monday")

    verdict = held.comply(portreeve_run="monday")

    assert verdict.run.code == 2
    assert "There is a run monday already" in verdict.run.output


@pytest.mark.parametrize(
    ("groups", "pattern", "limit"),
    [
        pytest.param({"web": []}, "all", (), id="an empty inventory"),
        pytest.param({"web": ["web1"]}, "nowhere", (), id="a pattern of none"),
        pytest.param({"web": ["web1"], "db": ["db1"]}, "web", ("--limit", "db"), id="a limit to others"),
    ],
)
def test_a_run_without_hosts_is_no_success(held: Held, groups: dict, pattern: str, limit: tuple[str, ...]):
    held.set_up(groups)

    verdict = held.comply(*limit, portreeve_hosts=pattern)

    assert verdict.run.code == 2
    assert verdict.last == "ERROR: no host was asked, because of 1 mistake."
    assert f"No host is of the pattern {pattern}" in verdict.run.output
    assert held.visited() == set()
    assert not held.reports.exists()
