# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The parts that holders play are told with what decided: all that is so of them, and nothing that is not."""

from __future__ import annotations

import pathlib
import re
import sys

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import Holder

from .conftest import OWN_PROGRAMS, Scene, holders_of, until
from .leaks import Leak, Look, end, look, stand
from .shapes import SHAPES

FIRST_PORT = 2000
FACTS = {
    "child": "a child of process",
    "number": "has it under the same number",
    "other number": "has it under another number",
    "program": "runs another program",
    "cloexec": "close-on-exec is not set",
    "session": "is in another session",
    "user": "runs as another user",
    "cgroup": "is in another cgroup",
}
#: What is so of the heirs of a shape, beside that they do not serve it.
HEIRS: dict[str, str] = {
    "fork and pause": "child, number",
    "exec sleep": "child, number, program, cloexec",
    "daemon": "number, cloexec, session",
    "daemon of another program": "number, program, cloexec, session",
    "fork in another session": "child, number, cloexec, session",
    "fork in another user": "child, number, cloexec, user",
    "sleep in another user": "child, number, program, cloexec, user",
    "sleep in another unit": "child, number, program, cloexec, cgroup",
    "daemon in another unit": "number, program, cloexec, session, cgroup",
    "sleep in the same unit": "child, number, program, cloexec",
    "bound4, sleep": "child, number, program, cloexec",
    "udp4, fork": "child, number, cloexec",
}
#: What tells an heir when the creator is gone.
ORPHANS: dict[str, str] = {
    "sleep in another unit": "the socket was made in another cgroup than its own",
    "bound in another unit": "the socket was made in another cgroup than its own",
    "several programs": "credentials",
    "exec sleep": "credentials",
}
#: How workers wait, by the name of our own servers and the call.
WORKERS: dict[str, str] = {
    "pool": r"waits in accept4?$",
    "pool_by_epoll": r"waits in an epoll set with it \(descriptor \d+\)$",
    "pool_by_poll": r"waits in p?poll$",
    "pool_by_select": r"waits in p?select6?$",
    "receive_pool": r"waits in recvfrom$",
    "pool_by_file_lock": r"waits in accept4?$|waits for a lock|runs the same program as process \d+ beside it",
}
NAMES = list(dict.fromkeys([*HEIRS, *ORPHANS, "fork in another twice"]))

pytestmark = [pytest.mark.needs("root"), pytest.mark.slow]


@pytest.fixture(scope="module")
def leaks(scene: Scene) -> dict[str, Leak]:
    """The shapes of which the evidence is looked at."""
    shapes = tuple(shape for shape in SHAPES if shape.name in NAMES)
    return {leak.shape.name: leak for leak in stand(scene, shapes, FIRST_PORT)}


@pytest.fixture(scope="module")
def with_creators(scene: Scene, leaks: dict[str, Leak]) -> dict[str, Look]:
    """What is seen while the creators live."""
    return look(scene, list(leaks.values()))


@pytest.fixture(scope="module")
def without_creators(scene: Scene, leaks: dict[str, Leak], with_creators: dict[str, Look]) -> dict[str, Look]:
    """What is seen after all creators were killed."""
    assert with_creators
    for leak in leaks.values():
        end(leak.creator)
    return look(scene, list(leaks.values()))


def heirs_of(seen: Look) -> list[Holder]:
    return [holder for holder in seen.held.holders if holder.role == "heir"]


@pytest.mark.parametrize("name", HEIRS)
def test_what_is_so_of_an_heir(leaks: dict[str, Leak], with_creators: dict[str, Look], name: str) -> None:
    [heir] = heirs_of(with_creators[name])
    assert heir.evidence is not None
    assert heir.evidence.startswith("does not serve it; ")
    assert {fact for fact, words in FACTS.items() if words in heir.evidence} == set(HEIRS[name].split(", "))
    assert "child" not in HEIRS[name] or f"a child of process {leaks[name].creator}" in heir.evidence


def test_each_of_an_heirs_descriptors_has_its_number(with_creators: dict[str, Look]) -> None:
    """One that it inherited, one that it made of it."""
    heirs = heirs_of(with_creators["fork in another twice"])
    assert [f"({heir.fd})" in str(heir.evidence) for heir in heirs] == [True, True]
    assert sorted("same number" in str(heir.evidence) for heir in heirs) == [False, True]


@pytest.mark.parametrize("name", ORPHANS)
def test_what_tells_an_orphan(without_creators: dict[str, Look], name: str) -> None:
    if "credentials" in ORPHANS[name] and not pathlib.Path("/sys/kernel/btf/vmlinux").exists():
        pytest.skip("needs a kernel that describes its types (BTF)")
    heirs = heirs_of(without_creators[name])
    assert heirs
    assert all(ORPHANS[name] in str(heir.evidence) for heir in heirs)


@pytest.mark.parametrize("name", ["exec sleep", "fork and pause", "sleep in another unit"])
def test_what_tells_the_creator(leaks: dict[str, Leak], with_creators: dict[str, Look], name: str) -> None:
    seen, leak = with_creators[name], leaks[name]
    [creator] = [holder for holder in seen.held.holders if holder.role == "creator"]
    assert seen.held.creator is not None
    assert creator.evidence
    assert f"process {leak.creator} made it: {creator.evidence}" in seen.held.creator.evidence
    if leak.shape.unit:
        assert f"/{leak.shape.unit}" in seen.held.creator.evidence


@pytest.mark.parametrize("name", ["sleep in another unit", "bound in another unit"])
def test_what_tells_a_creator_that_is_gone(without_creators: dict[str, Look], name: str) -> None:
    creator = without_creators[name].held.creator
    assert creator is not None
    assert creator.evidence.startswith("cgroup id ")
    assert "/legacy.service" in creator.evidence
    assert "none of those who hold it made it" in creator.evidence


@pytest.mark.parametrize("name", WORKERS)
def test_how_workers_wait(scene: Scene, name: str) -> None:
    port = 3000 + list(WORKERS).index(name)
    protocol = "udp" if name == "receive_pool" else "tcp"
    [(parent, _nothing)] = scene.start([sys.executable, str(OWN_PROGRAMS / "servers.py"), name, str(port)], tells=False)

    def complete() -> bool:
        inodes = [row.inode for row in scene.rows(protocol, port) if row.inode]
        return bool(inodes) and {len(holders) for holders in holders_of(*inodes).values()} == {4}

    until(complete, "a parent and three workers")
    [held] = scene.look(port)[port, protocol].sockets
    roles = {holder.pid: (holder.role, holder.evidence) for holder in held.holders}
    assert roles.pop(parent)[0] == "creator"
    for role, evidence in roles.values():
        assert role == "worker"
        assert evidence is not None
        assert re.match(WORKERS[name], evidence), evidence
