# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the threads of a process wait for: which descriptors, which epoll sets, whose turn (proc(5), syscall)."""

from __future__ import annotations

import struct

from .errors import Gone, NotPermitted, NotSupported
from .process_directory import ProcessDirectory
from .record import NamedTuple
from .typed import Iterable, Mapping, Sequence

_ONE = "accept", "accept4", "recvfrom", "recvmsg", "recvmmsg", "read", "readv"  # their first argument is the descriptor
_NAPS = {"nanosleep": 0, "clock_nanosleep": 2}  # the argument that points to the time
_POLLS = "poll", "ppoll", "select", "pselect6"
_LOCKS = "semop", "semtimedop", "flock", "fcntl"  # by which pre-fork servers let one worker accept at a time
_GENERIC = {
    202: "accept", 242: "accept4", 207: "recvfrom", 212: "recvmsg", 243: "recvmmsg", 63: "read", 65: "readv",
    73: "ppoll", 72: "pselect6", 22: "epoll_pwait", 441: "epoll_pwait2", 193: "semop", 192: "semtimedop",
    32: "flock", 25: "fcntl", 98: "futex", 426: "io_uring_enter", 101: "nanosleep", 115: "clock_nanosleep",
    203: "connect", 206: "sendto", 211: "sendmsg",
}  # fmt: skip
#: System calls by number (asm/unistd_64.h, asm-generic/unistd.h); of other machines only the wait channel tells.
_CALLS: dict[str, dict[int, str]] = {
    "x86_64": {
        43: "accept", 288: "accept4", 45: "recvfrom", 47: "recvmsg", 299: "recvmmsg", 0: "read", 19: "readv",
        7: "poll", 271: "ppoll", 23: "select", 270: "pselect6", 232: "epoll_wait", 281: "epoll_pwait",
        441: "epoll_pwait2", 65: "semop", 220: "semtimedop", 73: "flock", 72: "fcntl", 202: "futex",
        426: "io_uring_enter", 35: "nanosleep", 230: "clock_nanosleep",
        42: "connect", 44: "sendto", 46: "sendmsg",
    },
    "aarch64": _GENERIC,
    "riscv64": _GENERIC,
    "loongarch64": _GENERIC,
}  # fmt: skip
_ON_PEERS = {"connect", "recvfrom", "recvmsg", "recvmmsg", "sendto", "sendmsg"}
_COMPAT_STACKS = 1 << 32  # below: a process of 32 bits, whose calls have other numbers
_MOST_POLLED = 1 << 12
_MOST_THREADS = 512
_TIME = struct.Struct("=qq")  # struct timespec
_SHORT = 1.0  # seconds: who sleeps no longer may look at a socket now and then
_POLLED = struct.Struct("=ihh")  # struct pollfd
_ABSOLUTE = 0x1  # TIMER_ABSTIME
_MONOTONIC = 1  # CLOCK_MONOTONIC
_READABLE, _WRITABLE = 0x1, 0x4  # POLLIN, POLLOUT


class Waiting(NamedTuple):
    """What one process waits for at one moment.

    ``descriptors`` it waits on by the call it does so in; ``epolls`` in whose sets it waits; ``calls`` are the names of
    all calls its threads are blocked in, '' for what could not be told; ``marks`` change as soon as a thread runs.
    ``naps``: a thread sleeps for a moment only; ``busy``: one computes, or waits for a peer. Not ``told``: some thread
    was not looked at, or what it waits for could not be read.
    """

    descriptors: Mapping[int, str]
    epolls: frozenset[int]
    calls: frozenset[str]
    marks: tuple[bytes, ...]
    naps: bool
    busy: bool
    told: bool

    @property
    def in_turn(self) -> bool:
        """True when a thread waits for a lock as those around accept() are."""
        return not self.calls.isdisjoint(_LOCKS)

    @property
    def in_memory(self) -> bool:
        """True when only the memory of the process tells what a thread waits for, or for how long."""
        return not self.calls.isdisjoint(_POLLS) or not self.calls.isdisjoint(_NAPS)


