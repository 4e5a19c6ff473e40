# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run as metrics, for the textfile collector of node_exporter.

Text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats), without timestamps: the collector refuses them.
No label holds the name of a host, a port or an owner: the number of series depends on the rules alone.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Mapping

from ..policy.rules import RULES, SEVERITIES
from ..policy.runs import ERROR, STANDINGS, STATES
from .view import View

Samples = Iterable[tuple[Mapping[str, str], int]]


def render(view: View) -> str:
    """Return the metrics; all series are there in every run, so that none goes stale when it falls to 0."""
    return "".join((
        _metric("compliance_state", "What the last run came to: 1 for its state, 0 for the others.",
                [({"state": state}, int(state == view.state)) for state in (*STATES, ERROR)]),
        _metric("run_began_seconds", "Start of the last run in seconds since 1970.", [({}, _seconds(view.began_at))]),
        _metric("run_ended_seconds", "End of the last run in seconds since 1970.", [({}, _seconds(view.ended_at))]),
        _metric("hosts", "Hosts of the last run, by what became of them.",
                [({"status": status}, number) for status, number in view.host_counts.items()]),
        _metric("findings", "Findings of single hosts, waived ones left out.", _by_standing(view)),
        _metric("findings_by_rule", "Findings of single hosts that are open, waived ones left out.",
                [({"rule": rule}, view.rule_counts.get(rule, 0)) for rule in RULES]),
        _metric("findings_failing", "Findings of single hosts that make the run not compliant.", [({}, view.failing)]),
        _metric("findings_waived", "Findings of single hosts that are waived.", [({}, view.waived)]),
        _metric("unjudged", "Rules that could not be judged at places of hosts.", [({}, view.unjudged)]),
        _metric("missing_slices", "Slices of the run that are not there.", [({}, len(view.missing))]),
    ))  # fmt: skip


def escaped(text: str) -> str:
    """Return ``text`` as the value of a label: a backslash, a quote and a line's end are escaped."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _metric(name: str, told: str, samples: Samples) -> str:
    name = f"portreeve_{name}"
    lines = [f"{name}{_labels(labels)} {number}\n" for labels, number in samples]
    return f"# HELP {name} {told}\n# TYPE {name} gauge\n{''.join(lines)}"


def _labels(labels: Mapping[str, str]) -> str:
    written = ",".join(f'{name}="{escaped(value)}"' for name, value in labels.items())
    return f"{{{written}}}" if written else ""


def _by_standing(view: View) -> Samples:
    found: Counter[tuple[str, str]] = Counter()
    for row, hosts in (*view.findings, *view.resolved):
        if row.waived is None:
            found[row.severity, row.standing] += len(hosts)
    pairs = [(severity, standing) for severity in SEVERITIES for standing in STANDINGS]
    return [({"severity": severity, "standing": standing}, found[severity, standing]) for severity, standing in pairs]


def _seconds(moment: str) -> int:
    return int(datetime.datetime.fromisoformat(moment).timestamp())
