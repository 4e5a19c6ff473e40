# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Findings in the order in which people should read them: what is new before what is known. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..policy.runs import NEW, PERSISTING, RESOLVED, UNSEEN
from .rows import HostRow
from .view import FoldedRow

_TITLES = {NEW: "New", PERSISTING: "Still there", UNSEEN: "From before, not judged anew", RESOLVED: "Resolved"}
_WAIVED = "Waived"


class Section(NamedTuple):
    """Findings that are to be read together, most severe first, and how many they are on single hosts."""

    title: str
    rows: tuple[FoldedRow, ...]

    @property
    def total(self) -> int:
        """How many findings of single hosts there are in it."""
        return sum(len(one.hosts) for one in self.rows)


def sections(rows: Iterable[FoldedRow]) -> tuple[Section, ...]:
    """Return the sections that have findings, each finding in one of them; what is waived comes last."""
    found: dict[str, list[FoldedRow]] = {title: [] for title in (*_TITLES.values(), _WAIVED)}
    for one in rows:
        is_waived = one.row.waived is not None and one.row.standing != RESOLVED
        found[_WAIVED if is_waived else _TITLES[one.row.standing]].append(one)
    return tuple(Section(title, tuple(kept)) for title, kept in found.items() if kept)


def host_reason(host: HostRow) -> str:
    """Return why a host was not seen, or what of it could not be."""
    return host.reason or "; ".join(host.blind_spots) or "no reason given"
