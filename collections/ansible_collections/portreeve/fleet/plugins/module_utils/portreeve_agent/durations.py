# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lengths of time, as people write them."""

from __future__ import annotations

from .lean import Pattern

_DURATION = Pattern(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)([smh]?)")
_SECONDS = {"s": 1, "m": 60, "h": 3600}


def parse_seconds(text: str) -> float | None:
    """Return a length of time in seconds, None for what is none: ``parse_seconds("5m") == parse_seconds("300")``."""
    match = _DURATION.fullmatch(text)
    return match and float(match.group(1)) * _SECONDS[match.group(2) or "s"]
