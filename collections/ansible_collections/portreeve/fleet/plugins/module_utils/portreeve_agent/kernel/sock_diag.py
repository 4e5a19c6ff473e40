# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""TCP and UDP sockets from the kernel's own tables (sock_diag(7), linux/inet_diag.h)."""

from __future__ import annotations

import os
import struct

from .. import sockets
from ..endpoint import Endpoint
from ..errors import NotSupported
from ..host import Host
from ..model import Namespace, Socket
from ..typed import Callable, Iterable, Iterator, Optional, Tuple
from .diag_filter import MOST_RANGES, local_ports, with_port_bound

#: keep(state, local port, inode, local address) decides, before a record is built, whether a row is wanted.
Keep = Callable[[str, int, int, str], bool]

NETLINK_SOCK_DIAG = 4
_TCPDIAG_GETSOCK = 18
_SOCK_DIAG_BY_FAMILY = 20
_REQUEST_DUMP = 0x1 | 0x300
_ENDS = _ERROR, _DONE = 2, 3
_BYTECODE, _V6ONLY, _CGROUP_ID = 1, 11, 21
_TIMEWAIT_TIMER = 3
_VERSIONS = {int(sockets.AF_INET): 4, int(sockets.AF_INET6): 6}

_HEADER = struct.Struct("=IHHII")  # nlmsghdr
_REQUEST = struct.Struct("=BBBBI48s")  # inet_diag_req_v2; the socket id stays zero
_OLD_REQUEST = struct.Struct("=BBBB48sII")  # inet_diag_req
_ROW = struct.Struct("=IH10xBBBxHH16s16sIQIIIII")  # nlmsghdr and inet_diag_msg; ports are big-endian
_ATTRIBUTE = struct.Struct("=HH")
_BUFFER = 1 << 16  # the kernel fills at most 32 KiB per read of a dump
_SPARE = bytes(_ROW.size)  # so that the message which ends a dump can be unpacked like a row, which is longer

_ALL_STATES = 0xFFFF
_BOUND_ONLY = 1 << 13  # bound but not listening
_LISTS_BOUND = (6, 8)  # from this Linux on; older ones may list none of them
_TCP_STATES = (
    "", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "BOUND", "CLOSE_WAIT",
    "LAST_ACK", "LISTEN", "CLOSING", "SYN_RECV", "BOUND",
)  # fmt: skip
_UDP_STATES = ("",) + ("ESTABLISHED",) + ("UNCONNECTED",) * 12
#: Names of the kernel's states (net/tcp_states.h) by number; an UDP socket has a peer or not.
STATES = {"tcp": _TCP_STATES, "udp": _UDP_STATES}

Message = Tuple[bytes, int, int]  # data, start and end of a payload


def dump(netlink: sockets.socket, payload: bytes) -> Iterator[Message]:
    """Send one dump request and yield where each answer lies. Raises NotSupported when the kernel has no such table."""
    for data, end in _answers(netlink, payload, _SOCK_DIAG_BY_FAMILY):
        start = 0
        while start < end:
            length, answer, _flags, _sequence, _port = _HEADER.unpack_from(data, start)
            if answer in _ENDS:
                _end(answer, data, start)
                return
            yield data, start + _HEADER.size, start + length
            start += (length + 3) & ~3


def _answers(netlink: sockets.socket, payload: bytes, kind: int) -> Iterator[tuple[bytes, int]]:
    """Send one dump request and yield what comes, each time whole messages up to an end, and ``_SPARE`` behind it."""
    netlink.settimeout(10.0)
    try:
        netlink.send(_HEADER.pack(_HEADER.size + len(payload), kind, _REQUEST_DUMP, 1, 0) + payload)
        while True:
            data = netlink.recv(_BUFFER)
            yield data + _SPARE, len(data)
    except OSError as error:
        raise NotSupported("the kernel does not answer for the socket table: %s" % error) from error


def _end(answer: int, data: bytes, start: int) -> None:
    """Take note of the message that ends a dump. Raises NotSupported when it is a refusal."""
    if answer == _ERROR:
        code = -struct.unpack_from("=i", data, start + _HEADER.size)[0]
        raise NotSupported("the kernel refuses the socket table: " + os.strerror(code))


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
        table = _Table(protocol, namespace.id, keep, name_device)
        chosen = _choice(ports if len(ports) <= MOST_RANGES else (), bound_on_purpose)
        for kind, payload in _requests(protocol):
            yield from table.rows(_answers(netlink, payload + chosen, kind))


