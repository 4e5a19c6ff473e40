# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Servers of every make, none of which lets its socket leak: `python servers.py NAME PORT`."""

from __future__ import annotations

import array
import asyncio
import ctypes
import fcntl
import mmap
import multiprocessing
import os
import select
import signal
import socket
import socketserver
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable

from stage import LIBC, bound, called, end_leader, hand_over, server, thread, until, until_leader_is_dead

LONG = 1_000_000
NOBODY = 65534
A_MOMENT = 0.05  # seconds
WORKERS = 3
Serve = Callable[[socket.socket], None]
_IO_URING_SETUP, _IO_URING_ENTER, _ACCEPT, _GET_EVENTS = 425, 426, 13, 1


# --- ways to wait for clients -----------------------------------------------------------------------------------------


def accept(one: socket.socket) -> None:
    while True:
        greet(one.accept()[0])


def greet(peer: socket.socket) -> None:
    with peer:
        peer.settimeout(0.2)
        try:
            peer.recv(100)
            peer.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
        except OSError:
            pass


def receive(one: socket.socket) -> None:
    while True:
        one.recvfrom(100)


def accept_when(wait: Callable[[], object], one: socket.socket) -> None:
    """Accept without blocking whenever there may be somebody: others may have been faster."""
    one.setblocking(False)
    while True:
        wait()
        try:
            greet(one.accept()[0])
        except OSError:
            continue


def accept_by_select(one: socket.socket) -> None:
    accept_when(lambda: select.select([one], [], []), one)


def accept_by_poll(one: socket.socket) -> None:
    events = select.poll()
    events.register(one, select.POLLIN)
    accept_when(events.poll, one)


def accept_by_epoll(one: socket.socket) -> None:
    events = select.epoll()
    events.register(one, select.EPOLLIN)
    accept_when(events.poll, one)


def accept_by_edges(one: socket.socket) -> None:
    events = select.epoll()
    events.register(one, select.EPOLLIN | select.EPOLLET | select.EPOLLEXCLUSIVE)
    accept_when(events.poll, one)


def accept_now_and_then(one: socket.socket) -> None:
    accept_when(lambda: time.sleep(0.02), one)


def accept_by_uring(one: socket.socket) -> None:
    """Wait in io_uring_enter(2) for a request to accept."""
    parameters = ctypes.create_string_buffer(120)
    ring = called(LIBC.syscall(_IO_URING_SETUP, 4, parameters))
    entries = mmap.mmap(ring, 4 * 64, offset=0x10000000)
    queue = mmap.mmap(ring, 4096, offset=0)
    tail, array_at = struct.unpack_from("=I", parameters, 44)[0], struct.unpack_from("=I", parameters, 64)[0]
    entries[0:8] = struct.pack("=BBHi", _ACCEPT, 0, 0, one.fileno())
    struct.pack_into("=I", queue, array_at, 0)
    struct.pack_into("=I", queue, tail, 1)
    LIBC.syscall(_IO_URING_ENTER, ring, 1, 1, _GET_EVENTS, None, 0)
    pause()


def pause(_one: socket.socket | None = None) -> None:
    while True:
        signal.pause()


# --- ways to be busy with a client ------------------------------------------------------------------------------------


def read_one(one: socket.socket) -> None:
    peer = one.accept()[0]
    while True:
        peer.recv(100)


def sleep_for_one(one: socket.socket) -> None:
    peer = one.accept()[0]
    time.sleep(LONG)
    peer.close()


def wait_for_a_lock_for_one(one: socket.socket) -> None:
    peer = one.accept()[0]
    threading.Event().wait()
    peer.close()


def compute_for_one(one: socket.socket) -> None:
    peer = one.accept()[0]
    os.nice(19)
    while peer:
        pass


def run_a_program_for_one(one: socket.socket) -> None:
    peer = one.accept()[0]
    subprocess.run(["sleep", str(LONG)], check=False)
    peer.close()


# --- ways to share the work -------------------------------------------------------------------------------------------


def pool(serve: Serve, one: socket.socket) -> None:
    """Fork workers, and wait for them."""
    for _ in range(WORKERS):
        if not os.fork():
            serve(one)
    os.wait()


def pool_of_all(serve: Serve, one: socket.socket) -> None:
    for _ in range(WORKERS):
        if not os.fork():
            break
    serve(one)


def pool_of_threads(serve: Serve, one: socket.socket) -> None:
    threads = [threading.Thread(target=serve, args=(one,)) for _ in range(WORKERS)]
    for each in threads:
        each.start()
    threads[0].join()


def pool_by_turns(lock: Callable[[], object], unlock: Callable[[], object], one: socket.socket) -> None:
    def serve(one: socket.socket) -> None:
        while True:
            lock()
            peer = one.accept()[0]
            unlock()
            greet(peer)

    pool(serve, one)


