# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Questions and orders about a single socket of a kernel table (sock_diag(7), linux/inet_diag.h)."""

from __future__ import annotations

import os
import socket
import struct

from ..errors import Gone, NotPermitted, NotSupported
from ..host import Host
from ..model import Namespace, Socket
from .namespaces import in_reach
from .sock_diag import NETLINK_SOCK_DIAG, way_into

_REQUESTED, _ACKNOWLEDGED = 0x1, 0x4  # NLM_F_REQUEST, NLM_F_ACK
_ERROR = 2  # NLMSG_ERROR; with code 0 it is the acknowledgement
_HEADER = struct.Struct("=IHHII")  # nlmsghdr
_REQUEST = struct.Struct("=BBBxI2s2s16s16sIQ")  # inet_diag_req_v2; ports are big-endian
_NOWHERE = bytes(16)
_ALL_STATES = 0xFFFFFFFF
_BUFFER = 1 << 14
_SECONDS = 10.0


def address_socket(row: Socket, extensions: int = 0) -> bytes:
    """Return the request that means the socket of ``row`` and no later one with the same addresses: by its cookie.

    Raises NotSupported where the table did not tell it, Gone when the socket's interface is no longer there.
    """
    if row.cookie is None:
        raise NotSupported("the table that was read does not tell sockets apart")
    family = socket.AF_INET if row.family == 4 else socket.AF_INET6
    remote = row.remote
    return _REQUEST.pack(
        family,
        socket.IPPROTO_TCP if row.protocol == "tcp" else socket.IPPROTO_UDP,
        extensions,
        _ALL_STATES,
        row.local.port.to_bytes(2, "big"),
        (remote.port if remote else 0).to_bytes(2, "big"),
        socket.inet_pton(family, row.local.address),
        socket.inet_pton(family, remote.address) if remote else _NOWHERE,
        _interface_index(row.device),
        row.cookie,
    )


def open_talk(host: Host, namespace: Namespace) -> socket.socket:
    """Return a netlink socket to talk with the kernel about sockets of a namespace; the caller closes it.

    Raises Gone when the namespace is no longer there, NotSupported or NotPermitted where there is no such talk.
    """

    def open_there(one: Namespace) -> socket.socket:
        return host.netlink(NETLINK_SOCK_DIAG, *way_into(one))

    netlink = in_reach(host, namespace, open_there)
    if netlink is None:
        raise Gone("network namespace %s is gone" % namespace.name)
    netlink.settimeout(_SECONDS)
    return netlink


def exchange(netlink: socket.socket, kind: int, request: bytes) -> tuple[int, bytes]:
    """Send one message about a socket; returns the errno, 0 for none, and what was answered before it."""
    answer = b""
    header = _HEADER.pack(_HEADER.size + len(request), kind, _REQUESTED | _ACKNOWLEDGED, 1, 0)
    try:
        netlink.send(header + request)
        while True:
            message = netlink.recv(_BUFFER)
            start = 0
            while start < len(message):
                length, told, _flags, _sequence, _port = _HEADER.unpack_from(message, start)
                if told == _ERROR:
                    return -struct.unpack_from("=i", message, start + _HEADER.size)[0], answer
                answer = message[start + _HEADER.size : start + length]
                start += (length + 3) & ~3
    except OSError as error:
        raise NotSupported("the kernel does not answer for a socket: %s" % error) from error


def refuse(code: int, what: str) -> None:
    """Raise what an errno means that is not about the socket itself."""
    import errno

    if code in (errno.EPERM, errno.EACCES):
        raise NotPermitted("%s needs CAP_NET_ADMIN in the network namespace" % what)
    if code in (errno.EOPNOTSUPP, errno.EINVAL):
        raise NotSupported("%s is nothing that this kernel does" % what)
    raise NotSupported("%s failed: %s" % (what, os.strerror(code)))


def _interface_index(device: str | None) -> int:
    """Interfaces of a namespace that is not our own go by their numbers, as ``#3``."""
    if device is None:
        return 0
    if device.startswith("#"):
        return int(device[1:])
    try:
        return socket.if_nametoindex(device)
    except OSError as error:
        raise Gone("interface %s is gone" % device) from error
