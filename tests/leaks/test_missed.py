# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""No leak is missed: every shape with real processes, while its creator lives and after it died."""

from __future__ import annotations

import dataclasses
import itertools
import os
import signal
from collections import Counter
from collections.abc import Iterator

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import HeldSocket, PortAnswer

from .conftest import Scene, alive, holders_of, name_of, seen_holders, until
from .shapes import SHAPES, SLEEPER, Heir, Shape, run

FIRST_PORT = 2000
BY_NAME = {shape.name: shape for shape in SHAPES}

pytestmark = [pytest.mark.needs("root", "perl", "su", "unshare", "setpriv"), pytest.mark.slow]


@dataclasses.dataclass(frozen=True)
class Leak:
    """A shape that stands: its port, its socket's inode, and who made it."""

    shape: Shape
    port: int
    inode: int
    creator: int
    fd: int


@dataclasses.dataclass(frozen=True)
class Look:
    """One answer, and who held the socket before and after it was asked for."""

    answer: PortAnswer
    before: frozenset[tuple[int, int]]
    after: frozenset[tuple[int, int]]

    @property
    def held(self) -> HeldSocket:
        [held] = self.answer.sockets
        return held


def stand(scene: Scene, shapes: tuple[Shape, ...], first_port: int) -> list[Leak]:
    """Let leaks happen, and return when every heir is at what it does."""
    ports = range(first_port, first_port + 2 * len(shapes), 2)
    orders = [
        {
            "port": port,
            "units": str(scene.units / str(port)),
            "made": shape.made,
            "work": shape.work,
            "cloexec": shape.cloexec,
            "unit": shape.unit,
            "heirs": [dataclasses.asdict(heir) for heir in shape.heirs],
        }
        for shape, port in zip(shapes, ports, strict=True)
    ]
    leaks = [
        Leak(shape, port, told["inode"], pid, told["fd"])
        for shape, port, (pid, told) in zip(shapes, ports, scene.start_python("creator.py", *orders), strict=True)
    ]
    missing: dict[str, Counter[str]] = {}

    def complete() -> bool:
        holders = holders_of(*(leak.inode for leak in leaks))
        for leak in leaks:
            there = Counter(name_of(pid) for pid in {pid for pid, _fd in holders[leak.inode]})
            wanted = Counter([*(heir.ends_as for heir in leak.shape.heirs if heir.program), *leak.shape.leaves])
            missing[leak.shape.name] = wanted - there
            if len({pid for pid, _fd in holders[leak.inode]}) <= len(leak.shape.heirs or leak.shape.leaves):
                missing[leak.shape.name]["anyone"] = 1
        return not any(missing.values())

    try:
        until(complete, "heirs")
    except TimeoutError:
        raise TimeoutError(str({name: dict(names) for name, names in missing.items() if names})) from None
    return leaks


def look(scene: Scene, leaks: list[Leak]) -> dict[str, Look]:
    """Ask for all of them at once."""
    inodes = [leak.inode for leak in leaks]
    before = holders_of(*inodes)
    answers = scene.look(*(leak.port for leak in leaks))
    after = holders_of(*inodes)
    return {
        leak.shape.name: Look(answers[leak.port, leak.shape.protocol], before[leak.inode], after[leak.inode])
        for leak in leaks
    }


def check_holders(shape: Shape, look: Look) -> None:
    """All holders are named, and nobody else."""
    stable, seen = look.before & look.after, seen_holders(look.held)
    assert stable <= seen
    assert shape.restless or seen == stable


def check_leaked(shape: Shape, look: Look, creator: int) -> None:
    check_holders(shape, look)
    roles = {(holder.pid, holder.role, holder.evidence) for holder in look.held.holders}
    assert look.answer.verdict == "leaked_to_heirs", roles
    assert {role for pid, role, _evidence in roles if pid == creator} == {"creator"}, roles
    assert {role for pid, role, _evidence in roles if pid != creator} == {"heir"}, roles
    made_by = look.held.creator
    assert made_by is not None
    assert (made_by.pid, made_by.alive) == (creator, True)
    if shape.unit:
        assert made_by.unit == shape.unit


