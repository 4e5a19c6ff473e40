# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Who is whose parent among real processes, and whose parent may have adopted it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import Gone, NotPermitted
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.lineage import (
    Lineage,
    is_first_of_namespace,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.process_directory import ProcessDirectory
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.walking import walk

pytestmark = pytest.mark.needs("root")

CHAIN = """
one = bound(0)
if os.fork():
    hold()
between = os.getpid()
if os.fork():
    hold()
ready(between=between, last=os.getpid(), inode=inode(one))
hold()
"""

ORPHAN = """
called(LIBC.unshare(0x20000000))  # a PID namespace for its children
one = bound(0)
first = os.fork()
if not first:
    if not os.fork():
        if not os.fork():
            {before}
            until(lambda: os.getppid() == 1)
            ready(pid=int(os.readlink(b"/proc/self")), inode=inode(one))
            hold()
        os._exit(0)
    hold()
hold()
"""


def lineage(inode: int, host: Host | None = None) -> Lineage:
    """Return the lineage of those who hold a socket."""
    return Lineage(host or Host(), walk(Host(), [inode]).processes)


def test_the_parents_of_a_child_of_a_child(play: Callable[..., Any]) -> None:
    program = play(CHAIN)
    family = lineage(program["inode"])
    parents = family.ancestors(program["last"])
    assert parents[:3] == (program["between"], program.pid, os.getpid())
    assert family.ancestors(program["between"]) == parents[1:]
    assert 0 not in parents
    assert len(parents) == len(set(parents))


class Hidden(Host):
    """A machine on which one process is out of sight."""

    def __init__(self, pid: int, error: type[Exception]) -> None:
        super().__init__()
        self._hidden = pid
        self._error = error

    def open_process(self, pid: int) -> ProcessDirectory:
        if pid == self._hidden:
            raise self._error("out of sight")
        return super().open_process(pid)


@pytest.mark.parametrize("error", [Gone, NotPermitted])
def test_parents_that_cannot_be_seen(error: type[Exception], play: Callable[..., Any]) -> None:
    program = play(CHAIN)
    family = lineage(program["inode"], Hidden(program["between"], error))
    assert family.ancestors(program["last"]) == (program["between"],)
    assert family.may_be_an_orphan(program["last"])


def test_who_has_executed_no_program_since_it_was_forked(play: Callable[..., Any]) -> None:
    program = play(CHAIN)
    family = lineage(program["inode"])
    assert [family.has_only_forked(pid) for pid in (program.pid, program["last"])] == [False, True]
    hidden = lineage(program["inode"], Hidden(program["last"], Gone))
    assert hidden.has_only_forked(program["last"]) is None


def test_a_child_in_the_session_of_its_parent_is_no_orphan(play: Callable[..., Any]) -> None:
    program = play(CHAIN)
    family = lineage(program["inode"])
    assert not family.may_be_an_orphan(program["between"])
    assert not family.may_be_an_orphan(program["last"])


def test_one_that_leads_a_session_may_be_an_orphan(play: Callable[..., Any]) -> None:
    program = play(CHAIN.replace("ready(", "os.setsid(); ready("))
    family = lineage(program["inode"])
    assert family.may_be_an_orphan(program["last"])
    assert family.may_be_an_orphan(program.pid)
    assert not family.may_be_an_orphan(program["between"])


def test_the_first_process_of_all_is_no_orphan(play: Callable[..., Any]) -> None:
    program = play(CHAIN)
    processes = walk(Host(), [program["inode"]]).processes
    first = dataclasses.replace(processes[program["last"]], ppid=0)
    family = Lineage(Host(), {first.pid: first})
    assert not family.may_be_an_orphan(first.pid)
    assert family.ancestors(first.pid) == ()


@pytest.mark.parametrize("before", ["pass", "os.setsid()"], ids=["in the session of its parents", "in its own"])
def test_one_whose_parent_is_the_first_of_a_pid_namespace_may_be_an_orphan(
    before: str, play: Callable[..., Any]
) -> None:
    program = play(ORPHAN.format(before=before))
    family = lineage(program["inode"])
    orphan = program["pid"]
    first, *rest = family.ancestors(orphan)
    assert family.may_be_an_orphan(orphan)
    assert rest[0] == program.pid
    assert family.ancestors(first) == tuple(rest)
    assert not family.may_be_an_orphan(first)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (b"Name:\tinit\nNSpid:\t77\t1\n", True),
        (b"NSpid:\t1\n", True),
        (b"NSpid:\t77\t11\n", False),
        (b"NSpid:\t1\t77\n", False),
        (b"Name:\tNSpid:\t1\nPid:\t1\n", False),
        (b"", False),
    ],
)
def test_the_first_of_a_pid_namespace(status: bytes, expected: bool) -> None:
    assert is_first_of_namespace(status) is expected
