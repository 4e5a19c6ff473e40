# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Words of the leak verdicts: who inherited a socket, and from whom."""

from __future__ import annotations

from ..model import HeldSocket, Holder
from .case import distinct_processes
from .wording import listed, name_owner, name_process

_MOST_NAMED = 6


def heirs_of(sockets: tuple[HeldSocket, ...]) -> tuple[Holder, ...]:
    """Return the holders that merely inherited one of the sockets, one per process."""
    return tuple(one for one in distinct_processes(sockets) if one.role == "heir")


def others_of(sockets: tuple[HeldSocket, ...]) -> tuple[Holder, ...]:
    """Return the holders that are no heirs, one per process."""
    return tuple(one for one in distinct_processes(sockets) if one.role != "heir")


def name_heirs(heirs: tuple[Holder, ...]) -> str:
    """Return the heirs, those of one owner together: ``ntpd[812] and ntpd[813] of ntp.service and sleep[815]``."""
    named, more = heirs[:_MOST_NAMED], len(heirs) - _MOST_NAMED
    together: dict[str, list[str]] = {}
    for heir in named:
        owner = "" if heir.owner.kind == "process" else " of " + name_owner(heir.owner)
        together.setdefault(owner, []).append(name_process(heir))
    groups = [listed(processes, _MOST_NAMED) + owner for owner, processes in together.items()]
    return listed(groups + ["%d more" % more] if more > 0 else groups, _MOST_NAMED + 1)


def name_creators(sockets: tuple[HeldSocket, ...]) -> str:
    """Return whose sockets they were as far as known: ``its creator (billing.service)``."""
    known = [held.creator for held in sockets if held.creator is not None]
    names = [one.container or one.unit for one in known]
    named = list(dict.fromkeys(name for name in names if name))
    return "its creator (%s)" % listed(named) if named else "its creator"
