# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The stage on which acts are tried: programs that really hold ports, in a network namespace of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.agent.conftest import new_arena

from .scene import Scene


@pytest.fixture(scope="module")
def _scene(needs: Callable[..., None]) -> Iterator[Scene]:
    needs("root")
    with new_arena() as arena:
        yield Scene(arena)


@pytest.fixture
def scene(_scene: Scene) -> Iterator[Scene]:
    """Return the namespace of this test file; what played in it ends with the test."""
    yield _scene
    _scene.clear()


@pytest.fixture(scope="module")
def _scene_ports() -> Iterator[int]:
    return iter(range(2000, 9000, 5))


@pytest.fixture
def port(_scene_ports: Iterator[int]) -> int:
    """Return a port, outside the kernel's automatic choice, that no other test of the file uses, nor the next four."""
    return next(_scene_ports)
