# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The descriptors of all processes by one pass inside the kernel, in place of one system call for each (docs/adr/0008).

A program runs over every descriptor of every thread that has a table of its own (kernel/bpf/task_iter.c) and writes
down those that lead to no path: sockets, pipes and what else has a name from the kernel.
"""

from __future__ import annotations

import struct
import sys
from itertools import chain, groupby

from ..errors import NotSupported
from ..host import Host
from ..typed import Collection, Iterable, Iterator, Tuple
from .bpf import (
    R1,
    R2,
    R3,
    R6,
    R7,
    R8,
    R9,
    R10,
    Label,
    Step,
    Value,
    jump,
    jump_if_equal,
    jump_if_low_half_equals,
    jump_if_not_equal,
    load,
    loaded,
    move,
    store,
)
from .btf import Types
from .kept_types import known_types
from .socket_iteration import DESCRIPTOR, FILE, FIRST_PID_NAMESPACE, ITERATOR, SOCKET, TASK, copy, write_row

PIPE, ANONYMOUS = 0x50495045, 0x09041934  # linux/magic.h
EPOLL, URING = (int.from_bytes(name, sys.byteorder) for name in (b"[eventpo", b"[io_urin"))
MOST_CHOSEN = 256  # sockets that the kernel looks for itself, by comparing with one after the other

_ROW = struct.Struct("=QIIII")  # inode, or the first letters of an anonymous one; process, thread, descriptor, kind
_PROCESS = struct.Struct("=I")
_PROCESSES = "bpf_iter_task"
_INODE, _PID, _TID, _DESCRIPTOR, _KIND = -24, -16, -12, -8, -4

_NAMELESS = 0  # what stays of a name that cannot be copied
_BPF, _PERFMON, _SYS_ADMIN = 1 << 39, 1 << 38, 1 << 21  # capabilities(7)

Row = Tuple[int, int, int, int, int]


class Rows:
    """What the kernel wrote down, as it lies there: of what may be a million rows, one process's are read at once."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._places: dict[int, list[tuple[int, int]]] = {}
        start = 0
        for pid, same in groupby(self._data.cast("I")[2 :: _ROW.size // 4]):
            end = start + _ROW.size * sum(1 for _row in same)
            self._places.setdefault(pid, []).append((start, end))
            start = end

    def get(self, pid: int, without: Iterable[Row] = ()) -> Iterable[Row]:
        """Return the rows of a process, to be gone through once, or ``without`` any."""
        places = [_ROW.iter_unpack(self._data[start:end]) for start, end in self._places.get(pid, ())]
        return chain(*places) if places else without


def scan_files(host: Host, sockets: Collection[int] | None) -> tuple[Rows, frozenset[int]]:
    """Return the rows by process, and the processes that the kernel showed to the program at all.

    There is a row for each descriptor that leads to no path: (inode, process, thread, descriptor, kind).
    A kind is the number of a filesystem (linux/magic.h); of an ``ANONYMOUS`` one, the inode stands for its name.
    With ``sockets``, at most ``MOST_CHOSEN`` inodes, only rows of these and of each io_uring are there. Threads have
    rows of their own only where they do not share the table of their group leader, or where that has ended.
    Raises NotSupported or NotPermitted where the kernel does not tell (Linux 5.8 with BTF; CAP_BPF and CAP_PERFMON).
    """
    _check_sight(host)
    with known_types(host) as types:
        of_files = types.function(ITERATOR), list(_program(types, sockets))
        of_processes = types.function(_PROCESSES), list(_process_program(types))
    with loaded(host, *of_processes) as processes:
        seen = frozenset(pid for (pid,) in _PROCESS.iter_unpack(processes.everywhere()))
    with loaded(host, *of_files) as files:
        data = files.everywhere()
    if _has_nameless(data):
        raise NotSupported("the kernel does not tell the names of anonymous files: a lockdown keeps programs from them")
    return Rows(data), seen


def _has_nameless(data: bytes) -> bool:
    """Return whether a name could not be copied: before Linux 5.13 a lockdown lets a program in and then blinds it."""
    if _NAMELESS not in memoryview(data).cast("Q")[:: _ROW.size // 8]:
        return False
    return any(inode == _NAMELESS and kind == ANONYMOUS for inode, _pid, _tid, _fd, kind in _ROW.iter_unpack(data))


def _check_sight(host: Host) -> None:
    """Raise where it is known beforehand that it would be in vain, or tell of others than /proc does: rows have process
    ids of the first PID namespace."""
    capable = 0
    for line in host.read("/proc/self/status").split(b"\n"):
        if line.startswith(b"CapEff:"):
            capable = int(line.split()[1], 16)
    if not (capable & _SYS_ADMIN or (capable & _BPF and capable & _PERFMON)):
        raise NotSupported("bpf(2) is not permitted: neither CAP_SYS_ADMIN nor CAP_BPF with CAP_PERFMON")
    if host.inode("/proc/self/ns/pid") != FIRST_PID_NAMESPACE or host.readlink("/proc/self") != str(host.own_pid()):
        raise NotSupported("process ids here are not those of the kernel's first PID namespace")


def _program(types: Types, sockets: Collection[int] | None) -> Iterator[Step]:
    """Yield the steps that write one row for each descriptor whose name the kernel makes up (fs/d_path.c, d_dname)."""
    yield move(R6, R1)
    yield load(8, R9, R6, TASK)
    yield jump_if_equal(R9, Value(0), "end")
    yield load(8, R7, R6, FILE)
    yield jump_if_equal(R7, Value(0), "end")
    yield load(8, R8, R7, types.offset("file", "f_path") + types.offset("path", "dentry"))
    yield load(8, R1, R8, types.offset("dentry", "d_op"))
    yield load(8, R1, R1, types.offset("dentry_operations", "d_dname"))
    yield jump_if_equal(R1, Value(0), "end")
    yield load(8, R1, R7, types.offset("file", "f_inode"))
    yield load(8, R3, R1, types.offset("inode", "i_ino"))
    yield store(8, R10, _INODE, R3)
    yield load(8, R2, R1, types.offset("inode", "i_sb"))
    yield load(8, R2, R2, types.offset("super_block", "s_magic"))
    yield store(4, R10, _KIND, R2)
    yield jump_if_equal(R2, Value(ANONYMOUS), "anonymous")
    if sockets is not None:
        yield jump_if_not_equal(R2, Value(SOCKET), "end")
        for inode in sorted(sockets):
            yield jump_if_low_half_equals(R3, inode, "row")
    yield jump("row" if sockets is None else "end")
    yield Label("anonymous")
    yield load(8, R3, R8, types.offset("dentry", "d_name") + types.offset("qstr", "name"))
    yield from copy(_INODE, 8, "row")
    if sockets is not None:
        yield load(8, R3, R10, _INODE)
        yield jump_if_low_half_equals(R3, URING, "row")
        yield jump("end")
    yield Label("row")
    yield load(4, R3, R9, types.offset("task_struct", "tgid"))
    yield store(4, R10, _PID, R3)
    yield load(4, R3, R9, types.offset("task_struct", "pid"))
    yield store(4, R10, _TID, R3)
    yield load(4, R3, R6, DESCRIPTOR)
    yield store(4, R10, _DESCRIPTOR, R3)
    yield from write_row(types, _INODE, _ROW.size)


def _process_program(types: Types) -> Iterator[Step]:
    """Yield the steps that write the number of each process: one that is not among them was not looked into either."""
    yield move(R6, R1)
    yield load(8, R9, R6, TASK)
    yield jump_if_equal(R9, Value(0), "end")
    yield load(4, R3, R9, types.offset("task_struct", "tgid"))
    yield load(4, R2, R9, types.offset("task_struct", "pid"))
    yield jump_if_not_equal(R2, R3, "end")
    yield store(4, R10, _PID, R3)
    yield from write_row(types, _PID, _PROCESS.size)
