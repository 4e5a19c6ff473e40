# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Whatever happens in whatever order: kernel, files, results and the model agree after every step.

The kernel's list is real, and so are the files. Each task is predicted in check mode first and asked again afterwards.
"""

from __future__ import annotations

import os
import pathlib
import random
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import NotPermitted
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations.ledger import parse_own_file
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations.plan import Wish
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations.task import reserve
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.writing import ActingHost

from .model import DIRECTORIES, MAIN, OWN, Model, Outcome, OwnFile
from .steps import (
    HIGH,
    LOW,
    Added,
    Boot,
    Edited,
    Forgotten,
    Set,
    Step,
    Task,
    Written,
    draw,
    ports_of,
    shorten,
    value_of,
)
from .world import AUTOMATIC, OWN_FILE, RESERVED, RUN, World, forget_boot, kernel_list, set_kernel_list

SEQUENCES = int(os.environ.get("PORTREEVE_SEQUENCES", "2000"))
SEED = int(os.environ.get("PORTREEVE_SEED", "20261121"))
SHARES = 8
SETTING = "net.ipv4.ip_local_reserved_ports"


class Disagreement(AssertionError):
    """What the model says and what is there are not the same."""


@pytest.mark.slow
@pytest.mark.needs("sysctl")
@pytest.mark.parametrize("share", range(0, SHARES, 2))
def test_kernel_files_and_model_agree_after_every_step(worlds: list[World], share: int) -> None:
    seeds = [range(SEED + share + number, SEED + share + number + SEQUENCES, SHARES) for number in (0, 1)]
    running = [
        world.start(lambda chosen=chosen: first_failure(chosen), seconds=600)  # type: ignore[misc]
        for world, chosen in zip(worlds, seeds, strict=True)
    ]
    found = [result() for result in running]
    assert found == [None, None], "\n\n".join(one for one in found if one)


@pytest.fixture
def worlds(world: World) -> Iterator[list[World]]:
    """Return two, one for each processor."""
    second = World()
    yield [world, second]
    second.end()


def first_failure(seeds: range) -> str | None:
    """Play the sequences of these seeds, and return the first that fails as a short script."""
    for seed in seeds:
        steps = draw(random.Random(seed))
        if failure(steps):
            steps = shorten(steps, lambda fewer: failure(fewer) is not None)
            return "\n".join(
                [f"of seed {seed}: {failure(steps)}", "play([", *(f"    {step!r}," for step in steps), "])"]
            )
    return None


def failure(steps: list[Step]) -> str | None:
    try:
        play(steps)
    except Disagreement as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def play(steps: list[Step]) -> None:
    """Do what the steps say, to the world and to the model. Raises Disagreement."""
    clear()
    model = Model(automatic=frozenset(range(LOW, HIGH + 1)))
    for number, step in enumerate(steps, 1):
        place = f"step {number}"
        model = play_task(model, step, place) if isinstance(step, Task) else play_other(model, step)
        compare(model, place)


def clear() -> None:
    """Make the world a host that nothing was done to yet."""
    for directory in DIRECTORIES:
        for path in pathlib.Path(directory).iterdir():
            path.unlink()
    pathlib.Path(MAIN).write_text("")
    forget_boot()
    set_kernel_list("")
    AUTOMATIC.write_text(f"{LOW} {HIGH}")


def play_task(model: Model, task: Task, place: str) -> Model:
    after, outcome = model.run(task.wish())
    before = standing()
    predicted = run(task, pretend=True)
    same(f"{place}: what check mode changed", standing(), before)
    done = run(task, pretend=False)
    if outcome.changed is None:
        same(f"{place}: refused", (predicted, done), ("refused", "refused"))
        same(f"{place}: what the refused task changed", standing(), before)
        return model
    same(f"{place}: predicted", predicted, done)
    same(f"{place}: result", essence(done), expected(after, task, outcome))
    compare(after, place)
    reached = standing()
    again = run(task, pretend=False)
    same(f"{place}: the same again: changed", again["changed"], False)
    same(f"{place}: the same again: diff", again["diff"]["before"], again["diff"]["after"])
    same(f"{place}: what the same again changed", standing(), reached)
    return after


def play_other(model: Model, step: Step) -> Model:
    match step:
        case Set(ports):
            set_kernel_list(ports)
            return model.kernel_set(ports_of(ports))
        case Added(ports):
            with open(RESERVED, "a") as stream:
                stream.seek(1)
                stream.write(ports + "\n")
            return model.kernel_set(model.kernel | ports_of(ports))
        case Written(path, ports):
            write_setting(path, ports)
            return model.removed(path) if ports is None else model.written(path, value_of(ports))
        case Edited(how, ports) if OWN_FILE.exists():
            edited = model.edited(how, ports_of(ports))
            assert edited.own is not None
            head = [line for line in OWN_FILE.read_text().splitlines() if not line.startswith(SETTING)]
            OWN_FILE.write_text("\n".join([*head, f"{SETTING} = {listed(edited.own.value)}", ""]))
            return edited
        case Forgotten():
            forget_boot()
            return model.forgotten()
        case Boot(really):
            booted = model.booted()
            forget_boot()
            set_kernel_list("")
            if really and None not in model.values().values():  # sysctl(8) passes over what the kernel refuses
                subprocess.run(["sysctl", "--system"], check=True, stdout=subprocess.DEVNULL)
            else:
                set_kernel_list(listed(booted.kernel))
            return booted
    return model


def write_setting(path: str, ports: str | None) -> None:
    if ports is not None:
        pathlib.Path(path).write_text(f"# theirs\n{SETTING} = {ports}\n")
    elif path == MAIN:
        pathlib.Path(path).write_text("")
    else:
        pathlib.Path(path).unlink(missing_ok=True)


def run(task: Task, pretend: bool) -> Any:
    """Return the result of a task, "refused" where it is."""
    wish = Wish(
        name=task.name,
        ports=ports_of(task.ports),
        present=task.state == "present",
        persistent=task.persistent,
        runtime=task.runtime,
        exclusive=task.exclusive,
        adopt=task.adopt,
    )
    try:
        return reserve(ActingHost(), wish, minimum_automatic=task.floor, pretend=pretend)
    except NotPermitted:
        return "refused"


def standing() -> tuple[object, ...]:
    """Return all that a task may change but its lock, and whether a file was written anew."""
    directories = [place for place in (*DIRECTORIES, RUN) if os.path.isdir(place)]
    paths = [path for place in directories for path in sorted(pathlib.Path(place).iterdir()) if path.suffix != ".lock"]
    return kernel_list(), [(path.name, path.read_text(), path.stat().st_ino, path.stat().st_mtime_ns) for path in paths]


def compare(model: Model, place: str) -> None:
    """Read the kernel's list and the files, and look whether they are what the model has."""
    same(f"{place}: kernel", ports_of(kernel_list()), model.kernel)
    found = None
    if OWN_FILE.exists():
        own = parse_own_file(OWN_FILE.read_text())
        found = OwnFile(own.names, own.kept, own.by_hand, own.left_out, own.value or frozenset())
    same(f"{place}: own file", found, model.own)
    values = {}
    for path in [*(str(one) for directory in DIRECTORIES for one in pathlib.Path(directory).iterdir()), MAIN]:
        lines = [line for line in pathlib.Path(path).read_text().splitlines() if line.startswith(SETTING)]
        if lines:
            values[path] = value_of(lines[-1].partition("=")[2].strip())
    same(f"{place}: values of the files", values, model.values())