def check_orphaned(shape: Shape, look: Look) -> None:
    check_holders(shape, look)
    roles = {(holder.pid, holder.role, holder.evidence) for holder in look.held.holders}
    assert look.answer.verdict == "orphaned_listener", roles
    assert {role for _pid, role, _evidence in roles} == {"heir"}, roles
    made_by = look.held.creator
    assert made_by is not None
    assert (made_by.pid, made_by.alive) == (None, False)
    if shape.unit:
        assert made_by.unit == shape.unit


def end(pid: int, by: signal.Signals = signal.SIGKILL) -> None:
    """End a process and wait until it is gone."""
    os.kill(pid, by)
    until(lambda: not alive(pid), f"process {pid} lives on")


# --- every shape, with its creator and without -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def leaks(scene: Scene) -> list[Leak]:
    """Every shape."""
    return stand(scene, SHAPES, FIRST_PORT)


@pytest.fixture(scope="module")
def with_creators(scene: Scene, leaks: list[Leak]) -> dict[str, Look]:
    """What is seen while the creators live."""
    return look(scene, leaks)


@pytest.fixture(scope="module")
def without_creators(scene: Scene, leaks: list[Leak], with_creators: dict[str, Look]) -> dict[str, Look]:
    """What is seen after all creators were killed."""
    assert with_creators
    for leak in leaks:
        end(leak.creator)
    return look(scene, leaks)


@pytest.mark.parametrize("name", BY_NAME)
def test_the_creator_lives(leaks: list[Leak], with_creators: dict[str, Look], name: str) -> None:
    [creator] = [leak.creator for leak in leaks if leak.shape.name == name]
    check_leaked(BY_NAME[name], with_creators[name], creator)


@pytest.mark.parametrize("name", BY_NAME)
def test_the_creator_was_killed(without_creators: dict[str, Look], name: str) -> None:
    check_orphaned(BY_NAME[name], without_creators[name])


# --- creators that exit, heirs that die ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ports() -> Iterator[int]:
    return iter(range(4000, 9000, 2))


@pytest.mark.parametrize(
    "name", ["exec sleep", "fork and pause", "daemon", "sleep in another unit", "udp4, sleep", "bound4, sleep"]
)
def test_the_creator_exited_by_itself(scene: Scene, ports: Iterator[int], name: str) -> None:
    [leak] = stand(scene, (BY_NAME[name],), next(ports))
    end(leak.creator, signal.SIGUSR1)
    check_orphaned(leak.shape, look(scene, [leak])[name])


DYING = {
    "programs": Shape("programs", (SLEEPER, run("tail", "-f", "/dev/null"), run("cat"))),
    "children": Shape("children", (Heir(), Heir("read_pipe"), Heir("work_in_steps")), cloexec=True),
    "bound": Shape("bound", (SLEEPER, Heir("poll_pipe"), run("cat")), "pause", "bound4"),
    "udp": Shape("udp", (SLEEPER, Heir("wait_in_threads"), run("cat")), "serve", "udp4"),
}
#: Of the creator (0) and three heirs; it dies first, second, third and last.
ORDERS = list(itertools.permutations(range(4)))[::4]


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: "".join(map(str, order)))
@pytest.mark.parametrize("shape", DYING.values(), ids=DYING)
def test_they_die_one_after_the_other(scene: Scene, ports: Iterator[int], shape: Shape, order: tuple[int, ...]) -> None:
    """The first is the creator; as long as an heir is left it is a leak, with the creator alone it is none any more."""
    [leak] = stand(scene, (shape,), next(ports))
    heirs = sorted({pid for pid, _fd in holders_of(leak.inode)[leak.inode]} - {leak.creator})
    assert len(heirs) == 3
    cast = [leak.creator, *heirs]
    check_leaked(shape, look(scene, [leak])[shape.name], leak.creator)
    for number in order[:-1]:
        end(cast.pop(cast.index([leak.creator, *heirs][number])))
        seen = look(scene, [leak])[shape.name]
        if leak.creator not in cast:
            check_orphaned(shape, seen)
        elif len(cast) > 1:
            check_leaked(shape, seen, leak.creator)
        else:
            assert seen.answer.verdict not in {"leaked_to_heirs", "orphaned_listener"}
    end(cast.pop())
    assert scene.look(leak.port)[leak.port, shape.protocol].verdict == "free"
