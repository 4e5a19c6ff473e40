# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Starts programs on order and adopts what they leave behind, as the first process of a user's session does."""

from __future__ import annotations

import ctypes
import json
import os
import pathlib
import signal
import subprocess
import sys
from typing import Any

from stage import LIBC, called, ready

_PR_SET_CHILD_SUBREAPER = 36


def direct() -> None:
    """Start what each line of the input orders, and answer what each of them tells; end all when the input ends."""
    called(LIBC.prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), 0, 0, 0))
    signal.signal(signal.SIGCHLD, _bury)
    ready(pid=os.getpid())
    for line in sys.stdin:
        ready(answers=_start(json.loads(line)))
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _end_all()
    ready()


def _start(orders: list[dict[str, Any]]) -> list[Any]:
    """Start all that was ordered; returns for each its pid and what it told, unless it was not to be waited for."""
    started = [_start_one(**order) for order in orders]
    return [(process.pid, _hear(process)) for process in started]


def _start_one(
    argv: list[str], environment: dict[str, str], tells: bool, log: str | None = None
) -> subprocess.Popen[bytes]:
    output = subprocess.PIPE if tells else subprocess.DEVNULL
    with open(log or os.devnull, "ab") as errors:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors if log else None,
            env={**os.environ, **environment},
            start_new_session=True,
        )


def _hear(process: subprocess.Popen[bytes]) -> Any:
    if process.stdout is None:
        return None
    with process.stdout:
        line = process.stdout.readline()
    return json.loads(line) if line else None


def _bury(*_signal: object) -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _end_all() -> None:
    """Kill the children until there are none: those of the dead become ours."""
    children = pathlib.Path("/proc/thread-self/children")
    while True:
        for child in children.read_text().split():
            os.kill(int(child), signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return
