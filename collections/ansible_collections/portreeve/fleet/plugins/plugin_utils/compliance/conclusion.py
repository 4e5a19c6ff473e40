# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a run ends: what was judged is recorded, rendered, written and told, and whatever fails of that is said."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil
import time
from collections.abc import Iterable, Mapping

from ...module_utils.portreeve_agent.errors import InvalidInput
from ...module_utils.portreeve_agent.verdicts.wording import one_line
from ..history.sight import Sight
from ..history.store import record, sight_of
from ..policy.runs import NEW, Judged, Run, Tracked
from ..report.directory import ReportNotKept, keep
from .answers import answers_of
from .beginning import Begun, Places
from .course import judge_answers, moment_of
from .formats import RENDERERS, ChangesRenderer, Renderer
from .notify import notify
from .textfile import write_textfile
from .view import view_of

_SUMMARY = "summary"
_PROMETHEUS = "prometheus"


@dataclasses.dataclass(frozen=True)
class Conclusion:
    """A run that has ended. ``directory`` is where its report is, or would be; ``warnings`` are no part of the run."""

    run: Run
    directory: pathlib.Path
    files: Mapping[str, str]
    warnings: tuple[str, ...] = ()


def conclude(begun: Begun, hosts: Iterable[str], places: Places, only_look: bool) -> Conclusion:
    """Judge what the hosts answered and keep what comes of it; with ``only_look`` nothing is written."""
    now = time.time()
    judged = Judged(
        name=begun.name,
        began_at=begun.began_at,
        ended_at=moment_of(now),
        fail_on=begun.fail_on,
        hosts=judge_answers(answers_of(begun.answers, hosts), now, begun.stale_after),
        slice_of=begun.slice_of,
        whole=begun.whole,
        limit=begun.limit,
    )
    directory = places.runs / begun.name
    run = _recorded(judged, places, only_look)
    if only_look:
        shutil.rmtree(begun.answers, ignore_errors=True)
        return Conclusion(run, directory, {})
    run, files = keep_run(run, directory, places.textfile)
    warnings = tell(run, directory, places)
    if not run.unkept:
        shutil.rmtree(begun.answers, ignore_errors=True)
    return Conclusion(run, directory, files, warnings)


def tell(run: Run, directory: pathlib.Path, places: Places) -> tuple[str, ...]:
    """Tell the command that is to be told, where there is one, what has changed; return sentences on why not."""
    if not places.notify:
        return ()
    failed, sight = [], Sight()
    try:
        sight = sight_of(places.history, run)
    except InvalidInput as error:
        failed.append(str(error))
    untold = notify(places.notify, run, str(directory), sight)
    return (*failed, *([untold] if untold else []))


def texts_of(run: Run) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the text of each format by its name, and a sentence for each that could not be rendered."""
    view, texts, broken = view_of(run), {}, []
    for renderer in RENDERERS:
        try:
            texts[renderer.name] = renderer.render(view)
        except Exception as error:  # one that fails must not take the others along
            broken.append(f"{renderer.file_name} could not be rendered: {_said(error)}.")
    return texts, tuple(broken)


def write(
    directory: pathlib.Path,
    renderers: Iterable[Renderer | ChangesRenderer],
    texts: Mapping[str, str],
    is_latest: bool = True,
) -> dict[str, str]:
    """Write the texts as the report ``directory`` and return the path of each; raises ReportNotKept."""
    names = {renderer.name: renderer.file_name for renderer in renderers if renderer.name in texts}
    keep(directory.parent, directory.name, {names[name]: text for name, text in texts.items()}, is_latest)
    return {name: str(directory / file_name) for name, file_name in names.items()}


def _recorded(judged: Judged, places: Places, only_look: bool) -> Run:
    try:
        return record(places.history, judged, places.keep_days, places.keep_runs, only_look=only_look)
    except Exception as error:  # whatever it is, the report is written, and does not say that all is well
        said = str(error) if isinstance(error, InvalidInput) else f"The run cannot be recorded: {_said(error)}."
    tracked = [
        Tracked(finding, NEW, judged.ended_at, judged.ended_at) for host in judged.hosts for finding in host.findings
    ]
    return Run(judged, tuple(tracked), unkept=(said,))


def keep_run(run: Run, directory: pathlib.Path, textfile: pathlib.Path | None) -> tuple[Run, dict[str, str]]:
    """Write everything and return the paths; what cannot be written is said in all the rest, and in the run.

    What is looked at without asking for a run, the link to the latest and the metrics, is left to runs over all hosts.
    """
    is_latest = not run.judged.is_part
    textfile = textfile if is_latest else None
    texts, broken = texts_of(run)
    failed = (*broken, *_export(textfile, texts))
    if failed:
        run = _lacking(run, *failed)
        texts, _again = texts_of(run)
    try:
        return run, write(directory, RENDERERS, texts, is_latest)
    except ReportNotKept as error:
        run = _lacking(run, str(error))
    texts, _again = texts_of(run)
    _export(textfile, texts)
    try:  # a disk that is full may still have room for the little that programs look at
        summary = {name: text for name, text in texts.items() if name == _SUMMARY}
        return run, write(directory, RENDERERS, summary, is_latest)
    except ReportNotKept:
        return run, {}


def _export(textfile: pathlib.Path | None, texts: Mapping[str, str]) -> tuple[str, ...]:
    if textfile is None or _PROMETHEUS not in texts:
        return ()
    try:
        write_textfile(textfile, texts[_PROMETHEUS])
    except OSError as error:
        return (f"{textfile} cannot be written: {error.strerror}.",)
    return ()


def _lacking(run: Run, *sentences: str) -> Run:
    return dataclasses.replace(run, unkept=(*run.unkept, *sentences))


def _said(error: Exception) -> str:
    return one_line(f"{type(error).__name__}: {error}".partition("\n")[0])
