# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Builds portreeve.pyz: the agent as one executable file, the same bytes from the same source on every Python.

Entries are sorted, stored uncompressed (zlib versions compress differently) and dated 1980-01-01.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_PACKAGE = _HERE / "module_utils" / "portreeve_agent"
_SHEBANG = b"#!/usr/bin/env python3\n"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_UNIX = 3


def build(target: Path) -> Path:
    """Write the archive to ``target`` and return it."""
    sources = {"__main__.py": _HERE / "__main__.py"}
    for source in _PACKAGE.rglob("*.py"):
        sources["portreeve_agent/" + source.relative_to(_PACKAGE).as_posix()] = source
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as stream:
        stream.write(_SHEBANG)
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
            for name in sorted(sources):
                entry = zipfile.ZipInfo(name, _EPOCH)
                entry.create_system = _UNIX
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, sources[name].read_bytes())
    target.chmod(0o755)
    return target


if __name__ == "__main__":
    print(build(Path(sys.argv[1] if len(sys.argv) > 1 else "dist/portreeve.pyz")))
