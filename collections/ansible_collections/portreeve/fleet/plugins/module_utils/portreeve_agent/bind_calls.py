# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Calls of bind(2) and listen(2) that are refused, and the moment a listener begins or ends, on the whole machine.

The kernel's own trace points tell it, with the time and the process (perf_event_open(2)). With a refused call come the
caller's registers and the top of its stack, where most programs keep the address they ask for.
"""

from __future__ import annotations

import mmap
import os
import socket
import struct

from . import syscalls
from .errors import NotPermitted, NotSupported
from .reading import translate
from .record import NamedTuple
from .typed import Callable, Iterable, Iterator

_TRACING = "/sys/kernel/tracing"
_TRACEPOINT = 2  # PERF_TYPE_TRACEPOINT
_TID, _TIME, _RAW, _REGISTERS, _STACK = 1 << 1, 1 << 2, 1 << 10, 1 << 12, 1 << 13  # PERF_SAMPLE_*
_DISABLED, _USE_CLOCK_ID = 1 << 0, 1 << 25
_LOST, _SAMPLE = 2, 9  # PERF_RECORD_*
_ENABLE, _SET_OUTPUT, _SET_FILTER = 0x2400, 0x2405, 0x40082406  # PERF_EVENT_IOC_*
_STACK_BYTES = 4096
_PAGES = 16
_HEAD = 1024  # of the ring's first page: data_head, data_tail, data_offset, data_size
_ATTRIBUTES = struct.Struct("=IIQQQQQIIQQQQIiQIHH")
_WITHOUT_PORTS = (socket.AF_UNIX, socket.AF_NETLINK, socket.AF_PACKET)
_LONGEST_ADDRESS = 28  # sockaddr_in6
_ERRORS = {13: "EACCES", 98: "EADDRINUSE", 99: "EADDRNOTAVAIL"}  # asm-generic/errno.h

#: By machine: registers that hold the second argument, the first one, and the stack pointer after the call
#: (asm/perf_regs.h), in ascending order of their numbers; the first argument is lost where the result takes its place.
_REGISTERS_OF = {"x86_64": (4, 5, 7), "aarch64": (1, None, 31)}

_REFUSED = " || ".join("ret == -%d" % number for number in _ERRORS)
_RESULT = struct.Struct("=16xq")  # of the record of syscalls:sys_exit_bind and its like: ret
_LISTEN_STATE = 10  # net/tcp_states.h
_TURN = struct.Struct("=16xiiH")  # of the record of sock:inet_sock_set_state: old state, new state, local port
_MOST_RANGES = 20


class BindCall(NamedTuple):
    """A call that was refused with ``error``. ``at_ms`` is monotonic; ``address`` what bind(2) asked for, None when it
    is not told; ``descriptor`` of the socket likewise."""

    call: str
    at_ms: float
    pid: int
    descriptor: int | None
    address: tuple[str, int] | None
    family: int | None
    error: str


class Turn(NamedTuple):
    """A TCP socket that began to listen, or ceased to; ``pid`` is who made it do so. ``at_ms`` is monotonic."""

    begins: bool
    at_ms: float
    pid: int
    port: int


class BindCalls:
    """What every process does from now on; listeners on the ports in ``ranges`` (inclusive) only.

    ``recall`` returns what lies in a process's memory now, by pid, address and size: programs that do not ask from
    their stack mostly keep the address. Raises NotSupported or NotPermitted where the kernel does not tell.
    """

    def __init__(self, ranges: Iterable[tuple[int, int]], recall: Callable[[int, int, int], bytes]) -> None:
        self._recall = recall
        self._registers = _REGISTERS_OF.get(os.uname().machine, (None, None, None))
        events = {
            "bind": ("syscalls/sys_exit_bind", _REFUSED),
            "listen": ("syscalls/sys_exit_listen", _REFUSED),
            "turn": ("sock/inet_sock_set_state", _turns_of(list(ranges))),
        }
        self._events: dict[int, tuple[str, str]] = {}
        self.lost = 0  # so many came faster than they were read
        self._opened: list[int] = []
        self._rings: dict[int, mmap.mmap] = {}
        try:
            for name, (event, condition) in events.items():
                self._events[_read_id(event)] = name, condition
            processors = _online()
            _check_limit(len(events) * len(processors))
            for cpu in processors:
                self._open(cpu)
        except OSError as error:
            self.close()
            translate(error, "trace points")
        except (NotPermitted, NotSupported):
            self.close()
            raise

    def _open(self, cpu: int) -> None:
        import fcntl

        first = None
        for one, (_name, condition) in self._events.items():
            descriptor = syscalls.open_perf_event(self._attributes(one), cpu)
            self._opened.append(descriptor)
            fcntl.ioctl(descriptor, _SET_FILTER, condition.encode("ascii") + b"\0")
            if first is None:
                first = descriptor
                self._rings[descriptor] = mmap.mmap(descriptor, (1 + _PAGES) * mmap.PAGESIZE)
            else:
                fcntl.ioctl(descriptor, _SET_OUTPUT, first)
            fcntl.ioctl(descriptor, _ENABLE, 0)

    def _attributes(self, one: int) -> bytes:
        told = [register for register in self._registers if register is not None]
        kinds = _TID | _TIME | _RAW | ((_REGISTERS | _STACK) if told else 0)
        return _ATTRIBUTES.pack(
            _TRACEPOINT, _ATTRIBUTES.size, one, 1, kinds, 0, _DISABLED | _USE_CLOCK_ID, 1, 0, 0, 0, 0,
            sum(1 << register for register in told), _STACK_BYTES if told else 0, 1, 0, 0, 0, 0,
        )  # fmt: skip

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Descriptors that become readable with the next call."""
        return tuple(self._rings)

    @property
    def taken(self) -> int:
        """How many descriptors are in use."""
        return len(self._opened)

    def read(self) -> list[BindCall | Turn]:
        """Return what was done since the last read, in order."""
        done = [one for ring in self._rings.values() for one in self._drain(ring)]
        return sorted(done, key=lambda one: one.at_ms)

    def _drain(self, ring: mmap.mmap) -> Iterator[BindCall | Turn]:
        head, tail, start, size = struct.unpack_from("=QQQQ", ring, _HEAD)
        while tail < head:
            place = tail % size
            kind, _misc, length = struct.unpack("=IHH", _around(ring, start, size, place, 8))
            if kind == _LOST:
                self.lost += struct.unpack_from("=Q", _around(ring, start, size, place, length), 16)[0]
            elif kind == _SAMPLE:
                call = self._parse(_around(ring, start, size, place, length))
                if call is not None:
                    yield call
            tail += length
        struct.pack_into("=Q", ring, _HEAD + 8, tail)

    def _parse(self, record: bytes) -> BindCall | Turn | None:
        pid, _tid, nanoseconds, raw_size = struct.unpack_from("=IIQI", record, 8)
        raw = 8 + 20
        name, _condition = self._events.get(struct.unpack_from("=H", record, raw)[0], ("", ""))
        if name == "turn":
            _before, after, port = _TURN.unpack_from(record, raw)
            return Turn(after == _LISTEN_STATE, nanoseconds / 1e6, pid, port)
        if not name or pid in (0, 0xFFFFFFFF):  # of a process outside of our PID namespace
            return None
        descriptor, place, top, stack = self._arguments(record, raw + raw_size)
        family = address = None
        if name == "bind" and place is not None:
            packed = stack[place - top :][:_LONGEST_ADDRESS] if 0 <= place - top < len(stack) else b""
            family, address = parse_address(packed or self._recall(pid, place, _LONGEST_ADDRESS))
        error = _ERRORS.get(-_RESULT.unpack_from(record, raw)[0], "an error")
        return BindCall(name, nanoseconds / 1e6, pid, descriptor, address, family, error)

    def _arguments(self, record: bytes, start: int) -> tuple[int | None, int | None, int, bytes]:
        """Return descriptor, where the address lies, where the stack's top lies, and what is on it."""
        told = sorted(register for register in self._registers if register is not None)
        if not told or not struct.unpack_from("=Q", record, start)[0]:
            return None, None, 0, b""
        values = dict(zip(told, struct.unpack_from("=%dQ" % len(told), record, start + 8)))
        start += 8 + 8 * len(told)
        size = struct.unpack_from("=Q", record, start)[0]
        used = struct.unpack_from("=Q", record, start + 8 + size)[0] if size else 0
        second, first, top = self._registers
        return (
            None if first is None else values[first] & 0x7FFFFFFF,
            values[second] if second is not None else None,
            values[top] if top is not None else 0,
            record[start + 8 : start + 8 + used],
        )

    def close(self) -> None:
        """Let go of everything."""
        for ring in self._rings.values():
            ring.close()
        for descriptor in self._opened:
            os.close(descriptor)
        self._rings, self._opened = {}, []


