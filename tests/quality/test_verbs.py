# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The first minute on a fresh machine: what `make` says and does before there is an environment."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess

import pytest


@pytest.fixture
def fresh(root, tmp_path) -> pathlib.Path:
    """Return a checkout with nothing made yet, and a ``bin`` that has make's own tools but no Python."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(root / name, tmp_path / name)
    (tmp_path / "bin").mkdir()
    for tool in ("make", "sh", "awk"):
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool))
    return tmp_path


def put_python(fresh: pathlib.Path, name: str, script: str) -> None:
    """Put a stand-in for an interpreter on the path."""
    stand_in = fresh / "bin" / name
    stand_in.write_text("#!/bin/sh\n" + script, encoding="utf-8")
    stand_in.chmod(0o755)


def make(fresh: pathlib.Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make with nothing but that ``bin`` on the path."""
    return subprocess.run(
        ["make", *arguments],
        cwd=fresh,
        env={"PATH": str(fresh / "bin")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "script", ["exit 1", "echo $1 >&2; exit 127"], ids=["too old", "a stand-in that leads nowhere"]
)
def test_one_sentence_when_no_python_will_do(fresh, script):
    put_python(fresh, "python3", script)

    done = make(fresh, "audit")

    assert done.returncode == 2
    assert done.stdout == ""
    sentence, makes_own = done.stderr.splitlines()
    assert sentence.startswith("Portreeve needs Python 3.11 or newer with its venv module")
    assert makes_own.startswith("make: ***")
    assert not (fresh / ".venv").exists()


def test_a_newer_python_beside_an_old_python3_is_taken(fresh):
    put_python(fresh, "python3", "exit 1")
    put_python(fresh, "python3.12", '[ "$1" = -m ] && echo "venv by 3.12"; exit 0')

    assert "venv by 3.12" in make(fresh, "audit").stdout


def test_help_needs_no_environment(fresh):
    done = make(fresh)

    assert done.stdout.startswith("make help ")
    assert not (fresh / ".venv").exists()


def test_nothing_is_installed_twice(fresh):
    (fresh / ".venv/bin").mkdir(parents=True)
    (fresh / ".venv/.ready-audit").touch()
    (fresh / ".venv/bin/python").touch()
    os.utime(fresh / ".venv/.ready-audit", times=(1, 1))
    os.utime(fresh / "pyproject.toml", times=(0, 0))  # older than the stamp; the interpreter may be newer

    planned = make(fresh, "--dry-run", "audit").stdout

    assert re.search(r"ansible-playbook .*playbooks/audit\.yml", planned)
    assert "pip" not in planned


@pytest.mark.parametrize("inventory", ["", "no-such-file.ini"])
def test_an_audit_of_no_inventory_is_refused(root, inventory):
    """Ansible would take the current directory for one, or find no hosts and call that success."""
    done = subprocess.run(
        ["make", "audit", f"INVENTORY={inventory}"], cwd=root, capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert f"INVENTORY='{inventory}' is not there: accepted are" in done.stderr
