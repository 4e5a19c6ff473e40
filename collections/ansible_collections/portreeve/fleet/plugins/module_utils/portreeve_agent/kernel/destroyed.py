# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kernel's own word that a socket is gone (sock_diag(7), groups SKNLGRP_INET_*_DESTROY of linux/sock_diag.h)."""

from __future__ import annotations

import socket
import struct

from ..errors import NotSupported
from ..host import Host
from ..model import Namespace
from ..typed import Iterable
from .sock_diag import NETLINK_SOCK_DIAG, way_into

_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1
_GROUPS = (1, 2, 3, 4)  # TCP and UDP of IPv4, of IPv6
_SO_ATTACH_FILTER = 26
_LOAD_HALF, _EQUAL, _AT_LEAST, _GREATER, _RETURN = 0x28, 0x15, 0x35, 0x25, 0x06  # linux/bpf_common.h
_INSTRUCTION = struct.Struct("=HBBI")
_LOCAL_PORT, _REMOTE_PORT = 20, 22  # of the message: after its header and four bytes of inet_diag_msg
_COOKIE = 16 + 4 + 4 + 32 + 4
_MOST_RANGES = 100  # the filter's jumps are at most 255 instructions long


def hear_destroyed(host: Host, namespace: Namespace, ports: Iterable[tuple[int, int]]) -> socket.socket:
    """Return a netlink socket that becomes readable when a socket without a peer on one of the local ``ports``
    (inclusive ranges) is destroyed in a namespace. Raises NotSupported or NotPermitted where the kernel does not tell.

    Connections are left out by the kernel itself, so that a busy port does not cost more than a quiet one.
    """
    netlink = host.netlink(NETLINK_SOCK_DIAG, *way_into(namespace))
    try:
        netlink.setblocking(False)
        _attach(netlink, _filter(list(ports)[:_MOST_RANGES]))
        netlink.bind((0, 0))
        for group in _GROUPS:
            netlink.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
    except OSError as error:
        netlink.close()
        raise NotSupported("the kernel does not tell of destroyed sockets: %s" % error.strerror) from error
    return netlink


def read_destroyed(netlink: socket.socket) -> list[int]:
    """Return the cookies of sockets that were destroyed since the last read."""
    cookies: list[int] = []
    while True:
        try:
            message = netlink.recv(1 << 12)
        except OSError:  # nothing more, or more than there was room for: the tables tell then
            return cookies
        if len(message) >= _COOKIE + 8:
            cookies.append(struct.unpack_from("=Q", message, _COOKIE)[0])


def _filter(ranges: list[tuple[int, int]]) -> bytes:
    """Return a classic BPF program (Documentation/networking/filter.rst) that lets through rows without a remote port
    and with a local port in one of ``ranges``."""
    code = [(_LOAD_HALF, 0, 0, _REMOTE_PORT), (_EQUAL, 0, 2 * len(ranges) + 1, 0), (_LOAD_HALF, 0, 0, _LOCAL_PORT)]
    for index, (low, high) in enumerate(ranges):
        accept = 2 * (len(ranges) - index - 1) + 1
        code += [(_AT_LEAST, 0, 1, low), (_GREATER, 0, accept, high)]
    code += [(_RETURN, 0, 0, 0), (_RETURN, 0, 0, 0xFFFFFFFF)]
    return b"".join(_INSTRUCTION.pack(*one) for one in code)


def _attach(netlink: socket.socket, program: bytes) -> None:
    import ctypes

    kept = ctypes.create_string_buffer(program, len(program))
    length = len(program) // _INSTRUCTION.size
    netlink.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", length, ctypes.addressof(kept)))
