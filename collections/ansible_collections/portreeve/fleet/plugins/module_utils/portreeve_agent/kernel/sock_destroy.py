# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The end of a socket from outside (linux/sock_diag.h, SOCK_DESTROY: Linux 4.5, UDP 4.9, CONFIG_INET_DIAG_DESTROY)."""

from __future__ import annotations

import errno
import socket

from ..model import Socket
from .single_socket import address_socket, exchange, refuse

_SOCK_DESTROY = 21
_ANYBODY, _KERNEL = (1, 0), (0, 0)  # whom a netlink socket talks to (netlink(7))
_COOKIE_OF_NONE = 0  # they start at 1 (net/core/sock_diag.c)


def destroy_socket(netlink: socket.socket, row: Socket) -> bool:
    """Have the kernel abort a socket: its process sees an error, its peer a reset; returns whether it says it did so.

    That tells nothing of the port: one that was bound on purpose keeps it, and a socket that only is bound, or has gone
    meanwhile, is not found. Whoever asks reads the table again. Raises NotSupported where the kernel cannot do it at
    all, NotPermitted without CAP_NET_ADMIN in the namespace of ``netlink`` (see ``open_talk``), Gone when the socket's
    interface has.
    """
    code, _answer = exchange(netlink, _SOCK_DESTROY, address_socket(row))
    if code not in (0, errno.ENOENT):
        refuse(code, "to destroy a socket")
    return code == 0


def check_destruction(netlink: socket.socket, row: Socket) -> bool:
    """Return True where ``destroy_socket`` could destroy such a socket; nothing is destroyed. Raises as that does.

    The kernel answers for a socket that cannot be. It asks for the privilege only once it has found one, so that is
    tried with something else that needs the same one in the same place: to talk to another process than the kernel
    (net/netlink/af_netlink.c, netlink_connect).
    """
    nowhere = row._replace(local=row.local._replace(port=0), remote=None, device=None, cookie=_COOKIE_OF_NONE)
    destroy_socket(netlink, nowhere)
    try:
        netlink.connect(_ANYBODY)
    except OSError as error:
        refuse(error.errno or errno.EPERM, "to destroy a socket")
    netlink.connect(_KERNEL)
    return True
