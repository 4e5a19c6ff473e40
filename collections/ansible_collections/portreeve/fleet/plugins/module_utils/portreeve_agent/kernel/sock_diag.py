# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""TCP and UDP sockets from the kernel's own tables (sock_diag(7), linux/inet_diag.h)."""

from __future__ import annotations

import os
import socket
import struct
from typing import Callable, Iterator, Optional, Tuple

from ..errors import NotSupported
from ..host import Host
from ..model import Endpoint, Namespace, Socket
from .diag_filter import MOST_RANGES, local_ports

#: keep(state, local port, inode) decides, before a record is built, whether a row is wanted.
Keep = Callable[[str, int, int], bool]

NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_REQUEST_DUMP = 0x1 | 0x300
_ERROR, _DONE = 2, 3
_BYTECODE, _V6ONLY, _CGROUP_ID = 1, 11, 21
_TIMEWAIT_TIMER = 3

_HEADER = struct.Struct("=IHHII")  # nlmsghdr
_REQUEST = struct.Struct("=BBBBI")  # inet_diag_req_v2 up to the socket id, which stays zero
_ROW = struct.Struct("=BBBB2s2s16s16sIQIIIII")  # inet_diag_msg; ports are big-endian
_ATTRIBUTE = struct.Struct("=HH")
_PORT = struct.Struct(">H")
_BUFFER = 1 << 16  # the kernel fills at most 32 KiB per read of a dump

_ALL_STATES = 0xFFFF  # bit 13 asks for bound-but-not-listening sockets (Linux 6.8)
_TCP_STATES = (
    "", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "BOUND", "CLOSE_WAIT",
    "LAST_ACK", "LISTEN", "CLOSING", "SYN_RECV", "BOUND",
)  # fmt: skip
_UDP_STATES = ("",) + ("ESTABLISHED",) + ("UNCONNECTED",) * 12
#: Names of the kernel's states (net/tcp_states.h) by number; an UDP socket has a peer or not.
STATES = {"tcp": _TCP_STATES, "udp": _UDP_STATES}
_NUMBERS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP}
_FAMILIES = ((4, socket.AF_INET), (6, socket.AF_INET6))

Message = Tuple[memoryview, int, int]  # buffer, start and end of a payload


def dump(netlink: socket.socket, payload: bytes) -> Iterator[Message]:
    """Send one dump request and yield where each answer lies; the buffer is reused, so look before going on.

    Raises NotSupported when the kernel has no such table.
    """
    netlink.settimeout(10.0)
    netlink.send(_HEADER.pack(_HEADER.size + len(payload), _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, 1, 0) + payload)
    buffer = memoryview(bytearray(_BUFFER))
    while True:
        received = netlink.recv_into(buffer)
        start = 0
        while start < received:
            length, kind, _flags, _sequence, _port = _HEADER.unpack_from(buffer, start)
            if kind == _DONE:
                return
            if kind == _ERROR:
                code = -struct.unpack_from("=i", buffer, start + _HEADER.size)[0]
                raise NotSupported("the kernel refuses the socket table: " + os.strerror(code))
            yield buffer, start + _HEADER.size, start + length
            start += (length + 3) & ~3


def read_sockets(
    host: Host,
    namespace: Namespace,
    protocol: str,
    ports: tuple[tuple[int, int], ...] = (),
    keep: Optional[Keep] = None,
) -> Iterator[Socket]:
    """Yield the sockets of one protocol in one namespace, listening ones first within each family.

    ``ports`` are inclusive ranges of local ports (empty: all), chosen by the kernel. Raises NotSupported or
    NotPermitted where the table cannot be had.
    """
    with host.netlink(NETLINK_SOCK_DIAG, None if namespace.kind == "host" else namespace.path) as netlink:
        for family, number in _FAMILIES:
            payload = _REQUEST.pack(number, _NUMBERS[protocol], 0, 0, _ALL_STATES).ljust(56, b"\0")
            if ports and len(ports) <= MOST_RANGES:
                code = local_ports(ports)
                payload += _ATTRIBUTE.pack(_ATTRIBUTE.size + len(code), _BYTECODE) + code
            for message in dump(netlink, payload):
                row = _parse(message, protocol, family, namespace.id, keep)
                if row is not None:
                    yield row


def _parse(message: Message, protocol: str, family: int, namespace: int, keep: Keep | None) -> Socket | None:
    buffer, start, end = message
    (
        _family, number, timer, _retransmits, source, destination, local, remote, device, cookie,
        expires, queue, limit, uid, inode,
    ) = _ROW.unpack_from(buffer, start)  # fmt: skip
    state = STATES[protocol][number]
    port = _PORT.unpack(source)[0]
    if keep is not None and not keep(state, port, inode):
        return None
    v6only, cgroup_id = _attributes(buffer, start + _ROW.size, end)
    peer = _PORT.unpack(destination)[0]
    return Socket(
        protocol=protocol,
        family=family,
        state=state,
        local=Endpoint(_address(local, family), port),
        remote=Endpoint(_address(remote, family), peer) if peer else None,
        inode=inode,
        cookie=cookie,
        namespace=namespace,
        uid=uid if inode else None,
        device="#%d" % device if device else None,
        v6only=v6only,
        queue=queue,
        queue_limit=limit,
        timer_ms=expires if timer == _TIMEWAIT_TIMER else None,
        cgroup_id=cgroup_id,
    )


def _attributes(buffer: memoryview, start: int, end: int) -> tuple[bool | None, int | None]:
    v6only = cgroup_id = None
    while start + _ATTRIBUTE.size <= end:
        length, kind = _ATTRIBUTE.unpack_from(buffer, start)
        if kind == _V6ONLY:
            v6only = bool(buffer[start + _ATTRIBUTE.size])
        elif kind == _CGROUP_ID:
            cgroup_id = struct.unpack_from("=Q", buffer, start + _ATTRIBUTE.size)[0]
        start += max((length + 3) & ~3, _ATTRIBUTE.size)
    return v6only, cgroup_id


_known_addresses: dict[tuple[bytes, int], str] = {}


def _address(packed: bytes, family: int) -> str:
    """Return the text of an address: ``_address(b"\\x7f\\0\\0\\1" + 12 * b"\\0", 4) == "127.0.0.1"``."""
    text = _known_addresses.get((packed, family))
    if text is None:
        if family == 4:
            text = socket.inet_ntop(socket.AF_INET, packed[:4])
        else:
            text = socket.inet_ntop(socket.AF_INET6, packed)
        _known_addresses[packed, family] = text
    return text
