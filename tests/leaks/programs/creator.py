# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A program that makes a socket, lets others inherit it as it was told to, says so, and goes on with its own work."""

from __future__ import annotations

import asyncio
import json
import os
import pathlib
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

from servers import accept, accept_by_epoll, accept_by_uring, pool
from stage import CLONE_NEWNET, LIBC, bound, called, connected, inode, ready, server, thread, until

CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
NOBODY = 65534
LONG = 1_000_000
A_MOMENT = 0.05  # seconds that a program lives with its socket before others inherit it
LONG_SLEEP = ["sleep", str(LONG)]

MAKERS: dict[str, Callable[[int], socket.socket]] = {
    "tcp4": server,
    "tcp6": lambda port: server(port, "::1"),
    "wildcard": lambda port: server(port, "::"),
    "udp4": lambda port: bound(port, kind=socket.SOCK_DGRAM),
    "udp6": lambda port: bound(port, "::1", kind=socket.SOCK_DGRAM),
    "bound4": bound,
    "bound6": lambda port: bound(port, "::1"),
    "reuseport": lambda port: server(port, reuseport=1),
    "nonblocking": lambda port: nonblocking(server(port)),
}


def nonblocking(one: socket.socket) -> socket.socket:
    one.setblocking(False)
    return one


# --- what a creator does with its socket ------------------------------------------------------------------------------


def serve(one: socket.socket) -> None:
    """Wait for the next client in the call for it."""
    while True:
        take(one)


def take(one: socket.socket) -> None:
    if one.type == socket.SOCK_DGRAM:
        one.recvfrom(100)
    else:
        one.accept()[0].close()


def serve_by_timeout(one: socket.socket) -> None:
    one.settimeout(LONG)
    serve(one)


def serve_by_epoll(one: socket.socket) -> None:
    with select.epoll() as events:
        events.register(one, select.EPOLLIN)
        while events.poll():
            take(one)


def serve_by_poll(one: socket.socket) -> None:
    events = select.poll()
    events.register(one, select.POLLIN)
    while events.poll():
        take(one)


def serve_by_select(one: socket.socket) -> None:
    while select.select([one], [], []):
        take(one)


def serve_by_threads(one: socket.socket) -> None:
    threads = [threading.Thread(target=serve, args=(one,)) for _ in range(3)]
    for each in threads:
        each.start()
    threads[0].join()


def serve_by_asyncio(one: socket.socket) -> None:
    async def wait() -> None:
        await asyncio.start_server(lambda _reader, _writer: None, sock=one)
        await asyncio.Event().wait()

    asyncio.run(wait())


def serve_one_request(one: socket.socket) -> None:
    """Stay with the one client that came."""
    client = connected(one.getsockname()[1], one.getsockname()[0])
    one.accept()[0].recv(1)
    client.close()


def serve_by_pool(one: socket.socket) -> None:
    pool(accept, one)


def serve_by_pool_and_epoll(one: socket.socket) -> None:
    pool(accept_by_epoll, one)


def serve_by_uring(one: socket.socket) -> None:
    accept_by_uring(one)


def wait_for_a_command(_one: socket.socket) -> None:
    """Never serve: wait in a shell for a program that takes long (os.system of the old days)."""
    os.system(f"sleep {LONG}; true")


def wait_for_output(_one: socket.socket) -> None:
    """Never serve: read what a program in a shell has to say (commands.getstatusoutput of Python 2)."""
    with subprocess.Popen(f"{{ sleep {LONG}; }} 2>&1", shell=True, stdout=subprocess.PIPE, close_fds=False) as shell:
        shell.communicate()


# --- what an heir does ------------------------------------------------------------------------------------------------


def pause(*_ignored: Any) -> None:
    while True:
        signal.pause()


def read_pipe(*_ignored: Any) -> None:
    reading, _writing = os.pipe()
    os.read(reading, 1)


def wait_for_lock(*_ignored: Any) -> None:
    threading.Event().wait()


def work_in_steps(*_ignored: Any) -> None:
    while True:
        pathlib.Path("/proc/self/stat").read_bytes()
        time.sleep(0.01)


def compute(*_ignored: Any) -> None:
    os.nice(19)
    while True:
        pass


def poll_pipe(*_ignored: Any) -> None:
    events = select.poll()
    reading, _writing = os.pipe()
    events.register(reading, select.POLLIN)
    events.poll()


def epoll_pipe(*_ignored: Any) -> None:
    events = select.epoll()
    reading, _writing = os.pipe()
    events.register(reading, select.EPOLLIN)
    events.poll()


def select_pipe(*_ignored: Any) -> None:
    reading, _writing = os.pipe()
    select.select([reading], [], [])


def sleep_in_asyncio(*_ignored: Any) -> None:
    asyncio.run(asyncio.sleep(LONG))


