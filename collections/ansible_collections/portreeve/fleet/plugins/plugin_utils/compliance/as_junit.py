# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run as JUnit XML: a suite for each host, a case for each rule and one for having seen it, as Jenkins, GitLab
and the like show it.

Written to satisfy both schemas in use, that of Ant (windyroad's JUnit.xsd) and that of Jenkins (junit-10.xsd). The
texts of a view have no character that XML 1.0 forbids: those are shown as escapes there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..fleet.picture import OK
from ..policy.rules import RULES
from ..policy.runs import UNSEEN
from .rows import FindingRow, HostRow, UnjudgedRow
from .sections import host_reason
from .view import View

_FAILURE, _ERROR, _SKIPPED = "failure", "error", "skipped"


class _Case(NamedTuple):
    """A rule on a host; ``outcome`` is empty when it is kept."""

    name: str
    outcome: str = ""
    message: str = ""
    text: str = ""
    kind: str = ""


def render(view: View) -> str:
    """Return the XML: what fails the run is a failure, what could not be judged an error, what is waived skipped.

    Findings that fail no run are in the suite's output. The first suite is about the run itself.
    """
    parts = ['<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n']
    moment = view.began_at[:19]  # Ant's schema wants no time zone
    parts.append(_suite(0, "the run", moment, _run_cases(view), ""))
    for number, host in enumerate(view.hosts, 1):
        cases = [_sight(host), *(_seen_cases(host) if host.seen else _unseen_cases(host))]
        tolerated = [row for row in host.findings if not row.fails and row.waived is None]
        parts.append(_suite(number, host.name, moment, cases, _told(tolerated)))
    parts.append("</testsuites>\n")
    return "".join(parts)


def _run_cases(view: View) -> list[_Case]:
    missing = ", ".join(map(str, view.missing))
    return [
        _Case("recorded", _ERROR, view.unkept[0], "\n".join(view.unkept), "unkept")
        if view.unkept
        else _Case("recorded"),
        _Case("whole", _ERROR, f"Slices are missing: {missing}.", "", "missing") if missing else _Case("whole"),
        _Case("hosts") if view.hosts else _Case("hosts", _ERROR, "No host was asked.", "", "empty"),
    ]


def _sight(host: HostRow) -> _Case:
    """A host that was not seen in full is not fine, whatever was judged of it."""
    if host.status == OK:
        return _Case("seen")
    return _Case("seen", _ERROR, _why(host), _lines(host.blind_spots), host.status)


def _why(host: HostRow) -> str:
    return f"{host.status}: {host_reason(host)}"


def _unseen_cases(host: HostRow) -> list[_Case]:
    """What was open when the host was last seen is told with its rule."""
    rows = {rule: [row for row in host.findings if row.rule == rule] for rule in RULES}
    return [_Case(rule, _ERROR, _why(host), _told(rows[rule]), host.status) for rule in RULES]


def _seen_cases(host: HostRow) -> list[_Case]:
    findings: dict[str, list[FindingRow]] = {}
    unjudged: dict[str, list[UnjudgedRow]] = {}
    for row in host.findings:
        findings.setdefault(row.rule, []).append(row)
    for one in host.unjudged:
        unjudged.setdefault(one.rule, []).append(one)
    return [_case(host, rule, findings.get(rule, ()), unjudged.get(rule, ())) for rule in RULES]


def _case(host: HostRow, rule: str, findings: Sequence[FindingRow], unjudged: Sequence[UnjudgedRow]) -> _Case:
    failing = [row for row in findings if row.fails and row.standing != UNSEEN]
    open_still = [row for row in findings if row.fails and row.standing == UNSEEN]
    waived = [row for row in findings if row.waived is not None]
    not_told = [f"{one.place}: {one.why}".removeprefix(": ") for one in unjudged]
    if failing:
        message = failing[0].said + (f" (and {len(failing) - 1} more)" if len(failing) > 1 else "")
        return _Case(rule, _FAILURE, message, _told(failing) + _lines(not_told), failing[0].severity)
    if not_told or open_still:
        why = not_told[0] if not_told else open_still[0].said
        return _Case(rule, _ERROR, f"not judged: {why}", _lines(not_told) + _told(open_still), "unjudged")
    if waived:
        return _Case(rule, _SKIPPED, f"waived: {waived[0].waived}", _told(waived))
    return _Case(rule, _SKIPPED, "the policy leaves this rule out here") if rule in host.ignored else _Case(rule)


def _told(rows: Sequence[FindingRow]) -> str:
    return _lines([line for row in rows for line in _finding_lines(row)])


def _finding_lines(row: FindingRow) -> Iterator[str]:
    yield f"{row.severity}, {row.standing}, first seen {row.first_seen}: {row.said}"
    yield from (f"  {text}" for text in (row.evidence, row.advice) if text)
    if row.waived is not None:
        yield f"  waived: {row.waived}"


def _lines(texts: Sequence[str]) -> str:
    return "".join(f"{text}\n" for text in texts)


def _suite(number: int, name: str, moment: str, cases: Sequence[_Case], output: str) -> str:
    outcomes = [case.outcome for case in cases]
    name = _attribute(name)
    named = f'name="{name}" package="portreeve" id="{number}" hostname="{name}" timestamp="{moment}" time="0"'
    counts = f'tests="{len(cases)}" failures="{outcomes.count(_FAILURE)}" errors="{outcomes.count(_ERROR)}"'
    return (
        f'<testsuite {named} {counts} skipped="{outcomes.count(_SKIPPED)}">\n<properties/>\n'
        + "".join(_written(name, case) for case in cases)
        + f"<system-out>{_content(output)}</system-out>\n<system-err></system-err>\n</testsuite>\n"
    )


def _written(classname: str, case: _Case) -> str:
    start = f'<testcase name="{case.name}" classname="{classname}" time="0"'
    if not case.outcome:
        return f"{start}/>\n"
    kind = f' type="{_attribute(case.kind)}"' if case.kind else ""
    inner = f'<{case.outcome} message="{_attribute(case.message)}"{kind}>{_content(case.text)}</{case.outcome}>'
    return f"{start}>{inner}</testcase>\n"


def _content(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _attribute(text: str) -> str:
    return _content(text).replace('"', "&quot;")
