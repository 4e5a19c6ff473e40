# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""socket_activated: the service manager holds the port for a unit (systemd.socket(5))."""

from __future__ import annotations

from .case import Case, Judgement, distinct_owners
from .wording import listed, name_addresses, name_owner, name_port, name_processes, one_line

ID = "socket_activated"


def judge(case: Case) -> Judgement | None:
    """Judge a port that a service manager holds through a socket unit."""
    managers = tuple(holder for holder in case.seats if holder.owner.kind == "socket_unit")
    if not managers or case.unseen:
        return None
    pids = {holder.pid for holder in managers}
    services = tuple(holder for holder in case.holders if holder.pid not in pids)
    units = distinct_owners(managers)
    return Judgement(
        "%s on %s is held by %s through %s; %s."
        % (
            name_port(case),
            name_addresses(case.sockets),
            listed([name_owner(unit) for unit in units]),
            name_processes(tuple(holder for holder in case.holders if holder.pid in pids)),
            "its service runs as " + name_processes(services) if services else "its service is not running",
        ),
        "To free it, stop the socket unit: systemctl %sstop %s."
        % ("--user " if units[0].user else "", " ".join(one_line(unit.id or unit.name) for unit in units)),
    )
