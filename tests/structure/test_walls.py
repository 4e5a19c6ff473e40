# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Who may import whom (docs/architecture.md), read off the syntax tree, with each wall shown to hold."""

from __future__ import annotations

import ast
import pathlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

AGENT = "plugins.module_utils.portreeve_agent"
NOT_IN_PYTHON_38 = {"graphlib", "tomllib", "zoneinfo"}
DYNAMIC_IMPORTS = {"importlib", "pkgutil", "runpy", "imp"}  # what is found at run time does not travel to the host
TOUCHES_THE_SYSTEM = {"os", "socket", "_socket", "subprocess", "signal", "ctypes", "pathlib", "shutil"}
TOUCHES_THE_SYSTEM |= {"fcntl", "select"}

# The agent's rooms, each with the rooms to its left; its own room is always open to it. A new room gets a line here.
LANGUAGE = {"typed", "record", "lean"}  # open to every room
BASE = {"version", "errors", "endpoint", "binding", "model"}
WORDS = BASE | {"ports", "verdicts"}
RESERVING = {"reservations.ledger", "reservations.plan", "reservations.guards"}
REMEDYING = {
    "remedies.records",
    "remedies.sight",
    "remedies.protection",
    "remedies.harm",
    "remedies.draft",
    "remedies.approval",
    "remedies.collateral",
}
REMEDYING |= {"remedies.proof"}
CHANGES = {"watch.moments", "watch.holders", "watch.events", "watch.words", "watch.wire"}
JUDGING = {
    "typed": set(),
    "record": set(),
    "lean": set(),
    "version": set(),
    "errors": set(),
    "endpoint": set(),
    "durations": set(),
    "plain_question": set(),
    "binding": {"errors", "endpoint"},
    "model": {"errors", "endpoint", "binding"},
    "ports": BASE,
    "wire": BASE,
    "masking": BASE,
    "clues": BASE,
    "protected": BASE,
    "roles": BASE | {"clues"},
    "bind_rules": BASE | {"ports"},
    "bind_wish": BASE | {"ports"},
    "verdicts": BASE | {"ports", "bind_rules"},
    "risks": WORDS,
    "words": WORDS | {"bind_words"},
    "expectations": WORDS,
    **dict.fromkeys(CHANGES, WORDS | CHANGES | {"wire"}),
    "bind_words": WORDS,
    "answers": WORDS | {"bind_words", "bind_rules", "risks", "wire"},
    "remedies.records": WORDS | {"expectations"},
    "remedies.approved": BASE | {"ports", "remedies.records"},
    "remedies.wishes": BASE | {"ports", "durations", "bind_wish", "expectations", "remedies.records"},
    "remedies.plan": WORDS | REMEDYING | {"bind_rules", "expectations", "protected"},
    **dict.fromkeys(
        ("remedies.sight", "remedies.protection", "remedies.harm", "remedies.draft"),
        WORDS | REMEDYING | {"protected", "expectations"},
    ),
    "remedies.approval": WORDS | REMEDYING | {"wire"},
    "remedies.collateral": WORDS | REMEDYING,
    "remedies.proof": WORDS | REMEDYING | {"bind_words"},
    "remedies.words": WORDS | {"words", "remedies.records"},
    "remedies.result": WORDS | REMEDYING | {"wire", "remedies.plan", "remedies.approved", "remedies.words"},
    "reservations.ledger": BASE | {"ports"},
    "reservations.plan": BASE | {"ports", "reservations.ledger"},
    "reservations.guards": BASE | {"ports", "reservations.ledger", "reservations.plan"},
    "reservations.result": BASE | RESERVING | {"ports", "reservations.occupancy"},
    "reservations.sentences": BASE | {"ports", "verdicts"},
    "reservations.words": WORDS | RESERVING | {"words", "reservations.sentences"},
    "reservations.occupancy": BASE | {"wire", "verdicts"},
}
DOOR = BASE | {"sockets", "reading", "files", "users", "process_directory", "host"}
READERS = DOOR | {"ports", "kernel"}
SEEING = {
    "syscalls": BASE,
    "reading": BASE,
    "files": BASE | {"reading"},
    "users": BASE | {"reading"},
    "process_directory": BASE | {"reading"},
    "sockets": BASE,
    "packed": set(),
    "message_queue": BASE | {"sockets"},
    "second_process": BASE,
    "bind_calls": BASE | {"reading", "syscalls"},
    "host": DOOR | {"syscalls", "message_queue", "second_process"},
    "kernel": DOOR | {"ports"},
    "processes": DOOR,
    "fdinfo": BASE,
    "descriptors": BASE,
    "visiting": READERS | {"processes", "fdinfo", "descriptors"},
    "scanned": READERS | {"processes", "descriptors", "visiting"},
    "walking": READERS | {"processes", "descriptors", "visiting", "scanned"},
    "tables": READERS,
    "ownership": READERS | {"processes"},
    "elsewhere": READERS | {"tables", "masking", "roles"},
    "sighting": READERS | {"descriptors", "walking", "tables"},
    "socket_options": DOOR,
    "bind_trial": READERS | {"tables"},
    "blindness": DOOR | {"sighting"},
    "waiting": DOOR,
    "lineage": DOOR | {"processes"},
    "attention": DOOR | {"fdinfo", "waiting", "descriptors", "processes"},
    "evidence": READERS | {"clues", "fdinfo", "waiting", "attention", "lineage", "descriptors", "tables", "sighting"},
    "snapshot": READERS
    | {"masking", "roles", "processes", "descriptors", "tables", "sighting", "blindness", "ownership", "elsewhere"}
    | {"evidence", "socket_options", "bind_trial"},
}
SEEING["watch.sight"] = {"model", "tables"}
SEEING["watch.recollection"] = READERS
SEEING["watch.handles"] = READERS | {"processes", "syscalls"}
SEEING["watch.signals_of_change"] = (
    READERS | CHANGES | {"bind_calls", "masking", "processes", "tables", "watch.recollection"}
)
SEEING["watch.observing"] = SEEING["watch.signals_of_change"] | {
    "watch.signals_of_change", "watch.handles", "watch.sight", "snapshot"
}  # fmt: skip
SEEING["process_handle"] = BASE | {"syscalls"}
SEEING["appending"] = BASE
SEEING["writing"] = DOOR | {"second_process", "appending", "process_handle"}
SEEING["kernel"] = SEEING["kernel"] | {"writing"}
SEEING["reservations.occupants"] = READERS | {"walking", "protected", "tables", "reservations.occupancy"}
SEEING["reservations.eviction"] = READERS | {"processes", "tables", "reservations.occupancy", "reservations.occupants"}
SEEING["reservations.boot"] = READERS | {"writing"}
SEEING["reservations.place"] = READERS | {"ownership", "reservations.ledger"}
SEEING["reservations.store"] = READERS | {"writing"}
SEEING["reservations.commit"] = READERS | {"writing", "reservations.store"}
SEEING["way_in"] = READERS | {"walking"}
SEEING["reservations.eviction"] |= {"way_in"}
SEEING["remedies.acts"] = READERS | {"processes", "process_handle", "writing", "remedies.records"}
SEEING["remedies.acts"] |= {"descriptors", "fdinfo", "verdicts", "way_in"}
SEEING["remedies.owners"] = READERS | {
    "ownership", "processes", "syscalls", "writing", "remedies.records", "remedies.prove", "masking",
    "verdicts",
}  # fmt: skip
SEEING["remedies.bystanders"] = SEEING["snapshot"] | {
    "snapshot", "bind_words", "remedies.records", "remedies.collateral", "remedies.prove"
}  # fmt: skip
SEEING["remedies.trail"] = READERS | {"writing", "wire", "verdicts", "remedies.records"}
LEFT_OF = {**JUDGING, **SEEING}
# They see, judge and act.
JOINING = {"", "cli", "cli_options", "remedies", "remedies.apply", "remedies.prove", "reservations"}
JOINING |= {"looking", "watch", "watch.session", "recording", "reservations.task"}
JOINING |= {"remedies.look", "remedies.run", "remedies.task", "remedies.command"}
PURE = JUDGING.keys()
TRANSLATING = ("action", "filter", "lookup", "callback")


