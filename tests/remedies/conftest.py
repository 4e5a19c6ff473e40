# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Where remedies are tried: programs that really hold ports in a network namespace, and hosts of their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.second_process import SecondProcess

from tests.agent.conftest import NOBODY, PATIENCE, Arena, new_arena
from tests.reservations.world import World

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


@pytest.fixture(scope="module")
def _module_arena(needs: Callable[..., None]) -> Iterator[Arena]:
    needs("root")
    with new_arena() as arena:
        yield arena


@pytest.fixture
def arena(_module_arena: Arena) -> Iterator[Arena]:
    """Return a namespace of this test file for those who only look; what played in it ends with the test."""
    yield _module_arena
    _module_arena.clear()


@pytest.fixture
def another_arena(needs: Callable[..., None]) -> Iterator[Arena]:
    """Return a second namespace, for what outlives its programs."""
    needs("root")
    with new_arena() as arena:
        yield arena


@pytest.fixture
def world(needs: Callable[..., None]) -> Iterator[World]:
    """Return a host of its own on this kernel."""
    needs("root", "setpriv", "unshare", "nsenter", "mount", "ip")
    with World() as one:
        yield one


@pytest.fixture
def nobody() -> Callable[[Callable[[], Any]], Any]:
    """Return a function that calls another one in a process of a user who may do nothing, and returns what it says."""

    def call(act: Callable[[], Any]) -> Any:
        def as_nobody() -> Any:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            return act()

        return SecondProcess(as_nobody, PATIENCE).result()

    return call
