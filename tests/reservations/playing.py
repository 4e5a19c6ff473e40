# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Steps that are done to the world and to the model alike.

Each task is predicted in check mode first and asked for again afterwards.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
from typing import Any

from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import NotPermitted
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations.plan import Wish
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations.task import reserve
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.writing import ActingHost

from .comparing import SETTING, compare, essence, expected, listed, same
from .model import DIRECTORIES, MAIN, Model
from .steps import (
    ELSEWHERE,
    HIGH,
    LOW,
    REFUSED,
    Added,
    Boot,
    Edited,
    Forgotten,
    Set,
    Step,
    Task,
    Unlisted,
    Written,
    ports_of,
    value_of,
)
from .world import (
    AUTOMATIC,
    OWN_FILE,
    RUN,
    add_to_kernel_list,
    change_boot_id,
    forget_boot,
    kernel_list,
    set_kernel_list,
    tidy_run,
    within,
)


def play(steps: list[Step]) -> None:
    """Do what the steps say, to the world and to the model. Raises Disagreement."""
    clear()
    models = dict.fromkeys(("host", ELSEWHERE), Model(automatic=frozenset(range(LOW, HIGH + 1))))
    for number, step in enumerate(steps, 1):
        place = f"step {number}"
        if isinstance(step, Task):
            models[step.namespace] = play_task(models[step.namespace], step, place)
        elif isinstance(step, (Set, Added)):
            models[step.namespace] = play_kernel(models[step.namespace], step)
        elif isinstance(step, (Boot, Forgotten)):
            models = {name: play_forgetting(one, name, step) for name, one in models.items()}
        else:
            models["host"] = play_files(models["host"], step)
        compare(models, place)


def clear() -> None:
    """Make the world a host that nothing was done to yet."""
    for directory in DIRECTORIES:
        for path in pathlib.Path(directory).iterdir():
            path.unlink()
    pathlib.Path(MAIN).write_text("")
    forget_boot()
    for namespace in ("host", ELSEWHERE):
        with within(namespace):
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
    reached = standing()
    again = run(task, pretend=False)
    same(f"{place}: the same again: changed", again["changed"], False)
    same(f"{place}: the same again: diff", again["diff"]["before"], again["diff"]["after"])
    same(f"{place}: what the same again changed", standing(), reached)
    return after


def play_kernel(model: Model, step: Set | Added) -> Model:
    with within(step.namespace):
        if isinstance(step, Set):
            set_kernel_list(listed(ports_of(step.ports)))
            return model.kernel_set(ports_of(step.ports))
        add_to_kernel_list(listed(ports_of(step.ports)))
        return model.kernel_set(model.kernel | ports_of(step.ports))


def play_files(model: Model, step: Written | Edited | Unlisted) -> Model:
    if isinstance(step, Unlisted):
        if step.name is None:
            OWN_FILE.unlink(missing_ok=True)
        elif OWN_FILE.exists():
            gone = f"# reservation {step.name}:"
            lines = OWN_FILE.read_text().split("\n")
            OWN_FILE.write_text("\n".join(line for line in lines if not line.startswith(gone)))
        return model.unlisted(step.name)
    if isinstance(step, Written):
        write_setting(step.path, step.ports)
        return model.removed(step.path) if step.ports is None else model.written(step.path, value_of(step.ports))
    edited = model.edited(step.how, ports_of(step.ports))
    if edited.own is not None:
        head = [line for line in OWN_FILE.read_text().splitlines() if not line.startswith(SETTING)]
        OWN_FILE.write_text("\n".join([*head, f"{SETTING} = {listed(edited.own.value)}", ""]))
    return edited


def play_forgetting(model: Model, namespace: str, step: Boot | Forgotten) -> Model:
    """For each namespace: another one starts anew as well, with an empty list."""
    if isinstance(step, Forgotten):
        tidy_run()
        return model.forgotten()
    change_boot_id()
    if not step.ledger_stays:
        tidy_run()
    booted = model.booted()
    with within(namespace):
        set_kernel_list("")
        if step.really and namespace == "host" and all(map(as_systemd_does, model.values().values())):
            subprocess.run(["sysctl", "--system"], check=True, stdout=subprocess.DEVNULL)
        else:
            set_kernel_list(listed(booted.kernel))
    return booted


def as_systemd_does(ports: frozenset[int] | None) -> bool:
    """Return whether sysctl(8) sets a list as systemd does: it passes over what is refused, and cuts what is long."""
    return ports is not None and len(listed(ports)) < 4095


def write_setting(path: str, ports: str | None) -> None:
    if ports is not None:
        pathlib.Path(path).write_text(
            f"# theirs\n{SETTING} = {ports if ports == REFUSED else listed(ports_of(ports))}\n"
        )
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
        result = reserve(ActingHost(), wish, task.namespace, minimum_automatic=task.floor, pretend=pretend)
    except NotPermitted:
        return "refused"
    return {**result, "summary": result["summary"].replace("would reserve", "reserves")}


def standing() -> tuple[object, ...]:
    """Return all that a task may change but its lock, and whether a file was written anew."""
    directories = [place for place in (*DIRECTORIES, RUN) if os.path.isdir(place)]
    paths = [path for place in directories for path in sorted(pathlib.Path(place).iterdir()) if path.suffix != ".lock"]
    with within(ELSEWHERE):
        elsewhere = kernel_list()
    return (
        kernel_list(),
        elsewhere,
        [(path.name, path.read_text(), path.stat().st_ino, path.stat().st_mtime_ns) for path in paths],
    )