@dataclass(frozen=True)
class Import:
    """One imported module: its dotted name from the top of the collection, or of Python when it came without dots."""

    path: str
    line: int
    target: str
    relative: bool
    in_function: bool

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: imports {self.target}"


def imports(tree: pathlib.Path, under: str) -> Iterator[Import]:
    """Yield every import of the Python files below ``under`` (dotted) in the collection at ``tree``."""
    for path in sorted((tree / under.replace(".", "/")).rglob("*.py")):
        relative_path = path.relative_to(tree)
        package = relative_path.parent.parts
        functions: set[int] = set()
        syntax = ast.parse(path.read_text(encoding="utf-8"))
        for function in ast.walk(syntax):
            if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                functions.update(id(node) for node in ast.walk(function))
        for node in ast.walk(syntax):
            for target, dotted in _targets(node, package, tree):
                yield Import(str(relative_path), node.lineno, target, dotted, id(node) in functions)


def _targets(node: ast.AST, package: tuple[str, ...], tree: pathlib.Path) -> Iterator[tuple[str, bool]]:
    if isinstance(node, ast.Import):
        for name in node.names:
            yield name.name, False
    elif isinstance(node, ast.ImportFrom) and not node.level:
        yield node.module or "", False
    elif isinstance(node, ast.ImportFrom):
        base = [*package[: len(package) - node.level + 1], *(node.module.split(".") if node.module else [])]
        for name in node.names:
            directory = tree.joinpath(*base)
            is_module = directory.joinpath(name.name).is_dir() or directory.joinpath(name.name + ".py").is_file()
            # `from . import kernel` names a module even when the tree at hand does not have it
            yield ".".join([*base, name.name] if is_module or not node.module else base), True


