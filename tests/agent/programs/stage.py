# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What the small programs that hold ports for the tests share. Standard library only, as they run by themselves."""

from __future__ import annotations

import array
import ctypes
import fcntl
import json
import os
import pathlib
import select
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_FILES = 0x00000400
CLONE_NEWNET = 0x40000000
TCP_DEFER_ACCEPT = 9
SO_PEEK_OFF = 42
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_EXIT_OF_ONE_THREAD = {"x86_64": 60, "aarch64": 93}
_SO_COOKIE = 57
_CLONE3 = 435
_PATIENCE = 10.0


def called(result: int) -> int:
    """Return what a C function returned, or raise what it left in errno."""
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def enter(namespace_path: str) -> None:
    """Move this thread into a network namespace."""
    descriptor = os.open(namespace_path, os.O_RDONLY)
    called(LIBC.setns(descriptor, CLONE_NEWNET))
    os.close(descriptor)


def own_network() -> int:
    """Move this thread into a new network namespace whose loopback is up; returns the namespace's number."""
    called(LIBC.unshare(CLONE_NEWNET))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = fcntl.ioctl(any_socket, _SIOCGIFFLAGS, struct.pack("16sH22x", b"lo", 0))
        flags = struct.unpack_from("16sH", request)[1]
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags | _IFF_UP))
    return os.stat("/proc/thread-self/ns/net").st_ino


def become(uid: int) -> None:
    """Give up root for good."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    called(LIBC.prctl(4, 1, 0, 0, 0))  # PR_SET_DUMPABLE: as after an exec, /proc/self stays one's own


def ready(**facts: Any) -> None:
    """Tell the test that the scene is set."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def told() -> str:
    """Return the next word from the test, empty when it has gone."""
    return sys.stdin.readline().strip()


def hold() -> None:
    """Stay until the test goes; takes nothing from what it may tell others."""
    poll = select.poll()
    poll.register(0, 0)
    poll.poll()


def until(condition: Callable[[], Any], what: str = "") -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.002)


def inode(one: socket.socket) -> int:
    return os.fstat(one.fileno()).st_ino


def cookie(one: socket.socket) -> int:
    return int.from_bytes(one.getsockopt(socket.SOL_SOCKET, _SO_COOKIE, 8), sys.byteorder)


def tcp_state(one: socket.socket) -> int:
    """Return the kernel's number of a TCP state (tcp(7), TCP_INFO)."""
    return one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


def server(port: int, address: str = "127.0.0.1", backlog: int = 16, **options: int) -> socket.socket:
    """Return a listening TCP socket."""
    one = bound(port, address, **options)
    one.listen(backlog)
    return one


def bound(port: int, address: str = "127.0.0.1", kind: int = socket.SOCK_STREAM, **options: int) -> socket.socket:
    """Return a bound socket; ``options`` are of the socket level by their lower-case name, and v6only."""
    one = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    for name, value in options.items():
        if name == "v6only":
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, value)
        else:
            one.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_" + name.upper()), value)
    one.bind((address, port))
    return one


def connected(port: int, address: str = "127.0.0.1", source: int = 0) -> socket.socket:
    """Return a connection to a server, from the local port ``source`` if that matters."""
    return socket.create_connection((address, port), timeout=_PATIENCE, source_address=("", source) if source else None)


def pair(port: int) -> tuple[socket.socket, socket.socket]:
    """Return both ends of a connection, the first with the local port ``port``."""
    with server(0) as listener:
        one = connected(listener.getsockname()[1], source=port)
        return one, listener.accept()[0]


def fill(one: socket.socket) -> None:
    """Send until nothing more fits: what follows, be it the end of the stream, cannot leave."""
    one.setblocking(False)
    try:
        while True:
            one.send(b"x" * 65536)
    except BlockingIOError:
        pass


def hand_over(sender: socket.socket, *descriptors: int, data: bytes = b"x") -> None:
    """Send descriptors through a UNIX socket (unix(7), SCM_RIGHTS)."""
    sender.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))])


def fork_as(pid: int) -> int:
    """Fork a child with a process id of our choice (clone3(2), set_tid, as root); negative where that is refused."""
    wanted = (ctypes.c_int * 1)(pid)
    arguments = struct.pack("=11Q", 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, ctypes.addressof(wanted), 1, 0)
    return int(LIBC.syscall(_CLONE3, arguments, len(arguments)))


def end_leader() -> None:
    """End the calling thread alone, the first of the process; the others live on (_exit(2), not exit_group(2))."""
    LIBC.syscall(_EXIT_OF_ONE_THREAD[os.uname().machine], 0)


def until_leader_is_dead() -> None:
    stat = pathlib.Path("/proc/self/stat")
    until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "Z", "the leader lives on")


def thread(action: Callable[[], None]) -> int:
    """Run ``action`` in a thread of its own; returns its thread id."""
    worker = threading.Thread(target=action)
    worker.start()
    assert worker.native_id is not None
    return worker.native_id
