# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Builds portreeve.pyz, the agent as one executable file: `python3 agent/build.py dist/portreeve.pyz`."""

from __future__ import annotations

import sys
from pathlib import Path

from agent_file.archive import archive


def build(target: Path) -> Path:
    """Write the archive to ``target`` and return it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(archive())
    target.chmod(0o755)
    return target


if __name__ == "__main__":
    print(build(Path(sys.argv[1] if len(sys.argv) > 1 else "dist/portreeve.pyz")))
