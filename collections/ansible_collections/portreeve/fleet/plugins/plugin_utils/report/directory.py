# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where reports are kept: a new directory for each, and a link ``latest`` that always leads to a whole one."""

from __future__ import annotations

import os
import pathlib
import shutil
from collections.abc import Mapping

LATEST = "latest"


class ReportNotKept(Exception):
    """The report cannot be written; ``str(error)`` is one sentence that says where and why."""


def free_name(directory: pathlib.Path, moment: str) -> str:
    """Return the name for a report of ``moment``; a second one within the same second gets a number."""
    number = 1
    while os.path.lexists(directory / _numbered(moment, number)):
        number += 1
    return _numbered(moment, number)


def check(directory: pathlib.Path) -> None:
    """Raise ReportNotKept when it can be told beforehand that a report cannot be written below ``directory``."""
    nearest = next(path for path in (directory, *directory.parents) if os.path.lexists(path))
    if not nearest.is_dir():
        raise ReportNotKept(f"The report cannot be written to {directory}: {nearest} is not a directory.")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise ReportNotKept(f"The report cannot be written to {directory}: no permission to write in {nearest}.")
    latest = directory / LATEST
    if os.path.lexists(latest) and not latest.is_symlink():
        raise ReportNotKept(f"The report cannot be written to {directory}: {latest} is in the way, it is not a link.")


def keep(directory: pathlib.Path, name: str, files: Mapping[str, str], is_latest: bool = True) -> None:
    """Write ``files`` (name, or path below it → text) to ``directory/name`` and turn the link ``latest`` to it, unless
    it is not to be looked at as that.

    A reader sees the old report or the new one, never a part: everything is written beside and renamed.
    """
    check(directory)
    beside = directory / f".{name}.{os.getpid()}"
    link = directory / f".{LATEST}.{os.getpid()}"
    try:
        beside.mkdir(parents=True)
        for file_name, text in files.items():
            (beside / file_name).parent.mkdir(parents=True, exist_ok=True)
            (beside / file_name).write_text(text, encoding="utf-8")
        beside.rename(directory / name)
        if is_latest:
            link.symlink_to(name)
            link.replace(directory / LATEST)
    except OSError as error:
        shutil.rmtree(beside, ignore_errors=True)
        link.unlink(missing_ok=True)
        raise ReportNotKept(f"The report cannot be written to {directory}: {error.strerror}.") from error


def _numbered(moment: str, number: int) -> str:
    return moment if number == 1 else f"{moment}-{number}"
