# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The distribution, installed where there is no checkout: the command, and the whole collection."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from .commands import Commands

COLLECTION = "ansible_collections/portreeve/fleet"


@pytest.mark.slow
@pytest.mark.needs("git")
def test_the_distribution_is_the_command_and_the_collection(root, tmp_path):
    archive = subprocess.run(["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True, text=True).stdout
    tracked = [name for name in archive.split("\0") if (root / name).is_file()]
    source = tmp_path / "source"
    for name in tracked:
        if name.startswith("collections/") or name in ("pyproject.toml", "README.md", "LICENSE"):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((root / name).read_bytes())
    place = tmp_path / "place"

    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", place, source],
        check=True, capture_output=True, text=True,
    )  # fmt: skip

    shipped = {str(path.relative_to(place)) for path in (place / COLLECTION).rglob("*") if path.is_file()}
    meant = {name.removeprefix("collections/") for name in tracked if name.startswith(f"collections/{COLLECTION}/")}
    assert {name for name in meant if not name.startswith(f"{COLLECTION}/tests/")} <= shipped

    (tmp_path / "ansible.cfg").write_text("", encoding="utf-8")
    asked = (
        "-i",
        "localhost,",
        "-c",
        "local",
        "-e",
        f"ansible_python_interpreter={sys.executable}",
        "--json",
        "-p",
        "9/tcp",
    )
    commands = Commands(tmp_path)
    commands.environment |= {"ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"), "PYTHONPATH": str(place)}
    done = subprocess.run(
        [sys.executable, place / "bin/portreeve", "sweep", *asked],
        cwd=tmp_path, env=commands.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    assert '"host": "localhost"' in done.stdout
    assert done.returncode == (0 if os.geteuid() == 0 else 3)