def pool_by_semaphore(one: socket.socket) -> None:
    turn = multiprocessing.Lock()
    pool_by_turns(turn.acquire, turn.release, one)


def pool_by_file_lock(one: socket.socket) -> None:
    with tempfile.TemporaryFile() as turn:
        pool_by_turns(lambda: fcntl.lockf(turn, fcntl.LOCK_EX), lambda: fcntl.lockf(turn, fcntl.LOCK_UN), one)


def pool_of_multiprocessing(one: socket.socket) -> None:
    workers = [multiprocessing.get_context("fork").Process(target=accept, args=(one,)) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    workers[0].join()


def headless(serve: Serve, one: socket.socket) -> None:
    """Serve in a thread of a process whose first thread has ended."""

    def live_on() -> None:
        until_leader_is_dead()
        serve(one)

    thread(live_on)
    end_leader()


def forking(handle: Callable[[socket.socket], None], one: socket.socket) -> None:
    """Fork for each client (socketserver.ForkingMixIn); the child keeps the listener."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            handle(self.request)

    with socketserver.ForkingTCPServer(("", 0), Handler, bind_and_activate=False) as service:
        service.socket.close()
        service.socket = one
        service.serve_forever()


def read_all(peer: socket.socket) -> None:
    while peer.recv(100):
        pass


def compute(peer: socket.socket) -> None:
    os.nice(19)
    while peer:
        pass


# --- ways to come to one's place --------------------------------------------------------------------------------------


def daemon(serve: Serve, one: socket.socket) -> None:
    """Bind first, and become a daemon afterwards, with something to do in between."""
    bound_at = time.monotonic()
    until(lambda: time.monotonic() > bound_at + A_MOMENT)
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    serve(one)


def dropper(serve: Serve, one: socket.socket) -> None:
    """Bind as root, and serve as nobody."""
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    serve(one)


def again(name: str, descriptor: int) -> list[str]:
    return [sys.executable, __file__, name, str(-descriptor)]


def below_a_shell(one: socket.socket) -> None:
    """Become a shell that starts the server and waits for it, both with the socket."""
    one.set_inheritable(True)
    words = " ".join(again("accept", one.fileno()))
    os.execvp("sh", ["sh", "-c", f"trap '' HUP; {words} & wait"])


def reborn(one: socket.socket) -> None:
    """Become a new image of oneself, as on an upgrade."""
    one.set_inheritable(True)
    os.execv(sys.executable, again("accept", one.fileno()))


def passed(serve: Serve, one: socket.socket, keep: Serve) -> None:
    """Hand the listener to another process by a UNIX socket, and go on with it or not."""
    here, there = socket.socketpair()
    with subprocess.Popen(again("passed_on", there.fileno()), pass_fds=[there.fileno()]):
        hand_over(here, one.fileno())
        keep(one)


def passed_on(there: socket.socket) -> None:
    _data, [(_level, _kind, packed)], *_rest = there.recvmsg(1, socket.CMSG_SPACE(4))
    accept(socket.socket(fileno=array.array("i", packed)[0]))


def reuseport(port: int, *serves: Serve) -> None:
    """Bind a socket in each of several processes, each of another user."""
    for number, serve in enumerate(serves[1:]):
        if not os.fork():
            one = server(port, reuseport=1)
            os.setresuid(NOBODY - number, NOBODY - number, NOBODY - number)
            serve(one)
    serves[0](server(port, reuseport=1))


def spawning(one: socket.socket) -> None:
    """Start programs all the time: between fork() and exec() their processes hold the listener for a moment."""

    def spawn() -> None:
        while True:
            subprocess.run(["sleep", "0.1"], preexec_fn=lambda: time.sleep(0.02), check=False)

    for _ in range(WORKERS):
        thread(spawn)
    accept(one)


def pool_stopped(one: socket.socket) -> None:
    """Have workers that hang."""
    workers = []
    for _ in range(WORKERS):
        workers.append(os.fork())
        if not workers[-1]:
            accept(one)
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)
    os.wait()


def pool_stopped_early(one: socket.socket) -> None:
    """Have workers that are stopped before they serve."""
    for _ in range(WORKERS):
        if not os.fork():
            stopped(one)
    os.wait()


def pool_stopped_in_part(one: socket.socket) -> None:
    for number in range(WORKERS):
        worker = os.fork()
        if not worker:
            accept(one)
        if number == 0:
            os.kill(worker, signal.SIGSTOP)
    accept(one)


def stopped(one: socket.socket) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)
    accept(one)


def asynchronous(one: socket.socket) -> None:
    async def wait() -> None:
        await asyncio.start_server(lambda _reader, writer: writer.close(), sock=one)
        await asyncio.Event().wait()

    asyncio.run(wait())


LISTENERS: dict[str, Serve] = {
    "accept": accept,
    "accept_by_select": accept_by_select,
    "accept_by_poll": accept_by_poll,
    "accept_by_epoll": accept_by_epoll,
    "accept_by_edges": accept_by_edges,
    "accept_by_uring": accept_by_uring,
    "accept_now_and_then": accept_now_and_then,
    "asynchronous": asynchronous,
    "listener_of_somebody_else_at_work": pause,
    "read_one": read_one,
    "sleep_for_one": sleep_for_one,
    "wait_for_a_lock_for_one": wait_for_a_lock_for_one,
    "compute_for_one": compute_for_one,
    "run_a_program_for_one": run_a_program_for_one,
    "threads": lambda one: pool_of_threads(accept, one),
    "threads_headless": lambda one: headless(accept, one),
    "pool": lambda one: pool(accept, one),
    "pool_by_select": lambda one: pool(accept_by_select, one),
    "pool_by_poll": lambda one: pool(accept_by_poll, one),
    "pool_by_epoll": lambda one: pool(accept_by_epoll, one),
    "pool_by_edges": lambda one: pool(accept_by_edges, one),
    "pool_of_all": lambda one: pool_of_all(accept, one),
    "pool_of_threads_each": lambda one: pool(lambda same: pool_of_threads(accept, same), one),
    "pool_of_multiprocessing": pool_of_multiprocessing,
    "pool_by_semaphore": pool_by_semaphore,
    "pool_by_file_lock": pool_by_file_lock,
    "pool_reading": lambda one: pool(read_one, one),
    "pool_sleeping": lambda one: pool(sleep_for_one, one),
    "pool_waiting_for_locks": lambda one: pool(wait_for_a_lock_for_one, one),
    "pool_computing": lambda one: pool(compute_for_one, one),
    "pool_running_programs": lambda one: pool(run_a_program_for_one, one),
    "pool_of_all_reading": lambda one: pool_of_all(read_one, one),
    "pool_now_and_then": lambda one: pool(accept_now_and_then, one),
    "forking_to_read": lambda one: forking(read_all, one),
    "forking_to_sleep": lambda one: forking(lambda _peer: time.sleep(LONG), one),
    "forking_to_compute": lambda one: forking(compute, one),
    "daemon": lambda one: daemon(accept, one),
    "daemon_by_epoll": lambda one: daemon(accept_by_epoll, one),
    "daemon_reading": lambda one: daemon(read_one, one),
    "daemon_sleeping": lambda one: daemon(sleep_for_one, one),
    "daemon_computing": lambda one: daemon(compute_for_one, one),
    "daemon_pool": lambda one: daemon(lambda same: pool(accept, same), one),
    "dropper": lambda one: dropper(accept, one),
    "dropper_reading": lambda one: dropper(read_one, one),
    "dropper_idle": lambda one: dropper(pause, one),
    "dropper_pool": lambda one: dropper(lambda same: pool(accept_by_epoll, same), one),
    "dropper_daemon": lambda one: dropper(lambda same: daemon(accept, same), one),
    "below_a_shell": below_a_shell,
    "reborn": reborn,
    "spawning": spawning,
    "stopped": stopped,
    "pool_stopped": pool_stopped,
    "pool_stopped_early": pool_stopped_early,
    "pool_stopped_in_part": pool_stopped_in_part,
    "forking_between_clients": lambda one: forking(greet, one),
    "passed": lambda one: passed(accept, one, pause),
    "passed_and_shared": lambda one: passed(accept, one, accept),
}
DATAGRAMS: dict[str, Serve] = {
    "receive": receive,
    "receive_pool": lambda one: pool(receive, one),
    "receive_idle": pause,
    "receive_dropper": lambda one: dropper(receive, one),
    "receive_daemon": lambda one: daemon(receive, one),
}
PORTS: dict[str, Callable[[int], None]] = {
    "claim": lambda port: (bound(port), pause())[1],
    "claim_dropper": lambda port: dropper(pause, bound(port)),
    "reuseport": lambda port: reuseport(port, accept, accept, accept),
    "reuseport_busy": lambda port: reuseport(port, accept_by_epoll, read_one, pause),
}


def main(name: str, port: int) -> None:
    """Serve a port, or, where it is negative, the socket that was inherited under that number."""
    if name in PORTS:
        PORTS[name](port)
    elif name in DATAGRAMS:
        DATAGRAMS[name](bound(port, kind=socket.SOCK_DGRAM))
    elif name == "passed_on":
        passed_on(socket.socket(fileno=-port))
    else:
        LISTENERS[name](socket.socket(fileno=-port) if port <= 0 else server(port, backlog=64))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
