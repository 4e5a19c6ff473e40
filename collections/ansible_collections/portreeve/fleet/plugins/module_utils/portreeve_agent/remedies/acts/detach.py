# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Detach: a listening socket is shut through a copy of an heir's descriptor; every heir lives on, with a dead one.

The port is free then for a new server that sets SO_REUSEADDR: it is set on the old socket as well, and that listens no
more. All descriptors of a socket lead to the same one, so once is enough for all heirs.
"""

from __future__ import annotations

import os
import socket as sockets
import sys
from contextlib import contextmanager, suppress

from ...descriptors import link_of
from ...errors import Gone, Moved, NotApplied, NotPermitted, NotSupported
from ...host import Host
from ...process_handle import ProcessHandle
from ...typed import Iterator
from ...verdicts.wording import name_mark
from ...writing import ActingHost
from ..records import ProcessMark, SocketMark
from .victim import private_tables, seized

_SO_COOKIE = 57  # asm-generic/socket.h
_CLOSED, _LISTENING = 7, 10  # net/tcp_states.h
_STATES = ("LISTEN", "BOUND")


def detach(host: ActingHost, holder: ProcessMark, descriptor: int, socket: SocketMark) -> None:
    """Take a TCP socket that listens, or only is bound, off its port, through ``descriptor`` of ``holder``.

    Whoever waits for its accept() is reset. Raises Moved when the descriptor leads to another socket now or the socket
    has become a connection, Gone when the holder has ended, NotSupported or NotPermitted where it cannot be reached;
    nothing is done then. Raises NotApplied when it listens again at once.
    """
    with _seized(host, holder, descriptor, socket) as one:
        try:
            one.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)
            if _state(one) == _LISTENING:  # one that only is bound has nothing to shut
                one.shutdown(sockets.SHUT_RDWR)
        except OSError as error:
            raise NotPermitted("%s may not be taken off its port: %s" % (socket.local, error.strerror)) from error
        if _state(one) == _LISTENING:
            raise NotApplied("%s listens again since it was shut" % socket.local)


def can_detach(host: ActingHost, holder: ProcessMark, descriptor: int, socket: SocketMark) -> None:
    """Raise what ``detach`` would raise before it does anything; nothing is changed."""
    with _seized(host, holder, descriptor, socket):
        pass


@contextmanager
def _seized(host: ActingHost, holder: ProcessMark, descriptor: int, socket: SocketMark) -> Iterator[sockets.socket]:
    """Give the very socket by a descriptor of our own."""
    if socket.protocol != "tcp" or socket.state not in _STATES:
        raise NotSupported(
            "%s/%s (%s) cannot be detached: only a TCP socket that listens, or only is bound, can"
            % (socket.local, socket.protocol, socket.state)
        )
    if socket.cookie is None:
        raise NotSupported("%s: the table that was read does not tell it from a later one" % socket.local)
    with seized(host, holder) as handle:
        _check_link(host, holder, descriptor, socket)
        with _copy(handle, holder, descriptor, socket) as one:
            if _cookie(one) != socket.cookie:
                raise _moved(holder, descriptor, socket)
            if _state(one) not in (_CLOSED, _LISTENING):
                raise Moved("%s has become a connection" % socket.local)
            yield one


def _check_link(host: Host, holder: ProcessMark, descriptor: int, socket: SocketMark) -> None:
    """To copy and close again what is no socket may take for ever, if its filesystem is in user space."""
    link = link_of(socket.inode)
    with host.open_process(holder.pid) as directory:
        with suppress(Gone):
            if directory.readlink("fd/%d" % descriptor) == link:
                return
        for table in private_tables(host, holder.pid, directory):
            with suppress(Gone):
                if directory.readlink("%sfd/%d" % (table, descriptor)) == link:
                    raise NotSupported(
                        "descriptor %d of %s is in a table of thread %s alone, out of reach"
                        % (descriptor, name_mark(holder), table.split("/")[1])
                    )
    raise _moved(holder, descriptor, socket)


@contextmanager
def _copy(handle: ProcessHandle, holder: ProcessMark, descriptor: int, socket: SocketMark) -> Iterator[sockets.socket]:
    copy = handle.duplicate(descriptor)
    if copy is None:
        raise _moved(holder, descriptor, socket)
    try:
        one = sockets.socket(fileno=copy)
    except OSError as error:
        os.close(copy)
        raise _moved(holder, descriptor, socket) from error
    with one:
        yield one


def _moved(holder: ProcessMark, descriptor: int, socket: SocketMark) -> Moved:
    return Moved(
        "descriptor %d of %s does not lead to the socket on %s any more" % (descriptor, name_mark(holder), socket.local)
    )


def _cookie(one: sockets.socket) -> int:
    return int.from_bytes(one.getsockopt(sockets.SOL_SOCKET, _SO_COOKIE, 8), sys.byteorder)


def _state(one: sockets.socket) -> int:
    """Return the kernel's number of a TCP socket's state, the first byte of TCP_INFO (tcp(7))."""
    return one.getsockopt(sockets.IPPROTO_TCP, sockets.TCP_INFO, 1)[0]