def room(dotted: str) -> str:
    """Return the room of the agent that a module lies in.

    >>> room("plugins.module_utils.portreeve_agent.kernel.sock_diag"), room(AGENT + ".remedies.plan")
    ('kernel', 'remedies.plan')
    """
    parts = dotted.removeprefix(AGENT).removeprefix(".").split(".")
    return ".".join(parts[:2]) if parts[0] in ("remedies", "reservations", "watch") else parts[0]


def home(path: str) -> str:
    """Return the room that a file of the agent lies in, given its path from the top of the collection."""
    return room(path.removesuffix(".py").removesuffix("/__init__").replace("/", "."))


def agent_needs_only_python(tree: pathlib.Path) -> list[str]:
    """Only the standard library of 3.8 and the agent itself, relatively; psutil inside a function of elsewhere.py."""
    broken = []
    for found in imports(tree, AGENT):
        top = found.target.split(".")[0]
        psutil = top == "psutil" and found.path.endswith("/elsewhere.py") and found.in_function
        standard = top in sys.stdlib_module_names and top not in NOT_IN_PYTHON_38 | DYNAMIC_IMPORTS
        if not (found.target.startswith(AGENT + ".") if found.relative else standard or psutil):
            broken.append(f"{found}: the agent travels alone")
    return broken


def pure_rooms_touch_nothing(tree: pathlib.Path) -> list[str]:
    """What judges neither reads nor acts."""
    return [
        f"{found}: {home(found.path)} is pure"
        for found in imports(tree, AGENT)
        if home(found.path) in PURE and not found.relative and found.target.split(".")[0] in TOUCHES_THE_SYSTEM
    ]


def agent_imports_leftwards(tree: pathlib.Path) -> list[str]:
    """Every room imports only the rooms to its left."""
    broken = []
    for found in imports(tree, AGENT):
        here, there = home(found.path), room(found.target)
        inwards = found.relative and found.target.startswith(AGENT + ".")
        if inwards and here not in JOINING and there not in LEFT_OF.get(here, set()) | LANGUAGE | {here}:
            broken.append(f"{found}: {there} is not to the left of {here}")
    return broken


def agent_starts_without_typing(tree: pathlib.Path) -> list[str]:
    """Records and the names of types come from the agent's own rooms for them: `typing` takes longer than an answer."""
    return [
        f"{found}: {' and '.join(sorted(LANGUAGE))} stand for it"
        for found in imports(tree, AGENT)
        if found.target in {"typing", "dataclasses"} and home(found.path) not in LANGUAGE
    ]


def every_room_has_its_place(tree: pathlib.Path) -> list[str]:
    """A room that the table above does not name would stand outside of the walls."""
    files = [path.relative_to(tree) for path in sorted((tree / AGENT.replace(".", "/")).rglob("*.py"))]
    return [
        f"{path}: {home(str(path))} has no place" for path in files if home(str(path)) not in LEFT_OF.keys() | JOINING
    ]


def controller_sees_the_pure_rooms(tree: pathlib.Path) -> list[str]:
    """plugin_utils and the plugins in front of it know what a result means, never how it was read."""
    broken = []
    for under in ("plugins.plugin_utils", *(f"plugins.{kind}" for kind in TRANSLATING)):
        for found in imports(tree, under):
            if found.relative and found.target.startswith(AGENT) and room(found.target) not in PURE:
                broken.append(f"{found}: only the agent's pure rooms are open here")
            front = found.relative and found.target.split(".")[1] in {*TRANSLATING, "modules"}
            if under == "plugins.plugin_utils" and front:
                broken.append(f"{found}: a translator stands in front of plugin_utils")
    return broken


