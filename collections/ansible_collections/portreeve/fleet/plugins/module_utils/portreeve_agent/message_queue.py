# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What waits in the queue of a UNIX socket (unix(7))."""

from __future__ import annotations

import os

from . import sockets

_SO_PEEK_OFF = 42  # asm-generic/socket.h: where MSG_PEEK goes on, -1 for always at the head
_MOST_DESCRIPTORS = 253  # in one message: SCM_MAX_FD, net/scm.h


def peek_descriptors(receiver: sockets.socket, inode: int) -> list[int]:
    """Return the inodes of what is in flight at the head of the queue, without taking it; 0 for what is no socket.

    MSG_PEEK (recvmsg(2)) gives us descriptors of our own, closed at once. Only the first message that carries any can
    be seen; an empty list means nothing could. So it is when ``receiver`` is not the socket with the number ``inode``,
    or when its owner peeks in steps, which we would disturb.
    """
    import array

    received = array.array("i")
    try:
        if os.fstat(receiver.fileno()).st_ino != inode or receiver.getsockopt(sockets.SOL_SOCKET, _SO_PEEK_OFF) >= 0:
            return []
        space = sockets.CMSG_SPACE(_MOST_DESCRIPTORS * received.itemsize)
        _data, ancillary, _flags, _peer = receiver.recvmsg(1 << 16, space, sockets.MSG_PEEK | sockets.MSG_DONTWAIT)
    except OSError:
        return []
    for level, kind, data in ancillary:
        if level == sockets.SOL_SOCKET and kind == sockets.SCM_RIGHTS:
            received.frombytes(data[: len(data) - len(data) % received.itemsize])
    inodes = []
    for own in received:
        link = os.readlink(
            "/proc/self/fd/%d" % own
        )  # a stat would ask the file's own filesystem, which may refuse or hang
        os.close(own)
        inodes.append(int(link[len("socket:[") : -1]) if link.startswith("socket:[") else 0)
    return inodes
