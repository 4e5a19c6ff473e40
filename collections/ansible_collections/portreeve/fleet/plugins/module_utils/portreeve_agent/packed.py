# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Importing from the archive in which Ansible brings the agent to a host, at half the price.

Python's zipimport compiles a source file once to tell its name and once more to run it
(https://github.com/python/cpython/issues/141276).
"""

from __future__ import annotations

import os
import sys
from zipimport import zipimporter

_PACKAGE = os.path.dirname(__file__)


class _Archive(zipimporter):
    """A directory of the archive, which holds sources only."""

    def get_filename(self, fullname: str) -> str:
        """Return the path of that module's source without compiling it. Raises ZipImportError if there is none."""
        ending = "/__init__.py" if self.is_package(fullname) else ".py"
        return os.path.join(self.archive, self.prefix + fullname.rpartition(".")[2] + ending)


def compile_once() -> None:
    """Have what is imported of the agent from here on compiled once. Changes nothing where it is not in an archive."""
    if isinstance(__spec__.loader, zipimporter):
        sys.path_hooks.insert(0, _archive)
        sys.path_importer_cache.pop(_PACKAGE, None)


def _archive(path: str) -> _Archive:
    if path == _PACKAGE or path.startswith(_PACKAGE + os.sep):
        return _Archive(path)
    raise ImportError(path)  # for the next hook
