# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The formats a run is written in: one renderer each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import as_html, as_json, as_jsonl, as_junit, as_markdown, as_prometheus, as_summary, as_terminal
from .changes import Changes
from .view import View


@dataclass(frozen=True)
class Renderer:
    """What turns a run into the text of one file of its directory."""

    name: str
    file_name: str
    render: Callable[[View], str]


@dataclass(frozen=True)
class ChangesRenderer:
    """What turns the change between two runs into text; ``file_name`` is what it is kept as."""

    name: str
    file_name: str
    render: Callable[[Changes], str]


RENDERERS = (
    Renderer("html", "report.html", as_html.render),
    Renderer("json", "report.json", as_json.render),
    Renderer("jsonl", "findings.jsonl", as_jsonl.render),
    Renderer("junit", "junit.xml", as_junit.render),
    Renderer("prometheus", "portreeve.prom", as_prometheus.render),
    Renderer("markdown", "report.md", as_markdown.render),
    Renderer("summary", "summary.json", as_summary.render),
)

CHANGES_RENDERERS = (
    ChangesRenderer("json", "changes.json", as_json.render_changes),
    ChangesRenderer("markdown", "changes.md", as_markdown.render_changes),
    ChangesRenderer("terminal", "changes.txt", as_terminal.render_changes),
)
