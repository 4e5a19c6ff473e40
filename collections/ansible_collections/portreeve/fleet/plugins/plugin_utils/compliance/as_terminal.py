# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run for the terminal or log it is shown on: what is wrong and where, and its state as the last line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..policy.rules import at_least
from ..policy.runs import RESOLVED
from ..report.ports import ALARM, NOTICE, QUIET
from ..report.sentences import named
from ..report.sheet import MUTED, Line, Note
from ..report.terminal import Terminal
from .changes import Changes
from .rows import FindingRow
from .sections import Section, host_reason, sections
from .view import FoldedRow, View

_MOST_ROWS = 20  # of a section
_MOST_HOSTS = 8


def render(view: View, width: int | None = None, colour: bool = False, plain: bool = True) -> str:
    """Return the run as text without a newline at the end; its last line is the sentence on its state.

    ``width`` None is a pipe or a log: nothing is wrapped. With ``plain`` there are no control sequences.
    """
    terminal = Terminal(width, colour, plain, ())
    body = _join(_section(section) for section in sections((*view.findings, *view.resolved)))
    body += _titled("Hosts not seen in full", [
        [Note(host_reason(host), NOTICE if host.seen else ALARM, 2, f"{host.name}: {host.status}. ")]
        for host in view.unseen
    ])  # fmt: skip
    body += _titled("Unlike the others", [[Note(one.said, "", 2)] for one in view.outliers])
    body += _titled("Would collide", [[Note(one.said, "", 2)] for one in view.collisions])
    closing = Terminal(None, colour, plain, ()).text([Note(view.sentence, "")])  # never wrapped: it is one line
    return "\n".join([terminal.text(body), closing] if body else [closing])


def render_changes(changes: Changes, width: int | None = None, colour: bool = False, plain: bool = True) -> str:
    """Return the change between two runs as text, the sentence on it last."""
    terminal = Terminal(width, colour, plain, ())
    body = _join(_section(section) for section in sections(changes.findings))
    return terminal.text([*body, Note(changes.sentence, "")])


def _section(section: Section) -> list[Line]:
    return _titled(f"{section.title} ({section.total})", [_row(one) for one in section.rows])


def _titled(title: str, rows: Sequence[list[Line]]) -> list[Line]:
    if not rows:
        return []
    more = f"… and {len(rows) - _MOST_ROWS} more lines in the report"
    cut: list[Line] = [Note(more, MUTED, 2)] if len(rows) > _MOST_ROWS else []
    return [Note("", "", 0, title), *_join(rows[:_MOST_ROWS]), *cut, Note("", "")]


def _row(folded: FoldedRow) -> list[Line]:
    row = folded.row
    place = f" {row.place}" if row.place else ""
    lines: list[Line] = [
        Note(f"{place} on {named(folded.hosts, _MOST_HOSTS)}", _tone(row), 2, f"{row.severity} {row.rule}")
    ]
    lines.append(Note(row.said, "", 4, "was: " if row.standing == RESOLVED else ""))
    if row.waived is not None:
        lines.append(Note(row.waived, MUTED, 4, "waived: "))
    elif row.advice:
        lines.append(Note(row.advice, MUTED, 4, "→ "))
    return lines


def _tone(row: FindingRow) -> str:
    if row.waived is not None:
        return QUIET
    return ALARM if row.fails or at_least(row.severity, "high") else NOTICE


def _join(parts: Iterable[Sequence[Line]]) -> list[Line]:
    return [line for part in parts for line in part]
