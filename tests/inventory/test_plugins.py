# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Filters and lookup as Ansible calls them, with the examples of their documentation, and the role's documentation."""

from __future__ import annotations

import ast
import json
import os
import pathlib
import re
import subprocess
import sys
from typing import Any

import pytest
import yaml

BIN = pathlib.Path(sys.executable).parent
WITH_AN_ANSWER = ("compress_ports", "merge_ports", "needed_reservations", "subtract_ports", "unmet_reservations")
FILTERS = (*WITH_AN_ANSWER, "propose_ports", "say_reservations")
ROLE = "roles/reserve"


def ansible(root: pathlib.Path, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of Ansible in the checkout."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    return subprocess.run(
        [sys.executable, str(BIN / command), *arguments],
        cwd=root,
        env={**kept, "LC_ALL": "C.UTF-8", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_STDOUT_CALLBACK": "minimal"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )


def play(root: pathlib.Path, place: pathlib.Path, tasks: list[dict], **variables: object) -> str:
    """Return what a play of those tasks prints; it needs no host."""
    playbook = place / "playbook.yml"
    play = {"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": tasks}
    playbook.write_text(yaml.safe_dump([play]), encoding="utf-8")
    return ansible(root, "ansible-playbook", "-i", "localhost,", "-c", "local", str(playbook)).stdout


def documentation(root: pathlib.Path, kind: str, name: str) -> dict[str, Any]:
    """Return what ansible-doc has on a plugin or role of ours."""
    done = ansible(root, "ansible-doc", "--type", kind, "--json", f"portreeve.fleet.{name}")
    assert done.returncode == 0, done.stdout
    return json.loads(done.stdout[done.stdout.index("{") :])[f"portreeve.fleet.{name}"]


def example(collection: pathlib.Path, name: str) -> tuple[dict, Any]:
    """Return the task of a filter's EXAMPLES and the value that the comment above it says."""
    source = (collection / f"plugins/filter/{name}.py").read_text(encoding="utf-8")
    text = re.search(r'^EXAMPLES = r"""\n(.*?)"""', source, re.MULTILINE | re.DOTALL).group(1)
    (task,) = yaml.safe_load(text)
    return task, ast.literal_eval(text.splitlines()[0].removeprefix("# "))


def values(printed: str) -> list[Any]:
    """Return the messages that debug has printed under the minimal callback."""
    return [
        json.loads(found)["msg"] for found in re.findall(r"SUCCESS => (\{.*?^\})", printed, re.MULTILINE | re.DOTALL)
    ]


def test_the_examples_give_what_they_say(root, collection, tmp_path):
    examples = [example(collection, name) for name in WITH_AN_ANSWER]

    printed = play(root, tmp_path, [task for task, _answer in examples])

    assert values(printed) == [answer for _task, answer in examples], printed


def test_the_page_on_reservations_gives_what_the_filters_give(root, tmp_path):
    rows = re.findall(
        r"^\| `\w+_ports` \| `(.+)` \| `(.+)` \|$", (root / "docs/reservations.md").read_text("utf-8"), re.MULTILINE
    )
    tasks = [{"ansible.builtin.debug": {"msg": "{{ %s }}" % call.replace(r"\|", "|")}} for call, _answer in rows]

    printed = play(root, tmp_path, tasks)

    assert len(rows) == 3
    assert [str(value) for value in values(printed)] == [answer for _call, answer in rows]


def test_they_take_what_templates_give(root, tmp_path):
    expressions = [
        "[1, 2] | map('string') | portreeve.fleet.merge_ports(range(3, 5), given | map(attribute='p') | first)",
        "given | map(attribute='p') | portreeve.fleet.merge_ports | portreeve.fleet.subtract_ports('9-10')",
        "[] | portreeve.fleet.compress_ports | portreeve.fleet.merge_ports",
    ]
    tasks = [{"ansible.builtin.debug": {"msg": "{{ %s }}" % one}} for one in expressions]
    given = [{"on": True, "p": "{{ low }}-10"}, {"on": False, "p": 12}]

    assert values(play(root, tmp_path, tasks, given=given, low=8)) == [["1-4", "8-10"], ["8", "12"], []]


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("(30000-32767) | portreeve.fleet.merge_ports", "-2767 is out of range: accepted are ports from 1 to 65535"),
        ("8080 | portreeve.fleet.subtract_ports('http')", "'http' is not a port: accepted are ports from 1 to 65535"),
        ("{'a': 1} | portreeve.fleet.compress_ports", "a value of type dict is not a port: accepted are ports"),
        ("[{'name': 'a'}] | portreeve.fleet.needed_reservations", "(a) has no ports: accepted are ports such as"),
        (
            "[{'name': 'a', 'ports': 0}] | portreeve.fleet.needed_reservations",
            "(a) has ports that cannot be read: 0 is out",
        ),
        ("{} | portreeve.fleet.propose_ports('many')", "'many' is no number of ports: accepted are numbers"),
        (
            "[] | portreeve.fleet.propose_ports(2)",
            "propose_ports takes what port_audit returned, by the name of the host",
        ),
        (
            "query('portreeve.fleet.applications', 'web1')",
            "The lookup of applications takes no arguments but mistakes and releases",
        ),
    ],
)
def test_bad_input_is_one_sentence(root, tmp_path, expression, sentence):
    printed = play(root, tmp_path, [{"ansible.builtin.debug": {"msg": "{{ %s }}" % expression}}])

    assert sentence in " ".join(printed.split())
    assert max(line.count(sentence) for line in printed.splitlines()) <= 1
    assert "Traceback" not in printed


def test_the_lookup_reads_every_level_and_what_templates_make_of_it(root, tmp_path):
    tasks = [{"ansible.builtin.debug": {"msg": "{{ query('portreeve.fleet.applications') }}"}}]
    printed = play(
        root,
        tmp_path,
        tasks,
        portreeve_applications=[{"name": "shop", "ports": ["{{ low }}-10"]}],
        portreeve_applications_web="{{ [{'name': 'shop', 'ports': 11}] + more }}",
        more=[{"name": "chat", "ports": "{{ low }}", "reserve": "never"}],
        portreeve_applicationsx=[{"name": "other", "ports": 1}],
        low=8,
    )

    assert values(printed) == [
        [{"name": "chat", "ports": ["8"], "reserve": "never"}, {"name": "shop", "ports": ["8-11"], "reserve": "auto"}]
    ]


@pytest.mark.parametrize("name", FILTERS)
def test_ansible_has_documentation_of_each_filter(root, name):
    found = documentation(root, "filter", name)

    assert found["doc"]["short_description"]
    assert found["examples"].strip()
    assert "_value" in found["return"]


def test_every_filter_is_tried_here(collection):
    assert {path.stem for path in (collection / "plugins/filter").glob("*.py")} == {*FILTERS}


def test_the_documentation_of_the_role_has_the_defaults_it_has(root, collection):
    options = documentation(root, "role", "reserve")["entry_points"]["main"]["options"]
    defaults = yaml.safe_load((collection / ROLE / "defaults/main.yml").read_text(encoding="utf-8"))

    assert {name: one["default"] for name, one in options.items() if name.startswith("reserve_")} == defaults
    page = (root / "docs/reservations.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`(reserve_\w+)`", page)) == set(defaults)


def test_the_lookup_has_documentation(root):
    assert documentation(root, "lookup", "applications")["doc"]["notes"]
