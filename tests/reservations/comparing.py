# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Whether what is there, and what a task returns, is what the model has."""

from __future__ import annotations

import pathlib
from typing import Any

from .model import DIRECTORIES, MAIN, OWN, Model, Outcome, OwnFile
from .steps import Task, ports_of, value_of
from .world import OWN_FILE, kernel_list, within

SETTING = "net.ipv4.ip_local_reserved_ports"


class Disagreement(AssertionError):
    """What the model says and what is there are not the same."""


def compare(models: dict[str, Model], place: str) -> None:
    """Read the kernel's lists and the files, and look whether they are what the model has."""
    for namespace, one in models.items():
        with within(namespace):
            same(f"{place}: kernel of {namespace}", ports_of(kernel_list()), one.kernel)
    model = models["host"]
    same(f"{place}: own file", own_file(OWN_FILE.read_text()) if OWN_FILE.exists() else None, model.own)
    values = {}
    for path in [*(str(one) for directory in DIRECTORIES for one in pathlib.Path(directory).iterdir()), MAIN]:
        lines = [line for line in pathlib.Path(path).read_text().splitlines() if line.startswith(SETTING)]
        if lines:
            values[path] = value_of(lines[-1].partition("=")[2].strip())
    same(f"{place}: values of the files", values, model.values())


def own_file(text: str) -> OwnFile:
    """Return what our file says, read by its lines and by nothing of the product; it has to have a value line."""
    said = dict(line.removeprefix("# ").split(": ") for line in text.split("\n") if ": " in line)
    [value] = [ports_of(line.partition(" = ")[2]) for line in text.split("\n") if line.startswith(SETTING)]
    names = {
        what.removeprefix("reservation "): ports_of(ports)
        for what, ports in said.items()
        if what.startswith("reservation ")
    }
    kept, by_hand, left_out = (
        ports_of(said.get(one, "")) for one in ("kept from other files", "added by hand", "left out")
    )
    return OwnFile(names, kept, (value - kept.union(*names.values())) | (by_hand & value), left_out, value)


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
        "namespace": "host" if result["namespace"]["kind"] == "host" else result["namespace"]["name"],
        "drift": {one["where"]: one["missing"] for one in result["drift"]},
        "left": result["automatic"]["left"],
    }


def expected(model: Model, task: Task, outcome: Outcome) -> dict[str, Any]:
    """Return what the model says of a task's result; ``model`` is the one afterwards."""
    now, then = model.names(), model.own.names if model.own else {}
    after_boot = told(model.after_boot()) if task.namespace == "host" else None
    held = {name: now.get(name, frozenset()) | then.get(name, frozenset()) for name in {*now, *then}}
    return {
        "changed": outcome.changed,
        "ports": listed(held.get(task.name, frozenset())),
        "reserved": {"runtime": listed(model.kernel), "after_boot": after_boot},
        "left_out": listed(model.own.left_out if model.own else frozenset()),
        "given_back": dict(zip(("runtime", "file"), map(listed, outcome.given_back), strict=True)),
        "removed": dict(zip(("runtime", "file"), map(listed, outcome.removed), strict=True)),
        "reservations": {name: (listed(ports), name in now, name in then) for name, ports in held.items()},
        "foreign": (listed(model.foreign()), listed(model.by_hand())),
        "files": [(path, told(ports)) for path, ports in model.files() if path != OWN],
        "drift": {
            where: listed(lost) for where, lost in zip(("runtime", "file"), outcome.missing, strict=True) if lost
        },
        "namespace": task.namespace,
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
    found, wanted = (listed(one) if isinstance(one, frozenset) else one for one in (found, wanted))
    raise Disagreement(f"{what}\n  found    {str(found)[:1000]}\n  expected {str(wanted)[:1000]}")
