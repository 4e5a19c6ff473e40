# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The last resort: the process itself, with its ancestry."""

from __future__ import annotations

from ..model import Owner, Process
from ..typed import TYPE_CHECKING

if TYPE_CHECKING:
    from .case import Case


def resolve(case: Case) -> Owner:
    """Return the bare process as its own owner."""
    ancestors = list(case.scene.ancestors(case.process))
    chain = ["%s(%d)" % (ancestor.name, ancestor.pid) for ancestor in ancestors]
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
        id=_identity(case.process, ancestors),
        detail={"ancestry": " < ".join(chain)} if chain else None,
        evidence=evidence,
    )


def _identity(process: Process, ancestors: list[Process]) -> str | None:
    """Tell processes that merely have one name from the workers of one program.

    Workers are in the session of the first of them, or descend from it. Never begins with the name, which anyone may
    choose to look like another's id.
    """
    first = process
    for ancestor in ancestors:
        if ancestor.name != process.name:
            break
        first = ancestor
    return "session %d: %s" % (first.session, process.name) if first.session else None
