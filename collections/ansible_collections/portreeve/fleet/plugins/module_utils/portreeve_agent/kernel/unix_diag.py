# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""UNIX sockets that may carry descriptors in flight (sock_diag(7), linux/unix_diag.h)."""

from __future__ import annotations

import struct

from .. import sockets
from ..host import Host
from .sock_diag import NETLINK_SOCK_DIAG, Message, dump

_REQUEST = struct.Struct("=BBHIIIII")  # unix_diag_req: family, protocol, pad, states, inode, show, cookie
_ROW = struct.Struct("=BBBBIII")  # unix_diag_msg: family, type, state, pad, inode, cookie
_ATTRIBUTE = struct.Struct("=HH")
_QUEUES = struct.Struct("=II")  # unix_diag_rqlen: to be read, to be sent
_SHOW_QUEUES = 0x10
_QUEUES_ATTRIBUTE = 4
_ALL_STATES = 0xFFFFFFFF


def read_queued_unix_sockets(
    host: Host, namespace_path: str | None = None, namespace: int | None = None, even_empty: bool = False
) -> frozenset[int]:
    """Return the inodes of the UNIX sockets of a network namespace (the agent's own when None) that may have something
    in their receive queue; for a listener that is a connection waiting for accept().

    The kernel tells the bytes queued. A datagram may have none and yet carry descriptors, so sockets that keep message
    boundaries are always among them; with ``even_empty`` all are. Raises NotSupported or NotPermitted where the table
    cannot be had, and Gone when the path does not lead, or no longer, to the namespace with the number ``namespace``.
    """
    request = _REQUEST.pack(sockets.AF_UNIX, 0, 0, _ALL_STATES, 0, _SHOW_QUEUES, 0, 0)
    with host.netlink(NETLINK_SOCK_DIAG, namespace_path, namespace) as netlink:
        messages = dump(netlink, request)
        return frozenset(inode for inode in (_inode(message, even_empty) for message in messages) if inode)


def _inode(message: Message, even_empty: bool) -> int:
    """Return the inode of one row, 0 when its queue is empty."""
    buffer, start, end = message
    _family, kind, _state, _pad, inode, _cookie_low, _cookie_high = _ROW.unpack_from(buffer, start)
    if even_empty or kind != sockets.SOCK_STREAM:
        return int(inode)
    start += _ROW.size
    while start + _ATTRIBUTE.size <= end:
        length, attribute = _ATTRIBUTE.unpack_from(buffer, start)
        if attribute == _QUEUES_ATTRIBUTE:
            return int(inode) if _QUEUES.unpack_from(buffer, start + _ATTRIBUTE.size)[0] else 0
        start += max((length + 3) & ~3, _ATTRIBUTE.size)
    return 0
