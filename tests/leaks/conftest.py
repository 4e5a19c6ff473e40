# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Leaks and services of a test file, in a network namespace of its own, and the truth about them from /proc."""

from __future__ import annotations

import json
import os
import pathlib
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import (
    HeldSocket,
    PortAnswer,
    Socket,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.ownership.cgroup_tree import (
    parse_unified_mounts,
)

from tests.agent.conftest import PROGRAMS, Arena, new_arena

OWN_PROGRAMS = pathlib.Path(__file__).resolve().parent / "programs"
PATIENCE = 20.0


class Scene:
    """Where programs play for a test file: all that they start ends with it, wherever it went."""

    def __init__(self, arena: Arena, units: pathlib.Path) -> None:
        self.units = units
        self._arena = arena
        self._director = arena.play(f"sys.path.insert(0, {str(OWN_PROGRAMS)!r})\nfrom director import direct; direct()")

    def start(self, *programs: list[str], tells: bool = True, log: str | None = None) -> list[tuple[int, Any]]:
        """Start programs at once; returns of each its pid and the first thing it told."""
        environment = {"PYTHONPATH": f"{PROGRAMS}:{OWN_PROGRAMS}", "PYTHONDONTWRITEBYTECODE": "1"}
        orders = [{"argv": argv, "environment": environment, "tells": tells, "log": log} for argv in programs]
        answers: list[tuple[int, Any]] = self._director.tell(json.dumps(orders))["answers"]
        for argv, (_pid, told) in zip(programs, answers, strict=True):
            assert told is not None or not tells, f"{argv} ended without a word"
        return answers

    def start_python(self, program: str, *arguments: dict[str, Any]) -> list[tuple[int, Any]]:
        """Start one of our own programs once for each of the arguments."""
        return self.start(*([sys.executable, str(OWN_PROGRAMS / program), json.dumps(one)] for one in arguments))

    def look(self, *ports: int) -> dict[tuple[int, str], PortAnswer]:
        """Return what the agent answers for each port and protocol."""
        return {(one.port, one.protocol): one for one in self._arena.answers(*ports, host=Host())}

    def rows(self, protocol: str, *ports: int) -> list[Socket]:
        """Return the rows of the kernel's table with these local ports."""
        return [row for row in self._arena.rows(protocol, *ports) if row.local.port in ports]

    def end(self) -> None:
        self._director.finish()


def holders_of(*inodes: int) -> dict[int, frozenset[tuple[int, int]]]:
    """Return who holds each of the sockets, (pid, descriptor), as /proc tells."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    found: dict[int, set[tuple[int, int]]] = {inode: set() for inode in inodes}
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            for descriptor in os.listdir(f"/proc/{process}/fd"):
                inode = wanted.get(os.readlink(f"/proc/{process}/fd/{descriptor}"))
                if inode is not None:
                    found[inode].add((int(process), int(descriptor)))
        except (FileNotFoundError, ProcessLookupError, PermissionError):  # some let not even root look
            continue
    return {inode: frozenset(holders) for inode, holders in found.items()}


def seen_holders(held: HeldSocket) -> frozenset[tuple[int, int]]:
    return frozenset((holder.pid, holder.fd) for holder in held.holders)


def name_of(pid: int) -> str:
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def alive(pid: int) -> bool:
    """Return whether the process is there and no zombie."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def until(condition: Callable[[], Any], what: str) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.01)


@pytest.fixture(scope="module")
def scene(needs: Callable[..., None]) -> Iterator[Scene]:
    """Return a stage in a network namespace of its own, with a corner of the cgroup tree."""
    needs("root")
    mounts = parse_unified_mounts(pathlib.Path("/proc/self/mountinfo").read_text())
    if not mounts:
        pytest.skip("needs a cgroup2 tree that can be written")
    units = pathlib.Path(mounts[0][0]) / f"portreeve-{uuid.uuid4().hex}"
    units.mkdir()
    try:
        with new_arena() as arena:
            scene = Scene(arena, units)
            yield scene
            scene.end()
    finally:
        for directory in sorted(units.rglob("*/"), reverse=True):
            if directory.is_dir():
                directory.rmdir()
        units.rmdir()
