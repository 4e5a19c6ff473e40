# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A network namespace and a process of its own for whatever is tried."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host

from .occupants import enter_new_network

PATIENCE = 60.0


class OwnHost(Host):
    """The machine as if only this process ran on it."""

    def births(self) -> list[tuple[int, int]]:
        return [one for one in super().births() if one[0] == os.getpid()]

    def processors(self) -> int:
        return 1


@pytest.fixture
def elsewhere(needs: Callable[..., None]) -> Iterator[Callable[..., Any]]:
    """Return a function that calls another one in a child of its own, in a network namespace of its own."""
    needs("root", "ip")

    def call(play: Callable[..., Any], *arguments: Any) -> Any:
        def work() -> tuple[Any, str]:
            try:
                enter_new_network()
                return play(OwnHost(), *arguments), ""
            except BaseException:
                return None, traceback.format_exc()

        result, fault = Host().in_second_process(work, PATIENCE)()
        assert not fault, fault
        return result

    yield call
