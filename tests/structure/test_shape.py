# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The shape of the files: how long, how named, what an __init__ may hold, what travels with the agent."""

from __future__ import annotations

import ast
import io
import pathlib
import re
import tokenize

import pytest

AGENT = pathlib.Path("plugins/module_utils/portreeve_agent")
AGENT_FILE_LINES = 300
MODULE_CODE_LINES = 60
OLDEST_PYTHON = (3, 8)
NO_NOUN = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
DOCUMENTATION = {"DOCUMENTATION", "EXAMPLES", "RETURN"}
CACHES = {"__pycache__", ".ruff_cache", ".mypy_cache", ".ansible"}
LICENCE = "# SPDX-License-Identifier: GPL-3.0-or-later"


def python_files(directory: pathlib.Path) -> list[pathlib.Path]:
    """Return the Python files below ``directory``, in order."""
    return sorted(path for path in directory.rglob("*.py") if not CACHES & set(path.parts))


def agent_packages_hold_a_docstring(tree: pathlib.Path) -> list[str]:
    """Ansible ships every __init__ on the way to a module: they hold a docstring and nothing that costs time."""
    broken = []
    directories = {path.parent for path in python_files(tree / AGENT)}
    for directory in sorted(directories):
        init = directory / "__init__.py"
        body = ast.parse(init.read_text(encoding="utf-8")).body if init.is_file() else []
        if len(body) != 1 or not isinstance(body[0], ast.Expr) or not isinstance(body[0].value, ast.Constant):
            broken.append(f"{init.relative_to(tree)}: an __init__.py of a docstring and nothing else")
    return broken


def agent_is_python_only(tree: pathlib.Path) -> list[str]:
    """Data files do not travel to the host."""
    return [
        f"{path.relative_to(tree)}: does not travel with the agent"
        for path in sorted((tree / AGENT).rglob("*"))
        if path.is_file() and path.suffix != ".py" and not CACHES & set(path.parts)
    ]


def agent_files_fit_the_head(tree: pathlib.Path) -> list[str]:
    """A file of the agent is read in one sitting."""
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in python_files(tree / AGENT)}
    return [
        f"{path.relative_to(tree)}: {length} lines, at most {AGENT_FILE_LINES}"
        for path, length in lengths.items()
        if length > AGENT_FILE_LINES
    ]


def hosts_can_read_it(tree: pathlib.Path) -> list[str]:
    """What travels to a host is written in the grammar of its oldest Python."""
    broken = []
    for path in [*python_files(tree / "plugins/module_utils"), *python_files(tree / "plugins/modules")]:
        try:
            ast.parse(path.read_text(encoding="utf-8"), feature_version=OLDEST_PYTHON)
        except SyntaxError as error:
            broken.append(f"{path.relative_to(tree)}:{error.lineno}: {error.msg}")
    return broken


def lines_end_as_the_kernel_ends_them(tree: pathlib.Path) -> list[str]:
    """splitlines() also ends lines at what a name in a kernel's file may hold, so that a name could forge a line."""
    return [
        f"{path.relative_to(tree)}:{node.lineno}: splitlines() where only a newline ends a line"
        for path in python_files(tree / AGENT)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "splitlines"
    ]


def modules_are_thin(tree: pathlib.Path) -> list[str]:
    """A module is documentation, an argument spec, one call and the translation of errors."""
    lengths = {path: code_lines(path.read_text(encoding="utf-8")) for path in python_files(tree / "plugins/modules")}
    return [
        f"{path.relative_to(tree)}: {length} lines of code, at most {MODULE_CODE_LINES}"
        for path, length in lengths.items()
        if length > MODULE_CODE_LINES
    ]


def code_lines(source: str) -> int:
    """Return how many lines hold code: neither blank nor comment, docstring or Ansible documentation.

    >>> code_lines('DOCUMENTATION = "x"' + chr(10) + "# why" + chr(10) + chr(10) + "a = 1")
    1
    """
    silent = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in silent:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        assigned = (
            isinstance(node, ast.Assign) and {getattr(target, "id", "") for target in node.targets} & DOCUMENTATION
        )
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if assigned or docstring:
            lines.difference_update(range(node.lineno, node.end_lineno + 1))
    return len(lines)


