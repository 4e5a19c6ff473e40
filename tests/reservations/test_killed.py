# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Killed at every step, or run at once: the old state or the new one, never half, and nothing is lost."""

from __future__ import annotations

import mmap
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import NotApplied, NotSupported
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations import store
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations.plan import Wish
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations.task import reserve, survey
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.writing import ActingHost

from .seen import LEDGER, NEW, OLD, Seen, run, seen
from .world import OWN_FILE, Died, World, set_kernel_list

CHANGING = ("make_directory", "write_new", "rename", "remove", "open_setting", "write_at")


class Mortal(ActingHost):
    """Kills at one moment: before or after one of the calls that change something, in whichever process.

    ``victim`` is the first process, its whole group, the second, every second one at its own such moment, or both, as
    when the control group of a service is killed, when the second one comes to that moment.
    """

    def __init__(self, victim: str, moment: int, signal_number: int = signal.SIGKILL) -> None:
        super().__init__()
        self._victim, self._moment, self._signal, self._first = victim, moment, signal_number, os.getpid()
        self._passed = mmap.mmap(-1, 2)  # shared with the processes forked later

    def in_lasting_process(self, work: Callable[[], str]) -> str | None:
        self.passes()
        if self._victim == "every second":
            self._passed[:] = bytes(2)
        said = super().in_lasting_process(work)
        self.passes()
        return said

    def passes(self) -> None:
        if os.getpid() == self._first and self._victim != "first":
            return
        count = int.from_bytes(self._passed[:], "little")
        self._passed[:] = (count + 1).to_bytes(2, "little")
        if count == self._moment:
            if self._victim == "group":
                os.killpg(self._first, self._signal)
            if self._victim in ("first", "both"):
                os.kill(self._first, self._signal)
            if self._victim in ("second", "every second", "both"):
                os.kill(os.getpid(), self._signal)


def _mortal(name: str) -> Callable[..., Any]:
    def call(self: Mortal, *arguments: Any) -> Any:
        self.passes()
        result = getattr(super(Mortal, self), name)(*arguments)
        self.passes()
        return result

    return call


for _name in CHANGING:
    setattr(Mortal, _name, _mortal(_name))

MANY = frozenset(range(10001, 16001, 4))  # more than one write, as is what follows
LARGE = frozenset(range(10003, 16001, 4)) | frozenset(range(10001, 11001, 4))
DONE_OVER = "the process that wrote the reservations was killed half-way, so its work was done over"
KILLED = "An earlier run was killed half-way; this one has finished its work."
CHANGES = {
    "other ports": (OLD, NEW),
    "a first reservation": (None, NEW),
    "the last reservation": (OLD, Wish("billing", frozenset(), present=False)),
    "many other ports": (Wish("billing", MANY), Wish("billing", LARGE)),
}


def start_over(wish: Wish | None) -> None:
    """Bring about the state before, to be called inside; 5000 and 60001 are somebody else's."""
    for one in (OWN_FILE, LEDGER):
        one.unlink(missing_ok=True)
    set_kernel_list("5000,60001")
    if wish is not None:
        run(wish)


def states(world: World, change: str) -> tuple[Seen, Seen]:
    before, after = CHANGES[change]

    def both() -> tuple[Seen, Seen]:
        start_over(before)
        old = seen()
        run(after)
        return old, seen()

    old, new = world.run(both)
    assert old != new
    return old, new


def killed(
    world: World, change: str, victim: str, moment: int, signal_number: int = signal.SIGKILL
) -> tuple[Any, Seen]:
    """Return what a run said, None if it was killed, and what was there when all was over."""
    before, after = CHANGES[change]

    def act() -> Any:
        start_over(before)
        os.setpgid(0, 0)
        return reserve(Mortal(victim, moment, signal_number), after)["warnings"]

    said: Any = None
    try:
        said = world.run(act)
    except Died as died:
        assert died.status == (-signal.SIGKILL if signal_number == signal.SIGKILL else 1)  # KeyboardInterrupt
    except NotApplied as error:
        said = error
    return said, world.run(seen)


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
def test_the_first_process_killed_at_every_step(world: World, change: str) -> None:
    """Until the second one is at work nothing has changed; from then on it goes through with it."""
    old, new = states(world, change)
    found = []
    for moment in range(1000):
        said, there = killed(world, change, "first", moment)
        if said is not None:
            break
        found.append(replace(there, besides=()))  # what the run was about to put in place is swept up by the next
        again = world.run(lambda: (run(CHANGES[change][1]), seen())[1])
        assert again == new, f"after the run that follows on one killed at moment {moment}"
    turn = found.index(new)
    assert found == [old] * turn + [new] * (len(found) - turn)
    assert min(turn, len(found) - turn) > 5


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("victim", ["second", "every second"])
def test_the_second_process_killed_at_every_step(world: World, change: str, victim: str) -> None:
    """Its work is done over: by another one, or by the first itself."""
    _old, new = states(world, change)
    for moment in range(1000):
        said, there = killed(world, change, victim, moment)
        assert there == new, f"killed at moment {moment}"
        if DONE_OVER not in said:
            break
    assert moment > 5


