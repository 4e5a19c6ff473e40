# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""inheritable_listener: whatever program its holder starts will hold the port as well (fcntl(2), FD_CLOEXEC)."""

from __future__ import annotations

from typing import Iterator

from ..verdicts.case import Case
from ..verdicts.wording import name_process

ID = "inheritable_listener"


def of_port(case: Case) -> Iterator[str]:
    """Name the only process of a listener whose descriptor is not close-on-exec.

    Not said of what several processes hold (they share it on purpose, or the verdict says that it leaked), nor of what
    a service manager hands over, which cannot be close-on-exec.
    """
    for held in case.serving:
        holders = held.holders
        if held.socket.state != "LISTEN" or len({holder.pid for holder in holders}) != 1:
            continue
        holder = holders[0]
        handed_over = holder.owner.kind == "socket_unit" or (holder.evidence and holder.role == "heir")
        if not handed_over and all(one.cloexec is False and one.via == "descriptor" for one in holders):
            yield "%s would leave this port to every program it starts: not close-on-exec." % name_process(holder)
