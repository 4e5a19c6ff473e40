# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A directory with portreeve.pyz in it, for commands as the pages show them."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest


@pytest.fixture(scope="session")
def search_path(root: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a search path on which portreeve.pyz is a command and python3 the interpreter of the tests."""
    place = tmp_path_factory.mktemp("bin")
    subprocess.run([sys.executable, root / "agent/build.py", place / "portreeve.pyz"], check=True, capture_output=True)
    (place / "python3").symlink_to(pathlib.Path(sys.base_prefix, "bin/python3"))
    return os.pathsep.join([str(place), os.environ["PATH"]])
