# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names for entries of a policy, made of what programs and people call theirs. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection

_LONGEST = 64


def entry_name(given: str) -> str:
    r"""Return the nearest name that an entry may have: ``entry_name("web app:1") == "web-app-1"``."""
    name = re.sub(r"[^A-Za-z0-9._@-]+", "-", given).strip("-")
    return (name if re.match(r"[A-Za-z0-9]", name) else f"x{name}")[:_LONGEST]


def free_name(wanted: str, taken: Collection[str], before_number: str = "-") -> str:
    """Return the name, with a number where it is taken: ``free_name("web", {"web"}) == "web-2"``."""
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted[: _LONGEST - len(str(number)) - 1]}{before_number}{number}"
    return name


def variable_suffix(level: str) -> str:
    """Return what a variable's name may end with: ``variable_suffix("web-eu.1") == "web_eu_1"``."""
    return re.sub(r"[^A-Za-z0-9_]", "_", level)
