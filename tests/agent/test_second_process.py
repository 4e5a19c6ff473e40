# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Work in a forked child: its answer comes back, failure and endlessness are told, and it never stays behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import NotSupported
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.second_process import SecondProcess


def fail() -> None:
    raise ValueError


def end() -> None:
    os._exit(3)


def test_a_large_answer_comes_back_from_another_process() -> None:
    pid, numbers = SecondProcess(lambda: (os.getpid(), list(range(500_000)))).result()
    assert pid != os.getpid()
    assert numbers[-1] == 499_999


@pytest.mark.parametrize("work", [fail, end])
@pytest.mark.parametrize("seconds", [None, 60.0])
def test_a_failure_is_told(work: object, seconds: float | None) -> None:
    with pytest.raises(NotSupported, match="failed"):
        SecondProcess(work, seconds).result()  # type: ignore[arg-type]


def test_what_never_ends_is_killed() -> None:
    second = SecondProcess(signal.pause, 0.1)
    with pytest.raises(NotSupported, match="did not end in time"):
        second.result()
    try:
        _pid, status = os.waitpid(second._child, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL
    except ChildProcessError:
        pass  # it has been waited for already


@pytest.fixture
def sigchld_ignored() -> Iterator[None]:
    """As a process inherits it from a supervisor that does not care for its children: the kernel takes them away."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGCHLD, before)


@pytest.mark.usefixtures("sigchld_ignored")
@pytest.mark.parametrize("seconds", [None, 60.0])
def test_nobody_is_left_to_be_waited_for(seconds: float | None) -> None:
    assert SecondProcess(os.getpid, seconds).result() != os.getpid()


@pytest.mark.usefixtures("sigchld_ignored")
def test_what_never_ends_is_killed_and_not_waited_for() -> None:
    with pytest.raises(NotSupported, match="did not end in time"):
        SecondProcess(signal.pause, 0.1).result()


def test_no_descriptor_is_left_open() -> None:
    before = os.listdir("/proc/self/fd")
    SecondProcess(lambda: 1).result()
    assert os.listdir("/proc/self/fd") == before