def names_are_nouns_of_the_domain(tree: pathlib.Path) -> list[str]:
    """A file or class named after nothing collects everything. The two names Ansible prescribes are its own."""
    broken = []
    for path in python_files(tree):
        named = path.relative_to(tree)
        words = {
            word for part in named.with_suffix("").parts if not part.endswith("_utils") for word in part.split("_")
        }
        classes = re.findall(
            r"^class \w*?(Utils?|Helpers?|Common|Manager)\b", path.read_text(encoding="utf-8"), re.MULTILINE
        )
        broken += [f"{named}: {word} names nothing" for word in sorted(words & NO_NOUN) + classes]
    return broken


def python_files_name_their_licence(tree: pathlib.Path) -> list[str]:
    """Each file can be told apart from others' when it is copied."""
    return [
        f"{path.relative_to(tree)}: says no licence"
        for path in python_files(tree)
        if LICENCE not in path.read_text(encoding="utf-8").splitlines()[:3]
    ]


SHAPES_OF_THE_COLLECTION = (
    agent_packages_hold_a_docstring,
    agent_is_python_only,
    agent_files_fit_the_head,
    hosts_can_read_it,
    lines_end_as_the_kernel_ends_them,
    modules_are_thin,
)
SHAPES_OF_EVERY_TREE = (names_are_nouns_of_the_domain, python_files_name_their_licence)

PLANTED = [
    (agent_packages_hold_a_docstring, AGENT / "kernel/__init__.py", '"""Words."""\nfrom .sock_diag import dump'),
    (agent_packages_hold_a_docstring, AGENT / "kernel/sock_diag.py", "x = 1"),
    (agent_is_python_only, AGENT / "offsets.json", "{}"),
    (agent_files_fit_the_head, AGENT / "host.py", "x = 1\n" * (AGENT_FILE_LINES + 1)),
    (hosts_can_read_it, AGENT / "host.py", "match kind:\n    case 1:\n        pass"),
    (hosts_can_read_it, "plugins/modules/port_owner.py", "try:\n    pass\nexcept* OSError:\n    pass"),
    (lines_end_as_the_kernel_ends_them, AGENT / "processes.py", "for line in data.splitlines():\n    pass"),
    (modules_are_thin, "plugins/modules/port_owner.py", 'RETURN = r"""\n"""\n' + "x = 1\n" * (MODULE_CODE_LINES + 1)),
    (names_are_nouns_of_the_domain, "plugins/plugin_utils/report_helpers.py", LICENCE),
    (names_are_nouns_of_the_domain, "plugins/plugin_utils/common/x.py", LICENCE),
    (names_are_nouns_of_the_domain, "plugins/plugin_utils/x.py", "class PortManager(Base): pass"),
    (python_files_name_their_licence, "tests/test_x.py", "x = 1"),
]


@pytest.mark.parametrize("shape", SHAPES_OF_THE_COLLECTION, ids=lambda shape: shape.__name__)
def test_the_collection_keeps_its_shape(shape, collection):
    assert shape(collection) == []


@pytest.mark.parametrize("part", ["collections", "agent", "bench", "tests"])
@pytest.mark.parametrize("shape", SHAPES_OF_EVERY_TREE, ids=lambda shape: shape.__name__)
def test_every_tree_keeps_its_shape(shape, part, root):
    assert shape(root / part) == []


@pytest.mark.parametrize(("shape", "path", "source"), PLANTED, ids=lambda value: getattr(value, "__name__", None))
def test_a_planted_violation_is_found(shape, path, source, tmp_path):
    planted = tmp_path / path
    planted.parent.mkdir(parents=True)
    planted.write_text(source, encoding="utf-8")

    assert len(shape(tmp_path)) == 1
