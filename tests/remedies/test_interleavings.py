# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Whoever moves, and whenever: nobody falls whom the approved plan did not name, and the result tells the truth.

Real programs on the real kernel end, come again with the same pid, hand sockets over, let go and take the port again:
between plan and approval, and at system calls in the midst of the run. How many and which interleavings are played is
told by PORTREEVE_INTERLEAVINGS and PORTREEVE_SEED, a number that failed being the latter.
"""

from __future__ import annotations

import contextlib
import functools
import json
import mmap
import os
import pathlib
import random
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel import makers
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.btf import read_types
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.process_directory import ProcessDirectory
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.process_handle import ProcessHandle
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies import run as remedies_run
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.task import release
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.trail import (
    TRAIL,
    read_trail,
    unfinished,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.wishes import checked_wish
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.writing import ActingHost

from tests.reservations.world import World

from .cast import adopt_orphans, reap
from .stage import Stage

INTERLEAVINGS = int(os.environ.get("PORTREEVE_INTERLEAVINGS", "500"))
SEED = int(os.environ.get("PORTREEVE_SEED", "20261121"))
FEW = 60  # that are played in any case
_Result = TypeVar("_Result")


class Disturbed(ActingHost):
    """A host on which something happens whenever the run that acts comes to one of the chosen moments, or is about to
    act or to take hold of a victim for one of the chosen times.
    """

    def __init__(self, stage: Stage, moments: frozenset[int], victims: frozenset[int]) -> None:
        super().__init__()
        self._stage = stage
        self._moments = moments
        self._victims = victims
        self._seized = 0
        self._first = os.getpid()
        self._acting: int | None = None
        self._passed = 0
        self._shared = mmap.mmap(-1, 2)  # with the processes forked later: moves made, and as of the last bind

    @property
    def moves_during(self) -> int:
        return self._shared[0]

    @property
    def is_proof_fresh(self) -> bool:
        return self._shared[0] == self._shared[1]

    def passes(self) -> None:
        """Let happen what is to happen at this moment; what only helps the run to look does not count."""
        if os.getpid() != self._acting:
            return
        self._passed += 1
        if self._passed in self._moments:
            self._happen("move")

    def _seize(self) -> None:
        if os.getpid() == self._acting:
            self._seized += 1
            if self._seized in self._victims:
                self._happen("strike")

    def _happen(self, what: str) -> None:
        self._stage(what)
        self._shared[0] += 1

    def in_lasting_process(self, work: Callable[[], str]) -> str | None:
        def act() -> str:
            self._acting = os.getpid()
            return work()

        return super().in_lasting_process(act)

    def in_second_process(self, work: Callable[[], _Result], seconds: float | None = None) -> Callable[[], _Result]:
        self.passes()
        if "_try_all" in work.__qualname__ and os.getpid() in (self._first, self._acting):
            self._shared[1] = self._shared[0]
        return super().in_second_process(work, seconds)

    def append_line(self, path: str, line: str, room: int = 0) -> None:
        self.passes()
        super().append_line(path, line, room)
        self.passes()
        if '"event":"act"' in line:
            self._seize()

    def open_handle(self, pid: int) -> ProcessHandle:
        self._seize()
        return DisturbedHandle(pid, self)

    def open_process(self, pid: int) -> AbstractContextManager[ProcessDirectory]:  # type: ignore[override]
        self.passes()
        return super().open_process(pid)

    def netlink(self, *arguments: Any) -> Any:
        self.passes()
        return super().netlink(*arguments)


class DisturbedHandle(ProcessHandle):
    def __init__(self, pid: int, host: Disturbed) -> None:
        super().__init__(pid)
        self._host = host
        host.passes()

    def has_ended_within(self, seconds: float) -> bool:
        self._host.passes()
        return super().has_ended_within(seconds)

    def send(self, number: int) -> None:
        self._host.passes()
        super().send(number)

    def duplicate(self, descriptor: int) -> int | None:
        self._host.passes()
        copy = super().duplicate(descriptor)
        self._host.passes()
        return copy


@pytest.mark.slow
@pytest.mark.needs("root", "setpriv", "unshare", "nsenter", "mount", "ip")
@pytest.mark.parametrize(
    ("first", "last"),
    [(0, min(FEW, INTERLEAVINGS)), pytest.param(FEW, INTERLEAVINGS, marks=pytest.mark.full)],
    ids=["some", "all the others"],
)
def test_whoever_moves_only_those_who_were_named_fall(first: int, last: int) -> None:
    with World() as one, World() as another:
        shares = [range(SEED + first + number, SEED + last, 2) for number in (0, 1)]
        running = [
            world.start(functools.partial(play_all, share), seconds=900)
            for world, share in zip((one, another), shares, strict=True)
        ]
        found = [end() for end in running]
    tally = found[0][1] + found[1][1]
    print(dict(sorted(tally.items())))
    failures = found[0][0] + found[1][0]
    assert not failures, f"{len(failures)} of {last - first}:\n\n" + "\n\n".join(failures[:5])
    if last - first >= 300:  # the stage itself: all of it is really played
        rare = {what: tally[what] for what in WHAT_IS_PLAYED if tally[what] < (last - first) // 75}
        assert not rare, f"too few of these: {rare}"


#: What must come up often enough for the whole to mean anything.
WHAT_IS_PLAYED = (
    "planned: destroy", "planned: detach", "planned: terminate", "refused as planned", "refused as moved",
    "succeeded", "failed half-way", "moved before", "moved during", "done: terminate", "done: detach", "done: destroy",
    "proof compared",
)  # fmt: skip


def play_all(seeds: range) -> tuple[list[str], Counter[str]]:
    """Play the interleavings of these seeds in the world; returns those that failed, and what there was to see."""
    types = read_types(ActingHost())  # once: the kernel stays the same
    types.offset, types.function = functools.cache(types.offset), functools.cache(types.function)
    makers.known_types = lambda _host: contextlib.nullcontext(types)
    remedies_run._SECONDS_TO_COME_BACK = 0.05  # nobody here is started again by a manager
    os.system("mkdir -p /mnt/proc && mount -t proc proc /mnt/proc")  # one in which pids can be chosen
    adopt_orphans()
    stage = Stage()
    failures: list[str] = []
    tally: Counter[str] = Counter()
    for number, seed in enumerate(seeds):
        try:
            wrongs = play(stage, seed, 2000 + 40 * (number % 700), tally)
        except Exception:
            wrongs = [traceback.format_exc()]
        reap()
        if wrongs:
            failures.append(f"PORTREEVE_SEED={seed} PORTREEVE_INTERLEAVINGS=1:\n" + "\n".join(wrongs))
    return failures, tally


def play(stage: Stage, seed: int, port: int, tally: Counter[str]) -> list[str]:
    """Plan, let things happen, apply what was approved while things happen; returns what was wrong."""
    draw = random.Random(-seed)
    pathlib.Path(TRAIL).unlink(missing_ok=True)
    stage("begin", seed, port)
    try:
        wish = checked_wish(stage("wish"))
        plan = release(ActingHost(), wish, None, pretend=True)["plan"]
        for step in plan["steps"]:
            tally["planned: " + step["act"]] += 1
        stage("approve", plan)
        before = draw.choice((0, 0, 1, 1, 2))
        for _each in range(before):
            stage(draw.choice(("move", "strike")))
        moments = frozenset(draw.sample(range(1, 100), draw.choice((0, 1, 2, 4, 8))))
        victims = frozenset(draw.sample(range(1, 5), draw.choice((0, 0, 1, 1, 2))))
        host = Disturbed(stage, moments, victims)
        run = f"seed-{seed}"
        stage("start")
        result = release(host, wish, plan, pretend=False, run=run)
        stage("observe")
        wrongs, befell, moves = stage("account")
        wrongs = wrongs + contradictions(plan, result, befell, run, tally)
        if host.is_proof_fresh and result["proof"]["free"] is not None:
            tally["proof compared"] += 1
            if result["proof"]["free"] != stage("can_bind", wish.address):
                wrongs.append(f"the result says free: {result['proof']['free']}, which is not so")
            if not result["failed_because"] and not result["proof"]["free"]:
                wrongs.append("it says that all is well, and the port cannot be bound")
        wrongs += stage("unserved")
        tally["moved before"] += bool(before)
        tally["moved during"] += bool(host.moves_during)
        if wrongs:
            wrongs.append(f"moves: {moves}, {before} of them before the run; {wish}")
            wrongs.append(json.dumps({name: result[name] for name in ("summary", "done", "plan")}))
        return wrongs
    finally:
        stage("clear")


def contradictions(
    plan: dict[str, Any], result: dict[str, Any], befell: set[str], run: str, tally: Counter[str]
) -> list[str]:
    """Return where result, trail and what really befell anybody do not go together."""
    mine = [line for line in read_trail(ActingHost()) if line["run"] == run]
    events = [line["event"] for line in mine]
    acts = [line for line in mine if line["event"] == "act"]
    wrongs = []
    if unfinished(mine):
        wrongs.append(f"the trail says that it never ended: {events}")
    if events and (events[0], events[-1], events.count("begin"), events.count("end")) != ("begin", "end", 1, 1):
        wrongs.append(f"the trail goes {events}")
    announced = {f"process {one['pid']}" for line in acts for one in line["target"]["processes"]}
    announced |= {f"socket {one['cookie']}" for line in acts for one in line["target"]["sockets"]}
    if befell - announced:
        wrongs.append(f"not announced: {befell - announced}")
    told = [line for line in mine if line["event"] == "outcome"]
    if [(line["what"], line["after"]["result"]) for line in told] != [
        (one["act"], one["result"]) for one in result["done"]
    ]:
        wrongs.append(f"the trail tells of {told}, the result of {result['done']}")
    done = [one for one in result["done"] if one["result"] == "done"]
    if befell and not (result["changed"] and done):
        wrongs.append(f"these are not as they were, and it says that nothing was done: {befell}")
    tried = [one for one in result["done"] if one["result"] == "failed"]
    if bool(done) != result["changed"] and not tried:
        wrongs.append(f"changed is {result['changed']}, done {done}")
    steps = {json.dumps(step["processes"] + step["sockets"]) for step in plan["steps"]}
    for line in acts:
        for one in line["target"]["processes"]:
            if not any(json.dumps(one) in known for known in steps):
                wrongs.append(f"{one} was not part of the plan")
    tally["done: " + ", ".join(sorted({one["act"] for one in done}))] += bool(done)
    tally["succeeded"] += not result["failed_because"]
    tally["refused as planned"] += bool(result["plan"]["refusal"])
    tally["refused as moved"] += bool(result["failed_because"]) and not events and not result["plan"]["refusal"]
    tally["failed half-way"] += bool(result["failed_because"]) and bool(events)
    return wrongs
