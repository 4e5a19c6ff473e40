# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""portreeve.pyz: one file, the same bytes wherever it is built, that runs wherever it is put."""

from __future__ import annotations

import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import zipfile

import pytest

from .interpreters import FOUND
from .stage import ROOT

COLLECTION = pathlib.Path("collections/ansible_collections/portreeve/fleet")
PACKAGE = COLLECTION / "plugins/module_utils/portreeve_agent"
BUILDER = COLLECTION / "plugins/plugin_utils/agent_file"


def build(python: str, tree: pathlib.Path, target: pathlib.Path, **settings) -> bytes:
    """Build the archive of a tree and return its bytes."""
    printed = subprocess.run(
        [python, tree / "agent/build.py", target], check=True, capture_output=True, text=True, timeout=60, **settings
    )
    assert printed.stdout == f"{target}\n"
    return target.read_bytes()


@pytest.fixture(scope="module")
def pyz(tmp_path_factory) -> pathlib.Path:
    """Return an archive built by the interpreter of the tests."""
    target = tmp_path_factory.mktemp("pyz") / "portreeve.pyz"
    build(sys.executable, ROOT, target)
    return target


@pytest.mark.parametrize("version", FOUND)
def test_every_python_builds_the_same_bytes(pyz, version, tmp_path):
    assert build(FOUND[version], ROOT, tmp_path / "portreeve.pyz") == pyz.read_bytes()


def test_time_place_umask_and_leftovers_do_not_matter(pyz, tmp_path):
    copy = tmp_path / "a place with spaces"
    shutil.copytree(ROOT / "agent", copy / "agent", symlinks=True)
    for part in (PACKAGE, BUILDER):
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / PACKAGE / "notes.txt").write_text("no part of it", encoding="ascii")
    for path in copy.rglob("*.py"):
        os.utime(path, (1, 1))
        path.chmod(0o600)

    built = build(sys.executable, copy, tmp_path / "deeper/portreeve.pyz", cwd="/", umask=0o077)

    assert built == pyz.read_bytes()
    assert (tmp_path / "deeper/portreeve.pyz").stat().st_mode & 0o777 == 0o755


def test_a_controller_without_a_checkout_builds_the_same_bytes(pyz, tmp_path):
    for part in (PACKAGE, BUILDER):
        shutil.copytree(ROOT / part, tmp_path / part.relative_to("collections"))
    where = "ansible_collections.portreeve.fleet.plugins.plugin_utils.agent_file.archive"
    program = f"import sys; sys.path.insert(0, '.'); from {where} import archive; sys.stdout.buffer.write(archive())"

    built = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], cwd=tmp_path, stdout=subprocess.PIPE, check=True, timeout=60
    )

    assert built.stdout == pyz.read_bytes()


def test_it_holds_the_agent_and_nothing_else(pyz):
    sources = {str(path.relative_to(ROOT / PACKAGE.parent)) for path in (ROOT / PACKAGE).rglob("*.py")}

    with zipfile.ZipFile(pyz) as archive:
        assert archive.namelist() == sorted(sources | {"__main__.py"})
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
        assert archive.testzip() is None


@pytest.mark.parametrize("version", FOUND)
def test_it_answers_as_the_checkout_does(town, pyz, version):
    question = ["owner", "8080", "8125", "9090"]

    done = town.run(FOUND[version], "-I", "-S", str(pyz), *question)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == town.agent(*question).stdout


def test_it_is_a_command_of_its_own(pyz):
    done = subprocess.run([pyz, "--version"], cwd="/", capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("portreeve ")


@pytest.mark.needs("root", "unshare", "mount")
@pytest.mark.parametrize("version", [version for version in FOUND if not FOUND[version].startswith(str(ROOT))])
def test_it_needs_no_source_beside_it(pyz, version):
    command = shlex.join([FOUND[version], "-I", "-S", str(pyz), "owner", "9", "--json"])
    hide = f"mount -t tmpfs none {shlex.quote(str(ROOT))} && cd / && exec {command}"

    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", hide], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.stderr == ""
    assert '"format": "portreeve.port_owner/1"' in done.stdout


def test_an_error_leaves_it_in_one_line(pyz):
    done = subprocess.run(
        [sys.executable, pyz, "owner", "0"], cwd="/", capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
