# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What can happen to a host, one step after the other; drawn at random, cut down to the shortest that still fails."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, fields, replace
from itertools import filterfalse
from typing import Any

from .model import Wish

#: Few ports and few names, so that they meet: inside of the automatic range, at its borders, outside.
LOW, HIGH = 5000, 5031
_PIECES = ("5000-5003", "5002-5005", "5003", "5004-5011", "5012,5014,5016", "5015", "5031-5033", "1", "8080", "65535")
ELSEWHERE = "blue"  # another network namespace
REFUSED = "8080 9000"  # blanks are not the kernel's: the kernel refuses such a list
_MANY = ("10001-11800/2", "10001-11800/2,20001-23000/3", "1,20001-23000/3")  # more than one write takes
_NAMES = ("billing", "shop", "a.b@c-d_1")
_FILES = (
    "/etc/sysctl.d/10-tuned.conf",
    "/etc/sysctl.d/99-sap.conf",
    "/usr/lib/sysctl.d/50-kubespray.conf",
    "/usr/lib/sysctl.d/99-sap.conf",
    "/etc/sysctl.d/zz-portreeve-reserved-ports.conf.conf",
    "/etc/sysctl.d/zzz-last.conf",
    "/etc/sysctl.conf",
)


@dataclass(frozen=True)
class Task:
    """A task of ours; ``ports`` as text, as all lists here, so that a step reads well."""

    name: str
    ports: str
    state: str = "present"
    persistent: bool = True
    runtime: bool = True
    exclusive: bool = False
    adopt: bool = False
    floor: int = 0
    namespace: str = "host"

    def wish(self) -> Wish:
        told = {one: value for one, value in vars(self).items() if one != "namespace"}
        return Wish(**{**told, "ports": ports_of(self.ports)})


@dataclass(frozen=True)
class Set:
    """Somebody replaces the kernel's list."""

    ports: str
    namespace: str = "host"


@dataclass(frozen=True)
class Added:
    """Somebody adds to the kernel's list."""

    ports: str
    namespace: str = "host"


@dataclass(frozen=True)
class Written:
    """Somebody writes another file of sysctl.d, or removes it (None)."""

    path: str
    ports: str | None


@dataclass(frozen=True)
class Edited:
    """Somebody replaces the value line in our file by hand, adds to it (``more``) or takes from it (``less``)."""

    how: str
    ports: str


@dataclass(frozen=True)
class Unlisted:
    """Somebody removes the line of a name from our file, or all of the file (None)."""

    name: str | None = None


@dataclass(frozen=True)
class Forgotten:
    """Somebody tidies /run."""


@dataclass(frozen=True)
class Boot:
    """The host starts anew; the list is set by sysctl(8) itself (``really``) or, much quicker, as it would set it.

    With ``ledger_stays`` nobody empties /run.
    """

    really: bool = False
    ledger_stays: bool = False


Step = Task | Set | Added | Written | Edited | Unlisted | Forgotten | Boot


def value_of(text: str) -> frozenset[int] | None:
    """Return the ports of a list in a file, None where the kernel refuses it."""
    return None if text == REFUSED else ports_of(text)


def script(steps: list[Step]) -> str:
    """Return steps as they can be played again, without what is as it is by default."""
    lines = []
    for step in steps:
        told = [(one.name, getattr(step, one.name)) for one in fields(step) if getattr(step, one.name) != one.default]
        lines.append(f"    {type(step).__name__}({', '.join(f'{name}={value!r}' for name, value in told)}),\n")
    return f"play([\n{''.join(lines)}])"


def ports_of(text: str) -> frozenset[int]:
    """Return the ports of a list, ``ports_of("1,8-9,20-24/2") == {1, 8, 9, 20, 22, 24}``."""
    ports: set[int] = set()
    for item in text.split(",") if text else ():
        bounds, _, stride = item.partition("/")
        low, _, high = bounds.partition("-")
        ports.update(range(int(low), int(high or low) + 1, int(stride or 1)))
    return frozenset(ports)


