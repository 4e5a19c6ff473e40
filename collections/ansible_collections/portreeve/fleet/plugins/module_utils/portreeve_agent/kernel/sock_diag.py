# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""TCP and UDP sockets from the kernel's own tables (sock_diag(7), linux/inet_diag.h)."""

from __future__ import annotations

import os
import socket
import struct

from ..endpoint import Endpoint
from ..errors import NotSupported
from ..host import Host
from ..model import Namespace, Socket
from ..typed import Callable, Iterator, Optional, Tuple
from .diag_filter import MOST_RANGES, local_ports, with_port_bound

#: keep(state, local port, inode, local address) decides, before a record is built, whether a row is wanted.
Keep = Callable[[str, int, int, str], bool]

NETLINK_SOCK_DIAG = 4
_TCPDIAG_GETSOCK = 18
_SOCK_DIAG_BY_FAMILY = 20
_REQUEST_DUMP = 0x1 | 0x300
_ERROR, _DONE = 2, 3
_BYTECODE, _V6ONLY, _CGROUP_ID = 1, 11, 21
_TIMEWAIT_TIMER = 3
_IPV4 = int(socket.AF_INET)

_HEADER = struct.Struct("=IHHII")  # nlmsghdr
_REQUEST = struct.Struct("=BBBBI48s")  # inet_diag_req_v2; the socket id stays zero
_OLD_REQUEST = struct.Struct("=BBBB48sII")  # inet_diag_req
_ROW = struct.Struct("=BBBB2s2s16s16sIQIIIII")  # inet_diag_msg; ports are big-endian
_ATTRIBUTE = struct.Struct("=HH")
_BUFFER = 1 << 16  # the kernel fills at most 32 KiB per read of a dump

_ALL_STATES = 0xFFFF
_BOUND_ONLY = 1 << 13  # bound but not listening; older kernels than Linux 6.8 list none of them
_TCP_STATES = (
    "", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "BOUND", "CLOSE_WAIT",
    "LAST_ACK", "LISTEN", "CLOSING", "SYN_RECV", "BOUND",
)  # fmt: skip
_UDP_STATES = ("",) + ("ESTABLISHED",) + ("UNCONNECTED",) * 12
#: Names of the kernel's states (net/tcp_states.h) by number; an UDP socket has a peer or not.
STATES = {"tcp": _TCP_STATES, "udp": _UDP_STATES}

Message = Tuple[memoryview, int, int]  # buffer, start and end of a payload


def dump(netlink: socket.socket, payload: bytes, kind: int = _SOCK_DIAG_BY_FAMILY) -> Iterator[Message]:
    """Send one dump request and yield where each answer lies; the buffer is reused, so look before going on.

    Raises NotSupported when the kernel has no such table.
    """
    netlink.settimeout(10.0)
    request = _HEADER.pack(_HEADER.size + len(payload), kind, _REQUEST_DUMP, 1, 0) + payload
    buffer = memoryview(bytearray(_BUFFER))
    while True:
        try:
            if request:
                netlink.send(request)
                request = b""
            received = netlink.recv_into(buffer)
        except OSError as error:
            raise NotSupported("the kernel does not answer for the socket table: %s" % error) from error
        start = 0
        while start < received:
            length, answer, _flags, _sequence, _port = _HEADER.unpack_from(buffer, start)
            if answer == _DONE:
                return
            if answer == _ERROR:
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
    bound_on_purpose: bool | None = None,
) -> Iterator[Socket]:
    """Yield the sockets of one protocol in one namespace, for TCP those that listen first.

    ``ports`` are inclusive ranges of local ports (empty: all), chosen by the kernel, as is ``bound_on_purpose`` (see
    ``with_port_bound``; None: all). Raises NotSupported or NotPermitted where the table cannot be had.
    """
    with host.netlink(NETLINK_SOCK_DIAG, *way_into(namespace)) as netlink:
        name_device = host.interface_name if namespace.kind == "host" else _number_device
        parse = _Parser(protocol, namespace.id, keep, name_device)
        chosen = _choice(ports if len(ports) <= MOST_RANGES else (), bound_on_purpose)
        for kind, payload in _requests(protocol):
            for message in dump(netlink, payload + chosen, kind):
                row = parse.row(*message)
                if row is not None:
                    yield row


def lists_bound_sockets(host: Host) -> bool:
    """Return whether the kernel tells of TCP sockets that are bound but do not listen: it is asked for one of ours.

    Raises NotSupported or NotPermitted where that cannot be tried.
    """
    with host.bound_probe() as probe, host.netlink(NETLINK_SOCK_DIAG) as netlink:
        port, inode = probe.getsockname()[1], os.fstat(probe.fileno()).st_ino
        request = _tcp_request(_BOUND_ONLY) + _choice(((port, port),))
        rows = (_ROW.unpack_from(buffer, start) for buffer, start, _end in dump(netlink, request, _TCPDIAG_GETSOCK))
        return any(row[-1] == inode for row in rows)