def lists_bound_sockets(host: Host) -> bool:
    """Return whether the kernel tells of TCP sockets that are bound but do not listen: it is asked for one of ours.

    Raises NotSupported or NotPermitted where that cannot be tried.
    """
    with host.bound_probe() as probe, host.netlink(NETLINK_SOCK_DIAG) as netlink:
        port, inode = probe.getsockname()[1], os.fstat(probe.fileno()).st_ino
        request = _tcp_request(_BOUND_ONLY) + _choice(((port, port),))
        rows = _Table("tcp", 0, None, _number_device).rows(_answers(netlink, request, _TCPDIAG_GETSOCK))
        return any(row.inode == inode for row in rows)


def surely_lists_bound_sockets(host: Host) -> bool:
    """Return whether nobody needs to ask, which takes the kernel through all its ports: all list them since Linux 6.8,
    older ones do where distributions have brought it to them."""
    return parse_release(host.system()[2]) >= _LISTS_BOUND


def parse_release(text: str) -> tuple[int, int]:
    """Return the first two numbers of a kernel's release, (0, 0) where there are none.

    ``parse_release("6.8-rc1") == (6, 8)``
    """
    major, _dot, rest = text.partition(".")
    minor = rest.partition(".")[0].partition("-")[0]
    return (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else (0, 0)


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
        for family in (sockets.AF_INET, sockets.AF_INET6):
            yield _SOCK_DIAG_BY_FAMILY, _REQUEST.pack(family, sockets.IPPROTO_UDP, 0, 0, _ALL_STATES, b"")


def _tcp_request(states: int) -> bytes:
    return _OLD_REQUEST.pack(sockets.AF_UNSPEC, 0, 0, 0, b"", states, 0)


def _number_device(index: int) -> str:
    """Interfaces of a namespace that is not our own have numbers only."""
    return "#%d" % index


def way_into(namespace: Namespace) -> tuple[str | None, int | None]:
    """Return the path of a namespace and its number, to be sure that it still leads there; nothing for the own one."""
    return (None, None) if namespace.kind == "host" else (namespace.path, namespace.id)


class _Place:
    """An address, and the endpoints there that were met so far, by port."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.endpoints: dict[int, Endpoint] = {}

    def new_endpoint(self, port: int) -> Endpoint:
        endpoint = self.endpoints[port] = Endpoint(self.address, port)
        return endpoint


class _Table:
    """Makes rows of messages; what repeats from row to row (endpoints, attributes) is worked out once."""

    def __init__(self, protocol: str, namespace: int, keep: Keep | None, name_device: Callable[[int], str]) -> None:
        self._protocol = protocol
        self._namespace = namespace
        self._keep = keep
        self._name_device = name_device
        self._places: dict[int, dict[bytes, _Place]] = {int(family): {} for family in _VERSIONS}
        self._attributes: dict[bytes, tuple[bool | None, int | None]] = {}

    def rows(self, answers: Iterable[tuple[bytes, int]]) -> Iterator[Socket]:
        """Yield the sockets of one dump. Tables are long, so there is no call for every row."""
        unpack, ntohs, new = _ROW.unpack_from, sockets.ntohs, tuple.__new__
        protocol, states, namespace, keep = self._protocol, STATES[self._protocol], self._namespace, self._keep
        for data, end in answers:
            start = 0
            while start < end:
                (
                    length, answer, family, number, timer, packed_port, packed_peer, packed_local, packed_remote,
                    device, cookie, expires, queue, limit, uid, inode,
                ) = unpack(data, start)  # fmt: skip
                if answer in _ENDS:
                    _end(answer, data, start)
                    return
                raw = data[start + _ROW.size : start + length]
                start += (length + 3) & ~3
                places = self._places[family]
                place = places.get(packed_local) or self._new_place(family, packed_local)
                port = ntohs(packed_port)
                state = states[number]
                if keep is not None and not keep(state, port, inode, place.address):
                    continue
                remote = None
                if packed_peer:
                    there = places.get(packed_remote) or self._new_place(family, packed_remote)
                    peer = ntohs(packed_peer)
                    remote = there.endpoints.get(peer) or there.new_endpoint(peer)
                v6only, cgroup_id = self._attributes.get(raw) or self._new_attributes(raw)
                yield new(Socket, (
                    protocol,
                    _VERSIONS[family],
                    state,
                    place.endpoints.get(port) or place.new_endpoint(port),
                    remote,
                    inode,
                    cookie,
                    namespace,
                    uid if inode else None,
                    self._name_device(device) if device else None,
                    v6only,
                    queue,
                    limit,
                    expires if timer == _TIMEWAIT_TIMER else None,
                    cgroup_id,
                ))  # fmt: skip

    def _new_place(self, family: int, packed: bytes) -> _Place:
        text = sockets.inet_ntop(family, packed[:4] if family == sockets.AF_INET else packed)
        place = self._places[family][packed] = _Place(text)
        return place

    def _new_attributes(self, raw: bytes) -> tuple[bool | None, int | None]:
        found = self._attributes[raw] = parse_attributes(raw)
        return found


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
