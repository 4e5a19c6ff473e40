# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What has changed from one run to another. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..policy.rules import NEVER
from ..policy.runs import STANDINGS, Tracked
from ..report.sentences import counted
from .rows import safe
from .view import FoldedRow, folded


@dataclass(frozen=True)
class Changes:
    """The findings of two runs by what became of them from the run ``earlier`` to the run ``later``."""

    earlier: str
    later: str
    findings: tuple[FoldedRow, ...]

    @property
    def standing_counts(self) -> dict[str, int]:
        """How many findings of single hosts have each standing."""
        return {standing: sum(len(one.hosts) for one in self.findings if one.row.standing == standing)
                for standing in STANDINGS}  # fmt: skip

    @property
    def sentence(self) -> str:
        """What has changed, in one sentence."""
        counts = self.standing_counts
        said = ", ".join(f"{counted(counts[standing], 'finding')} {standing}" for standing in STANDINGS)
        return f"From {self.earlier} to {self.later}: {said}."


def changes_view(earlier: str, later: str, tracked: Iterable[Tracked], fail_on: str = NEVER) -> Changes:
    """Return what is shown of the change between two runs, given by name; ``fail_on`` is that of the later one."""
    return Changes(safe(earlier), safe(later), folded(tracked, fail_on))
