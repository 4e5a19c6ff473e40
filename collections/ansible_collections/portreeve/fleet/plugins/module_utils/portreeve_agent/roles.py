# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What part each holder of a socket plays, as far as the evidence decides."""

from __future__ import annotations

from .model import Holder


def assign_roles(holders: tuple[Holder, ...]) -> tuple[Holder, ...]:
    """Return the holders with roles: processes of one program under one owner are workers, all else stays unknown."""
    if len(holders) < 2:
        return holders
    programs = {(holder.owner.kind, holder.owner.name, holder.process.exe) for holder in holders}
    if len({holder.pid for holder in holders}) < 2 or len(programs) != 1 or holders[0].process.exe is None:
        return holders
    return tuple(holder._replace(role="worker") for holder in holders)
