# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Socket activation: a socket that systemd itself holds belongs to a .socket unit, not to the manager."""

from __future__ import annotations

from ..errors import PortreeveError
from ..model import SERVING_STATES, Owner
from ..typed import TYPE_CHECKING
from .placement import unescape

if TYPE_CHECKING:
    from .case import Case

MANAGER = "systemd"


def resolve(case: Case) -> Owner | None:
    """Return the .socket unit of a socket held by PID 1 or by a user's manager."""
    process, placement = case.process, case.placement
    if process.name != MANAGER or case.socket.state not in SERVING_STATES:
        return None
    if process.pid != 1 and not placement.is_user_manager:
        return None
    uid = placement.uid if placement.is_user_manager else None
    return _by_cgroup(case, uid) or _by_listing(case, uid)


def _by_cgroup(case: Case, uid: int | None) -> Owner | None:
    """systemd makes a unit's sockets in the unit's own cgroup where the kernel can filter by cgroup."""
    path = case.scene.cgroups.path_of(case.socket.cgroup_id) if case.socket.cgroup_id else None
    placement = case.scene.place(path)
    unit = placement.unit
    if unit is None or unit == "init.scope" or placement.is_user_manager:
        return None
    evidence = "cgroup id %d = %s" % (case.socket.cgroup_id or 0, path)
    if unit.endswith(".socket"):
        return _owner(case, "socket_unit", unit, uid, None, evidence)
    return _owner(case, "unit", unit, uid, None, evidence + "; kept in the manager's descriptor store")


def _by_listing(case: Case, uid: int | None) -> Owner | None:
    socket = case.socket
    try:
        units = case.scene.socket_units(uid)
    except PortreeveError as error:
        case.notes.append("its .socket unit could not be asked for: %s" % error)
        return None
    found = [unit for unit in units if unit.listens_on(socket.protocol, socket.local)]
    found = [unit for unit in found if unit.active] or found
    if not found:
        case.notes.append("no .socket unit listens on %s port %d" % (socket.local.address, socket.local.port))
        return None
    evidence = "systemctl show: Listen"
    if len(found) > 1:
        evidence += "; also " + ", ".join(unit.id for unit in found[1:])
    return _owner(case, "socket_unit", found[0].id, uid, found[0].triggers, evidence)


def _owner(case: Case, kind: str, unit: str, uid: int | None, triggers: str | None, evidence: str) -> Owner:
    name = unescape(unit)
    return Owner(
        kind=kind,
        name=name,
        manager="systemd",
        id=unit if unit != name else None,
        user=None if uid is None else case.scene.user(uid),
        detail={"triggers": triggers} if triggers else None,
        evidence=evidence,
    )