def essence(result: dict[str, Any]) -> dict[str, Any]:
    """Return of a result what the model can tell."""
    files = result["foreign"]["files"] + result["overridden_by"]
    kept = ("changed", "ports", "reserved", "left_out", "given_back", "removed")
    return {
        **{key: result[key] for key in kept},
        "reservations": {
            one["name"]: (one["ports"], one["runtime"], one["persistent"]) for one in result["reservations"]
        },
        "foreign": (result["foreign"]["runtime"], result["foreign"]["by_hand"]),
        "files": [(one["path"], one["ports"]) for one in files],
        "drift": {one["where"]: one["missing"] for one in result["drift"]},
        "left": result["automatic"]["left"],
    }


def expected(model: Model, task: Task, outcome: Outcome) -> dict[str, Any]:
    """Return what the model says of a task's result; ``model`` is the one afterwards."""
    now, then = model.names(), model.own.names if model.own else {}
    held = {name: now.get(name, frozenset()) | then.get(name, frozenset()) for name in {*now, *then}}
    return {
        "changed": outcome.changed,
        "ports": listed(held.get(task.name, frozenset())),
        "reserved": {"runtime": listed(model.kernel), "after_boot": told(model.after_boot())},
        "left_out": listed(model.own.left_out if model.own else frozenset()),
        "given_back": dict(zip(("runtime", "file"), map(listed, outcome.given_back), strict=True)),
        "removed": dict(zip(("runtime", "file"), map(listed, outcome.removed), strict=True)),
        "reservations": {name: (listed(ports), name in now, name in then) for name, ports in held.items()},
        "foreign": (listed(model.foreign()), listed(model.by_hand())),
        "files": [(path, told(ports)) for path, ports in model.files() if path != OWN],
        "drift": {
            where: listed(lost) for where, lost in zip(("runtime", "file"), outcome.missing, strict=True) if lost
        },
        "left": len(model.automatic - model.kernel),
    }


def told(ports: frozenset[int] | None) -> str | None:
    return None if ports is None else listed(ports)


def listed(ports: frozenset[int]) -> str:
    """Return ports as the kernel shows its list: ``listed({1, 8, 9}) == "1,8-9"``."""
    firsts = sorted(port for port in ports if port - 1 not in ports)
    lasts = sorted(port for port in ports if port + 1 not in ports)
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in zip(firsts, lasts, strict=True))


def same(what: str, found: Any, wanted: Any) -> None:
    if found == wanted:
        return
    if isinstance(found, dict) and isinstance(wanted, dict):
        keys = [key for key in {**found, **wanted} if found.get(key) != wanted.get(key)]
        found, wanted = ({key: one.get(key) for key in keys} for one in (found, wanted))
    raise Disagreement(f"{what}\n  found    {found}\n  expected {wanted}")
