# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run comes to in a few lines of JSON, for who only wants to know that."""

from __future__ import annotations

import json
from typing import Any

from .view import View

FORMAT = "portreeve.summary/1"


def render(view: View) -> str:
    """Return the state, its sentence and the counts as JSON."""
    return json.dumps({"format": FORMAT, **summary(view)}, indent=1) + "\n"


def summary(view: View) -> dict[str, Any]:
    """Return which run it is, what it comes to, and its counts, in plain JSON types."""
    return {
        "run": view.run,
        "began_at": view.began_at,
        "ended_at": view.ended_at,
        "slice": None if view.slice_of is None else {"number": view.slice_of[0], "of": view.slice_of[1]},
        "whole": view.whole,
        "limit": view.limit,
        "missing_slices": list(view.missing),
        "fail_on": view.fail_on,
        "state": view.state,
        "sentence": view.sentence,
        "unkept": list(view.unkept),
        "counts": {
            "hosts": {"total": len(view.hosts), **view.host_counts},
            "failing": view.failing,
            "waived": view.waived,
            "unjudged": view.unjudged,
            "severities": view.severity_counts,
            "standings": view.standing_counts,
            "rules": view.rule_counts,
        },
    }
