# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A stage on which programs do what a test tells them, one step at a time, while a watch looks on."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ..cli.stage import ROOT, TOOLS, Stage, stage

PATIENCE = 60.0  # seconds until a test gives up on an event

#: A program that does what it is told line by line; after each line it says when it began and ended it.
ACTOR = """
import os, signal, socket, sys, time
def listening(port, *options, address="127.0.0.1"):
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for option in options:
        made.setsockopt(socket.SOL_SOCKET, option, 1)
    made.bind((address, port))
    made.listen()
    return made
def refused(port, address="127.0.0.1"):
    with socket.socket() as made:
        try:
            made.bind((address, port))
        except OSError as error:
            return error.errno
def child(act):
    pid = os.fork()
    if pid == 0:
        act()
        signal.pause()
    return pid
scope = dict(globals())
for line in sys.stdin:
    began = time.monotonic()
    exec(line, scope)
    print(began * 1000, time.monotonic() * 1000, scope.get("result"), flush=True)
"""


class Actor:
    """One program on the stage."""

    def __init__(self, place: Stage) -> None:
        self._process = subprocess.Popen(
            place.command(sys.executable, "-I", "-S", "-c", ACTOR),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = int(self.do("result = os.getpid()")[2])

    def do(self, statement: str) -> tuple[float, float, str]:
        """Let it do something to its end; returns when it began and ended (monotonic ms), and its ``result``."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(statement + "\n")
        self._process.stdin.flush()
        began, ended, result = self._process.stdout.readline().split(maxsplit=2)
        return float(began), float(ended), result.strip()

    def die(self) -> None:
        """End it by the end of its input, which those whom it has forked do not wait for."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=PATIENCE)


class Watcher:
    """A running watch with ``--json``; its lines are read as they come."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines: list[dict[str, Any]] = []
        self._coming: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._coming.put(line)
        self._coming.put(None)

    def until(self, kind: str, matches: Callable[[dict[str, Any]], bool] = lambda _line: True) -> dict[str, Any]:
        """Return the next event of a kind that matches, waiting for it."""
        deadline = time.monotonic() + PATIENCE
        while True:
            line = self._coming.get(timeout=max(deadline - time.monotonic(), 0.001))
            assert line is not None, f"no {kind} among {self.kinds()}: {self.process.stderr.read()}"
            self.lines.append(json.loads(line))
            if self.lines[-1]["event"] == kind and matches(self.lines[-1]):
                return self.lines[-1]

    @property
    def pid(self) -> int:
        """The watch's own process: nsenter(1) waits for it and hands no signal on."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return int(children.read_text(encoding="ascii"))

    def kinds(self) -> list[str]:
        """Return the kinds of the events so far, in order."""
        return [line["event"] for line in self.lines]

    def end(self, number: int = signal.SIGINT) -> int:
        """Interrupt it and return its exit code, all its lines read."""
        os.kill(self.pid, number)
        self.until("ended")
        return self.process.wait(timeout=PATIENCE)


@pytest.fixture
def place(needs: Callable[..., None]) -> Iterator[Stage]:
    """Yield a stage of its own, on which nobody has a port."""
    needs(*TOOLS)
    with stage("ready()") as place:
        yield place


@pytest.fixture
def actor(place: Stage) -> Iterator[Callable[[], Actor]]:
    """Yield a function that puts another program on the stage."""
    with contextlib.ExitStack() as ends:

        def enter() -> Actor:
            one = Actor(place)
            ends.callback(one.die)
            return one

        yield enter


@pytest.fixture
def watch(place: Stage) -> Iterator[Callable[..., Watcher]]:
    """Yield a function that starts a watch with ``--json`` on the stage, and returns once it watches.

    ``descriptors`` is how many it may have open.
    """
    with contextlib.ExitStack() as ends:

        def start(*arguments: str, descriptors: int = 1024) -> Watcher:
            agent = ("prlimit", f"--nofile={descriptors}", sys.executable, "-I", "-S", str(ROOT / "agent"))
            agent += ("watch", "--json")
            one = Watcher(place.command(*agent, *arguments))
            ends.callback(one.process.wait, PATIENCE)
            ends.callback(one.process.kill)
            one.until("watching")
            return one

        yield start
