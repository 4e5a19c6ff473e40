# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Tables of options, exit codes, verdicts and risks say what the code has."""

from __future__ import annotations

import importlib
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.cli import Exit
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.risks.registry import RISKS
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.verdicts.registry import VERDICTS

AGENT = "plugins/module_utils/portreeve_agent"
BIN = pathlib.Path(sys.executable).parent
ANSWERING = {"owner", "list", "snapshot"}
VERBS = ANSWERING | {"release", "reserved", "watch", "record", "recorded"}
INTERRUPTED = 130


def text_of(root: pathlib.Path, name: str) -> str:
    return (root / name).read_text(encoding="utf-8")


def help_of(root: pathlib.Path, *verb: str) -> str:
    command = [sys.executable, root / "agent", *verb, "--help"]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def documented_options(page: str) -> dict[str, set[str]]:
    """Return the options of each verb, from the rows of the page's table: ``| `--json` | all | … |``."""
    found: dict[str, set[str]] = {verb: set() for verb in VERBS}
    for option, of in re.findall(r"^\| `(--[\w-]+)[^`]*` \| (\w+) \|", page, re.MULTILINE):
        for verb in ANSWERING if of == "all" else {of}:
            found[verb].add(option)
    return found


def codes(text: str) -> set[int]:
    """Return the exit codes of a table, or of the list in the help."""
    return {int(code) for code in re.findall(r"^(?:\| |  )(\d+) +", text, re.MULTILINE)}


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_the_page_has_the_options_of_the_command(root, verb):
    real = set(re.findall(r"^  (?:-h, )?(--[\w-]+)", help_of(root, verb), re.MULTILINE)) - {"--help"}

    assert documented_options(text_of(root, "docs/cli.md"))[verb] == real


def test_the_page_has_the_verbs_of_the_command(root):
    assert set(re.findall(r"^    (\w+) ", help_of(root), re.MULTILINE)) == VERBS
    assert set(re.findall(r"^\| `portreeve\.pyz (\w+)", text_of(root, "docs/cli.md"), re.MULTILINE)) == VERBS


def test_the_page_has_the_exit_codes_of_the_command(root):
    real = {code for name, code in vars(Exit).items() if name.isupper()}

    assert codes(text_of(root, "docs/cli.md").partition("## Exit codes")[2]) == real | {INTERRUPTED}
    assert codes(help_of(root).partition("exit codes:")[2]) == real


@pytest.mark.parametrize("module", ["port_owner", "port_audit", "port_reservation", "port_release"])
def test_ansible_doc_has_the_options_of_the_module(root, module):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    printed = subprocess.run(
        [sys.executable, BIN / "ansible-doc", "--type", "module", "--json", f"portreeve.fleet.{module}"],
        cwd=root,
        env={**kept, "LC_ALL": "C.UTF-8"},
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout
    described = json.loads(printed)[f"portreeve.fleet.{module}"]["doc"]["options"]
    real = importlib.import_module(f"ansible_collections.portreeve.fleet.plugins.modules.{module}").OPTIONS

    assert spec(described, "suboptions") == spec(real, "options")


def spec(options: dict, nested: str) -> dict:
    """Return what matters of options: type, elements, choices, default, and the same of those inside."""
    return {
        name: {
            **{key: one[key] for key in ("type", "elements", "choices", "default") if one.get(key) is not None},
            **({"inside": spec(one[nested], nested)} if nested in one else {}),
        }
        for name, one in options.items()
    }


def test_every_verdict_is_in_the_table_and_in_the_module(root, collection):
    ids = [verdict.id for verdict in VERDICTS]
    table = re.findall(r"^\| \[`(\w+)`\]\((\w+)\.md\) \|", text_of(root, "docs/verdicts/README.md"), re.MULTILINE)
    documented = text_of(collection, "plugins/modules/port_owner.py").partition("verdict:")[2].partition("summary:")[0]

    assert sorted(name for name, _page in table) == sorted(ids)
    assert all(name == page for name, page in table)
    assert sorted(set(re.findall(r"V\((\w+)\)", documented))) == sorted(ids)


@pytest.mark.parametrize("verdict", [verdict.id for verdict in VERDICTS])
def test_a_page_on_a_verdict_answers_five_questions(root, verdict):
    page = text_of(root, f"docs/verdicts/{verdict}.md")

    assert page.startswith(f"# {verdict}\n")
    asked = re.findall(r"^\*\*(.+?)\.\*\*", page, re.MULTILINE)
    assert asked == [
        "What it means", "How it comes about", "What Portreeve prints", "In ss and lsof", "What to do",
    ]  # fmt: skip


def test_every_risk_has_its_place_on_the_page_and_a_file_of_its_name(root, collection):
    files = {path.stem for path in (collection / AGENT / "risks").glob("*.py")} - {"__init__", "registry"}

    assert re.findall(r"^## (\w+)$", text_of(root, "docs/risks.md"), re.MULTILINE) == [danger.id for danger in RISKS]
    assert files == {danger.id for danger in RISKS}
