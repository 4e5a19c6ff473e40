# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The checks of the field, each as one test that shows the tool's own words when it is not content."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

BIN = pathlib.Path(sys.executable).parent
AGENT = "ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent"

# ansible-test wants to download pip's installer. It takes this in its place, which uses the pip that comes with Python;
# in a process of its own, because ensurepip switches pip's configuration off for the process it runs in.
PIP_FROM_PYTHON = """\
import subprocess, sys
arguments = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
subprocess.check_call([sys.executable, "-m", "ensurepip"])
subprocess.check_call([sys.executable, "-m", "pip", "install", *arguments])
"""


def content(*command: str, cwd: pathlib.Path, **environment: str) -> None:
    """Run a tool of this environment and fail with what it says unless it is content."""
    path = os.pathsep.join([str(BIN), os.environ.get("PATH", os.defpath)])
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "PATH": path, "NO_COLOR": "1", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"{' '.join(command)} ends with {done.returncode}\n{done.stdout}", pytrace=False)


def test_ruff_finds_nothing(root):
    content("ruff", "check", "--no-cache", ".", cwd=root)


def test_the_code_is_formatted(root):
    content("ruff", "format", "--check", "--diff", "--no-cache", ".", cwd=root)


def test_the_agent_is_typed_strictly(root):
    content("mypy", cwd=root)


def test_yaml_is_tidy(root):
    content("yamllint", "--strict", ".", cwd=root)


def test_examples_in_docstrings_are_true(root):
    agent = root / "collections" / AGENT.replace(".", "/")
    names = [".".join(path.relative_to(agent).with_suffix("").parts) for path in sorted(agent.rglob("*.py"))]

    failed = {name: doctest.testmod(importlib.import_module(f"{AGENT}.{name}")).failed for name in names}

    assert {name: count for name, count in failed.items() if count} == {}


def test_the_changelog_is_in_order(collection):
    content("antsibull-changelog", "lint", cwd=collection)


@pytest.mark.slow
def test_ansible_lint_passes_at_production(root):
    content("ansible-lint", "--profile", "production", "--offline", "--strict", cwd=root)


@pytest.mark.slow
def test_the_documentation_renders(root, collection):
    content(
        *("antsibull-docs", "lint-collection-docs", "--plugin-docs", "--validate-collection-refs=all"),
        *("--disallow-unknown-collection-refs", "."),
        cwd=collection,
        ANSIBLE_COLLECTIONS_PATH=str(root / "collections"),
    )


@pytest.mark.slow
@pytest.mark.full
def test_the_collection_runs_on_each_ansible_core(root):
    content("nox", "--tags", "one-each", "--reuse-existing-virtualenvs", cwd=root)


@pytest.mark.slow
@pytest.mark.needs("git")
def test_ansible_test_sanity_without_exceptions(root, collection, tmp_path):
    home = root / ".cache/ansible-test"
    _put_pip_in_place(home)
    copy = tmp_path / "ansible_collections/portreeve/fleet"
    shutil.copytree(collection, copy, ignore=shutil.ignore_patterns("__pycache__", ".ansible", ".*_cache"))
    content("git", "init", "--quiet", cwd=copy)
    content("git", "add", "--all", cwd=copy)

    assert list(copy.glob("tests/sanity/ignore*")) == []
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    content("ansible-test", "sanity", "--requirements", "--python", python, "--color", "no", cwd=copy, HOME=str(home))


def _put_pip_in_place(home: pathlib.Path) -> None:
    package = pathlib.Path(importlib.util.find_spec("ansible_test").submodule_search_locations[0])
    source = (package / "_internal/python_requirements.py").read_text(encoding="utf-8")
    for version in re.findall(r"pip='([\d.]+)'", source):
        installer = home / f".ansible/test/cache/get_pip_{version.replace('.', '_')}.py"
        installer.parent.mkdir(parents=True, exist_ok=True)
        installer.write_text(PIP_FROM_PYTHON, encoding="utf-8")
    settings = pathlib.Path.home() / ".config/pip"
    if settings.is_dir() and not (home / ".config/pip").exists():
        (home / ".config").mkdir(exist_ok=True)
        (home / ".config/pip").symlink_to(settings)
