# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Whole processes, timed in interleaved pairs, their output discarded alike."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryFile
from threading import Timer

ROUNDS = 7
LEAST_ROUNDS = 3
BUDGET = 60.0  # seconds for the rounds of one comparison


class Failed(Exception):
    """A contestant did not do its work, so there is nothing to time."""


@dataclass(frozen=True)
class Command:
    """A contestant: its arguments, the exit statuses that mean done, the least lines that prove the work was done."""

    argv: Sequence[str]
    done: tuple[int, ...] = (0,)
    least_lines: int = 1

    def __str__(self) -> str:
        return shlex.join(self.argv)


@dataclass(frozen=True)
class Run:
    """One process: seconds by the clock, seconds of CPU with its children, peak resident bytes (getrusage(2))."""

    wall: float
    cpu: float
    peak_bytes: int


@dataclass(frozen=True)
class Pairs:
    """What two contestants took, run in turn: ``ours[i]`` and ``theirs[i]`` were neighbours in time.

    ``bound`` is set when the rival was stopped unfinished after so many seconds; ``theirs`` is then empty.
    """

    ours: tuple[Run, ...]
    theirs: tuple[Run, ...]
    bound: float | None = None

    def wall_ratios(self) -> tuple[float, ...]:
        """Time by the clock, ours by theirs, pair by pair; against an unfinished rival an upper limit."""
        if self.bound is not None:
            return tuple(run.wall / self.bound for run in self.ours)
        return tuple(a.wall / b.wall for a, b in zip(self.ours, self.theirs, strict=True))

    def cpu_ratio(self) -> float | None:
        """The median of the pairwise ratios of CPU time, or None against an unfinished rival."""
        return median(a.cpu / b.cpu for a, b in zip(self.ours, self.theirs, strict=True)) if self.theirs else None


def children(pid: int) -> list[int]:
    """The process and all its descendants (proc_pid_task(5), children)."""
    found = [pid]
    for each in found:
        try:
            for listing in Path(f"/proc/{each}/task").glob("*/children"):
                found.extend(int(word) for word in listing.read_text().split())
        except OSError:
            continue
    return found


def stop(pid: int) -> None:
    """Kill the process and all its descendants, wherever in sessions and groups they have moved."""
    for each in children(pid):
        try:
            os.kill(each, signal.SIGKILL)
        except ProcessLookupError:
            continue


def last_line(errors: bytes) -> str:
    """What a program said last before it failed."""
    return errors.decode(errors="replace").strip().rpartition("\n")[2]


def run(command: Command, bound: float) -> Run:
    """One run with its output discarded. Raises Failed when it is not done within ``bound`` seconds."""
    with TemporaryFile() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(command.argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors)
        timer = Timer(bound, stop, (process.pid,))
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in command.done:
            errors.seek(0)
            raise Failed(f"{command}: exit status {process.returncode} after {wall:.1f} s. {last_line(errors.read())}")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def warm_up(command: Command, bound: float) -> bool:
    """One run that is looked at instead of timed: False when it was not done within ``bound`` seconds.

    Raises Failed when it exits with an error or does not print what proves its work.
    """
    process = subprocess.Popen(command.argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        output, errors = process.communicate(timeout=bound)
    except subprocess.TimeoutExpired:
        stop(process.pid)
        process.communicate()
        return False
    lines = output.count(b"\n")
    if process.returncode not in command.done or lines < command.least_lines:
        raise Failed(
            f"{command}: exit status {process.returncode}, {lines} lines of at least {command.least_lines}. "
            + last_line(errors)
        )
    return True


def compare(ours: Command, theirs: Command, bound: float, rounds: int = ROUNDS) -> Pairs:
    """A warm-up of each, then pairs in turn until ``rounds`` or BUDGET is used up, but LEAST_ROUNDS of them.

    A rival that exceeds ``bound`` seconds is run no more.
    """
    for command in (ours, theirs):
        if shutil.which(command.argv[0]) is None:
            raise Failed(f"{command.argv[0]} is not installed")
    if not warm_up(ours, bound):
        raise Failed(f"{ours}: not done within {bound:.0f} s")
    if not warm_up(theirs, bound):
        return Pairs(tuple(run(ours, bound) for _ in range(LEAST_ROUNDS)), (), bound)
    pairs: list[tuple[Run, Run]] = []
    started = time.perf_counter()
    while len(pairs) < LEAST_ROUNDS or (len(pairs) < rounds and time.perf_counter() - started < BUDGET):
        pairs.append((run(ours, bound), run(theirs, bound)))
    return Pairs(tuple(a for a, _ in pairs), tuple(b for _, b in pairs))
