# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""docs/remediation.md says what the playbooks do when nothing else is said, and declares what can be declared."""

from __future__ import annotations

import pathlib
import re

import pytest
import yaml
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.applications import merge_applications
from ansible_collections.portreeve.fleet.plugins.plugin_utils.remediation.closing import OUTCOMES


@pytest.fixture
def page(root: pathlib.Path) -> str:
    """Return the page."""
    return (root / "docs/remediation.md").read_text(encoding="utf-8")


def test_the_page_names_the_variables_of_the_playbooks(collection: pathlib.Path, page: str):
    sources = [*(collection / "roles/remediate/tasks").glob("*.yml"), collection / "playbooks/plan.yml",
               collection / "playbooks/remediate.yml"]  # fmt: skip
    used: dict[str, set[str]] = {}
    for source in sources:
        for name, value in re.findall(r"(portreeve_\w+) \| default\(([^()]*)\)", source.read_text(encoding="utf-8")):
            used.setdefault(name, set()).add(value.replace("'", '"').strip('"'))
    told = dict(re.findall(r"^\| `(portreeve_\w+)` \| (.*?) \|", page, re.MULTILINE))

    assert set(told) == set(used)
    for name, value in told.items():
        if value.startswith("`"):
            assert value.strip("`") in used[name], name


def test_what_the_page_declares_is_accepted(page: str):
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)

    (ledger,) = merge_applications(yaml.safe_load(block))

    (release,) = ledger.releases()
    assert release["options"]["then"] == {"start": "ledger.service"}


def test_the_page_says_what_each_outcome_means(page: str):
    assert set(OUTCOMES) <= set(re.findall(r"^\| ([a-z ]+) \|", page, re.MULTILINE))


def test_the_example_of_the_role_can_be_read(collection: pathlib.Path):
    readme = (collection / "roles/remediate/README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    (play,) = yaml.safe_load(example)

    assert play["roles"] == [{"role": "portreeve.fleet.remediate"}]
    assert merge_applications(play["vars"])[0].owner == {"unit": "billing.service"}
