# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Puts the metrics where node_exporter reads them: a file that is always whole."""

from __future__ import annotations

import os
import pathlib


def write_textfile(path: pathlib.Path, text: str) -> None:
    """Write ``text`` to ``path`` by way of a new file beside it, readable for everyone; raises OSError.

    The collector reads ``*.prom`` only, so the new file has another ending until it is whole.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o644)  # whatever the umask
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
