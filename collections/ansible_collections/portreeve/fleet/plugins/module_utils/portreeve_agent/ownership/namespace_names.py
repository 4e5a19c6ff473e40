# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names of network namespaces: of the containers whose they are."""

from __future__ import annotations

from ..model import Namespace
from .case import Scene


def name_namespace(scene: Scene, namespace: Namespace) -> str:
    """Return the name of the container or pod whose processes are in a namespace, else the namespace's own name."""
    try:
        return _container_in(scene, namespace) or namespace.name
    except Exception:  # whatever engines present, there is a name to go by
        return namespace.name


def _container_in(scene: Scene, namespace: Namespace) -> str | None:
    process = scene.process(namespace.pid) if namespace.pid and namespace.kind != "host" else None
    placement = scene.place(process.cgroup if process else None)
    if placement.container is None:
        return None
    told = scene.tell(placement.container, placement.uid)
    if "pod" in told.detail:
        return "%s/%s" % (told.detail.get("namespace", ""), told.detail["pod"])
    return told.name or placement.container.id[:12]
