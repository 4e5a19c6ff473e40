# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""reservation_drift: the ports reserved now are not those that the next boot will reserve (sysctl.d(5))."""

from __future__ import annotations

from ..model import Snapshot
from ..ports import port_set
from ..typed import Iterator
from ..verdicts.wording import listed, one_line

ID = "reservation_drift"


def of_host(snapshot: Snapshot) -> Iterator[str]:
    """Compare the kernel's list, as a set, with that of the file which wins."""
    running = port_set(snapshot.ranges.reserved)
    if running is None or snapshot.reservation_files is None:
        return
    winner = snapshot.reservation_files[-1] if snapshot.reservation_files else None
    configured = port_set(winner.value) if winner else frozenset()
    if configured is None:
        text = "%s sets net.ipv4.ip_local_reserved_ports to what the kernel refuses."
        yield text % one_line(winner.path if winner else "")
        return
    place = one_line(winner.path) if winner else "any file of sysctl.d"
    unsaved, unapplied = running - configured, configured - running
    if unsaved:
        yield "Reserved now, but not in %s and so not after the next boot: %s." % (place, name_ports(unsaved))
    if unapplied:
        yield "In %s, but not reserved now: %s." % (place, name_ports(unapplied))


def name_ports(ports: frozenset[int]) -> str:
    """Return the first ports and how many more: ``1, 2, 3 and 4 more``."""
    return listed([str(port) for port in sorted(ports)])
