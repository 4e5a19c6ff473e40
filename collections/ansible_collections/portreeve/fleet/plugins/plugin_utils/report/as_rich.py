# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lines of a sheet for a terminal with colours, by way of rich. Names are never read as rich's markup.

rich is imported when something is painted: it need not be there, and importing it takes longer than all the rest.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .ports import ALARM, NOTICE, QUIET, UNSEEN
from .sheet import MUTED, Layout, Line, Note, Row

if TYPE_CHECKING:
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

# Colours by name follow the terminal's own scheme, light or dark.
_STYLES = {ALARM: "bold red", NOTICE: "yellow", QUIET: "green", UNSEEN: "magenta", MUTED: "dim", "": ""}


def paint(form: Layout, lines: Sequence[Line], header: bool, colour: bool) -> str:
    """Return the lines with the terminal's control sequences, without a newline at the end."""
    from rich.console import Console
    from rich.text import Text

    written = io.StringIO()
    console = Console(
        file=written, width=form.width or 200, force_terminal=True, no_color=not colour, color_system="standard",
        legacy_windows=False,
    )  # fmt: skip
    pending = [[Text(title, "bold") for title in form.titles]] if header else []
    for line in lines:
        if isinstance(line, Row):
            pending.append([_cell(title, cell, line.tone) for title, cell in zip(form.titles, line.cells, strict=True)])
        else:
            _print_table(console, form, pending)
            pending = []
            console.print(_note(line))
    _print_table(console, form, pending)
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines())


def _print_table(console: Console, form: Layout, rows: list[list[Text]]) -> None:
    from rich.table import Table

    if not rows:
        return
    grid = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    for column in form.columns:
        grid.add_column(width=column.width, overflow="fold")
    for cells in rows:
        grid.add_row(*cells)
    console.print(grid)


def _cell(title: str, text: str, tone: str) -> Text:
    from rich.text import Text

    styles = {"HOST": "bold", "VERDICT": _STYLES[tone], "RISKS": "" if text == "-" else _STYLES[NOTICE]}
    return Text(text, styles.get(title, ""))


def _note(note: Note) -> Padding:
    from rich.padding import Padding
    from rich.text import Text

    muted = note.tone == MUTED
    text = Text.assemble((note.label, "cyan" if muted else _STYLES[note.tone]), (note.text, "dim" if muted else ""))
    return Padding(text, (0, 0, 0, note.indent))
