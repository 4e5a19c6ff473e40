# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a sweep shows: the table or JSON on standard output, and on a terminal how far it has come."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, TextIO

from ..fleet.picture import FAILED, UNREACHABLE, HostAnswer
from ..report import sheet, terminal
from ..report.as_json import summary
from ..report.view import Report, join, report_of
from .target import Outcome

if TYPE_CHECKING:
    import rich.progress

_MOST_PORTS = 200  # of a whole fleet; the report has them all
_ERASE = "\r\x1b[K"
_BAR = 24


class Progress:
    """One line at the bottom of a terminal that says how many hosts have answered, drawn by rich; elsewhere nothing.

    It is drawn anew a hundred times at most: of many hosts, each is cheap.
    """

    def __init__(self, stream: TextIO, total: int) -> None:
        self._stream = stream
        self._total = total
        self._step = max(total // 100, 1)
        self._done = self._troubled = 0
        self._line = ""
        drawn = stream.isatty() and os.environ.get("TERM", "dumb") != "dumb" and importlib.util.find_spec("rich")
        self._bar = _bar(stream, total) if drawn else None

    def advance(self, status: str) -> None:
        """Count one more host and draw the line again."""
        self._done += 1
        self._troubled += status in (UNREACHABLE, FAILED)
        self.draw()

    def draw(self) -> None:
        """Draw the line."""
        if self._bar is None:
            return
        if self._done % self._step == 0 or self._done == self._total:
            trouble = f", {self._troubled} not seen" if self._troubled else ""
            words = f"{self._done} of {self._total} hosts{trouble}"
            self._bar.update(self._bar.task_ids[0], completed=self._done, description=words)
            with self._bar.console.capture() as painted:
                self._bar.console.print(self._bar)
            self._line = painted.get().partition("\n")[0]
        self._write(_ERASE + self._line)

    def erase(self) -> None:
        """Make room for what is to stay."""
        if self._bar is not None:
            self._write(_ERASE)

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def _bar(stream: TextIO, total: int) -> rich.progress.Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(file=stream, legacy_windows=False)
    progress = Progress(BarColumn(_BAR), TextColumn("{task.description}"), console=console, auto_refresh=False)
    progress.add_task("", total=total)
    return progress


class Shown:
    """Prints answers as they come, ports asked for at once and whole audits at the end, in the callback's own words."""

    def __init__(self, hosts: Collection[str], explain: bool, detail: bool, as_json: bool) -> None:
        is_terminal = sys.stdout.isatty()
        columns = os.environ.get("COLUMNS", "")
        width = shutil.get_terminal_size().columns if is_terminal or columns.isdecimal() else None
        colour = is_terminal and "NO_COLOR" not in os.environ
        self._terminal = terminal.Terminal(width, colour, not is_terminal, hosts)
        self._progress = Progress(sys.stderr, len(hosts))
        self._explain, self._detail, self._as_json = explain, detail, as_json
        self._headed = False
        self._seen: dict[str, Report] = {}  # as rows: the answers themselves would fill the memory

    def begin(self) -> None:
        """Show that nobody has answered yet."""
        self._progress.draw()

    def answer(self, answer: HostAnswer, outcome: Outcome) -> None:
        """Show one host's answer; in detail also how it was come by."""
        if self._as_json:
            self._print(terminal.as_json_line(answer))
        else:
            report = report_of([answer], "")
            self._seen[answer.name] = report
            if self._explain:
                self._print_table(self._terminal.port_lines(report, self._explain, self._detail))
            if self._detail:
                self._print_lines([_way(outcome)])
        self._progress.advance(answer.status)

    def end(self, written: Mapping[str, Any] | None) -> None:
        """Show what all of it comes to, and where the report on it was ``written``."""
        self._progress.erase()
        if self._as_json:
            return
        report = join(self._seen.values())
        if not self._explain:
            self._print_table(self._terminal.port_lines(report, False, self._detail, _MOST_PORTS if written else None))
        risks = [line for host in report.hosts if host.fine for line in sheet.host_lines(host)]
        closing = (
            terminal.closing_lines(report, written, False) if written else terminal.count_lines(report, summary(report))
        )
        self._print_lines([*([sheet.Note("", ""), *risks] if risks else []), *closing])

    def _print_table(self, lines: list[sheet.Line]) -> None:
        if lines:
            self._print_lines(lines, not self._headed)
            self._headed = True

    def _print_lines(self, lines: list[sheet.Line], header: bool = False) -> None:
        self._print(self._terminal.text(lines, header))

    def _print(self, text: str) -> None:
        self._progress.erase()
        print(text, flush=True)


def _way(outcome: Outcome) -> sheet.Line:
    sent = ", the agent was sent" if outcome.pushed else ""
    again = f" and will be again: {outcome.why_not_kept}" if outcome.why_not_kept else ""
    return sheet.Note(f"{outcome.seconds:.2f} s{sent}{again}", sheet.MUTED, 0, f"{outcome.name}: ")
