# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""All formats: each its own file, every run in each of them, the same text for the same run."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance import formats
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.changes import changes_view
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.formats import CHANGES_RENDERERS, RENDERERS
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.view import view_of
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.runs import Run

from .fleets import small_fleet
from .test_view import shuffled


@pytest.mark.parametrize("renderer", RENDERERS, ids=lambda renderer: renderer.name)
def test_every_run_is_written_alike_however_it_came(renderer: formats.Renderer, run: Run) -> None:
    text = renderer.render(view_of(run))
    assert text
    assert renderer.render(view_of(shuffled(run, 1))) == text
    text.encode("utf-8")  # what is written to a file is text of any host


@pytest.mark.parametrize("renderers", [RENDERERS, CHANGES_RENDERERS])
def test_each_format_has_its_own_file(renderers: tuple[formats.Renderer, ...]) -> None:
    assert len({renderer.file_name for renderer in renderers}) == len(renderers)


def test_every_renderer_is_among_the_formats() -> None:
    room = pathlib.Path(formats.__file__).parent
    files = {path.stem.removeprefix("as_") for path in room.glob("as_*.py")}
    assert {renderer.name for renderer in RENDERERS} == files - {"terminal"}  # which is shown, not kept


@pytest.mark.parametrize("renderer", CHANGES_RENDERERS, ids=lambda renderer: renderer.name)
def test_changes_of_nothing_are_said(renderer: formats.ChangesRenderer) -> None:
    assert "one" in renderer.render(changes_view("one", "two", ()))
    assert "resolved" in renderer.render(changes_view("one", "two", small_fleet().tracked))
