# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Containers: the innermost one whose cgroup the process is in."""

from __future__ import annotations

from ..model import Owner
from ..typed import TYPE_CHECKING
from .placement import Mark, Placement, unescape

if TYPE_CHECKING:
    from .case import Case, Scene


def resolve(case: Case) -> Owner | None:
    """Return the container a process runs in."""
    placement = case.placement
    if placement.container is None:
        return None
    return container_owner(
        case.scene, placement.container, placement.uid, "cgroup " + placement.path, units_around(placement)
    )


def units_around(placement: Placement) -> dict[str, str]:
    """Return the unit inside the container and the unit of the host that runs it, where there are such."""
    found = {"unit": placement.inner_unit, "run_by": placement.unit}
    return {key: unescape(unit) for key, unit in found.items() if unit}


def container_owner(scene: Scene, mark: Mark, uid: int | None, evidence: str, around: dict[str, str]) -> Owner:
    """Return a container as an owner, with what its engine tells; ``around`` joins the detail."""
    told = scene.tell(mark, uid)
    detail = {**told.detail, **around}
    in_pod = "pod" in detail or mark.pod is not None
    if in_pod and mark.engine:
        detail["runtime"] = mark.engine
    return Owner(
        kind="container",
        name=told.name or mark.id[:12],
        manager="kubernetes" if in_pod else mark.engine,
        id=mark.id,
        user=scene.user(uid) if uid else None,  # of a rootless engine
        detail=detail or None,
        evidence="%s; %s" % (evidence, told.evidence) if told.evidence else evidence,
    )