def read_waiting(directory: ProcessDirectory, machine: str, now: float, into_memory: bool = True) -> Waiting:
    """Return what the threads of a process are blocked in at ``now``, seconds of the monotonic clock.

    Its memory tells what poll() and the like wait for. To read that may take for ever, if a filesystem in user space is
    mapped there and wants it so: do it where one can be left behind. Raises Gone or NotPermitted as reading does.
    """
    descriptors: dict[int, str] = {}
    writing: set[int] = set()
    epolls = set()
    calls = set()
    marks = []
    naps = False
    threads = directory.list("task")
    told = len(threads) <= _MOST_THREADS
    for tid in threads[:_MOST_THREADS]:
        try:
            line = directory.read("task/%s/syscall" % tid)
            marks.append(line + _switches(directory.read("task/%s/status" % tid)))
        except (Gone, NotSupported):
            continue
        call, arguments = parse_call(line, _CALLS.get(machine, {}))
        calls.add(call)
        if call in _ONE:
            descriptors[arguments[0]] = call
        elif call in _NAPS:
            memory = _remembered(directory, arguments[_NAPS[call]], _TIME.size) if into_memory else b""
            told = told and len(memory) == _TIME.size
            naps = naps or _time_left(memory, call, arguments, now) <= _SHORT
        elif call.startswith("epoll"):
            epolls.add(arguments[0])
        elif call in ("poll", "ppoll"):
            size = min(arguments[1], _MOST_POLLED) * _POLLED.size
            memory = _remembered(directory, arguments[0], size) if into_memory else b""
            told = told and len(memory) == size and arguments[1] <= _MOST_POLLED
            whole = memory[: len(memory) // _POLLED.size * _POLLED.size]
            polled = list(_POLLED.iter_unpack(whole))
            descriptors.update((fd, call) for fd, events, _answer in polled if events & _READABLE)
            writing.update(fd for fd, events, _answer in polled if events & _WRITABLE)
        elif call in ("select", "pselect6"):
            size = min(arguments[0], _MOST_POLLED) + 7 >> 3
            told = told and arguments[0] <= _MOST_POLLED
            for address, interest in ((arguments[1], descriptors), (arguments[2], writing)):
                bits = _remembered(directory, address, size) if into_memory and address else b""
                told = told and (len(bits) == size or not address)
                chosen = [fd for fd in range(len(bits) * 8) if bits[fd >> 3] >> (fd & 7) & 1]
                interest.update(dict.fromkeys(chosen, call))
    peers = writing.union(fd for fd, call in descriptors.items() if not call.startswith("accept"))
    busy = "" in calls or not calls.isdisjoint(_ON_PEERS) or _any_socket(directory, peers)
    return Waiting(descriptors, frozenset(epolls), frozenset(calls), tuple(marks), naps, busy, told)


def _any_socket(directory: ProcessDirectory, descriptors: Iterable[int]) -> bool:
    """Return whether one of the descriptors is a socket."""
    for descriptor in descriptors:
        try:
            if directory.readlink("fd/%d" % descriptor).startswith("socket:"):
                return True
        except (Gone, NotPermitted, NotSupported):
            continue
    return False


def parse_call(line: bytes, names: Mapping[int, str]) -> tuple[str, Sequence[int]]:
    """Return the call a thread is blocked in and its arguments, '' for one that runs or whose calls have no names here.

    ``parse_call(b"288 0x3 0 0 0 0 0 0x7ffc1234abcd 0x7f\\n", {288: "accept4"})[0] == "accept4"``
    """
    values = line.split()
    if len(values) < 9 or int(values[7], 16) < _COMPAT_STACKS or not names:
        return "", ()
    arguments = [int(value, 16) for value in values[1:7]]
    return names.get(int(values[0]), "another"), arguments


def _time_left(memory: bytes, call: str, arguments: Sequence[int], now: float) -> float:
    """Return for how many seconds a thread sleeps (clock_nanosleep(2)), none if until a time of another clock."""
    if len(memory) < _TIME.size:
        return 0.0
    seconds, nanoseconds = _TIME.unpack(memory)
    until = seconds + nanoseconds / 1e9
    if call == "clock_nanosleep" and arguments[1] & _ABSOLUTE:
        return max(0.0, until - now) if arguments[0] == _MONOTONIC else 0.0
    return float(until)


def _switches(status: bytes) -> bytes:
    return status[status.find(b"voluntary_ctxt_switches") :]


def _remembered(directory: ProcessDirectory, address: int, size: int) -> bytes:
    """Return memory of the process, nothing when it cannot be read."""
    try:
        return directory.read_memory(address, size)
    except (Gone, NotPermitted, NotSupported):
        return b""
