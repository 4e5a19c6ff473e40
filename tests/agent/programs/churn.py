# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Processes and sockets in constant change on a few ports, with a log of who ever held what.

A line of the log is ``inode pid name``: that process, while it had that name, held that socket. Inode numbers do not
come twice, process ids are made to. Everyone who holds writes a line, if not at once: the log is complete when all of
this has ended.
"""

from __future__ import annotations

import os
import random
import select
import signal
import socket
import sys
from collections.abc import Callable

from stage import LIBC, bound, called, fork_as, hand_over, inode, ready, server, until

RESTARTED, PREFORKED, BOUND, DATAGRAMS, EXECUTED, RELAYED, PASSED, STEADY = range(7001, 7009)
_SET_NAME, _SET_CHILD_SUBREAPER = 15, 36  # prctl(2)
_LOOKED_BACK = 2048

_end = select.poll()
_end.register(0, 0)
_log = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT | os.O_APPEND)


def ended(most_milliseconds: int) -> bool:
    """Hold for a while, at most; returns whether the test has gone."""
    return bool(_end.poll(random.uniform(0, most_milliseconds)))


def named(name: str) -> str:
    called(LIBC.prctl(_SET_NAME, name.encode(), 0, 0, 0))
    return name


def held(number: int, *names: str, pid: int = 0) -> None:
    os.write(_log, b"".join(b"%d %d %s\n" % (number, pid or os.getpid(), name.encode()) for name in names))


def spawn(wanted: int = 0) -> int:
    """Fork, if possible with the process id ``wanted``, and forget what the parent knew of chance."""
    child = fork_as(wanted) if wanted else -1
    if child < 0:
        child = os.fork()
    if not child:
        random.seed(os.getpid() * 1_000_003 + random.getrandbits(32))
    return child


def used_before() -> int:
    """Return a process id that was in the log lately, 0 if there is none."""
    with open(f"/proc/self/fd/{_log}", "rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - _LOOKED_BACK))
        lines = log.read().split(b"\n")[1:-1]
    return int(random.choice(lines).split()[1]) if lines else 0


def listening() -> set[int]:
    """Return the ports on which somebody listens in this network namespace."""
    with open("/proc/thread-self/net/tcp") as table:
        rows = [line.split() for line in table][1:]
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == "0A"}


def reap() -> None:
    """Wait until all children have ended, and those that they left behind."""
    try:
        while True:
            child, status = os.waitpid(-1, 0)
            if status not in {0, signal.SIGKILL}:
                sys.stderr.write(f"process {child} ended with status {status}\n")
    except ChildProcessError:
        return


def serve(name: str, make: Callable[[], socket.socket]) -> socket.socket:
    """Return a bound socket; its name and number are in the log before it can have the port."""
    own = named(name)
    one = make()
    held(inode(one), own)
    return one


# --- one generation of each lane -------------------------------------------------------------------------------------


def restart(number: int) -> None:
    if not spawn(used_before()):
        name = f"g{number}"
        servers = [
            serve(name, lambda: server(RESTARTED)),
            serve(name, lambda: bound(BOUND)),
            serve(name, lambda: bound(DATAGRAMS, kind=socket.SOCK_DGRAM)),
        ]
        ended(60)
        for one in servers:
            one.close()
        os._exit(0)
    reap()


def prefork(number: int) -> None:
    if not spawn(used_before()):
        name = f"p{number}"
        one = serve(name, lambda: server(PREFORKED))
        for _worker in range(3):
            if not spawn():
                held(inode(one), name, name + "w")
                named(name + "w")
                ended(60)
                os._exit(0)
        ended(30)  # workers may outlive it
        os._exit(0)
    reap()


def execute(number: int) -> None:
    """A server whose child becomes another program, which inherits the socket every other time."""
    if not spawn():
        name = f"x{number}"
        one = serve(name, lambda: server(EXECUTED))
        one.set_inheritable(number % 2 == 0)
        child = spawn()
        if not child:
            ended(3)
            os.execlp("cat", "cat")
        held(inode(one), name, *(["cat"] if number % 2 == 0 else []), pid=child)
        ended(30)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os._exit(0)
    reap()


def relay() -> None:
    """One socket for good, inherited from process to process; numbers of ancestors come again."""
    if not spawn():
        one = serve("r0", lambda: server(RELAYED))
        ancestors, number = [os.getpid()], 0
        while not ended(16):
            if spawn(ancestors.pop(0) if len(ancestors) > 3 else 0):
                os._exit(0)
            number += 1
            held(inode(one), f"r{number - 1}", f"r{number}")
            named(f"r{number}")
            ancestors.append(os.getpid())
        os._exit(0)
    reap()


def pass_on() -> None:
    """One socket for good, sent to and fro between two processes: each has closed it when the other receives it."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    for number in (0, 1):
        if not spawn():
            end = ends[number]
            ends[1 - number].close()
            named(f"s{number}")
            if number == 0:
                one = server(PASSED)
                held(inode(one), "s0")
                hand_over(end, one.fileno())
                one.close()
            first = True
            while True:
                _data, descriptors, _flags, _address = socket.recv_fds(end, 1, 1)
                if not descriptors:
                    os._exit(0)
                with socket.socket(fileno=descriptors[0]) as one:
                    if first:
                        held(inode(one), f"s{number}")
                        first = False
                    if ended(40):
                        os._exit(0)
                    hand_over(end, one.fileno())
    for end in ends:
        end.close()
    reap()


def noise() -> None:
    """A process that holds nothing on these ports, with the number of one that did."""
    wanted = used_before()
    if not spawn(wanted):
        named("noise")
        unrelated = bound(0, kind=socket.SOCK_DGRAM)
        if os.getpid() == wanted:
            held(0, "noise")
        ended(30)
        unrelated.close()
        os._exit(0)
    reap()


def lane(generation: Callable[[int], None], forever: bool = True) -> None:
    if os.fork():
        return
    called(LIBC.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
    random.seed(os.getpid())
    number = 0
    while True:
        generation(number)
        number += 1
        if not forever or ended(8):
            os._exit(0)


def main() -> None:
    lane(restart)
    lane(prefork)
    lane(execute)
    lane(lambda _number: relay(), forever=False)
    lane(lambda _number: pass_on(), forever=False)
    lane(lambda _number: noise())
    steady = server(STEADY)
    workers = []
    for _worker in range(3):
        workers.append(os.fork())
        if not workers[-1]:
            while not ended(60_000):
                pass
            os._exit(0)
    until(lambda: {RELAYED, PASSED} <= listening(), "not all servers are up")
    ready(pids=sorted([os.getpid(), *workers]), fd=steady.fileno(), inode=inode(steady))
    while not ended(60_000):
        pass
    reap()
    ready(over=True)
    sys.exit()
