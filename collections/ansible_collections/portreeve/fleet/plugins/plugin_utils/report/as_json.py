# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report for programs: everything the hosts answered, unabridged, in a stable order."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from ..fleet.picture import HostAnswer
from .view import Report

FORMAT = "portreeve.report/1"


def render(report: Report) -> str:
    """Return the report as JSON, keys sorted, a line for each host; names stay as the hosts gave them."""
    hosts = ",\n".join(f"  {_text(answer.name)}: {_text(_host(answer))}" for answer in report.answers)
    members = {
        "format": _text(FORMAT),
        "generated_at": _text(report.generated_at),
        "hosts": "{\n" + hosts + "\n }",
        "proposals": _text([dataclasses.asdict(proposal) for proposal in report.proposals]),
        "summary": _text(summary(report)),
    }
    return "{\n" + ",\n".join(f" {_text(key)}: {value}" for key, value in members.items()) + "\n}\n"


def summary(report: Report) -> dict[str, Any]:
    """Return the counts of a report: hosts by status, ports, verdicts, risks, and ports that need attention."""
    return {
        "hosts": {"total": len(report.hosts), **report.status_counts},
        "ports": report.in_use,
        "attention": len(report.attention),
        "holder_not_seen": len(report.hidden),
        "verdicts": report.verdict_counts,
        "risks": report.risk_counts,
    }


def _host(answer: HostAnswer) -> dict[str, Any]:
    known = {"status": answer.status, "reason": answer.reason, "result": answer.result}
    return {key: value for key, value in known.items() if value is not None}


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
