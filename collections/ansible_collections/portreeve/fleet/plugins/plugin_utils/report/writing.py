# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A report on what hosts answered, in every format, in a directory of its own."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Iterable
from typing import Any

from ..fleet.picture import HostAnswer
from .as_json import summary
from .directory import LATEST, check, free_name, keep
from .formats import RENDERERS
from .sentences import closing
from .view import report_of


def write_report(answers: Iterable[HostAnswer], directory: pathlib.Path, only_checked: bool = False) -> dict[str, Any]:
    """Return where the report on ``answers`` is and what it counts; where it would be with ``only_checked``.

    Raises ReportNotKept when it cannot be written below ``directory``.
    """
    now = time.gmtime()
    report = report_of(answers, time.strftime("%Y-%m-%dT%H:%M:%SZ", now))
    place = directory / free_name(directory, time.strftime("%Y-%m-%dT%H%M%SZ", now))
    if only_checked:
        check(directory)
    else:
        keep(directory, place.name, {renderer.file_name: renderer.render(report) for renderer in RENDERERS})
    return {
        "msg": closing(report, place, written=not only_checked),
        "directory": str(place),
        "latest": str(directory / LATEST),
        "files": {renderer.name: str(place / renderer.file_name) for renderer in RENDERERS},
        "proposals": [str(proposal) for proposal in report.proposals],
        "summary": summary(report),
    }
