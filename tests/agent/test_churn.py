# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Two thousand questions while processes and sockets come, go and change hands as fast as they can.

Afterwards a log (programs/churn.py) tells who ever held which socket, under which name: no answer may have named anyone
else, although process ids are made to come again with other processes.
"""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.answers import owner_result
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host

pytestmark = [pytest.mark.needs("root", "cat"), pytest.mark.slow]

PORTS = RESTARTED, PREFORKED, BOUND, DATAGRAMS, EXECUTED, RELAYED, PASSED, STEADY = tuple(range(7001, 7009))
ALWAYS_HELD = {RELAYED, PASSED, STEADY}
QUESTIONS = 2000
FEW = 200  # that are asked in any case
COMMANDS = 32

Seat = tuple[int, str]  # process id, name
Truth = dict[int, set[Seat]]


@dataclass(frozen=True)
class Said:
    """What one answer said of one port: by socket who holds it."""

    port: int
    verdict: str
    summary: str
    complete: bool
    seats: tuple[tuple[int, Seat], ...]


@dataclass
class Churn:
    """The running churn and what was said of it."""

    steady: dict[str, Any]
    finish: Callable[[], Truth]


def said(result: dict[str, Any]) -> Iterator[Said]:
    """Yield what is said of the ports of the churn, each by the protocol it is for; all is in order."""
    for answer in result["ports"]:
        if answer["port"] not in PORTS or (answer["protocol"] == "udp") != (answer["port"] == DATAGRAMS):
            continue
        seats = [
            (one["inode"], (holder["pid"], holder["process"]["name"]))
            for one in answer["sockets"]
            for holder in one["holders"]
        ]
        keys = [(one["family"], one["local"]["address"], one["state"], one["inode"]) for one in answer["sockets"]]
        assert keys == sorted(keys)
        for one in answer["sockets"]:
            order = [(holder["pid"], holder["fd"], holder["via"]) for holder in one["holders"]]
            assert order == sorted(set(order))
        yield Said(answer["port"], answer["verdict"], answer["summary"], result["complete"], tuple(seats))


@pytest.fixture
def churn(arena: Any, tmp_path: pathlib.Path) -> Churn:
    log = tmp_path / "log"
    actor = arena.play("from churn import main; main()", log)

    def finish() -> Truth:
        assert actor.finish() == {"over": True}
        truth: Truth = defaultdict(set)
        for line in log.read_text().splitlines():
            number, pid, name = line.split(" ", 2)
            truth[int(number)].add((int(pid), name))
        return truth

    return Churn(actor.facts, finish)


@pytest.fixture
def ask(arena: Any) -> Callable[..., list[Said]]:
    """Return a function that asks about some ports, or about all, in this process."""

    def answers(*ports: int, host: Host | None = None) -> list[Said]:
        snapshot, answered = arena.both(*ports, host=host)
        return list(said(owner_result(snapshot, answered)))

    return answers


def check(everything: list[Said], truth: Truth, steady: dict[str, Any]) -> None:
    """Hold all that was said against what was so."""
    truth[steady["inode"]] = {(pid, "python") for pid in steady["pids"]}
    wrong = [
        (one.port, number, seat)
        for one in everything
        for number, seat in one.seats
        if seat not in truth.get(number, ())
    ]
    assert wrong == []
    by_port = defaultdict(list)
    for one in everything:
        by_port[one.port].append(one)
        assert one.verdict != "kernel_held", one
        assert one.port not in ALWAYS_HELD or one.verdict not in {"free", "lingering"}, one
        assert one.seats or one.verdict != "unknown" or not one.complete, one
    assert {one.seats for one in by_port[STEADY]} == {
        tuple((steady["inode"], (pid, "python")) for pid in steady["pids"])
    }


@pytest.mark.parametrize("questions", [FEW, pytest.param(QUESTIONS, marks=pytest.mark.full)])
def test_as_many_questions(churn: Churn, ask: Callable[..., list[Said]], questions: int) -> None:
    everything = []
    for number in range(questions):
        everything += ask() if number % 50 == 49 else ask(PORTS[number % len(PORTS)])
    truth = churn.finish()
    check(everything, truth, churn.steady)
    assert {one.port for one in everything if one.seats} == set(PORTS)
    assert len(truth) > 100  # so many sockets there were


def test_some_dozens_of_commands(arena: Any, churn: Churn, root: pathlib.Path) -> None:
    everything = []
    for number in range(COMMANDS):
        port = PORTS[number % len(PORTS)]
        question = [sys.executable, str(root / "agent"), "owner", str(port), "--namespace", str(arena.id), "--json"]
        question += ["--scanner", arena.scanner]
        done = subprocess.run(question, capture_output=True, text=True, check=False)
        assert done.returncode in {0, 3}, done.stderr
        assert done.stderr == ""
        everything += said(json.loads(done.stdout))
    check(everything, churn.finish(), churn.steady)
