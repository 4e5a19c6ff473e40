# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The ledger of a host on which network namespaces come and go does not grow without end."""

from __future__ import annotations

import json

from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations.plan import Wish
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations.task import reserve
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.writing import ActingHost

from .seen import LEDGER, OLD, run
from .world import World

HERE = frozenset({40001})


def test_accounts_of_namespaces_that_have_ended_go(world: World) -> None:
    def accounts() -> int:
        return len(json.loads(LEDGER.read_text())["namespaces"])

    def reserve_in(name: str) -> int:
        reserve(ActingHost(), Wish("web", HERE), name)
        return accounts()

    world.run(lambda: run(OLD))
    world.command("ip", "netns", "add", "stays")
    world.run(lambda: reserve_in("stays"))
    found = []
    for number in range(20):
        world.command("ip", "netns", "add", f"passing{number}")
        found.append(world.run(lambda number=number: reserve_in(f"passing{number}")))  # type: ignore[misc]
        world.command("ip", "netns", "delete", f"passing{number}")
    assert max(found) < 20
    names = world.run(lambda: reserve(ActingHost(), Wish("shop", HERE), "stays"))["reservations"]
    assert [one["name"] for one in names] == ["shop", "web"]
    assert [one["name"] for one in world.run(lambda: run(OLD))["reservations"]] == ["billing"]
    assert world.run(accounts) < 20
