# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report on a past run, or on what has changed between two, from the history alone."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable
from typing import Any

from ...module_utils.portreeve_agent.errors import InvalidInput
from ..history.store import changes, read_run
from ..report.directory import ReportNotKept, check, free_name
from . import as_terminal
from .changes import changes_view
from .conclusion import Conclusion, texts_of, write
from .formats import CHANGES_RENDERERS, RENDERERS, ChangesRenderer, Renderer
from .telling import places_told, told


def report_on(history: str, name: str | None, reports: pathlib.Path, only_look: bool) -> dict[str, Any]:
    """Write the report on a run, the latest without a name, again, and return what its task says.

    With ``only_look`` nothing is written. Raises InvalidInput.
    """
    run = read_run(history, name)
    directory = _place(reports, run.judged.name)
    if only_look:
        return told(Conclusion(run, directory, {}))
    texts, broken = texts_of(run)
    if broken:
        raise InvalidInput(" ".join(broken))
    return told(Conclusion(run, directory, _written(directory, RENDERERS, texts)))


def report_on_changes(
    history: str, since: str, name: str | None, reports: pathlib.Path, only_look: bool
) -> dict[str, Any]:
    """Write what has changed from the run ``since`` to another one, the latest without a name, as ``report_on``."""
    judged = read_run(history, name).judged
    later = judged.name
    changed = changes_view(since, later, changes(history, since, later), judged.fail_on)
    directory = _place(reports, f"{since}..{later}")
    texts = {one.name: one.render(changed) for one in CHANGES_RENDERERS}
    files = {} if only_look else _written(directory, CHANGES_RENDERERS, texts)
    said = as_terminal.render_changes(changed).splitlines()
    counts = {"standings": changed.standing_counts}
    return {
        "run": later,
        "since": since,
        "counts": counts,
        **places_told(directory, files),
        "said": said,
        "msg": said[-1],
    }


def _place(reports: pathlib.Path, title: str) -> pathlib.Path:
    try:
        check(reports / "past")
    except ReportNotKept as error:
        raise InvalidInput(str(error)) from None
    return reports / "past" / free_name(reports / "past", title)


def _written(
    directory: pathlib.Path, renderers: Iterable[Renderer | ChangesRenderer], texts: dict[str, str]
) -> dict[str, str]:
    try:
        return write(directory, renderers, texts)
    except ReportNotKept as error:
        raise InvalidInput(str(error)) from None
