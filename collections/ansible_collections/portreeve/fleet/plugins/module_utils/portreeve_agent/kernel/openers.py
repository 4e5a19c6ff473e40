# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who opened a TCP connection, this end or the peer: no table says it, but the connection's own figures do."""

from __future__ import annotations

import errno
import socket
import struct

from ..model import Socket
from .single_socket import address_socket, exchange, refuse
from .sock_diag import STATES

_SOCK_DIAG_BY_FAMILY = 20
_INFO = 2  # INET_DIAG_INFO
_INFO_WANTED = 1 << (_INFO - 1)
_ROW_SIZE = 72  # inet_diag_msg
_QUEUE = 60  # offset of idiag_wqueue, which with tcp_info's notsent_bytes makes what is on the way
_ATTRIBUTE = struct.Struct("=HH")
_ACKNOWLEDGED, _UNSENT, _SENT = 120, 144, 200  # offsets in tcp_info (linux/tcp.h): Linux 4.1, 4.6, 4.19
_INFO_LENGTH = _SENT + 16
_OPEN_TO_SEND = ("ESTABLISHED", "CLOSE_WAIT")
_CLOSED_HERE = ("FIN_WAIT1", "FIN_WAIT2", "LAST_ACK", "CLOSING")
_MOST_LOOKS = 4


def opened_here(netlink: socket.socket, row: Socket) -> bool | None:
    """Return whether this end of a TCP connection called connect(2), False if it was accepted, None if not known.

    As the figures of a busy connection move while they are read, two looks must agree. ``netlink`` is one of
    ``open_talk``. Raises NotSupported or NotPermitted where the kernel does not tell, Gone when the interface has gone.
    """
    if row.protocol != "tcp" or row.state == "SYN_SENT":
        return row.state == "SYN_SENT" or None
    request = address_socket(row, _INFO_WANTED)
    before = None
    for _look in range(_MOST_LOOKS):
        code, answer = exchange(netlink, _SOCK_DIAG_BY_FAMILY, request)
        if code not in (0, errno.ENOENT, errno.ESTALE):
            refuse(code, "to look at a socket")
        extra = count_extra(answer)
        if extra is None:
            return None
        if extra == before and extra in (0, 1):
            return extra == 1
        before = extra
    return None


def count_extra(answer: bytes) -> int | None:
    """Return how many sequence numbers more than bytes of data a connection has used, its own FIN left out.

    Whoever sent the SYN has used one for it; who answered it starts to count with what follows (net/ipv4:
    tcp_rcv_synsent_state_process, tcp_create_openreq_child). None where the kernel does not tell enough.
    """
    state = STATES["tcp"][answer[1]] if answer else ""
    info = _find_info(answer)
    if info is None or state not in _OPEN_TO_SEND + _CLOSED_HERE:
        return None
    acknowledged = struct.unpack_from("=Q", answer, info + _ACKNOWLEDGED)[0]
    unsent = struct.unpack_from("=I", answer, info + _UNSENT)[0]
    sent, repeated = struct.unpack_from("=QQ", answer, info + _SENT)
    on_the_way = struct.unpack_from("=I", answer, _QUEUE)[0] - unsent
    closed = state in _CLOSED_HERE and not unsent  # the FIN is the last to go
    return int(acknowledged + on_the_way - (sent - repeated) - closed)


def _find_info(answer: bytes) -> int | None:
    start = _ROW_SIZE
    while start + _ATTRIBUTE.size <= len(answer):
        length, kind = _ATTRIBUTE.unpack_from(answer, start)
        if kind == _INFO and length - _ATTRIBUTE.size >= _INFO_LENGTH:
            return start + _ATTRIBUTE.size
        start += max((length + 3) & ~3, _ATTRIBUTE.size)
    return None
