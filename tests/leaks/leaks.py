# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Lets shapes of leaks happen, and holds what the agent says of them against what /proc says."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
from collections import Counter

from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import HeldSocket, PortAnswer

from .conftest import OWN_PROGRAMS, Scene, alive, holders_of, name_of, seen_holders, until
from .shapes import Shape

#: The first of a PID namespace, who waits for its children as any does.
CONTAINER = ["unshare", "--pid", "--fork", "sh", "-c", '"$@"; exec sleep 1000000', "sh"]


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
    inode: int
    before: frozenset[tuple[int, int]]
    after: frozenset[tuple[int, int]]

    @property
    def held(self) -> HeldSocket:
        [held] = [held for held in self.answer.sockets if held.socket.inode == self.inode]
        return held

    @property
    def parts(self) -> list[tuple[int, str, str, str | None]]:
        """Who plays which part: pid, name, role and evidence."""
        holders = [holder for held in self.answer.sockets for holder in held.holders]
        return sorted({(one.pid, one.process.name, one.role, one.evidence) for one in holders})


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
            "client": shape.client,
            "heirs": [dataclasses.asdict(heir) for heir in shape.heirs],
        }
        for shape, port in zip(shapes, ports, strict=True)
    ]
    commands = [
        [*(CONTAINER if shape.contained else []), sys.executable, str(OWN_PROGRAMS / "creator.py"), json.dumps(order)]
        for shape, order in zip(shapes, orders, strict=True)
    ]
    leaks = [
        Leak(shape, port, told["inode"], told["pid"], told["fd"])
        for shape, port, (_pid, told) in zip(shapes, ports, scene.start(*commands), strict=True)
    ]
    missing: dict[str, Counter[str]] = {}

    def complete() -> bool:
        holders = holders_of(*(leak.inode for leak in leaks))
        for leak in leaks:
            there = Counter(name_of(pid) for pid in {pid for pid, _fd in holders[leak.inode]})
            wanted = Counter([*(heir.ends_as for heir in leak.shape.heirs if heir.program), *leak.shape.leaves])
            missing[leak.shape.name] = wanted - there
            others = len(leak.shape.heirs or leak.shape.leaves) + leak.shape.workers
            if len({pid for pid, _fd in holders[leak.inode]}) <= others:
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
        leak.shape.name: Look(
            answers[leak.port, leak.shape.protocol], leak.inode, before[leak.inode], after[leak.inode]
        )
        for leak in leaks
    }


def check_holders(shape: Shape, look: Look) -> None:
    """All holders are named, and nobody else."""
    stable, seen = look.before & look.after, seen_holders(look.held)
    assert stable <= seen
    assert shape.restless or seen == stable


def check_leaked(shape: Shape, look: Look, creator: int) -> None:
    """The creator is told from the heirs, and those from workers."""
    check_holders(shape, look)
    parts = look.parts
    assert look.answer.verdict == "leaked_to_heirs", parts
    assert [role for pid, _name, role, _evidence in parts if pid == creator] == ["creator"], parts
    check_strangers(shape, [role for pid, _name, role, _evidence in parts if pid != creator], parts)
    made_by = look.held.creator
    assert made_by is not None
    assert (made_by.pid, made_by.alive) == (creator, True)
    if shape.unit:
        assert made_by.unit == shape.unit


def check_orphaned(shape: Shape, look: Look) -> None:
    """Only heirs are left; where there are workers, these go on serving."""
    check_holders(shape, look)
    parts = look.parts
    assert look.answer.verdict == ("leaked_to_heirs" if shape.workers else "orphaned_listener"), parts
    check_strangers(shape, [role for _pid, _name, role, _evidence in parts], parts)
    made_by = look.held.creator
    assert made_by is not None or shape.workers
    if not shape.workers:
        assert (made_by.pid, made_by.alive) == (None, False)
    if shape.unit:
        assert made_by.unit == shape.unit


def check_strangers(shape: Shape, roles: list[str], parts: object) -> None:
    assert Counter(roles)["worker"] == shape.workers, parts
    assert set(roles) - {"worker"} == {"heir"}, parts


def end(pid: int, by: signal.Signals = signal.SIGKILL) -> None:
    """End a process and wait until it is gone."""
    os.kill(pid, by)
    until(lambda: not alive(pid), f"process {pid} lives on")
