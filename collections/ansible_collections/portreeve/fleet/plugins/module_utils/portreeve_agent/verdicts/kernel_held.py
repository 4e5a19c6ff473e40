# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""kernel_held: an open socket without a descriptor anywhere (tunnel, in-kernel server, io_uring leftovers)."""

from __future__ import annotations

from .case import Case, Judgement
from .wording import name_addresses, name_port

ID = "kernel_held"


def judge(case: Case) -> Judgement | None:
    """Judge a port whose sockets have no holder although every process could be read."""
    open_sockets = case.serving or tuple(held for held in case.sockets if held.socket.inode)
    if not open_sockets or any(held.in_kernel is not True for held in open_sockets):
        return None
    return Judgement(
        "%s on %s is held by the kernel itself: no process has a descriptor for it."
        % (name_port(case), name_addresses(open_sockets)),
        "Look for a tunnel or an in-kernel server (vxlan, wireguard, nfsd, lockd); there is no process to stop.",
    )
