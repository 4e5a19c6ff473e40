# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a held socket has set for those that bind after it: no table of the kernel tells, only the socket itself."""

from __future__ import annotations

import os

from . import sockets
from .errors import Gone, NotPermitted, NotSupported
from .host import Host
from .model import HeldSocket, Holder, Socket, SocketOptions
from .typed import Iterable

_IPV6 = 6


def with_options(host: Host, sockets_seen: Iterable[HeldSocket]) -> tuple[HeldSocket, ...]:
    """Return the sockets with their options, as far as they can be read."""
    return tuple(_with_options(held, read_options(host, held.socket, held.holders)) for held in sockets_seen)


def _with_options(held: HeldSocket, read: tuple[SocketOptions, bool | None] | None) -> HeldSocket:
    if read is None:
        return held
    options, v6only = read
    known = held.socket if held.socket.v6only is not None else held.socket._replace(v6only=v6only)
    return held._replace(socket=known, options=options)


def read_options(host: Host, socket: Socket, holders: Iterable[Holder]) -> tuple[SocketOptions, bool | None] | None:
    """Return SO_REUSEADDR and SO_REUSEPORT (socket(7)) of a socket and IPV6_V6ONLY (ipv6(7)), None on IPv4, asked
    through a holder's descriptor: the tables tell the latter of some states only.

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
                if os.fstat(descriptor).st_ino == socket.inode:
                    return _ask(descriptor, socket.family)
            finally:
                os.close(descriptor)
    return None


def _ask(descriptor: int, family: int) -> tuple[SocketOptions, bool | None]:
    view = sockets.socket(fileno=descriptor)
    try:
        options = SocketOptions(
            reuseaddr=view.getsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR) != 0,
            reuseport=view.getsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEPORT) != 0,
        )
        if family != _IPV6:
            return options, None
        return options, view.getsockopt(sockets.IPPROTO_IPV6, sockets.IPV6_V6ONLY) != 0
    finally:
        view.detach()
