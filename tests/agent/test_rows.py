# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Rows that come by the ten thousand are made past what counts their fields: none has fewer than it has names."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent import walking
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host

pytestmark = pytest.mark.needs("root")


@pytest.fixture(params=["walk", pytest.param("bpf", marks=pytest.mark.needs("bpf"))])
def means(request: pytest.FixtureRequest) -> str:
    """Return the scanner."""
    return str(request.param)


def test_every_row_is_whole(arena: Any, port: int, means: str) -> None:
    arena.play(f"""
one = server({port})
there = socket.create_connection(("127.0.0.1", {port}))
here = one.accept()
ready()
hold()
""")
    found = arena.look(port, every_connection=True).sockets
    seats = walking.walk(Host(), {held.socket.inode for held in found}, limits=True, scanner=means).seats

    assert {held.socket.state for held in found} == {"LISTEN", "ESTABLISHED"}
    assert len(seats) == len(found)
    rows = [one for held in found for one in (held, held.socket, *held.holders)]
    for row in rows + [seat for of_socket in seats.values() for seat in of_socket]:
        assert len(row) == len(row._fields)
