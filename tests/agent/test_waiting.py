# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What /proc tells of calls in which threads are blocked, and of descriptors."""

from __future__ import annotations

import os
import pathlib
import select
import socket

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.fdinfo import (
    closes_on_exec,
    never_blocks,
    parse_targets,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.waiting import parse_call

NAMES = {288: "accept4"}
ARGUMENTS = b" 0x3 0x1 0x0 0x0 0x0 0x0 "


@pytest.mark.parametrize(
    ("line", "names", "expected"),
    [
        (b"288" + ARGUMENTS + b"0x7ffc1234abcd 0x7f\n", NAMES, ("accept4", [3, 1, 0, 0, 0, 0])),
        (b"7" + ARGUMENTS + b"0x7ffc1234abcd 0x7f\n", NAMES, ("another", [3, 1, 0, 0, 0, 0])),
        (b"running\n", NAMES, ("", ())),
        (b"-1 0x7ffc1234abcd 0x7f\n", NAMES, ("", ())),
        (b"288" + ARGUMENTS + b"0x7ffc1234abcd 0x7f\n", {}, ("", ())),
        (b"288" + ARGUMENTS + b"0xffc1234a 0x7f\n", NAMES, ("", ())),
    ],
    ids=["known", "another", "running", "no call", "unknown machine", "stack of 32 bits"],
)
def test_the_call_a_thread_is_blocked_in(line: bytes, names: dict[int, str], expected: tuple[str, object]) -> None:
    assert parse_call(line, names) == expected


def fdinfo(descriptor: int) -> bytes:
    return pathlib.Path(f"/proc/self/fdinfo/{descriptor}").read_bytes()


@pytest.mark.parametrize("inheritable", [True, False])
@pytest.mark.parametrize("blocking", [True, False])
def test_the_flags_of_a_descriptor(inheritable: bool, blocking: bool) -> None:
    with socket.socket() as one:
        one.set_inheritable(inheritable)
        one.setblocking(blocking)
        assert closes_on_exec(fdinfo(one.fileno())) is not inheritable
        assert never_blocks(fdinfo(one.fileno())) is not blocking
    assert closes_on_exec(b"pos:\t0\n") is None


def test_the_targets_of_an_epoll_set() -> None:
    with select.epoll() as epoll, socket.socket() as one, socket.socket() as other:
        assert parse_targets(fdinfo(epoll.fileno())) == (set(), set())
        for each in (one, other):
            epoll.register(each)
        numbers = {each.fileno() for each in (one, other)}
        assert parse_targets(fdinfo(epoll.fileno())) == (numbers, {os.fstat(number).st_ino for number in numbers})
