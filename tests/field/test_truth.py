# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What reads the truth reads it right."""

from __future__ import annotations

import doctest
import types

import pytest

from . import page, truth


@pytest.mark.parametrize("module", [page, truth], ids=lambda module: module.__name__)
def test_the_examples_in_the_docstrings_hold(module: types.ModuleType) -> None:
    result = doctest.testmod(module)
    assert result.attempted
    assert not result.failed