def modules_reach_only_the_agent(tree: pathlib.Path) -> list[str]:
    """A module uses Ansible's own module_utils and the agent, so that it needs nothing on the controller."""
    return [
        f"{found}: a module reaches the agent and ansible.module_utils only"
        for found in imports(tree, "plugins.modules")
        if not found.target.startswith(AGENT if found.relative else "ansible.module_utils")
        and not (not found.relative and found.target.split(".")[0] in sys.stdlib_module_names)
    ]


WALLS = (
    agent_needs_only_python,
    pure_rooms_touch_nothing,
    agent_imports_leftwards,
    agent_starts_without_typing,
    every_room_has_its_place,
    controller_sees_the_pure_rooms,
    modules_reach_only_the_agent,
)

PLANTED = [
    (agent_needs_only_python, "kernel/x.py", "import psutil"),
    (agent_needs_only_python, "elsewhere.py", "import psutil"),
    (agent_needs_only_python, "host.py", "import importlib"),
    (agent_needs_only_python, "host.py", "def f():\n    from zoneinfo import ZoneInfo"),
    (agent_needs_only_python, "host.py", "from ansible.module_utils.basic import AnsibleModule"),
    (agent_needs_only_python, "host.py", f"import ansible_collections.portreeve.fleet.{AGENT}.model"),
    (agent_needs_only_python, "host.py", "from ...plugin_utils import report"),
    (pure_rooms_touch_nothing, "verdicts/free.py", "import os.path"),
    (pure_rooms_touch_nothing, "remedies/plan.py", "def f():\n    import subprocess"),
    (pure_rooms_touch_nothing, "ports.py", "from socket import AF_INET"),
    (agent_imports_leftwards, "verdicts/free.py", "from ..host import Host"),
    (agent_imports_leftwards, "verdicts/free.py", "from .. import host"),
    (agent_imports_leftwards, "remedies/plan.py", "from .apply import act"),
    (agent_imports_leftwards, "kernel/x.py", "from ..ownership.systemd import unit"),
    (agent_imports_leftwards, "host.py", "from . import snapshot"),
    (agent_starts_without_typing, "host.py", "from typing import Any"),
    (agent_starts_without_typing, "model.py", "def f():\n    from dataclasses import replace"),
    (every_room_has_its_place, "weather.py", "x = 1"),
    (agent_imports_leftwards, "model.py", "from .verdicts.free import Free"),
    (
        controller_sees_the_pure_rooms,
        "../../plugin_utils/report/x.py",
        "from ...module_utils.portreeve_agent.host import H",
    ),
    (controller_sees_the_pure_rooms, "../../filter/x.py", "from ..module_utils.portreeve_agent import snapshot"),
    (controller_sees_the_pure_rooms, "../../plugin_utils/report/x.py", "from ...callback import ports"),
    (modules_reach_only_the_agent, "../../modules/x.py", "from ..plugin_utils.report import view"),
    (modules_reach_only_the_agent, "../../modules/x.py", "import yaml"),
]


@pytest.mark.parametrize("wall", WALLS, ids=lambda wall: wall.__name__)
def test_the_wall_stands(wall, collection):
    assert wall(collection) == []


@pytest.mark.parametrize(("wall", "path", "source"), PLANTED, ids=lambda value: getattr(value, "__name__", None))
def test_the_wall_stops_a_planted_violation(wall, path, source, tmp_path):
    planted = (tmp_path / AGENT.replace(".", "/") / path).resolve()
    planted.parent.mkdir(parents=True)
    planted.write_text(source, encoding="utf-8")

    broken = wall(tmp_path)

    assert len(broken) == 1
    assert planted.name in broken[0]


def test_what_is_allowed_passes(tmp_path):
    agent = tmp_path / AGENT.replace(".", "/")
    for path, source in {
        "elsewhere.py": "def f():\n    import psutil\n    return psutil",
        "kernel/sock_diag.py": "from ..host import Host\nfrom .diag_filter import ports\nfrom .. import model",
        "remedies/plan.py": "from ..verdicts.registry import VERDICTS",
        "remedies/apply.py": "from .plan import Plan\nfrom ..host import Host",
        "../../plugin_utils/fleet/merge.py": "from ...module_utils.portreeve_agent.model import Risk",
        "../../modules/port_owner.py": "from ..module_utils.portreeve_agent.snapshot import take_snapshot",
    }.items():
        (agent / path).resolve().parent.mkdir(parents=True, exist_ok=True)
        (agent / path).resolve().write_text(source, encoding="utf-8")

    assert [wall(tmp_path) for wall in WALLS] == [[]] * len(WALLS)
