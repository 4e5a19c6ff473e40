# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files of plans and runs on the controller. A reader sees the old content of one, or the new one in whole."""

from __future__ import annotations

import os
import pathlib

from ...module_utils.portreeve_agent.errors import InvalidInput
from ..report.directory import free_name
from .journal import Journal

_JOURNAL, _PLAN, _RESULT, _PAGE = "journal.jsonl", "plan.json", "remediation.json", "remediation.md"


def read_text(path: pathlib.Path) -> str:
    """Return the text of a file that was named by the user."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text"
        raise InvalidInput(f"{path} cannot be read: {reason}.") from None


def write_text(path: pathlib.Path, text: str) -> None:
    """Replace the content of a file, and make its directory if there is none."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise InvalidInput(f"{path} cannot be written: {error.strerror}.") from None


class Record:
    """The directory of one run: the plan that is applied, the journal, and what came of it."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        self.journal = Journal(directory / _JOURNAL)
        self.plan = directory / _PLAN
        self.result = directory / _RESULT
        self.page = directory / _PAGE

    @property
    def run(self) -> str:
        """Return the run's name."""
        return self.directory.name


def record_at(directory: str) -> Record:
    """Return the record of a run by the path of its directory."""
    return Record(pathlib.Path(directory))


def new_record(records: pathlib.Path, moment: str) -> Record:
    """Return the record of a run that begins at ``moment``; nothing of it is there yet."""
    return Record(records / free_name(records, moment.replace(":", "")))


def earlier_records(records: pathlib.Path) -> list[Record]:
    """Return the records of the runs that were begun before, the oldest first."""
    return [Record(path.parent) for path in sorted(records.glob(f"*/{_JOURNAL}"))]
