# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Python interpreters of this machine that a test host can borrow."""

from __future__ import annotations

import os
import pathlib


def pyenv_prefix(release: str) -> pathlib.Path | None:
    """Return the prefix of pyenv's newest Python of that release (such as 3.8), None where there is none."""
    versions = pathlib.Path(os.environ.get("PYENV_ROOT") or "~/.pyenv").expanduser() / "versions"
    found = [prefix for prefix in versions.glob(f"{release}.*") if (prefix / "bin" / f"python{release}").exists()]
    return max(found, key=lambda prefix: _numbers(prefix.name), default=None)


def _numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version; a pre-release such as 3.13.0rc1 sorts by its digits alone.

    >>> _numbers("3.8.18") > _numbers("3.8.9")
    True
    """
    return tuple(int("".join(filter(str.isdigit, part)) or "0") for part in version.split("."))
