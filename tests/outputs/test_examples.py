# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What docs/outputs.md shows is what comes out."""

from __future__ import annotations

import re

import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance import as_markdown, as_terminal
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.changes import changes_view
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.formats import RENDERERS
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.view import view_of

from ..conftest import ROOT
from .fleets import shown_fleet

PAGE = (ROOT / "docs" / "outputs.md").read_text("utf-8")
EXAMPLES = re.findall(r"^## ([^\n]+)\n(?:(?!^## ).)*?^```(?:text|json|xml|markdown)\n(.*?)^```$", PAGE, re.M | re.S)


def outputs() -> dict[str, str]:
    """Return what the run of the page looks like in each format, by the headings of the page."""
    run = shown_fleet()
    view = view_of(run)
    changes = changes_view("2026-11-14T020000Z-11aa", "2026-11-21T020000Z-7f3a", run.tracked)
    return {
        **{renderer.file_name: renderer.render(view) for renderer in RENDERERS},
        "Terminal": as_terminal.render(view),
        "Between two runs": as_markdown.render_changes(changes),
    }


def test_every_format_that_is_text_is_shown() -> None:
    assert {heading for heading, _text in EXAMPLES} == set(outputs()) - {"report.html", "report.json"}


@pytest.mark.parametrize(("heading", "example"), EXAMPLES, ids=[heading for heading, _text in EXAMPLES])
def test_an_example_is_an_excerpt(heading: str, example: str) -> None:
    """Its lines come in this order; what is left out between them is marked."""
    rest = "\n" + outputs()[heading] + "\n"
    for part in example.split("…\n"):
        _before, found, rest = rest.partition("\n" + part.rstrip("\n") + "\n")
        assert found, part
        rest = "\n" + rest


def test_every_file_is_named() -> None:
    assert [renderer.file_name for renderer in RENDERERS if f"| `{renderer.file_name}` |" not in PAGE] == []