def parse_address(packed: bytes) -> tuple[int | None, tuple[str, int] | None]:
    """Return (family, (address, port)) of a sockaddr, (None, None) where it is none that is known.

    ``parse_address(bytes.fromhex("02001f907f000001") + bytes(8)) == (2, ("127.0.0.1", 8080))`` if little-endian.
    """
    if len(packed) < 8:
        return None, None
    family = struct.unpack_from("=H", packed)[0]
    port = struct.unpack_from(">H", packed, 2)[0]
    if family == socket.AF_INET:
        return family, (socket.inet_ntop(socket.AF_INET, packed[4:8]), port)
    if family == socket.AF_INET6 and len(packed) >= 24:
        return family, (socket.inet_ntop(socket.AF_INET6, packed[8:24]), port)
    return (family, None) if family in _WITHOUT_PORTS else (None, None)


def _turns_of(ranges: list[tuple[int, int]]) -> str:
    """Return the filter for listeners on some ports (Documentation/trace/events.rst); of too many ranges, the hull."""
    if len(ranges) > _MOST_RANGES:
        ranges = [(min(low for low, _high in ranges), max(high for _low, high in ranges))]
    ports = " || ".join("(sport >= %d && sport <= %d)" % one for one in ranges)
    return "(oldstate == %d || newstate == %d) && (%s)" % (_LISTEN_STATE, _LISTEN_STATE, ports)


