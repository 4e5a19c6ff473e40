# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a run begins: what it was told is read and tried before any host is contacted, and it gets its name and place."""

from __future__ import annotations

import json
import os
import pathlib
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...module_utils.portreeve_agent.errors import InvalidInput
from ..history.store import check as check_history
from ..report.directory import LATEST, ReportNotKept
from ..report.directory import check as check_directory
from .course import moment_of
from .settings import Settings

_RECORD = "run.json"
_ANSWERS = ".answers-"
_DEBRIS_AFTER = 7 * 86400  # of runs that were cut off
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_SLICE = re.compile(r"([1-9][0-9]{0,4}|\*)/([1-9][0-9]{0,4})")


@dataclass(frozen=True)
class Places:
    """Where a run is kept. ``history`` is a URL or a path; None as ``keep_days`` or ``keep_runs`` is no limit."""

    reports: pathlib.Path
    history: str
    keep_days: int | None = None
    keep_runs: int | None = None
    textfile: pathlib.Path | None = None
    notify: tuple[str, ...] = ()

    @property
    def runs(self) -> pathlib.Path:
        """The directory with the reports of all runs."""
        return self.reports / "compliance"


@dataclass(frozen=True)
class Begun:
    """A run that was begun; ``answers`` is the private directory of what the hosts answer."""

    answers: pathlib.Path
    name: str
    began_at: str
    fail_on: str
    stale_after: int
    slice_of: tuple[int, int] | None = None
    whole: str | None = None
    limit: str | None = None


def places_of(given: Mapping[str, Any], settings: Settings) -> Places:
    """Return where a run is kept; ``given`` has the places as users give them, relative ones to where they are."""
    reports = pathlib.Path(given["reports"]).absolute()
    return Places(
        reports=reports,
        history=given["history"] or str(reports / "history.sqlite"),
        keep_days=settings.keep_days,
        keep_runs=settings.keep_runs,
        textfile=pathlib.Path(given["textfile"]).absolute() if given["textfile"] else None,
        notify=settings.notify,
    )


def new_name(seconds: float) -> str:
    """Return a name that no other run has, sorted by time."""
    return f"{moment_of(seconds).replace(':', '')}-{secrets.token_hex(2)}"


def parse_slice(text: str, whole: str | None) -> tuple[int, int] | None:
    """Return ``2/4`` as ``(2, 4)``, None for no text; ``*/4``, one that is still to get its number, as ``(0, 4)``."""
    if not text:
        return None
    found = _SLICE.fullmatch(text)
    number = 0 if found is None or found[1] == "*" else int(found[1])
    if found is None or number > int(found[2]):
        raise InvalidInput(
            f"portreeve_slice is {text!r}: accepted is the number of a slice and how many there are, such as 2/4, or "
            "*/4 where its number is not known."
        )
    if not whole:
        raise InvalidInput(
            f"portreeve_slice is {text}, but portreeve_whole is empty: give all slices of a run the same name there."
        )
    return number, int(found[2])


def mistakes_in_name(option: str, name: str | None) -> Iterator[str]:
    """Yield a sentence when an option has the name of a run that would not do for its directory."""
    if name and (not _NAME.fullmatch(name) or name == LATEST):
        yield (
            f"portreeve_{option} is {name!r}: accepted are up to 80 letters, digits, dots, dashes and underscores, the "
            f"first a letter or digit, but not {LATEST}."
        )


def mistakes_in(places: Places, name: str | None, part: str, whole: str | None) -> Iterator[str]:
    """Yield a sentence for everything that would keep a run of that name, or that part of one, from being kept."""
    try:
        parse_slice(part, whole)
    except InvalidInput as error:
        yield str(error)
    wrong = [*mistakes_in_name("run", name), *mistakes_in_name("whole", whole)]
    yield from wrong
    if not wrong and name and os.path.lexists(places.runs / name):
        yield f"There is a run {name} already, in {places.runs / name}."
    try:
        check_directory(places.runs)
    except ReportNotKept as error:
        yield str(error)
    try:
        names = (None, None) if wrong else (name, whole if part else None)
        check_history(places.history, places.keep_days, places.keep_runs, *names)
    except InvalidInput as error:
        yield str(error)
    if places.textfile and not os.access(places.textfile.parent, os.W_OK | os.X_OK):
        yield f"{places.textfile} cannot be written: {places.textfile.parent} is no directory that can be written to."
    if places.notify and shutil.which(places.notify[0]) is None:
        yield f"portreeve_notify begins with {places.notify[0]!r}, which is no command here."


def begin(begun: Begun, places: Places, only_look: bool) -> Begun:
    """Make the run's place and keep what it is in there; it goes into a temporary one when nothing is to be written."""
    try:
        if only_look:
            answers = pathlib.Path(tempfile.mkdtemp(prefix="portreeve-"))
        else:
            places.runs.mkdir(parents=True, exist_ok=True)
            _clear(places.runs)
            answers = places.runs / f"{_ANSWERS}{begun.name}"
            answers.mkdir(mode=0o700)
        kept = {key: value for key, value in vars(begun).items() if key != "answers"}
        (answers / _RECORD).write_text(json.dumps(kept), encoding="ascii")
    except OSError as error:
        raise InvalidInput(f"The run cannot be begun in {places.runs}: {error.strerror}.") from None
    return begun_at(answers)


def begun_at(answers: pathlib.Path) -> Begun:
    """Return the run that was begun in a place."""
    try:
        kept = json.loads((answers / _RECORD).read_text(encoding="ascii"))
    except (OSError, ValueError):
        raise InvalidInput(f"{answers} is not the place of a run that was begun.") from None
    return Begun(answers, **{**kept, "slice_of": tuple(kept["slice_of"]) if kept["slice_of"] else None})


def _clear(runs: pathlib.Path) -> None:
    """Remove what runs that were cut off have left, once nobody will want to look at it any more."""
    for left in runs.glob(f"{_ANSWERS}*"):
        if time.time() - left.lstat().st_mtime > _DEBRIS_AFTER:
            shutil.rmtree(left, ignore_errors=True)
