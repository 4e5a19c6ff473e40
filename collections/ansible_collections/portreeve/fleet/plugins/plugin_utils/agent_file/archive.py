# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""portreeve.pyz: the agent as one executable file, the same bytes from the same source on every Python.

Entries are sorted, stored uncompressed (zlib versions compress differently) and dated 1980-01-01.
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_PACKAGE = _HERE.parents[1] / "module_utils" / "portreeve_agent"
_SHEBANG = b"#!/usr/bin/env python3\n"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_UNIX = 3


def archive() -> bytes:
    """Return the archive of the agent that lies beside this package, in a checkout or an installed collection."""
    sources = {"__main__.py": _HERE / "entry.py"}
    for source in _PACKAGE.rglob("*.py"):
        sources["portreeve_agent/" + source.relative_to(_PACKAGE).as_posix()] = source
    written = io.BytesIO()
    written.write(_SHEBANG)
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as packed:
        for name in sorted(sources):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = _UNIX
            entry.external_attr = 0o644 << 16
            packed.writestr(entry, sources[name].read_bytes())
    return written.getvalue()


def digest(content: bytes) -> str:
    """Return the SHA-256 of an archive, as ``sha256sum`` prints it: by this a host's file is told from another."""
    return hashlib.sha256(content).hexdigest()


def version(content: bytes) -> str:
    """Return which version an archive is, as its ``--version`` says, without running it."""
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        source = packed.read("portreeve_agent/version.py").decode()
    return source.split('VERSION = "')[1].split('"')[0]


def keep(content: bytes, directory: Path) -> Path:
    """Return where an archive lies in a directory of the controller, written there as a whole if it is not there yet.

    Raises OSError where it cannot be written.
    """
    kept = directory / f"portreeve-{digest(content)}.pyz"
    if not kept.exists():
        being_written = kept.with_suffix(f".{os.getpid()}")
        being_written.write_bytes(content)
        being_written.replace(kept)
    return kept
