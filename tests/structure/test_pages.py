# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The pages keep step with the code: verbs, verdicts, versions, paths."""

from __future__ import annotations

import pathlib
import re
import subprocess
import tomllib

import yaml

VERDICTS = "plugins/module_utils/portreeve_agent/verdicts"


def phony_verbs(makefile: str) -> set[str]:
    """Return what a makefile declares as verbs.

    >>> sorted(phony_verbs(".PHONY: help env" + chr(10) + "help: ## list"))
    ['env', 'help']
    """
    return {verb for line in re.findall(r"^\.PHONY:(.*)$", makefile, re.MULTILINE) for verb in line.split()}


def verdict_ids(source: str) -> set[str]:
    """Return the ids that a file of verdicts/ gives, as ``ID = "owned"`` or ``id="owned"``.

    >>> verdict_ids('ID = "owned"')
    {'owned'}
    """
    return set(re.findall(r'^ID(?:: str)? = "(\w+)"$', source, re.MULTILINE))


def broken_links(page: pathlib.Path) -> list[str]:
    """Return the relative links of a page that lead nowhere."""
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    return [link for link in links if not (page.parent / link).exists()]


def test_help_lists_every_verb(root):
    makefiles = [root / "Makefile", *root.glob("*/*.mk"), *root.glob("*/*/*.mk")]
    verbs = set().union(*(phony_verbs(path.read_text(encoding="utf-8")) for path in makefiles))

    listed = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=root, capture_output=True, text=True, check=True
    )

    assert {line.split()[1] for line in listed.stdout.splitlines()} == verbs
    assert all(len(line.split()) > 2 for line in listed.stdout.splitlines())


def test_every_verdict_has_its_page(root, collection):
    ids = set().union(
        set(), *(verdict_ids(path.read_text(encoding="utf-8")) for path in (collection / VERDICTS).glob("*.py"))
    )

    assert {page.stem for page in (root / "docs/verdicts").glob("*.md") if page.stem != "README"} == ids


def test_links_between_pages_lead_somewhere(root):
    pages = [
        *root.glob("*.md"),
        *root.glob("docs/**/*.md"),
        *root.glob("agent/*.md"),
        *root.glob("collections/**/*.md"),
    ]

    assert {str(page.relative_to(root)): broken_links(page) for page in pages if broken_links(page)} == {}


def test_a_link_to_nowhere_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("[gone](gone.md) [here](page.md#x) [away](https://example.com/)", encoding="utf-8")

    assert broken_links(page) == ["gone.md"]


def test_one_version(root, collection):
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    galaxy = yaml.safe_load((collection / "galaxy.yml").read_text(encoding="utf-8"))["version"]
    agent = (collection / "plugins/module_utils/portreeve_agent/version.py").read_text(encoding="utf-8")

    assert galaxy == project
    assert f'VERSION = "{project}"' in agent
