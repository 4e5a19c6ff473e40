# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Runs to show, each in turn, and the small one on its own."""

from __future__ import annotations

import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.view import View, view_of
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.runs import Run

from .fleets import RUNS, small_fleet


@pytest.fixture(params=RUNS)
def run(request: pytest.FixtureRequest) -> Run:
    """Return each of the runs in turn."""
    return RUNS[request.param]()


@pytest.fixture
def view(run: Run) -> View:
    """Return what is shown of each of the runs in turn."""
    return view_of(run)


@pytest.fixture
def small() -> View:
    """Return what is shown of the small fleet."""
    return view_of(small_fleet())
