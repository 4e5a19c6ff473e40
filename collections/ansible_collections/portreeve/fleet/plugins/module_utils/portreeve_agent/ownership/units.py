# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""systemd units: the deepest one in the cgroup path, of the system's manager or of a user's."""

from __future__ import annotations

from ..model import Owner
from ..typed import TYPE_CHECKING
from .placement import unescape

if TYPE_CHECKING:
    from .case import Case


def resolve(case: Case) -> Owner | None:
    """Return the unit a process runs in. ``id`` is set where systemctl needs the name in its escaped form."""
    placement = case.placement
    unit, uid = placement.unit, placement.uid
    if unit is None:
        return None
    name = unescape(unit)
    return Owner(
        kind="unit",
        name=name,
        manager="systemd",
        id=unit if unit != name else None,
        user=case.scene.user(uid) if placement.by_user_manager and uid is not None else None,
        evidence="cgroup " + placement.path,
    )
