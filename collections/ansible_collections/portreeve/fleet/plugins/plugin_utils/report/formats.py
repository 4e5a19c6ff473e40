# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The formats a report is written in: one renderer each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import as_html, as_json
from .view import Report


@dataclass(frozen=True)
class Renderer:
    """What turns a report into the text of one file of the report's directory."""

    name: str
    file_name: str
    render: Callable[[Report], str]


RENDERERS = (
    Renderer("json", "report.json", as_json.render),
    Renderer("html", "report.html", as_html.render),
)
