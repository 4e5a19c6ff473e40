# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The view of a run: nothing in it can end a line, nothing depends on the order in which it came, nothing is lost."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.sentences import closing
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.view import View, view_of
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.host_answer import parse_picture
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.findings import Unjudged
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.runs import Run, Tracked
from hypothesis import given

from .fleets import BEFORE, ENDED, finding, host, limited_fleet, nasty_fleet, picture, run_of, small_fleet
from .hostile import ANY_TIME, runs


def texts(value: Any) -> Iterator[str]:
    """Yield every text in a view, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield key
            yield from texts(part)
    elif isinstance(value, tuple):
        for part in value:
            yield from texts(part)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from texts(getattr(value, field.name))


def shuffled(run: Run, seed: int) -> Run:
    """Return the same run with its hosts and findings in another order."""
    dice = random.Random(seed)
    hosts = dice.sample(run.judged.hosts, len(run.judged.hosts))
    tracked = dice.sample(run.tracked, len(run.tracked))
    return dataclasses.replace(run, judged=dataclasses.replace(run.judged, hosts=tuple(hosts)), tracked=tuple(tracked))


@ANY_TIME
@given(runs())
def test_every_text_stays_on_its_line(run: Run) -> None:
    view = view_of(run)
    assert [text for text in (*texts(view), view.sentence) if not text.isprintable()] == []


def test_what_a_hostile_host_sends_is_shown_not_dropped() -> None:
    assert view_of(nasty_fleet()).hosts[0].name.startswith("ä\\x00\\x1b[2J\\n]]>")


@pytest.mark.parametrize("seed", range(5))
def test_order_of_arrival_does_not_matter(seed: int) -> None:
    assert view_of(shuffled(small_fleet(), seed)) == view_of(small_fleet())


def test_hosts_are_in_natural_order(small: View) -> None:
    assert [host.name for host in small.hosts] == ["db1", "db2", "db3", "web1", "web2", "web10"]


def test_unseen_hosts_come_apart_by_status(small: View) -> None:
    assert small.host_counts == {"unreachable": 1, "failed": 1, "stale": 1, "incomplete": 1, "ok": 2}
    assert [host.name for host in small.unseen] == ["db1", "db2", "db3", "web2"]


def test_the_same_finding_is_one_row(small: View) -> None:
    first = small.findings[0]
    assert (first.row.rule, first.hosts) == ("wrong_owner", ("web1", "web2", "web10"))


def test_counts_are_of_findings_on_single_hosts(small: View) -> None:
    assert small.severity_counts == {"critical": 3, "high": 1, "medium": 1, "low": 1, "info": 0}
    assert small.standing_counts == {"new": 3, "persisting": 2, "unseen": 1, "resolved": 1}
    assert small.rule_counts == {"wrong_owner": 3, "deleted_executable": 1, "not_listening": 1, "undeclared": 1}
    assert (small.waived, small.failing, small.unjudged) == (1, 5, 1)


def test_a_port_bears_the_worst_open_finding_about_it() -> None:
    tracked = [
        Tracked(finding("web1", rule, place, waived=waived), standing, ENDED, ENDED)
        for place, rule, waived, standing in (
            ("80/tcp", "undeclared", None, "new"),
            ("80/tcp", "not_listening", None, "new"),
            ("80/tcp", "wrong_owner", "until 2026-12-31", "new"),
            ("80/tcp", "wrong_owner", None, "resolved"),
            ("81/tcp", "wrong_owner", "until 2026-12-31", "new"),
        )
    ]
    sockets = [{"state": "LISTEN", "local": {"address": "0.0.0.0"}}]
    ports = [{"port": number, "protocol": "tcp", "sockets": sockets} for number in (80, 81)]
    view = view_of(run_of([host("web1", seen=parse_picture({"ports": ports}))], tracked))
    assert [(row.place, row.severity) for row in view.hosts[0].listeners] == [("80/tcp", "high"), ("81/tcp", None)]


def test_resolved_findings_are_apart(small: View) -> None:
    web10 = small.hosts[-1]
    assert [row.rule for row in web10.findings] == ["wrong_owner"]
    assert [row.rule for row in web10.resolved] == ["hung_listener"]
    assert [(one.row.rule, one.row.fails) for one in small.resolved] == [("hung_listener", False)]


def test_the_trend_ends_with_this_run(small: View) -> None:
    assert [point.state for point in small.trend] == ["not_compliant", "not_compliant"]
    assert small.trend[-1].severities == small.severity_counts
    assert small.trend[-1].hosts == small.host_counts


LOW = Tracked(finding("web1", "deleted_executable", "443/tcp"), "new", ENDED, ENDED)
WAIVED = Tracked(finding("web1", "wrong_owner", waived="until 2026-12-31"), "new", BEFORE, ENDED)
UNSEEN = Tracked(finding("web2", "wrong_owner"), "unseen", BEFORE, BEFORE)


@pytest.mark.parametrize(
    ("run", "sentence"),
    [
        (run_of([host("web1"), host("web2")]), "COMPLIANT: all 2 hosts are as declared."),
        (run_of([host("web1")], [LOW]), "TOLERATED: 1 finding (1 below medium) on 1 of 1 host."),
        (run_of([host("web1")], [WAIVED]), "TOLERATED: 1 finding (1 waived) on 1 of 1 host."),
        (
            run_of([host("web1")], [LOW], fail_on="low"),
            "NOT COMPLIANT: 1 finding (low or worse, 1 new) on 1 of 1 host.",
        ),
        (
            run_of([host("web1")], [WAIVED, LOW], fail_on="never"),
            "TOLERATED: 2 findings (1 that fail no run, 1 waived) on 1 of 1 host.",
        ),
        (
            run_of([host("web1"), host("web2", "unreachable", reason="no route")]),
            "INCOMPLETE: nothing was found; 1 host unreachable.",
        ),
        (
            run_of([host("web1"), host("web2", "unreachable", reason="no route")], [UNSEEN], fail_on="critical"),
            "NOT COMPLIANT: 1 finding (critical, 1 from before and not judged anew) on 1 of 2 hosts; "
            "1 host unreachable.",
        ),
        (
            run_of([host("web1", unjudged=(Unjudged("web1", "squatted", "", "not root"),))], missing=(2, 3)),
            "INCOMPLETE: nothing was found; 1 rule not judged on 1 host; 2 slices missing (2 and 3).",
        ),
        (run_of([]), "INCOMPLETE: nothing was found; no host was asked."),
        (
            run_of([host("web1")], [WAIVED], unkept=("The history could not be written: disk full.",)),
            "ERROR: The history could not be written: disk full; 1 finding (1 waived) on 1 of 1 host.",
        ),
    ],
)
def test_the_last_line_says_the_state_and_why(run: Run, sentence: str) -> None:
    assert closing(view_of(run)) == sentence


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ("web1", "COMPLIANT: the only host asked is as declared; limited to web1."),
        ("a\n" + 200 * "b", "COMPLIANT: the only host asked is as declared; limited to a\\n" + 76 * "b" + "…."),
    ],
)
def test_a_limited_run_is_not_taken_for_the_fleet(limit: str, said: str) -> None:
    assert view_of(limited_fleet(limit)).sentence == said


def test_a_slice_is_not_taken_for_the_fleet() -> None:
    run = run_of([host("web1", seen=picture("web1"))])
    part = dataclasses.replace(run, judged=dataclasses.replace(run.judged, slice_of=(1, 2), whole="monday"))
    assert view_of(part).sentence == "COMPLIANT: the only host asked is as declared; slice 1 of 2."
