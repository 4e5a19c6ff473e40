# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run for programs: everything that is shown of it, by the schema in docs/portreeve.compliance-1.schema.json."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from .as_summary import summary
from .changes import Changes
from .rows import HostRow, ListenerRow
from .view import FoldedRow, View

FORMAT = "portreeve.compliance/1"
CHANGES_FORMAT = "portreeve.changes/1"


def render(view: View) -> str:
    """Return the run as JSON: a line for each host, each finding and each row of the fleet's picture."""
    members = [f" {_text(key)}: {_text(value)}" for key, value in {"format": FORMAT, **summary(view)}.items()]
    lists: dict[str, Iterable[Any]] = {
        "hosts": map(_host, view.hosts),
        "findings": map(_folded, view.findings),
        "resolved": map(_folded, view.resolved),
        "outliers": view.outliers,
        "matrix": view.matrix.rows,
        "collisions": view.collisions,
        "candidates": view.candidates,
        "trend": view.trend,
    }
    members += [f" {_text(key)}: {_lines(rows)}" for key, rows in lists.items()]
    return "{\n" + ",\n".join(members) + "\n}\n"


def render_changes(changes: Changes) -> str:
    """Return the change between two runs as JSON."""
    told = {"from": changes.earlier, "to": changes.later, "sentence": changes.sentence}
    counted = {"format": CHANGES_FORMAT, **told, "standings": changes.standing_counts}
    members = [f" {_text(key)}: {_text(value)}" for key, value in counted.items()]
    members.append(f' "findings": {_lines(map(_folded, changes.findings))}')
    return "{\n" + ",\n".join(members) + "\n}\n"


def _lines(rows: Iterable[Any]) -> str:
    written = ",\n".join(f"  {_text(_named(row))}" for row in rows)
    return f"[\n{written}\n ]" if written else "[]"


def _host(host: HostRow) -> dict[str, Any]:
    return {
        **host._asdict(),
        "unjudged": [one._asdict() for one in host.unjudged],
        "declared": [{"application": application, "place": place} for application, place in host.declared],
        "findings": [row._asdict() for row in host.findings],
        "resolved": [row._asdict() for row in host.resolved],
        "listeners": [dict(zip(_LISTENER, row, strict=True)) for row in host.listeners],
    }


def _folded(folded: FoldedRow) -> dict[str, Any]:
    shown = folded.row._asdict()
    del shown["id"], shown["host"]  # each host's own finding has them
    return {**shown, "hosts": folded.hosts}


def _named(row: Any) -> Any:
    """Return a record with its parts, of whatever depth, as objects by their names."""
    if hasattr(row, "_asdict"):
        return {key: _named(part) for key, part in row._asdict().items()}
    if isinstance(row, Mapping):
        return row
    return [_named(part) for part in row] if isinstance(row, tuple) else row


def _text(value: Any) -> str:
    return json.dumps(value)


_LISTENER = ListenerRow._fields
