# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What programs over the sockets of all descriptors have in common (kernel/bpf/task_iter.c)."""

from __future__ import annotations

from ..typed import Iterator
from .bpf import (
    PROBE_READ_KERNEL,
    R0,
    R1,
    R2,
    R3,
    R6,
    R7,
    R9,
    R10,
    SEQ_WRITE,
    Label,
    Step,
    Value,
    add,
    call,
    jump_if_equal,
    jump_if_not_equal,
    leave,
    load,
    move,
    store,
)
from .btf import Types

ITERATOR = "bpf_iter_task_file"
TASK, DESCRIPTOR, FILE = 8, 16, 24  # its arguments
FIRST_PID_NAMESPACE = 0xEFFFFFFC  # linux/proc_ns.h
_META = 0
SOCKET = 0x534F434B  # the filesystem of sockets (linux/magic.h)


def for_each_socket(types: Types, inode: int) -> Iterator[Step]:
    """Yield the first steps of a program, which go to "end" for what is no socket.

    The file that a UNIX socket is bound to is none: its inode number may be that of another socket.
    After them R9 is the task, R7 the file, and the inode's number lies on the stack at ``inode``; R6 is for the end.
    """
    yield move(R6, R1)
    yield load(8, R9, R6, TASK)
    yield jump_if_equal(R9, Value(0), "end")
    yield load(8, R7, R6, FILE)
    yield jump_if_equal(R7, Value(0), "end")
    yield load(8, R1, R7, types.offset("file", "f_inode"))
    yield load(8, R2, R1, types.offset("inode", "i_sb"))
    yield load(8, R2, R2, types.offset("super_block", "s_magic"))
    yield jump_if_not_equal(R2, Value(SOCKET), "end")
    yield load(8, R3, R1, types.offset("inode", "i_ino"))
    yield store(8, R10, inode, R3)


def copy(place: int, size: int, failed: str) -> Iterator[Step]:
    """Yield the steps that copy what R3 points to onto the stack, and go to ``failed`` where it cannot be read."""
    yield move(R1, R10)
    yield add(R1, Value(place))
    yield move(R2, Value(size))
    yield call(PROBE_READ_KERNEL)
    yield jump_if_not_equal(R0, Value(0), failed)


def write_row(types: Types, place: int, size: int) -> Iterator[Step]:
    """Yield the last steps of a program: write down a row that lies on the stack, and "end"."""
    yield load(8, R1, R6, _META)
    yield load(8, R1, R1, types.offset("bpf_iter_meta", "seq"))
    yield move(R2, R10)
    yield add(R2, Value(place))
    yield move(R3, Value(size))
    yield call(SEQ_WRITE)
    yield Label("end")
    yield move(R0, Value(0))
    yield leave()
