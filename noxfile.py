# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The collection on every ansible-core it supports, as far as this machine has the interpreters: `make test-full`."""

from __future__ import annotations

import os
import pathlib
import subprocess

import nox

# https://docs.ansible.com/ansible/latest/reference_appendices/release_and_maintenance.html (controller Python)
CONTROLLERS = {
    "2.18": ("3.11", "3.12", "3.13"),
    "2.19": ("3.11", "3.12", "3.13"),
    "2.20": ("3.12", "3.13", "3.14"),
    "2.21": ("3.12", "3.13", "3.14"),
}


def interpreter(version: str) -> str | None:
    """Return a Python of that version: of the search path, or of pyenv, whose stand-ins there may lead nowhere."""
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    for candidate in (f"python{version}", *map(str, sorted(pyenv.glob(f"versions/{version}.*/bin/python3")))):
        try:
            subprocess.run([candidate, "-c", "import ensurepip"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return candidate
    return None


FOUND = {version: interpreter(version) for version in sorted({one for row in CONTROLLERS.values() for one in row})}
ABSENT = [version for version, path in FOUND.items() if path is None]
if ABSENT:
    print("not tried, for want of the interpreter: Python " + ", ".join(ABSENT))

nox.options.default_venv_backend = "venv"


def pairs() -> list[object]:
    """Return each core with each interpreter found for it; the first of each core is tagged, for a quicker round."""
    found = []
    for core, versions in CONTROLLERS.items():
        present = [version for version in versions if FOUND[version]]
        for version in present:
            tags = ["one-each"] if version == present[0] else []
            found.append(nox.param(FOUND[version], core, id=f"core {core}, Python {version}", tags=tags))
    return found


@nox.session
@nox.parametrize(("python", "core"), pairs())
def collection(session: nox.Session, core: str) -> None:
    """Run the modules, the callback, the installed tarball and a sweep's reading of inventories on one ansible-core."""
    session.install("--quiet", f"ansible-core~={core}.0", "pytest>=8.3", "sqlalchemy>=2,<3")
    session.install("--quiet", "--no-deps", ".")
    tests = ("tests/quality/test_installed.py", "tests/sweep/test_targets.py")
    session.run("python", "-m", "pytest", *tests, *session.posargs)
