# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What docs/reservations.md declares is declared so, and leads to what it shows."""

from __future__ import annotations

import pathlib
import re

import pytest
import yaml

from .conftest import Fleet


@pytest.fixture
def page(root: pathlib.Path) -> str:
    """Return the page."""
    return (root / "docs/reservations.md").read_text(encoding="utf-8")


def blocks(page: str, kind: str) -> list[str]:
    """Return the blocks of a kind, in order."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def test_the_inventory_on_the_page_is_reserved_as_the_page_shows(fleet: Fleet, page: str):
    files = {}
    for block in blocks(page, "yaml"):
        if named := re.match(r"# (?:group|host)_vars/(\w+)\.yml\n", block):
            files[named.group(1)] = yaml.safe_load(block)
    fleet.set_up({"pay": ["pay1"]}, **files)

    run = fleet.play("reserve")

    assert set(files) == {"all", "pay", "pay1"}
    assert run.code == 0, run.output
    assert fleet.reserved() == {"pay1": "8081,36601,37601-37610,39100,45000"}
    (difference,) = blocks(page, "diff")
    assert difference in run.output
    (closing,) = (block for block in blocks(page, "text") if "msg" in block)
    assert closing in run.output


def test_the_page_names_the_variables_of_the_playbooks(collection: pathlib.Path, page: str):
    playbook = (collection / "playbooks/reserve.yml").read_text(encoding="utf-8")

    for name, value in re.findall(r"^\| `(portreeve_\w+)` \| `(.+?)` \|", page, re.MULTILINE):
        (found,) = set(re.findall(rf"{name} \| default\((.+?)\) }}}}", playbook))
        assert found.replace("'", '"').strip('"') == value


def test_the_example_of_the_role_can_be_read(collection: pathlib.Path):
    (example,) = blocks((collection / "roles/reserve/README.md").read_text(encoding="utf-8"), "yaml")
    (play,) = yaml.safe_load(example)

    assert play["roles"] == [{"role": "portreeve.fleet.reserve"}]
