# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""container_published: held for a container, by its engine's proxy or inside of it."""

from __future__ import annotations

from .case import Case, Judgement
from .wording import listed, name_addresses, name_owner, name_port, name_processes

ID = "container_published"


def judge(case: Case) -> Judgement | None:
    """Judge a port all of whose holders act for containers."""
    if not case.holders or case.unseen or any(owner.kind != "container" for owner in case.owners):
        return None
    owners = listed([name_owner(owner) for owner in case.owners])
    processes = name_processes(case.holders)
    if not any("held_by" in (owner.detail or {}) for owner in case.owners):
        return Judgement(
            "%s on %s is held inside %s by %s." % (name_port(case), name_addresses(case.sockets), owners, processes),
            "To free it, stop the container, or its service inside of it.",
        )
    return Judgement(
        "%s on %s is held for %s by %s." % (name_port(case), name_addresses(case.sockets), owners, processes),
        "To free it, stop or re-publish the container with its own engine; do not kill the proxy.",
    )
