# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Many hosts at once, each with its own time: answers come as they are given, and nobody waits for one that hangs."""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ...module_utils.portreeve_agent.verdicts.wording import one_line
from .conversation import Cargo, Reply, converse
from .lifeline import Lifeline
from .target import Outcome, Question, Target, Unanswered, Unreachable
from .wire import LocalWire

if TYPE_CHECKING:
    from .connection import Network

_GRACE = 0.5  # seconds in which a host's own thread may still say what it was waiting for
_CLOSING = 3.0  # seconds in which all that is still open is to be closed


@dataclass(frozen=True)
class Limits:
    """How many hosts are asked at once, and how many seconds each has for all of it."""

    at_once: int = 50
    seconds: float = 60.0


def sweep(asked: Iterable[tuple[Target, Question]], archive: bytes, limits: Limits = Limits()) -> Generator[Outcome]:
    """Yield what came of each target, in the order in which that is known; ``archive`` is the agent's.

    Targets are taken one by one as there is room, so that preparing them and asking others go on together. Closing the
    generator, or a KeyboardInterrupt in it or thrown into it, ends what is under way; it is raised again after what
    had come in by then has been yielded. Targets without an outcome were not reached.
    """
    crowd = _Crowd(Cargo(archive), limits)
    waiting = iter(asked)
    more = True
    try:
        while True:
            yield from crowd.answered()
            if more and crowd.has_room():
                taken = next(waiting, None)
                if taken is None:
                    more = False
                else:
                    crowd.ask(*taken)
            elif crowd.busy():
                crowd.wait()
            else:
                return
    except KeyboardInterrupt:
        yield from list(crowd.come_in())  # without what others say because they are cut
        raise
    finally:
        crowd.disperse()


class _Crowd:
    """The hosts that are being asked, each by a thread of its own."""

    def __init__(self, cargo: Cargo, limits: Limits) -> None:
        self._cargo = cargo
        self._limits = limits
        self._outcomes: queue.SimpleQueue[tuple[Lifeline, Outcome]] = queue.SimpleQueue()
        self._asked: dict[Lifeline, Target] = {}
        self._uncut: set[Lifeline] = set()  # also of hosts that have answered
        self._network: Network | None = None

    def has_room(self) -> bool:
        """Return whether another host may be asked."""
        return len(self._asked) < self._limits.at_once

    def busy(self) -> bool:
        """Return whether any host is being asked."""
        return bool(self._asked)

    def ask(self, target: Target, question: Question) -> None:
        """Begin to ask a host."""
        lifeline = Lifeline(self._limits.seconds)
        self._asked[lifeline] = target
        if target.hindrance:
            self._outcomes.put((lifeline, Outcome(target.name, "failed", reason=target.hindrance)))
            return
        if not target.local and self._network is None:
            self._network = _network()
        self._uncut.add(lifeline)
        bounded = replace(question, seconds=self._limits.seconds)
        thread = threading.Thread(target=self._tell, args=(target, bounded, lifeline), daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            reason = f"it was not asked: {error} here; ask fewer hosts at once (--forks)"
            self._outcomes.put((lifeline, Outcome(target.name, "failed", reason=reason)))

    def come_in(self) -> Iterator[Outcome]:
        """Yield what has come in."""
        while True:
            try:
                lifeline, outcome = self._outcomes.get_nowait()
            except queue.Empty:
                return
            if self._asked.pop(lifeline, None):
                yield outcome

    def answered(self) -> Iterator[Outcome]:
        """Yield what has come in, and give up hosts whose time is long over."""
        yield from self.come_in()
        now = time.monotonic()
        for lifeline in [one for one in self._asked if one.until + _GRACE <= now]:
            target = self._asked.pop(lifeline)
            threading.Thread(target=self._cut, args=(lifeline,), daemon=True).start()  # it may take a moment to close
            yield _out_of_time(target, lifeline)

    def wait(self) -> None:
        """Wait until something has come in, or a host's time is over."""
        first = min(lifeline.until for lifeline in self._asked) + _GRACE
        try:
            self._outcomes.put(self._outcomes.get(timeout=max(first - time.monotonic(), 0.001)))
        except queue.Empty:
            pass

    def disperse(self) -> None:
        """End what is under way, all at once: a connection may take a moment to close."""
        ending = [threading.Thread(target=lifeline.cut, daemon=True) for lifeline in tuple(self._uncut)]
        if self._network is not None:
            ending.append(threading.Thread(target=self._network.close, daemon=True))
        for thread in ending:
            thread.start()
        until = time.monotonic() + _CLOSING
        for thread in ending:
            thread.join(max(until - time.monotonic(), 0))

    def _tell(self, target: Target, question: Question, lifeline: Lifeline) -> None:
        try:
            outcome = self._ask_one(target, question, lifeline)
        except TimeoutError:
            outcome = _out_of_time(target, lifeline)
        except Unreachable as error:
            outcome = Outcome(target.name, "unreachable", reason=str(error))
        except Unanswered as error:
            outcome = Outcome(target.name, "failed", reason=str(error))
        except Exception as error:
            fault = f"a fault in Portreeve, please report it: {type(error).__name__}: {one_line(str(error))}"
            outcome = Outcome(target.name, "failed", reason=fault)
        reason, seconds = target.masked(outcome.reason), time.monotonic() - lifeline.began
        self._outcomes.put((lifeline, replace(outcome, reason=reason, seconds=seconds)))
        self._cut(lifeline)

    def _cut(self, lifeline: Lifeline) -> None:
        lifeline.cut()
        self._uncut.discard(lifeline)

    def _ask_one(self, target: Target, question: Question, lifeline: Lifeline) -> Outcome:
        if target.local or self._network is None:
            lifeline.doing = "looking at its ports"
            reply = converse(
                lambda command: lifeline.hold(LocalWire(command, lifeline.until)), target, question, self._cargo
            )
        else:
            from .connection import open_wire

            transport = self._network.connect(target, lifeline)
            reply = converse(lambda command: open_wire(transport, command, lifeline), target, question, self._cargo)
        return _outcome(target.name, reply)


def _network() -> Network:
    """Return what connections share. Paramiko imports invoke for what ssh does here, at half of all its cost."""
    from .connection import Network

    sys.modules.setdefault("invoke", None)  # type: ignore[arg-type]
    try:
        import paramiko  # noqa: F401 (once, before many threads want it)
    except ImportError:
        pass  # each host says it
    finally:
        if sys.modules["invoke"] is None:
            del sys.modules["invoke"]
    return Network()


def _outcome(name: str, reply: Reply) -> Outcome:
    sentence = reply.error or reply.failure
    return Outcome(
        name,
        "failed" if sentence else "ok",
        result=reply.result,
        reason=sentence or "",
        pushed=reply.pushed,
        why_not_kept=reply.why_not_kept,
    )


def _out_of_time(target: Target, lifeline: Lifeline) -> Outcome:
    looked = lifeline.doing == "looking at its ports"
    reason = f"timed out after {lifeline.seconds:g} s while {lifeline.doing}"
    return Outcome(target.name, "failed" if looked else "unreachable", reason=reason, seconds=lifeline.seconds)