def _choice(ports: tuple[tuple[int, int], ...], bound_on_purpose: bool | None = None) -> bytes:
    """Return the part of a request by which the kernel chooses rows: none for all."""
    code = local_ports(ports)
    if bound_on_purpose is not None:
        code = with_port_bound(bound_on_purpose, code)
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(code), _BYTECODE) + code if code else b""


def _requests(protocol: str) -> Iterator[tuple[int, bytes]]:
    """Yield the requests whose answers make up a protocol's table.

    For TCP one request of the older form gives both families in one pass over the kernel's hash of connections,
    which is what costs; UDP has no such form.
    """
    if protocol == "tcp":
        yield _TCPDIAG_GETSOCK, _tcp_request(_ALL_STATES)
    else:
        for family in (socket.AF_INET, socket.AF_INET6):
            yield _SOCK_DIAG_BY_FAMILY, _REQUEST.pack(family, socket.IPPROTO_UDP, 0, 0, _ALL_STATES, b"")


def _tcp_request(states: int) -> bytes:
    return _OLD_REQUEST.pack(socket.AF_UNSPEC, 0, 0, 0, b"", states, 0)


def _number_device(index: int) -> str:
    """Interfaces of a namespace that is not our own have numbers only."""
    return "#%d" % index


def way_into(namespace: Namespace) -> tuple[str | None, int | None]:
    """Return the path of a namespace and its number, to be sure that it still leads there; nothing for the own one."""
    return (None, None) if namespace.kind == "host" else (namespace.path, namespace.id)


class _Parser:
    """Makes rows of messages; what repeats from row to row (addresses, attributes) is worked out once."""

    def __init__(self, protocol: str, namespace: int, keep: Keep | None, name_device: Callable[[int], str]) -> None:
        self._protocol = protocol
        self._states = STATES[protocol]
        self._namespace = namespace
        self._keep = keep
        self._name_device = name_device
        self._ipv4: dict[bytes, str] = {}
        self._ipv6: dict[bytes, str] = {}
        self._attributes: dict[bytes, tuple[bool | None, int | None]] = {}

    def row(self, buffer: memoryview, start: int, end: int) -> Socket | None:
        (
            family, number, timer, _retransmits, packed_port, packed_peer, local, remote, device, cookie,
            expires, queue, limit, uid, inode,
        ) = _ROW.unpack_from(buffer, start)  # fmt: skip
        state = self._states[number]
        port = (packed_port[0] << 8) + packed_port[1]
        addresses = self._ipv4 if family == _IPV4 else self._ipv6
        address = addresses.get(local) or _new_address(family, local, addresses)
        if self._keep is not None and not self._keep(state, port, inode, address):
            return None
        raw = bytes(buffer[start + _ROW.size : end])
        v6only, cgroup_id = self._attributes.get(raw) or self._new_attributes(raw)
        peer = (packed_peer[0] << 8) + packed_peer[1]
        return Socket(
            self._protocol,
            4 if family == _IPV4 else 6,
            state,
            Endpoint(address, port),
            Endpoint(addresses.get(remote) or _new_address(family, remote, addresses), peer) if peer else None,
            inode,
            cookie,
            self._namespace,
            uid if inode else None,
            self._name_device(device) if device else None,
            v6only,
            queue,
            limit,
            expires if timer == _TIMEWAIT_TIMER else None,
            cgroup_id,
        )

    def _new_attributes(self, raw: bytes) -> tuple[bool | None, int | None]:
        found = self._attributes[raw] = parse_attributes(raw)
        return found


def _new_address(family: int, packed: bytes, known: dict[bytes, str]) -> str:
    text = known[packed] = socket.inet_ntop(family, packed[:4] if family == _IPV4 else packed)
    return text


def parse_attributes(raw: bytes) -> tuple[bool | None, int | None]:
    """Return IPV6_V6ONLY and the cgroup id from a row's attributes, None for what is absent.

    ``parse_attributes(bytes.fromhex("05000b0001000000")) == (True, None)`` on a little-endian machine.
    """
    v6only = cgroup_id = None
    start = 0
    while start + _ATTRIBUTE.size <= len(raw):
        length, kind = _ATTRIBUTE.unpack_from(raw, start)
        if kind == _V6ONLY:
            v6only = bool(raw[start + _ATTRIBUTE.size])
        elif kind == _CGROUP_ID:
            cgroup_id = struct.unpack_from("=Q", raw, start + _ATTRIBUTE.size)[0]
        start += max((length + 3) & ~3, _ATTRIBUTE.size)
    return v6only, cgroup_id