class Cramped(Mortal):
    """There is room for one second process only, which is killed."""

    cramped = False

    def in_lasting_process(self, work: Callable[[], str]) -> str | None:
        if self.cramped:
            raise NotSupported("a second process: Resource temporarily unavailable")
        self.cramped = True
        return super().in_lasting_process(work)


def test_no_other_process_can_be_made_after_the_second_was_killed(world: World) -> None:
    """The first one does the work then."""
    _old, new = states(world, "other ports")
    for moment in (1, 5, 9):
        world.run(lambda: start_over(OLD))
        said = world.run(lambda moment=moment: reserve(Cramped("second", moment), NEW)["warnings"])  # type: ignore[misc]
        assert DONE_OVER in said
        assert world.run(seen) == new


def test_what_a_killed_run_has_left_is_told_before_it_is_finished(world: World) -> None:
    killed(world, "other ports", "both", 5)
    left = world.run(seen)
    [told] = world.run(lambda: survey(ActingHost())["drift"])
    assert told["summary"] == KILLED.replace(
        "this one has finished", "the next one to write the kernel's list finishes"
    )
    [foretold] = world.run(lambda: reserve(ActingHost(), NEW, pretend=True)["drift"])
    assert foretold == told
    assert world.run(seen) == left
    assert world.run(lambda: run(NEW)["drift"])[0]["summary"] == KILLED
    assert world.run(lambda: survey(ActingHost())["drift"]) == []


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("next_one", ["the same", "another", "letting go"])
def test_both_processes_killed_at_every_step(world: World, change: str, next_one: str) -> None:
    """The next run, whatever it is for, finishes what was begun; nothing is lost, nothing stays that nobody wants."""
    before, after = CHANGES[change]
    wish = {
        "the same": after,
        "another": Wish("shop", frozenset({40010})),
        "letting go": Wish("billing", frozenset(), present=False),
    }[next_one]

    def not_killed(first: Wish | None) -> End:
        start_over(before)
        if first is not None:
            run(first)
        return go_on(wish)

    outcomes = [world.run(partial(not_killed, first)) for first in (before, after)]
    warned = []
    for moment in range(1000):
        if killed(world, change, "both", moment)[0] is not None:
            break
        end = world.run(lambda: go_on(wish))
        warned.append(end.warned)
        assert replace(end, warned=False) in outcomes, f"after the run that follows on one killed at moment {moment}"
    assert moment > 5
    assert any(warned) and not warned[0] and not warned[-1]


@dataclass(frozen=True)
class End(Seen):
    """What there is after a run, and what it said."""

    foreign: str
    warned: bool


def go_on(wish: Wish) -> End:
    result = run(wish)
    return End(**vars(seen()), foreign=result["foreign"]["runtime"], warned=KILLED in result["warnings"])


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_second_process_is_not_stopped_by_a_request(world: World, signal_number: int) -> None:
    _old, new = states(world, "other ports")
    said, there = killed(world, "other ports", "second", 2, signal_number)
    assert DONE_OVER not in said
    assert there == new


def test_the_first_process_killed_with_all_of_its_group(world: World) -> None:
    _old, new = states(world, "other ports")
    assert killed(world, "other ports", "group", 2) == (None, new)


def test_who_interrupts_the_first_process_leaves_the_second_to_its_work(world: World) -> None:
    """At some moments Python itself swallows an interruption, while it forks: the run goes on to its end then."""
    old, new = states(world, "other ports")
    found = [killed(world, "other ports", "first", moment, signal.SIGINT)[1] for moment in range(16, 40)]
    turn = found.index(new)
    assert [replace(one, besides=()) for one in found] == [old] * turn + [new] * (len(found) - turn)
    assert min(turn, len(found) - turn) > 5


def test_who_waits_too_long_for_another_run_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_LOCK_SECONDS", 0)

    def wait() -> None:
        with store.locked(ActingHost()):
            run(NEW)

    with pytest.raises(NotApplied, match=r"^another run has held /run/portreeve/reserved-ports.lock for 0 seconds: "):
        world.run(wait)


def test_runs_at_once_lose_nothing(world: World) -> None:
    """Eight of them, each with names of its own that come, change and go; what is last said holds."""

    def busy(number: int) -> None:
        for turn in range(6):
            run(Wish(f"name-{number}", frozenset({40000 + number, 41000 + 10 * number + turn, 45000})))
            run(Wish(f"passing-{number}", frozenset({46000 + number}), present=not turn % 2))

    world.run(lambda: start_over(None))
    for end in [world.start(lambda number=number: busy(number), 120.0) for number in range(8)]:
        end()
    there = world.run(seen)
    names = {number: {40000 + number, 41000 + 10 * number + 5, 45000} for number in range(8)}
    assert there.kernel == {5000, 60001}.union(*names.values())
    assert there.own_file is not None
    assert [line for line in there.own_file.decode().split("\n") if line.startswith("# reservation")] == [
        f"# reservation name-{number}: {','.join(map(str, sorted(ports)))}" for number, ports in names.items()
    ]
