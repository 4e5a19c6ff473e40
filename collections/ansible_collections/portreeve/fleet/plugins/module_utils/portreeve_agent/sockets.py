# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the agent needs of ``socket``, from the C module beneath it: without an enumeration for every number.

Those enumerations, which nobody here prints, take a tenth of an answer's time (ADR 0009).
"""

from __future__ import annotations

from _socket import (
    AF_INET,
    AF_INET6,
    AF_NETLINK,
    AF_UNIX,
    AF_UNSPEC,
    CMSG_SPACE,
    IPPROTO_IPV6,
    IPPROTO_UDP,
    IPV6_V6ONLY,
    MSG_DONTWAIT,
    MSG_PEEK,
    SCM_RIGHTS,
    SO_BINDTODEVICE,
    SO_REUSEADDR,
    SO_REUSEPORT,
    SOCK_CLOEXEC,
    SOCK_DGRAM,
    SOCK_RAW,
    SOCK_STREAM,
    SOL_SOCKET,
    if_indextoname,
    inet_ntop,
    ntohs,
)

from .typed import TYPE_CHECKING

__all__ = [
    "AF_INET",
    "AF_INET6",
    "AF_NETLINK",
    "AF_UNIX",
    "AF_UNSPEC",
    "CMSG_SPACE",
    "IPPROTO_IPV6",
    "IPPROTO_UDP",
    "IPV6_V6ONLY",
    "MSG_DONTWAIT",
    "MSG_PEEK",
    "SCM_RIGHTS",
    "SOCK_CLOEXEC",
    "SOCK_DGRAM",
    "SOCK_RAW",
    "SOCK_STREAM",
    "SOL_SOCKET",
    "SO_BINDTODEVICE",
    "SO_REUSEADDR",
    "SO_REUSEPORT",
    "if_indextoname",
    "inet_ntop",
    "ntohs",
    "socket",
]

if TYPE_CHECKING:
    from socket import socket
else:
    from _socket import socket as _Socket

    class socket(_Socket):  # noqa: N801 (its name in socket)
        """A socket that is closed at the end of a ``with`` statement."""

        __slots__ = ()

        def __enter__(self):
            return self

        def __exit__(self, *_error):
            self.close()
