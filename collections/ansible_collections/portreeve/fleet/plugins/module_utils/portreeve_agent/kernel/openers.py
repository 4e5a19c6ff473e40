# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who opened a connection, this end or the peer, and whether its program bound the port itself.

No table says either. The connection's own figures tell the one, and the kernel chooses rows by the other.
"""

from __future__ import annotations

import errno
import socket
import struct

from ..host import Host
from ..model import Namespace, Socket
from ..record import NamedTuple
from ..typed import Iterable
from .namespaces import in_reach
from .single_socket import address_socket, exchange, refuse
from .sock_diag import STATES, read_sockets

_SOCK_DIAG_BY_FAMILY = 20
_INFO = 2  # INET_DIAG_INFO
_INFO_WANTED = 1 << (_INFO - 1)
_ROW_SIZE, _QUEUE = 72, 60  # inet_diag_msg, and where in it is idiag_wqueue
_ATTRIBUTE = struct.Struct("=HH")
_FIGURES = struct.Struct("=B23xI92xQ16xI52xQQ")  # of tcp_info (linux/tcp.h): Linux 4.1, 4.6, and 4.19 for the last two
_OPEN_TO_SEND = ("ESTABLISHED", "CLOSE_WAIT")
_CLOSED_HERE = ("FIN_WAIT1", "FIN_WAIT2", "LAST_ACK", "CLOSING")
_MOST_LOOKS = 16


class Figures(NamedTuple):
    """What a TCP connection has sent: packets on their way, sequence numbers acknowledged, bytes that wait to be sent,
    bytes sent and sent again, and sequence numbers not yet acknowledged, sent or not."""

    state: str
    on_the_way: int
    acknowledged: int
    unsent: int
    sent: int
    repeated: int
    queue: int


def bound_on_purpose(host: Host, namespace: Namespace, rows: Iterable[Socket]) -> dict[int, bool]:
    """Return by cookie whether bind(2) was told the port of a socket, and so keeps it for the socket's whole life.

    False if the kernel chose the port, as it does for bind(2) to port 0 as well, and for what was accepted; what has
    ended is missing. Raises NotSupported or NotPermitted where the kernel does not tell.
    """
    wanted = {row.cookie: row for row in rows if row.cookie is not None}
    ports = {(row.protocol, row.local.port) for row in wanted.values()}
    known: dict[int, bool] = {}

    def read(one: Namespace) -> None:
        for protocol in {protocol for protocol, _port in ports}:
            asked = tuple((port, port) for of, port in sorted(ports) if of == protocol)
            for on_purpose in (False, True):
                for row in read_sockets(host, one, protocol, asked, bound_on_purpose=on_purpose):
                    if row.cookie in wanted:
                        known[row.cookie] = on_purpose

    if wanted:
        in_reach(host, namespace, read)
    return known


def opened_here(netlink: socket.socket, row: Socket) -> bool | None:
    """Return whether this end of a TCP connection called connect(2), False if it was accepted, None if not known.

    Several looks are taken at a busy connection, until nothing is on its way or nothing has moved: the kernel reads the
    queue for itself, and the rest together. ``netlink`` is one of ``open_talk``. Raises NotSupported or NotPermitted
    where the kernel does not tell, Gone when the interface has gone.
    """
    if row.protocol != "tcp" or row.state == "SYN_SENT":
        return row.state == "SYN_SENT" or None
    request = address_socket(row, _INFO_WANTED)
    before = None
    for _look in range(_MOST_LOOKS):
        code, answer = exchange(netlink, _SOCK_DIAG_BY_FAMILY, request)
        if code not in (0, errno.ENOENT, errno.ESTALE):
            refuse(code, "to look at a socket")
        figures = parse_figures(answer)
        if figures is None:
            return None
        if not figures.on_the_way or figures == before:
            extra = count_extra(figures)
            return extra == 1 if extra in (0, 1) else None
        before = figures
    return None


def count_extra(figures: Figures) -> int | None:
    """Return how many sequence numbers more than bytes of data a connection has used, its own FIN left out.

    Whoever sent the SYN has used one for it; who answered it starts to count with what follows (net/ipv4:
    tcp_rcv_synsent_state_process, tcp_create_openreq_child). None for a state in which neither holds.
    """
    if figures.state not in _OPEN_TO_SEND + _CLOSED_HERE:
        return None
    used = figures.acknowledged + (figures.queue - figures.unsent if figures.on_the_way else 0)
    closed = figures.state in _CLOSED_HERE and not figures.unsent  # the FIN is the last to go
    return used - (figures.sent - figures.repeated) - closed


def parse_figures(answer: bytes) -> Figures | None:
    """Return the figures of a connection from a row and its attributes, None where the kernel does not tell enough."""
    start = _ROW_SIZE
    while start + _ATTRIBUTE.size <= len(answer):
        length, kind = _ATTRIBUTE.unpack_from(answer, start)
        if kind == _INFO and length - _ATTRIBUTE.size >= _FIGURES.size:
            number, on_the_way, acknowledged, unsent, sent, repeated = _FIGURES.unpack_from(
                answer, start + _ATTRIBUTE.size
            )
            queue = struct.unpack_from("=I", answer, _QUEUE)[0]
            return Figures(STATES["tcp"][number], on_the_way, acknowledged, unsent, sent, repeated, queue)
        start += max((length + 3) & ~3, _ATTRIBUTE.size)
    return None
