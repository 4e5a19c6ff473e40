# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""JUnit: a case per host and rule, counted rightly, within the rules of both schemas in use."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ET

import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance import as_junit
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.rows import safe
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.view import View, view_of
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.rules import RULES
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.runs import COMPLIANT, TOLERATED, Run, Tracked
from hypothesis import given

from .fleets import BEFORE, finding, host, nasty_fleet, run_of
from .hostile import ANY_TIME, runs

#: What https://github.com/windyroad/JUnit-Schema demands of a suite; junit-10.xsd of Jenkins' xunit plugin allows it.
SUITE = {"name", "package", "id", "hostname", "timestamp", "time", "tests", "failures", "errors", "skipped"}
CASE = {"name", "classname", "time"}
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def parse(view: View) -> ET.Element:
    """Return the document, after it has been held against the rules of the schemas."""
    root = ET.fromstring(as_junit.render(view).encode("utf-8"))
    assert (root.tag, root.attrib) == ("testsuites", {})
    assert [suite.get("id") for suite in root] == [str(number) for number in range(len(root))]
    for suite in root:
        assert suite.attrib.keys() == SUITE
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
        order = [part.tag for part in suite]
        cases = suite.findall("testcase")
        assert order == ["properties", *["testcase"] * len(cases), "system-out", "system-err"]
        outcomes = [part for case in cases for part in case]
        for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.attrib[attribute]) == sum(part.tag == tag for part in outcomes)
        assert int(suite.attrib["tests"]) == len(cases)
        for case in cases:
            assert case.attrib.keys() == CASE
            assert len(case) <= 1
        for part in outcomes:
            assert part.tag in ("failure", "error", "skipped")
            assert part.attrib.keys() == ({"message"} if part.tag == "skipped" else {"message", "type"})
    return root


def outcome(root: ET.Element, host: str, rule: str) -> tuple[str, str]:
    """Return how a case ended and its message."""
    case = next(case for case in root.iter("testcase") if (case.get("classname"), case.get("name")) == (host, rule))
    return (case[0].tag, case[0].get("message", "")) if len(case) else ("passed", "")


def test_every_host_has_every_rule(view: View) -> None:
    root = parse(view)
    suites = {suite.get("name"): suite for suite in root}
    for one in view.hosts:
        assert [case.get("name") for case in suites[one.name].iter("testcase")] == ["seen", *RULES]


@ANY_TIME
@given(runs())
def test_it_is_green_exactly_when_the_run_is(run: Run) -> None:
    view = view_of(run)
    root = parse(view)
    red = sum(int(suite.attrib["failures"]) + int(suite.attrib["errors"]) for suite in root)
    assert (red == 0) == (view.state in (COMPLIANT, TOLERATED))


@pytest.mark.parametrize(
    ("name", "rule", "ended", "message"),
    [
        (
            "web1",
            "wrong_owner",
            "failure",
            "8080/tcp is held by process java of mara, it should be by billing.service.",
        ),
        ("web1", "deleted_executable", "passed", ""),  # below what fails a run
        ("web1", "close_wait_pileup", "skipped", "the policy leaves this rule out here"),
        ("web1", "seen", "passed", ""),
        ("web10", "hung_listener", "passed", ""),  # resolved
        ("web2", "not_reserved", "skipped", "waived: moves soon, until 2026-12-31"),
        ("web2", "seen", "error", "incomplete: <b>what</b>: \\x1b[5mwhy\\x1b[0m {{ lookup('pipe', 'id') }}"),
        ("db1", "squatted", "error", "unreachable: No route to host"),
        ("db3", "squatted", "error", "stale: the answer is 3 days old"),
        ("the run", "hosts", "passed", ""),
    ],
)
def test_how_a_case_ends(small: View, name: str, rule: str, ended: str, message: str) -> None:
    assert outcome(parse(small), name, rule) == (ended, message)


def test_what_was_open_is_told_where_the_host_was_not_seen(small: View) -> None:
    suite = next(suite for suite in parse(small) if suite.get("name") == "db1")
    case = next(case for case in suite.iter("testcase") if case.get("name") == "not_listening")
    assert "unseen, first seen 2026-11-14T02:03:10Z: 5432/tcp" in (case[0].text or "")


def test_a_rule_that_was_not_judged_is_an_error() -> None:
    hosts = [host("web1", unjudged=nasty_fleet().judged.hosts[0].unjudged)]
    assert outcome(parse(view_of(run_of(hosts))), "web1", "squatted")[0] == "error"


def test_what_was_open_and_was_not_judged_anew_is_an_error() -> None:
    run = run_of([host("web1")], [Tracked(finding("web1", "squatted"), "unseen", BEFORE, BEFORE)])
    assert outcome(parse(view_of(run)), "web1", "squatted")[0] == "error"


def test_findings_that_fail_no_run_are_in_the_output(small: View) -> None:
    suite = next(suite for suite in parse(small) if suite.get("name") == "web1")
    assert "low, persisting" in (suite.findtext("system-out") or "")


def test_a_run_that_could_not_be_kept_or_lacks_a_slice_is_red() -> None:
    root = parse(view_of(run_of([host("web1")], missing=(2,), unkept=("The disk is full.",))))
    assert outcome(root, "the run", "recorded") == ("error", "The disk is full.")
    assert outcome(root, "the run", "whole") == ("error", "Slices are missing: 2.")


def test_what_xml_forbids_is_shown_as_an_escape() -> None:
    """XML 1.0, production 2; over all of Unicode, as a view shows it."""
    shown = safe("".join(map(chr, range(sys.maxunicode + 1))))
    assert NOT_XML.search(shown) is None
    assert {"\\x00", "\\x1b", "\\ud800", "\\ufffe"} <= set(re.findall(r"\\\w+", shown))
