# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a held socket has set for those that bind after it: no table of the kernel tells, only the socket itself."""

from __future__ import annotations

import os
import socket as sockets
from typing import Iterable

from .errors import Gone, NotPermitted, NotSupported
from .host import Host
from .model import HeldSocket, Holder, SocketOptions


def with_options(host: Host, sockets_seen: Iterable[HeldSocket]) -> tuple[HeldSocket, ...]:
    """Return the sockets with their options, as far as they can be read."""
    return tuple(held._replace(options=read_options(host, held.socket.inode, held.holders)) for held in sockets_seen)


def read_options(host: Host, inode: int, holders: Iterable[Holder]) -> SocketOptions | None:
    """Return SO_REUSEADDR and SO_REUSEPORT (socket(7)) of the socket ``inode``, asked through a holder's descriptor.

    None when no holder lets it be read: without a descriptor, in flight, without the right (ptrace(2)), or on kernels
    without pidfd_getfd(2).
    """
    for holder in holders:
        if holder.via == "descriptor":
            try:
                descriptor = host.duplicate_descriptor(holder.pid, holder.fd)
            except (Gone, NotPermitted, NotSupported, OSError):
                continue
            try:
                if os.fstat(descriptor).st_ino == inode:
                    return _ask(descriptor)
            finally:
                os.close(descriptor)
    return None


def _ask(descriptor: int) -> SocketOptions:
    view = sockets.socket(fileno=descriptor)
    try:
        return SocketOptions(
            reuseaddr=view.getsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR) != 0,
            reuseport=view.getsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEPORT) != 0,
        )
    finally:
        view.detach()