def draw(chance: random.Random) -> list[Step]:
    """Return what happens to a host that has no reservation yet."""
    steps = [_draw_step(chance) for _ in range(chance.randint(4, 11))]
    if not any(isinstance(step, Task) for step in steps):
        steps.append(_task(chance))
    return steps


def shorten(steps: list[Step], fails: Callable[[list[Step]], bool]) -> list[Step]:
    """Return the simplest steps found that still fail: steps taken out, then each made simpler."""
    tried = 0
    while tried < 400:
        for candidate in _simpler(steps):
            tried += 1
            if fails(candidate):
                steps = candidate
                break
        else:
            break
    return steps


def _simpler(steps: list[Step]) -> Iterator[list[Step]]:
    for number in reversed(range(len(steps))):
        yield [*steps[:number], *steps[number + 1 :]]
    for number, step in enumerate(steps):
        for easier in filterfalse(_contradicts_itself, _easier(step)):
            yield [*steps[:number], easier, *steps[number + 1 :]]


def _easier(step: Any) -> Iterator[Step]:
    """Yield the step with a default instead of one of its values, and with one piece of its ports only."""
    for one in fields(step):
        if one.default not in (MISSING, getattr(step, one.name)):
            yield replace(step, **{one.name: one.default})
    pieces = str(getattr(step, "ports", "")).split(",")
    for piece in pieces if len(pieces) > 1 else ():
        yield replace(step, ports=piece)


def _contradicts_itself(step: Step) -> bool:
    """Return whether a task would be refused whatever is there: no question of what it does."""
    return isinstance(step, Task) and (
        (step.state == "present" and not step.ports and not step.adopt)
        or (step.state == "absent" and step.adopt)
        or (step.namespace != "host" and step.persistent)
        or not (step.persistent or step.runtime)
    )


def _draw_step(chance: random.Random) -> Step:
    draws: list[tuple[int, Callable[[], Step]]] = [
        (60, lambda: _task(chance)),
        (6, lambda: Set(_ports(chance, 0), _namespace(chance))),
        (5, lambda: Added(_ports(chance, 1), _namespace(chance))),
        (12, lambda: Written(chance.choice(_FILES), _written(chance))),
        (8, lambda: Edited(chance.choice(("set", "more", "less")), _ports(chance, 0))),
        (5, lambda: Unlisted(chance.choice((None, *_NAMES)))),
        (2, Forgotten),
        (7, lambda: Boot(really=chance.random() < 0.1, ledger_stays=chance.random() < 0.3)),
    ]
    return chance.choices([one for _, one in draws], [weight for weight, _ in draws])[0]()


def _task(chance: random.Random) -> Task:
    state = "present" if chance.random() < 0.65 else "absent"
    adopt = state == "present" and chance.random() < 0.12
    namespace = _namespace(chance)
    persistent, runtime = chance.choice(((True, True),) * 4 + ((True, False), (False, True)))
    if namespace != "host":
        persistent, runtime = False, True
    return Task(
        name=chance.choice(_NAMES),
        ports="" if state == "absent" else _ports(chance, 0 if adopt else 1),
        state=state,
        persistent=persistent,
        runtime=runtime,
        exclusive=chance.random() < 0.15,
        adopt=adopt,
        floor=chance.choice((0, 0, 0, 20, 26)),
        namespace=namespace,
    )


def _namespace(chance: random.Random) -> str:
    return "host" if chance.random() < 0.9 else ELSEWHERE


def _written(chance: random.Random) -> str | None:
    return chance.choice((None, _ports(chance, 0), _ports(chance, 1), _ports(chance, 1), REFUSED))


def _ports(chance: random.Random, fewest: int) -> str:
    if chance.random() < 0.02:
        return chance.choice(_MANY)
    return ",".join(chance.sample(_PIECES, chance.randint(fewest, 3)))
