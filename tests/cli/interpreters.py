# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The interpreters of this machine that the agent supports."""

from __future__ import annotations

import os
import pathlib
import subprocess

VERSIONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13")


def find(version: str) -> str | None:
    """Return a Python of that version: of the search path, or of pyenv, whose stand-ins there may lead nowhere."""
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    for candidate in (*map(str, sorted(pyenv.glob(f"versions/{version}.*/bin/python3"))), f"python{version}"):
        try:
            subprocess.run([candidate, "-c", ""], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return candidate
    return None


FOUND = {version: path for version in VERSIONS if (path := find(version))}
