# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run's task says of it: for programs as a result, for people as lines of which the last is the last word."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

from ..report.directory import LATEST
from . import as_terminal
from .as_summary import summary
from .conclusion import Conclusion
from .view import view_of


def told(ended: Conclusion) -> dict[str, Any]:
    """Return the result, in plain JSON types."""
    view = view_of(ended.run)
    said = as_terminal.render(view).splitlines()
    return {
        **summary(view),
        **places_told(ended.directory, ended.files),
        "msg": said[-1],
        "said": said,
        "warnings": list(ended.warnings),
    }


def places_told(directory: pathlib.Path, files: Mapping[str, str]) -> dict[str, Any]:
    """Return the part of a result that says where the report is."""
    return {
        "changed": bool(files),
        "directory": str(directory),
        "latest": str(directory.parent / LATEST),
        "files": dict(files),
        "_ansible_verbose_always": True,  # the last line is what the task is for: show it without -v
    }
