# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Who may import whom among the rooms of the controller (docs/architecture.md), each wall shown to hold."""

from __future__ import annotations

import pathlib

import pytest

from .test_walls import TOUCHES_THE_SYSTEM, imports

ROOMS = "plugins.plugin_utils"

# A file stands in the room that its package is called, but for these.
ELSEWHERE = {
    "report.wire": "words",  # how answers are read, shared by all
    "policy.draft_page": "drafted",  # how a draft is told
    **dict.fromkeys(("policy.records", "policy.rules"), "declared"),  # what can be declared at all
    **dict.fromkeys(
        ("fleet.folding", "fleet.outliers", "fleet.matrix", "fleet.collisions", "fleet.candidates")
        + ("fleet.declared_places",),
        "many",  # what judged hosts are together
    ),
}
WORDS = {"words", "declared"}
LEFT_OF = {
    "words": set(),
    "declared": {"words"},
    "fleet": WORDS,
    "inventory": WORDS | {"fleet"},
    "policy": WORDS | {"fleet"},
    "many": WORDS | {"fleet", "policy"},
    "report": WORDS | {"fleet"},
    "drafted": WORDS | {"fleet", "policy", "report"},
    "history": WORDS | {"fleet", "policy"},
    "compliance": WORDS | {"fleet", "policy", "many", "history", "report"},
    "remediation": WORDS | {"fleet", "report"},
    "agent_file": set(),
    "sweep": WORDS | {"fleet", "report", "agent_file"},
}
PURE = {"declared", "fleet", "policy", "drafted", "many", "compliance"}
TOUCHES = TOUCHES_THE_SYSTEM | {"tempfile", "urllib", "http", "time", "secrets", "sqlalchemy", "ansible"}
# Where a run reads and writes. What they decide, they ask the others.
EDGES = {
    "compliance.answers",
    "compliance.as_html",  # reads the page that it fills
    "compliance.beginning",
    "compliance.conclusion",
    "compliance.course",
    "compliance.notify",
    "compliance.past",
    "compliance.telling",
    "compliance.textfile",
}


def file_of(dotted: str) -> str:
    """Return the package and file of a module.

    >>> file_of("plugins.plugin_utils.policy.judge"), file_of("plugins.plugin_utils.fleet")
    ('policy.judge', 'fleet')
    """
    return ".".join(dotted.removeprefix(ROOMS + ".").split(".")[:2])


def room(dotted: str) -> str:
    """Return the room that a module of the controller lies in.

    >>> room("plugins.plugin_utils.policy.judge"), room("plugins.plugin_utils.report.wire")
    ('policy', 'words')
    """
    return ELSEWHERE.get(file_of(dotted), file_of(dotted).split(".")[0])


def _dotted(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def rooms_import_leftwards(tree: pathlib.Path) -> list[str]:
    """Every room imports only the rooms to its left."""
    broken = []
    for found in imports(tree, ROOMS):
        here = room(_dotted(found.path))
        if found.relative and found.target.startswith(ROOMS + "."):
            there = room(found.target)
            if there not in LEFT_OF.get(here, set()) | {here}:
                broken.append(f"{found}: {there} is not to the left of {here}")
    return broken


def what_judges_touches_nothing(tree: pathlib.Path) -> list[str]:
    """A verdict on a host, and what is shown of it, follow from what was answered and declared alone."""
    return [
        f"{found}: {room(_dotted(found.path))} is pure"
        for found in imports(tree, ROOMS)
        if room(_dotted(found.path)) in PURE
        and file_of(_dotted(found.path)) not in EDGES
        and not found.relative
        and found.target.split(".")[0] in TOUCHES
    ]


def only_the_history_knows_a_database(tree: pathlib.Path) -> list[str]:
    """Whoever does not keep a history needs no SQLAlchemy."""
    return [
        f"{found}: only history talks to a database"
        for found in imports(tree, "plugins")
        if found.target.split(".")[0] in ("sqlalchemy", "sqlite3", "psycopg") and room(_dotted(found.path)) != "history"
    ]


def every_room_has_its_place(tree: pathlib.Path) -> list[str]:
    """A room that the table above does not name would stand outside of the walls."""
    return [
        f"{path.relative_to(tree)}: {room(_dotted(str(path.relative_to(tree))))} has no place"
        for path in sorted((tree / ROOMS.replace(".", "/")).rglob("*.py"))
        if room(_dotted(str(path.relative_to(tree)))) not in {*LEFT_OF, ROOMS, "plugins"}
    ]


WALLS = (
    rooms_import_leftwards,
    what_judges_touches_nothing,
    only_the_history_knows_a_database,
    every_room_has_its_place,
)

PLANTED = [
    (rooms_import_leftwards, "policy/judge.py", "from ..fleet.outliers import find_outliers"),
    (rooms_import_leftwards, "policy/judge.py", "from ..history.store import record"),
    (rooms_import_leftwards, "policy/judge.py", "from ..compliance import view"),
    (rooms_import_leftwards, "fleet/host_picture.py", "from ..policy.findings import Finding"),
    (rooms_import_leftwards, "fleet/matrix.py", "from ..history.drift import track"),
    (rooms_import_leftwards, "history/drift.py", "from ..compliance.view import View"),
    (rooms_import_leftwards, "compliance/view.py", "from ..remediation.plans import Plan"),
    (rooms_import_leftwards, "report/wire.py", "from ..fleet.picture import merge"),
    (what_judges_touches_nothing, "policy/judge.py", "import os"),
    (what_judges_touches_nothing, "policy/waivers.py", "def f():\n    import time"),
    (what_judges_touches_nothing, "fleet/outliers.py", "from socket import AF_INET"),
    (what_judges_touches_nothing, "compliance/view.py", "import pathlib"),
    (only_the_history_knows_a_database, "compliance/course.py", "def f():\n    import sqlalchemy"),
    (only_the_history_knows_a_database, "../action/compliance.py", "import sqlite3"),
    (every_room_has_its_place, "weather/rain.py", "x = 1"),
]


@pytest.mark.parametrize("wall", WALLS, ids=lambda wall: wall.__name__)
def test_the_wall_stands(wall, collection):
    assert wall(collection) == []


@pytest.mark.parametrize(("wall", "path", "source"), PLANTED, ids=lambda value: getattr(value, "__name__", None))
def test_the_wall_stops_a_planted_violation(wall, path, source, tmp_path):
    planted = (tmp_path / ROOMS.replace(".", "/") / path).resolve()
    planted.parent.mkdir(parents=True)
    planted.write_text(source, encoding="utf-8")

    broken = wall(tmp_path)

    assert len(broken) == 1
    assert planted.name in broken[0]


def test_what_is_allowed_passes(tmp_path):
    for path, source in {
        "policy/judge.py": "from ..fleet.host_picture import HostPicture\nfrom .rules import RULES",
        "fleet/entries.py": "from ..policy.rules import RULES\nfrom ..report.wire import words",
        "fleet/matrix.py": "from ..policy.findings import Finding",
        "history/store.py": "import os\ndef f():\n    import sqlalchemy",
        "compliance/notify.py": "import subprocess",
        "compliance/view.py": "from ..fleet.matrix import build_matrix\nimport dataclasses",
    }.items():
        (tmp_path / ROOMS.replace(".", "/") / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / ROOMS.replace(".", "/") / path).write_text(source, encoding="utf-8")

    assert [wall(tmp_path) for wall in WALLS] == [[]] * len(WALLS)
