# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Whole runs that get connections off their ports: what they have changed, what they foretell, what they refuse."""

from __future__ import annotations

import os
import signal
import socket
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import InvalidInput
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel import sock_destroy
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations.plan import Wish
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations.task import reserve
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.writing import ActingHost

from .world import World, kernel_list

TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM
#: of which kind a connection is, from which port (0: the kernel chooses), and whether runs that evict change anything:
#: one that foretells, one that acts, and the same again
RUNS = {
    "whose port the kernel chose": (TCP, 0, [True, True, False, False]),
    "whose port its program chose": (TCP, 40000, [False] * 4),
    "of UDP, whose port the kernel chose": (UDP, 0, [True, True, False, False]),
    "of UDP, whose port its program chose": (UDP, 40000, [False] * 4),
}


@pytest.mark.parametrize("what", RUNS)
def test_a_run_changes_something_when_it_destroys_a_connection(world: World, what: str) -> None:
    kind, source, expected = RUNS[what]

    results = world.run(lambda: _runs(kind, source))
    evicted = [[left["evicted"] for left in one["squatters"]] for one in results]
    assert [one["changed"] for one in results] == expected
    assert evicted == [[True] if changes else [] for changes in expected]
    assert [bool(one["warnings"]) for one in results] == expected
    assert [one["diff"]["before"] != one["diff"]["after"] for one in results] == expected
    assert [one["reservations"][0]["unused"] for one in results] == [source == 0] * 4


def test_what_the_kernel_cannot_destroy_is_foretold_to_stay(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sock_destroy, "_SOCK_DESTROY", 22)
    results = world.run(lambda: _runs(TCP, 0))
    assert [one["changed"] for one in results] == [False] * 4
    assert [left["evicted"] for one in results for left in one["squatters"]] == [False] * 4
    assert [one["diff"]["before"] == one["diff"]["after"] for one in results] == [True] * 4


def _runs(kind: int, source: int) -> list[dict[str, Any]]:
    """Return what four runs come to that evict a connection of another process, each other one in check mode."""
    with socket.create_server(("127.0.0.1", 7000)) as server, socket.socket(socket.AF_INET, kind) as one:
        one.bind(("127.0.0.1", source))
        one.connect(server.getsockname())
        wish = Wish("billing", frozenset([one.getsockname()[1]]))
        holder = os.fork()
        if not holder:
            signal.pause()
    reserve(ActingHost(), wish)
    try:
        return [reserve(ActingHost(), wish, evicting=True, pretend=pretend) for pretend in (True, False) * 2]
    finally:
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)


@pytest.mark.parametrize("pretend", [True, False])
def test_nothing_is_evicted_from_ports_that_the_running_kernel_may_give_away_again(world: World, pretend: bool) -> None:
    def run() -> None:
        reserve(ActingHost(), Wish("billing", frozenset([40000]), runtime=False), evicting=True, pretend=pretend)

    with pytest.raises(InvalidInput, match=r"^evict frees ports .*: accepted is evict with runtime=true\n"):
        world.run(run)
    assert world.run(kernel_list) == ""