def serve_own_port(port: int) -> None:
    serve(server(port))


def serve_own_port_by_epoll(port: int) -> None:
    serve_by_epoll(server(port))


def hear_a_server(_port: int) -> None:
    """Be the client of somebody."""
    with server(0) as listener:
        client = connected(listener.getsockname()[1])
        peer = listener.accept()[0]
    client.settimeout(None)
    client.recv(1)
    peer.close()


def wait_in_threads(*_ignored: Any) -> None:
    for each in (wait_for_lock, read_pipe, epoll_pipe, pause):
        thread(each)
    pause()


def wait_for_own_child(*_ignored: Any) -> None:
    subprocess.run(LONG_SLEEP, close_fds=False, check=False)


def stop(*_ignored: Any) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


WORKS: dict[str, Callable[..., None]] = {
    one.__name__: one
    for one in (
        serve, serve_by_timeout, serve_by_epoll, serve_by_poll, serve_by_select, serve_by_threads, serve_by_asyncio,
        serve_one_request, serve_by_pool, serve_by_pool_and_epoll, serve_by_uring, wait_for_a_command, wait_for_output,
        pause, read_pipe, wait_for_lock, work_in_steps, compute,
        poll_pipe, epoll_pipe, select_pipe, sleep_in_asyncio, serve_own_port, serve_own_port_by_epoll, hear_a_server,
        wait_in_threads, wait_for_own_child, stop,
    )
}  # fmt: skip


# --- how an heir comes to be ------------------------------------------------------------------------------------------


def join_unit(directory: str) -> None:
    """Move this process into a cgroup, made for it."""
    pathlib.Path(directory).mkdir(parents=True, exist_ok=True)
    pathlib.Path(directory, "cgroup.procs").write_text(str(os.getpid()))


def change_user() -> None:
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def unshare(what: int) -> None:
    called(LIBC.unshare(what))
    if what == CLONE_NEWPID and os.fork():
        os._exit(0)


def stand_between(one: socket.socket) -> None:
    """Let a child go on with it, and stay without it."""
    if os.fork():
        one.close()
        pause()


TWISTS: dict[str, Callable[[socket.socket], Any]] = {
    "session": lambda _one: os.setsid(),
    "user": lambda _one: change_user(),
    "network": lambda _one: unshare(CLONE_NEWNET),
    "mounts": lambda _one: unshare(CLONE_NEWNS),
    "pids": lambda _one: unshare(CLONE_NEWPID),
    "users": lambda _one: unshare(CLONE_NEWUSER),
    "middleman": stand_between,
    "twice": lambda one: os.set_inheritable(os.dup(one.fileno()), True),
}


def beget(one: socket.socket, heir: dict[str, Any], port: int, units: str, born: int) -> None:
    """Fork an heir, which says when it is at its work, unless it becomes another program."""
    child = os.fork()
    if child:
        if heir["daemon"] or "pids" in heir["twists"]:
            os.waitpid(child, 0)
        return
    try:
        if heir["daemon"]:
            os.setsid()
            if os.fork():
                os._exit(0)
        if heir["unit"]:
            join_unit(f"{units}/{heir['unit']}")
        for twist in heir["twists"]:
            TWISTS[twist](one)
        if heir["program"]:
            reading, writing = os.pipe()
            os.dup2(reading, 0)
            os.set_inheritable(writing, True)
            os.execvp(heir["program"][0], heir["program"])
        os.write(born, b".")
        WORKS[heir["work"]](port + 1)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def create(
    port: int, units: str, made: str, work: str, cloexec: bool, unit: str, client: bool, heirs: list[dict[str, Any]]
) -> None:
    """Make a socket and the heirs ordered, tell the director when they are there, and do the work.

    With ``client`` there is one when the heirs come to be, who stays, and they inherit his connection as well.
    """
    os.set_blocking(1, True)
    answer = os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 1)
    signal.signal(signal.SIGUSR1, lambda *_: os._exit(0))
    if unit:
        join_unit(f"{units}/{unit}")
    one = MAKERS[made](port)
    made_at = time.monotonic()
    one.set_inheritable(not cloexec)
    if client:
        connection = connected(port), one.accept()[0]
        connection[1].set_inheritable(not cloexec)
    until(lambda: time.monotonic() > made_at + A_MOMENT)
    births, born = os.pipe()
    for heir in heirs:
        beget(one, heir, port, units, born)
    for heir in heirs:
        if not heir["program"]:
            os.read(births, 1)
    os.close(births)
    os.close(born)
    os.dup2(answer, 1)
    ready(pid=int(os.readlink("/proc/self")), inode=inode(one), fd=one.fileno())
    os.dup2(nothing, 1)
    os.close(answer)
    WORKS[work](one)


if __name__ == "__main__":
    create(**json.loads(sys.argv[1]))
