# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The last resort: the process itself, with its ancestry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..model import Owner

if TYPE_CHECKING:
    from .case import Case


def resolve(case: Case) -> Owner:
    """Return the bare process as its own owner."""
    chain = ["%s(%d)" % (ancestor.name, ancestor.pid) for ancestor in case.scene.ancestors(case.process)]
    path = case.placement.path
    if not path:
        evidence = "its cgroup could not be read"
    elif "/.." in path:
        evidence = "cgroup %s, seen from inside another cgroup namespace" % path
    else:
        evidence = "cgroup %s names neither unit nor container" % path
    return Owner(
        kind="process",
        name=case.process.name,
        detail={"ancestry": " < ".join(chain)} if chain else None,
        evidence=evidence,
    )
