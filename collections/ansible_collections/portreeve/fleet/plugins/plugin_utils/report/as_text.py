# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lines of a sheet as plain text: no colour, no box, columns two spaces apart."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Sequence
from itertools import zip_longest

from .sheet import Layout, Line, Note, Row


def paint(form: Layout, lines: Sequence[Line], header: bool) -> str:
    """Return the lines as text, without a newline at the end; ``header`` puts the titles on top."""
    rows = [line.cells for line in lines if isinstance(line, Row)] if form.width is None else []
    shown: list[Line] = [Row(form.titles, ""), *lines] if header else list(lines)
    widths = [
        max([column.width, *(cells_of(cells[index]) for cells in rows)]) for index, column in enumerate(form.columns)
    ]
    return "\n".join(
        _row(line, widths, form.width) if isinstance(line, Row) else _note(line, form.width) for line in shown
    )


def cells_of(text: str) -> int:
    """Return how many cells of a terminal ``text`` takes: wide letters take two, combining ones none (UAX #11)."""
    return len(text) if text.isascii() else sum(_cells(letter) for letter in text)


def _cells(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def folded(text: str, width: int) -> list[str]:
    """Return ``text`` in lines of at most ``width`` cells, broken between words where that is possible."""
    lines: list[str] = []
    for word in text.split(" "):
        if lines and cells_of(lines[-1]) + 1 + cells_of(word) <= width:
            lines[-1] += " " + word
            continue
        lines.append("")
        for letter in word:
            if lines[-1] and cells_of(lines[-1]) + cells_of(letter) > width:
                lines.append("")
            lines[-1] += letter
    return lines or [""]


def _row(row: Row, widths: list[int], width: int | None) -> str:
    columns = [folded(cell, size) if width else [cell] for cell, size in zip(row.cells, widths, strict=True)]
    return "\n".join(
        "  ".join(cell + " " * (size - cells_of(cell)) for cell, size in zip(line, widths, strict=True)).rstrip()
        for line in zip_longest(*columns, fillvalue="")
    )


def _note(note: Note, width: int | None) -> str:
    text = note.label + note.text
    lines = folded(text, max(width - note.indent, 20)) if width else [text]
    return textwrap.indent("\n".join(lines), " " * note.indent)
