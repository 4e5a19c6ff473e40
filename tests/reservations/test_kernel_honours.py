# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What a reservation is for: no automatic port is ever a reserved one, and a reserved one can be had by name."""

from __future__ import annotations

import errno
import itertools
import socket
from collections.abc import Callable

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations.plan import Wish
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations.task import reserve
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.writing import ActingHost

from .world import AUTOMATIC, World

LOW, HIGH = 20000, 20099
LEFT = frozenset({20007, 20008, 20031, 20056, 20099})  # what is not reserved, of both parities
RESERVED = frozenset(range(LOW, HIGH + 1)) - LEFT
TIMES = 3000


def narrow() -> None:
    AUTOMATIC.write_text(f"{LOW}\t{HIGH}\n")
    reserve(ActingHost(), Wish("billing", RESERVED))


def bound(family: int, kind: int, address: str) -> int:
    with socket.socket(family, kind) as one:
        one.bind((address, 0))
        return int(one.getsockname()[1])


def listening(family: int, kind: int, address: str) -> int:
    """A port chosen by listen(2), not by bind(2)."""
    with socket.socket(family, kind) as one:
        one.listen()
        return int(one.getsockname()[1])


def connected(family: int, kind: int, address: str) -> int:
    """A port chosen by connect(2). The other end closes first, so that its fixed port is what waits (TIME_WAIT)."""
    with socket.socket(family, kind) as server, socket.socket(family, kind) as client:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, next(PORTS)))
        if kind == socket.SOCK_STREAM:
            server.listen()
        client.connect(server.getsockname())
        if kind == socket.SOCK_STREAM:
            server.accept()[0].close()
        return int(client.getsockname()[1])


def sent(family: int, kind: int, address: str) -> int:
    """A port chosen by sendto(2)."""
    with socket.socket(family, kind) as one:
        one.sendto(b"?", (address, 9))
        return int(one.getsockname()[1])


PORTS = itertools.cycle(range(1024, LOW))
WAYS = [
    (bound, socket.SOCK_STREAM),
    (bound, socket.SOCK_DGRAM),
    (listening, socket.SOCK_STREAM),
    (connected, socket.SOCK_STREAM),
    (connected, socket.SOCK_DGRAM),
    (sent, socket.SOCK_DGRAM),
]


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
@pytest.mark.parametrize(("choose", "kind"), WAYS)
def test_no_automatic_port_is_a_reserved_one(
    world: World, choose: Callable[[int, int, str], int], kind: int, family: int, address: str
) -> None:
    def chosen() -> tuple[set[int], set[int]]:
        AUTOMATIC.write_text(f"{LOW}\t{HIGH}\n")
        before = {choose(family, kind, address) for _time in range(100)}
        reserve(ActingHost(), Wish("billing", RESERVED))
        return before, {choose(family, kind, address) for _time in range(TIMES)}

    before, found = world.run(chosen)
    assert before & RESERVED, "without a reservation it would be one of them"
    assert found <= LEFT
    assert len(found) > 1


def all_there_are() -> set[int]:
    """Take automatic ports until the kernel refuses to give one more."""
    taken: list[socket.socket] = []
    while len(taken) <= HIGH - LOW + 1:
        taken.append(socket.socket())
        try:
            taken[-1].bind(("127.0.0.1", 0))
        except OSError as error:
            assert error.errno == errno.EADDRINUSE
            return {one.getsockname()[1] for one in taken[:-1]}
    raise AssertionError("the kernel gives more ports than there are")


def test_the_kernel_refuses_rather_than_give_a_reserved_one(world: World) -> None:
    assert world.run(lambda: (narrow(), all_there_are())[1]) == LEFT


def test_a_reserved_port_can_be_had_by_who_names_it(world: World) -> None:
    def name_it() -> list[int]:
        narrow()
        ports = []
        for port, kind in itertools.product(sorted(RESERVED), (socket.SOCK_STREAM, socket.SOCK_DGRAM)):
            with socket.socket(socket.AF_INET, kind) as one:
                one.bind(("127.0.0.1", port))
                ports.append(one.getsockname()[1])
        return ports

    assert set(world.run(name_it)) == RESERVED


def test_what_is_given_back_is_chosen_again(world: World) -> None:
    def give_back() -> set[int]:
        narrow()
        reserve(ActingHost(), Wish("billing", RESERVED - {20050, 20051}))
        return all_there_are()

    assert world.run(give_back) == LEFT | {20050, 20051}
