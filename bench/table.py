# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The outcome as a table: for the terminal, and as Markdown between two markers of a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from .contest import MOST_MEMORY, Contest
from .timing import Pairs, Run

BEGIN, END = "<!-- figures: begin -->\n", "<!-- figures: end -->\n"
HEADINGS = ("question", "beside", "agent", "rival", "ratio (lowest to highest)", "CPU", "target", "met")

WIDTH_OF_A_LOG = 140
FAILED = "failed"
LITTLE = 0.1  # seconds

Row = tuple[str, ...]


def seconds(runs: Sequence[Run]) -> str:
    """The median by the clock: ``1.23 s``, or ``23.4 ms`` where that is little."""
    took = median(run.wall for run in runs)
    return f"{took:.2f} s" if took >= LITTLE else f"{took * 1000:.1f} ms"


def verdict(met: bool) -> str:
    """The word for a target reached or missed."""
    return "met" if met else "not met"


def contest_row(contest: Contest, pairs: Pairs) -> Row:
    """One contest as cells, in the order of HEADINGS. Against an unfinished rival the ratio is an upper limit."""
    ratios = sorted(pairs.wall_ratios())
    ratio = median(ratios)
    unfinished = pairs.bound is not None
    cpu = pairs.cpu_ratio()
    return (
        contest.question,
        contest.beside,
        seconds(pairs.ours),
        f"> {pairs.bound:.0f} s" if unfinished else seconds(pairs.theirs),
        f"< {ratio:.3f}" if unfinished else f"{ratio:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})",
        "" if cpu is None else f"{cpu:.2f}",
        "" if contest.target is None else f"≤ {contest.target}",
        "" if contest.target is None else verdict(ratio <= contest.target),
    )


def failed_row(contest: Contest) -> Row:
    """One contest that could not be held, as cells."""
    target = "" if contest.target is None else f"≤ {contest.target}"
    return (contest.question, contest.beside, "", "", "", "", target, FAILED)


def nameless_row(groups: str) -> Row:
    """Groups of contests of which none could be prepared."""
    return (groups, "", "", "", "", "", "", FAILED)


def memory_row(runs: Sequence[Run]) -> Row:
    """The most memory that any of the agent's runs took."""
    peak = max(run.peak_bytes for run in runs)
    took, target = (f"{count / 1e6:.0f} MB" for count in (peak, MOST_MEMORY))
    return ("peak memory, largest process", "", took, "", "", "", f"≤ {target}", verdict(peak <= MOST_MEMORY))


def print_table(title: str, rows: Sequence[Row], headings: Row = HEADINGS) -> None:
    """The rows on the terminal."""
    table = Table(*headings, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row, style="red" if row[-1] in {"not met", FAILED} else None)
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH_OF_A_LOG
    console.print(table)


def markdown(title: str, rows: Sequence[Row], headings: Row = HEADINGS) -> str:
    """The rows as a Markdown table below its title."""
    lines = [headings, ("---",) * len(headings), *rows]
    return f"{title}\n\n" + "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def replace_figures(page: Path, figures: str, begins: str = BEGIN, ends: str = END) -> None:
    """Put the figures between the markers of the page; the prose around them stays."""
    before, begin, rest = page.read_text(encoding="utf-8").partition(begins)
    _, end, after = rest.partition(ends)
    if not (begin and end):
        raise ValueError(f"{page}: the markers of the figures are missing")
    page.write_text(before + begin + "\n" + figures + "\n" + end + after, encoding="utf-8")
