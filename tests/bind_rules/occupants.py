# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Sockets in every state a port can be found in, made in a network namespace that ends with its process."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from typing import NamedTuple

STRANGER = 4711  # a user without any right
OUTSIDE = itertools.count(10000)  # ports that the kernel does not choose
_CLONE_NEWNET = 0x40000000
_SYN_SENT = 2
_LIBC = ctypes.CDLL(None, use_errno=True)


class Setting(NamedTuple):
    """What is set on a socket before it is bound, and for whom."""

    address: str = "127.0.0.1"
    reuseaddr: bool = False
    reuseport: bool = False
    v6only: bool = False
    device: str | None = None
    uid: int = 0

    def __str__(self) -> str:
        names = [name for name in ("reuseaddr", "reuseport", "v6only") if getattr(self, name)]
        names += [f"device={self.device}"] if self.device else []
        names += [f"user={self.uid}"] if self.uid else []
        return ",".join([self.address, *names])


class Occupant(NamedTuple):
    """A socket that has a port; ``kept`` is what must stay open for it."""

    state: str
    setting: Setting
    port: int
    kept: list[socket.socket]


def enter_new_network() -> None:
    """Move this process into a network of its own: loopback, and two devices with a cable between them."""
    if _LIBC.unshare(_CLONE_NEWNET) < 0:
        raise OSError(ctypes.get_errno(), "unshare")
    for command in (
        "link set lo up", "link add d0 type veth peer name d1", "link set d0 up", "link set d1 up",
        "address add 198.18.0.1/32 dev d0", "address add 2001:db8::1/128 dev d0 nodad",
    ):  # fmt: skip
        subprocess.run(["ip", *command.split()], check=True)


@contextlib.contextmanager
def user(uid: int) -> Iterator[None]:
    """Be somebody else for a while, with their rights only."""
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)


def make(setting: Setting, kind: int = socket.SOCK_STREAM) -> socket.socket:
    """Return a socket on which everything is set, and nothing bound."""
    one = socket.socket(socket.AF_INET6 if ":" in setting.address else socket.AF_INET, kind)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, setting.reuseaddr)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, setting.reuseport)
        if one.family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, setting.v6only)
        if setting.device:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, setting.device.encode())
    except OSError:
        one.close()
        raise
    return one


def bound(setting: Setting, port: int, kind: int = socket.SOCK_STREAM) -> socket.socket:
    one = make(setting, kind)
    one.bind((setting.address, port))
    return one


def listening(setting: Setting, port: int, backlog: int = 16) -> socket.socket:
    one = bound(setting, port)
    one.listen(backlog)
    return one


def _way_to(address: str) -> str:
    """Return an address by which a server bound to ``address`` is reached."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)


def _accepted(setting: Setting, port: int) -> tuple[socket.socket, socket.socket]:
    """Return both ends of a connection whose listener is gone, the server's first."""
    with listening(setting, port) as server:
        client = socket.create_connection((_way_to(setting.address), port))
        return server.accept()[0], client


def _outgoing(setting: Setting, port: int) -> tuple[socket.socket, socket.socket]:
    """Return both ends of a connection from a port that was bound first, the client's first."""
    with listening(Setting(setting.address), 0) as server:
        client = bound(setting, port)
        client.connect((_way_to(setting.address), server.getsockname()[1]))
        return client, server.accept()[0]


def _fill(one: socket.socket) -> None:
    one.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            one.send(bytes(1 << 16))


def _bound(setting: Setting, port: int) -> list[socket.socket]:
    return [bound(setting, port)]


def _listen(setting: Setting, port: int) -> list[socket.socket]:
    return [listening(setting, port)]


def _established(setting: Setting, port: int) -> list[socket.socket]:
    return [*_accepted(setting, port)]


def _connected(setting: Setting, port: int) -> list[socket.socket]:
    return [*_outgoing(setting, port)]


def _unaccepted(setting: Setting, port: int) -> list[socket.socket]:
    server = listening(setting, port)
    return [server, socket.create_connection((_way_to(setting.address), port))]


def _syn_sent(setting: Setting, port: int) -> list[socket.socket]:
    server = listening(Setting(setting.address), 0, backlog=0)
    waiting = socket.create_connection((_way_to(setting.address), server.getsockname()[1]))  # the queue is full now
    late = bound(setting, port)
    late.setblocking(False)
    late.connect_ex((_way_to(setting.address), server.getsockname()[1]))
    assert late.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _SYN_SENT
    return [server, waiting, late]


def _fin_wait1(setting: Setting, port: int) -> list[socket.socket]:
    ours, theirs = _accepted(setting, port)
    _fill(ours)
    ours.close()
    return [theirs]


def _fin_wait2(setting: Setting, port: int) -> list[socket.socket]:
    ours, theirs = _accepted(setting, port)
    ours.shutdown(socket.SHUT_WR)
    return [ours, theirs]


def _fin_wait2_orphan(setting: Setting, port: int) -> list[socket.socket]:
    ours, theirs = _accepted(setting, port)
    ours.close()
    return [theirs]


def _close_wait(setting: Setting, port: int) -> list[socket.socket]:
    ours, theirs = _accepted(setting, port)
    theirs.close()
    return [ours]


def _last_ack(setting: Setting, port: int) -> list[socket.socket]:
    ours, theirs = _accepted(setting, port)
    theirs.shutdown(socket.SHUT_WR)
    _fill(ours)
    ours.close()
    return [theirs]


def _time_wait(setting: Setting, port: int) -> list[socket.socket]:
    ours, theirs = _accepted(setting, port)
    ours.close()
    theirs.close()
    return []


def _time_wait_outgoing(setting: Setting, port: int) -> list[socket.socket]:
    ours, theirs = _outgoing(setting, port)
    ours.close()
    theirs.close()
    return []


def _udp_unconnected(setting: Setting, port: int) -> list[socket.socket]:
    return [bound(setting, port, socket.SOCK_DGRAM)]


def _udp_connected(setting: Setting, port: int) -> list[socket.socket]:
    one = bound(setting, port, socket.SOCK_DGRAM)
    one.connect((_way_to(setting.address), 9))
    return [one]


#: How each state comes about, by what it is called here; those of UDP last.
STATES: dict[str, Callable[[Setting, int], list[socket.socket]]] = {
    "bound": _bound,
    "listen": _listen,
    "listen with a connection in its queue": _unaccepted,
    "established, accepted": _established,
    "established, outgoing": _connected,
    "syn_sent": _syn_sent,
    "fin_wait1, orphan": _fin_wait1,
    "fin_wait2": _fin_wait2,
    "fin_wait2, orphan": _fin_wait2_orphan,
    "close_wait": _close_wait,
    "last_ack": _last_ack,
    "time_wait": _time_wait,
    "time_wait, outgoing": _time_wait_outgoing,
    "udp, unconnected": _udp_unconnected,
    "udp, connected": _udp_connected,
}


def occupy(state: str, setting: Setting, port: int | None = None) -> Occupant:
    """Put a socket in a state on a port, of its own if none is given."""
    chosen = next(OUTSIDE) if port is None else port
    with user(setting.uid):
        return Occupant(state, setting, chosen, STATES[state](setting, chosen))
