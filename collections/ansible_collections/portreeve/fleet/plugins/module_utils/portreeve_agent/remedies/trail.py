# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was done on a host, line by line as it is done: /var/log/portreeve/trail.jsonl, for root alone to read.

A line holds records of the remedies, which know programs by name and executable and never by their command lines. From
10 MB on a new run begins a new file, and the full one becomes trail.jsonl.1 in place of the one before it.
"""

from __future__ import annotations

import time
from contextlib import suppress

from ..errors import Gone, NotApplied, NotPermitted, PortreeveError
from ..host import Host
from ..record import dataclass, fields
from ..typed import Any, Iterable, Mapping
from ..verdicts.wording import listed, one_line
from ..wire import to_wire
from ..writing import ActingHost
from .records import Outcome, OwnerMark, Plan, Step, Wish

FORMAT = "portreeve.trail/1"
TRAIL = "/var/log/portreeve/trail.jsonl"
BEFORE = TRAIL + ".1"
_LONGEST = 10_000_000  # bytes from which on a new run begins a new file
_MOST_READ = 1 << 26  # bytes of one file
_ROOM = 1 << 18  # bytes that a run may need
_NOT_DONE = "what cannot be put on record is not done"
_NOT_TOLD = "what was done is not on record"
_TAKEN_OVER = "taken over"
_COMMANDS = ("cmdline", "command")


class Trail:
    """The lines of one run. Each method raises NotApplied or NotPermitted, with one sentence, when its line is not
    on the disk: what it announces must not be done then."""

    def __init__(self, host: ActingHost, run: str) -> None:
        self.run = run
        self._host = host
        self._who = ""

    def begin(self, plan: Plan, wish: Wish, who: str, why: str | None = None) -> None:
        """Say what is wanted, by whom and why, and what is planned. Refused as well where the disk is nearly full."""
        self._who = who
        self._rotate()
        target = {"port": wish.port, "protocol": wish.protocol, "address": wish.address, "namespace": wish.namespace}
        self._add(_NOT_DONE, _ROOM, event="begin", what="release", target=target, why=why, before=plan)

    def check(self) -> None:
        """Raise what ``begin`` would raise as far as that can be told without writing anything."""
        try:
            self._host.check_line(TRAIL, _ROOM)
        except (NotApplied, NotPermitted) as error:
            raise type(error)("%s; %s" % (error, _NOT_DONE)) from error

    def act(self, step: Step) -> None:
        """Announce a step that is about to be done."""
        self._add(_NOT_DONE, 0, event="act", what=step.act, target=_target(step), why=step.why)

    def outcome(self, outcome: Outcome) -> None:
        """Say what became of a step."""
        step = outcome.step
        after = {"result": outcome.result, "summary": outcome.summary, "undo": outcome.undo}
        self._add(_NOT_TOLD, 0, event="outcome", what=step.act, target=_target(step), why=step.why, after=after)

    def end(self, result: Mapping[str, Any]) -> None:
        """Say how the run ended."""
        self._add(_NOT_TOLD, 0, event="end", what="release", after=result)

    def take_over(self, other: UnfinishedRun) -> None:
        """End an earlier run that was cut off: this one has seen to what it left."""
        about = {"run": other.run, "target": other.target, "before": {"time": other.time}, "after": {"run": self.run}}
        self._add(_NOT_TOLD, 0, event="end", what=_TAKEN_OVER, **about)

    def _rotate(self) -> None:
        """A file that cannot be renamed, as with chattr +a, grows on: that is no reason to do nothing."""
        with suppress(PortreeveError):
            if self._host.size(TRAIL) >= _LONGEST:
                self._host.rename(TRAIL, BEFORE)

    def _add(self, otherwise: str, room: int, **said: Any) -> None:
        import json

        line = {"format": FORMAT, "time": _now(), "run": self.run, "event": None, "who": self._who, "what": None}
        line.update({"target": None, "why": None, "before": None, "after": None})
        line.update(_without_commands(to_wire(said)))
        try:
            self._host.append_line(TRAIL, json.dumps(line, separators=(",", ":")), room)
        except (NotApplied, NotPermitted) as error:
            raise type(error)("%s; %s" % (error, otherwise)) from error


@dataclass(frozen=True)
class UnfinishedRun:
    """A run that began and never ended. ``done`` are its steps with an outcome, each as its line says; ``doubtful`` is
    the step that was announced and may or may not have been done. ``undo`` are the owners it ended, the last first.
    It was of the boot ``boot_id``."""

    run: str
    time: str
    boot_id: str | None
    who: str
    target: Mapping[str, Any]
    done: tuple[Mapping[str, Any], ...]
    doubtful: Mapping[str, Any] | None
    undo: tuple[OwnerMark, ...]
    summary: str


def read_trail(host: Host) -> tuple[dict[str, Any], ...]:
    """Return the lines there are, the oldest first; what is torn or foreign is passed over.

    Raises NotPermitted or NotSupported where the file is there and cannot be read.
    """
    import json

    lines = []
    for path in (BEFORE, TRAIL):
        with suppress(Gone):
            for text in host.read_ordinary(path, _MOST_READ).split("\n"):
                with suppress(ValueError, RecursionError):
                    line = json.loads(text)
                    if isinstance(line, dict) and line.get("format") == FORMAT and isinstance(line.get("run"), str):
                        lines.append(line)
    return tuple(lines)


def unfinished(lines: Iterable[Mapping[str, Any]]) -> tuple[UnfinishedRun, ...]:
    """Return the runs of a trail that never ended, the oldest first. One that goes on is among them: whoever holds the
    lock of the host knows that there is none. Runs of one host follow each other, and may have the same name."""
    left: list[list[Mapping[str, Any]]] = []
    for line in lines:
        event, run = line.get("event"), line["run"]
        if event == "begin":
            left.append([line])
        elif event == "end" and line.get("what") == _TAKEN_OVER:
            began = _record(line.get("before")).get("time")
            left = [one for one in left if (one[0]["run"], one[0].get("time")) != (run, began)]
        elif left and left[-1][0]["run"] == run:
            if event == "end":
                left.pop()
            else:
                left[-1].append(line)
    return tuple(_recall(said) for said in left)


def _recall(lines: list[Mapping[str, Any]]) -> UnfinishedRun:
    first = lines[0]
    done = tuple(line for line in lines if line.get("event") == "outcome")
    doubtful = lines[-1] if lines[-1].get("event") == "act" else None
    afters = [_record(line.get("after")) for line in done]
    undo = tuple(one for one in (_owner(after.get("undo")) for after in reversed(afters)) if one)
    target = _record(first.get("target"))
    run, began, who = (str(first.get(name)) for name in ("run", "time", "who"))
    told = "An earlier release of port %s/%s (run %s of %s, by %s) never ended: " % (
        target.get("port"), target.get("protocol"), run, began, who
    )  # fmt: skip
    parts = ["it had come to: " + listed([str(after.get("summary")) for after in afters])] if done else []
    if doubtful:
        which = "next" if done else "first"
        parts.append("whether its %s step, %s, was done is not known" % (which, doubtful.get("what")))
    told += "; ".join(parts) or "nothing was done"
    boot_id = _record(first.get("before")).get("boot_id")
    return UnfinishedRun(
        run,
        began,
        boot_id if isinstance(boot_id, str) else None,
        who,
        target,
        done,
        doubtful,
        undo,
        one_line(told) + ".",
    )


def _record(said: Any) -> Mapping[str, Any]:
    return said if isinstance(said, dict) else {}


def _owner(said: Any) -> OwnerMark | None:
    if not isinstance(said, dict) or set(said) != set(fields(OwnerMark) or ()):
        return None
    return OwnerMark(**said)


def _target(step: Step) -> dict[str, Any]:
    return {"owner": step.owner, "processes": step.processes, "sockets": step.sockets}


def _without_commands(wire: Any) -> Any:
    """Command lines hold secrets that no guess knows for one."""
    if isinstance(wire, dict):
        return {name: _without_commands(value) for name, value in wire.items() if name not in _COMMANDS}
    return [_without_commands(one) for one in wire] if isinstance(wire, list) else wire


def _now() -> str:
    clock = time.time()
    return "%s.%03dZ" % (time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(clock)), clock % 1 * 1000)
