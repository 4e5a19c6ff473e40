# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The kernel's list: what is written to it is what it holds, whatever the size and whoever else writes."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import Gone, NotSupported
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.namespaces import (
    read_own_namespace,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.reserved_ports import (
    Write,
    open_reserved,
    read_reserved,
    write_reserved,
    writes_of,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import Namespace
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.ports import compress, port_set
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.writing import ActingHost

from .world import World, kernel_list, set_kernel_list

PAGE = os.sysconf("SC_PAGE_SIZE")
SPARSE = frozenset(range(1025, 61025, 2))  # 30,000 ports, no two of them neighbours


def ports(text: str) -> frozenset[int]:
    found = port_set(text)
    assert found is not None
    return found


def put(new: frozenset[int], old: frozenset[int] | None = None) -> frozenset[int]:
    """Write a list, to be called inside; returns what the kernel holds then."""
    host = ActingHost()
    namespace = read_own_namespace(host)
    descriptor = open_reserved(host, namespace)
    write_reserved(host, descriptor, writes_of(read_reserved(host, namespace) if old is None else old, new, PAGE))
    os.close(descriptor)
    return read_reserved(host, namespace)


@pytest.mark.parametrize(
    ("old", "new", "page", "writes"),
    [
        ("", "", 4096, ()),
        ("1", "1", 4096, ()),
        ("", "8080,8082", 4096, ((1, "8080,8082\n"),)),
        ("8080", "8080-8082", 4096, ((1, "8081-8082\n"),)),
        ("2,4,6,8,10", "1-10", 4096, ((1, "1-10\n"),)),  # shorter than what is missing
        ("1,2", "2", 4096, ((0, "2\n"),)),
        ("1,2", "", 4096, ((0, "\n"),)),
        ("1", "10,12,14", 10, ((0, "10,12,14\n"),)),  # just one page less one byte
        ("1", "10,12,14,16", 10, ((0, "10,12,14\n"), (1, "16\n"))),
        ("1", "1,10,12,14,16", 10, ((1, "10,12,14\n"), (1, "16\n"))),
    ],
)
def test_the_fewest_writes(old: str, new: str, page: int, writes: tuple[tuple[int, str], ...]) -> None:
    wanted = tuple(Write(at, data.encode()) for at, data in writes)
    assert writes_of(ports(old), ports(new), page) == wanted


def pairs(count: int, highest: int) -> Iterator[tuple[frozenset[int], frozenset[int]]]:
    """Yield lists of all densities, every second one with nothing taken away."""
    dice = random.Random(7)
    for number in range(count):
        old, new = (frozenset(dice.sample(range(1, highest + 1), dice.randint(0, highest))) for _one in range(2))
        yield old, new | old if number % 2 else new


@pytest.mark.parametrize(("page", "highest"), [(14, 300), (64, 1000), (4096, 20000)])
def test_the_writes_lead_from_old_to_new_and_take_away_only_what_goes(page: int, highest: int) -> None:
    for old, new in pairs(20, highest):
        there = old
        for write in writes_of(old, new, page):
            assert len(write.data) < page
            there = ports(write.data.decode()) | (there if write.at else frozenset())
            assert there <= old | new
            assert not new >= old or there >= old
        assert there == new


def test_any_list_is_read_back_as_it_was_written(world: World) -> None:
    for new in (SPARSE, frozenset(range(2, 65536, 2)), frozenset(), frozenset(range(1, 65536)), frozenset({1, 65535})):
        assert world.run(lambda new=new: put(new)) == new


def test_random_lists_follow_each_other(world: World) -> None:
    def follow() -> list[tuple[frozenset[int], frozenset[int]]]:
        return [(put(new), new) for pair in pairs(10, 65535) for new in pair]

    for found, wanted in world.run(follow):
        assert found == wanted


def test_opening_changes_nothing(world: World) -> None:
    def opened() -> str:
        set_kernel_list("8080,9000-9010")
        os.close(open_reserved(ActingHost(), read_own_namespace(ActingHost())))
        return kernel_list()

    assert world.run(opened) == "8080,9000-9010"


def test_who_only_adds_takes_nothing_from_somebody_else(world: World) -> None:
    """The other one has written after we have looked."""

    def add() -> frozenset[int]:
        set_kernel_list("5000")
        return put(frozenset({8080, 8082}), old=frozenset({8080}))

    assert world.run(add) == {5000, 8082}


def test_many_who_add_at_once_lose_nothing(world: World) -> None:
    shares = [frozenset(range(10000 + share, 40000, 16)) for share in range(8)]
    ends = [world.start(lambda share=share: put(share, old=frozenset())) for share in shares]
    for end in ends:
        end()
    assert world.run(lambda: read_reserved(ActingHost(), read_own_namespace(ActingHost()))) == frozenset().union(
        *shares
    )


def test_a_write_that_the_kernel_takes_in_part_is_an_error(world: World) -> None:
    def write() -> None:
        host = ActingHost()
        descriptor = open_reserved(host, read_own_namespace(host))
        write_reserved(host, descriptor, (Write(0, compress(SPARSE).encode() + b"\n"),))

    with pytest.raises(NotSupported, match=r"ip_local_reserved_ports: the kernel took 409\d bytes of 17\d{4}$"):
        world.run(write)


def test_another_namespace_has_a_list_of_its_own(world: World) -> None:
    def write() -> tuple[frozenset[int], frozenset[int]]:
        host = ActingHost()
        set_kernel_list("5000")
        with subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; read _end"], stdin=-1, stdout=-1) as sleeper:
            assert sleeper.stdout is not None
            sleeper.stdout.readline()
            path = f"/proc/{sleeper.pid}/ns/net"
            other = Namespace(id=os.stat(path).st_ino, name="other", kind="process", path=path)
            descriptor = open_reserved(host, other)
            write_reserved(host, descriptor, writes_of(read_reserved(host, other), SPARSE, PAGE))
            found = read_reserved(host, other)
            sleeper.communicate(b"\n")
            with pytest.raises(Gone):
                open_reserved(host, other)
        return found, read_reserved(host, read_own_namespace(host))

    assert world.run(write) == (SPARSE, {5000})
