# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The page on the sweep says what the command does: its examples over real hosts, its options, its exit codes."""

from __future__ import annotations

import json
import pathlib
import re
import shlex
import subprocess
from collections.abc import Iterator

import pytest

from ..callback.conftest import BIN
from ..docs.consoles import comparable, examples_of
from ..docs.test_reference import codes
from ..sshd_hosts.hosts import COMMANDS, sshd_hosts
from .commands import ROOT, Commands

PAGE = ROOT / "docs/sweep.md"
#: Hosts of the page, and the kinds of real ones that play them.
CAST = {"web1": "host01", "web2": "host02", "old1": "old-python", "db1": "refuses"}


@pytest.fixture(scope="module")
def place(needs, tmp_path_factory) -> Iterator[pathlib.Path]:
    """Return a directory with the page's inventory of hosts that are up."""
    needs("root", *COMMANDS)
    with sshd_hosts(2, *(kind for kind in CAST.values() if not kind.startswith("host"))) as hosts:
        known = json.loads(hosts.inventory.read_text("utf-8"))["all"]
        variables = {name: one for group in known["children"].values() for name, one in group["hosts"].items()}
        groups: dict[str, dict[str, dict]] = {}
        for name, kind in CAST.items():
            groups.setdefault(name.rstrip("12"), {"hosts": {}})["hosts"][name] = variables[kind]
        directory = tmp_path_factory.mktemp("page")
        inventory = {"all": {"vars": known["vars"], "children": groups}}
        (directory / "my-hosts.yml").write_text(json.dumps(inventory), encoding="utf-8")
        yield directory


def told_apart(text: str) -> list[str]:
    """Return the lines of what a sweep prints, in an order of their own: hosts answer as they can."""
    text = re.sub(r"198\.18\.\d+\.\d+|3\.6\.\d+", "MOVING", comparable(text))
    text = re.sub(r"\S+/reports/(latest/)?[0-9TZ-]*", "reports/", text)
    return sorted(re.sub(r" +", " ", line) for line in text.split("\n"))


@pytest.mark.needs("root", *COMMANDS)
def test_the_examples_are_what_the_command_prints(place):
    shown = [example for example in examples_of(PAGE) if example.prints]

    assert shown
    for example in shown:
        command = shlex.split(example.command)
        done = subprocess.run(
            [BIN / command[0], *command[1:]],
            cwd=place, env=Commands(place).environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert told_apart(done.stdout + done.stderr) == told_apart(example.prints), example.command


def test_the_page_has_the_options_that_are_not_ansibles(tmp_path):
    text = Commands(tmp_path).sweep("--help").output
    own = text.partition("\nQuestion:")[2].partition("\nConnection Options:")[0]

    documented = re.findall(r"^\| `(--[\w-]+)", PAGE.read_text("utf-8"), re.MULTILINE)

    assert sorted(documented) == sorted(set(re.findall(r"^  (?:-\w \w+, )?(--[\w-]+)", own, re.MULTILINE)))


def test_the_page_has_the_exit_codes(tmp_path):
    told = " ".join(Commands(tmp_path).sweep("--help").output.partition("exit codes:")[2].split())

    page = PAGE.read_text("utf-8").partition("## Exit codes")[2]

    assert codes(page) == {int(code) for code in re.findall(r"(?:^|; )(\d+) ", told)} == {0, 1, 2, 3, 4, 130}
