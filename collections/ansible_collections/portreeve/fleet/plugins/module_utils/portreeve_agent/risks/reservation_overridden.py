# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""reservation_overridden: one file of sysctl.d sets the whole list again, without what an earlier one had reserved."""

from __future__ import annotations

from ..model import Snapshot
from ..ports import port_set
from ..typed import Iterator
from ..verdicts.wording import one_line
from .reservation_drift import name_ports

ID = "reservation_overridden"


def of_host(snapshot: Snapshot) -> Iterator[str]:
    """Name every file whose ports the winning file leaves out; the kernel keeps the last list only."""
    *earlier, winner = snapshot.reservation_files or (None,)
    if winner is None:
        return
    final = port_set(winner.value) or frozenset()
    for file in earlier:
        lost = (port_set(file.value) or frozenset()) - final if file else None
        if file and lost:
            yield "%s wipes what %s reserves: %s." % (one_line(winner.path), one_line(file.path), name_ports(lost))