def _around(ring: mmap.mmap, start: int, size: int, place: int, length: int) -> bytes:
    """Return a record that may go on at the ring's beginning."""
    straight = ring[start + place : start + min(place + length, size)]
    return straight + ring[start : start + length - len(straight)]


def _read_id(event: str) -> int:
    """Return the number of a trace point; tracefs is looked at where it is mounted, or else apart from everything."""
    name = "events/%s/id" % event
    try:
        descriptor = os.open("%s/%s" % (_TRACING, name), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        directory = syscalls.mount_apart("tracefs")
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
        finally:
            os.close(directory)
    try:
        return int(os.read(descriptor, 64))
    finally:
        os.close(descriptor)


def _check_limit(needed: int) -> None:
    """Raise NotSupported unless ``needed`` descriptors leave enough of those that we may have for all the rest."""
    import resource

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit != resource.RLIM_INFINITY and needed > limit // 2:
        raise NotSupported("%d descriptors are needed, and only %d may be open (ulimit -n)" % (needed, limit))


def _online() -> list[int]:
    """Return the numbers of the CPUs that are online: ``0-3,6`` in the kernel's own list."""
    with open("/sys/devices/system/cpu/online", encoding="ascii") as listing:
        ranges = [part.split("-") for part in listing.read().strip().split(",")]
    return [cpu for one in ranges for cpu in range(int(one[0]), int(one[-1]) + 1)]
