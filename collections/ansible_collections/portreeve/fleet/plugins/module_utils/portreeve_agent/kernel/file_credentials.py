# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Did this very process make this socket? The kernel keeps with each open file the credentials of who opened it.

Not a copy of them but the object itself (credentials(7), Documentation/security/credentials.rst). Threads share it,
fork() and execve() make a new one, and so does every change of user, group or capability (docs/adr/0003).
"""

from __future__ import annotations

import struct

from ..errors import NotSupported
from ..host import Host
from ..typed import Collection, Iterable, Iterator, Mapping
from .bpf import (
    R1,
    R2,
    R3,
    R7,
    R8,
    R9,
    R10,
    Iteration,
    Label,
    Step,
    Value,
    add,
    jump,
    jump_if_equal,
    jump_if_greater,
    jump_if_not_equal,
    load,
    loaded,
    move,
    set_bits,
    store,
    toggle,
)
from .btf import Types, read_types
from .socket_iteration import FIRST_PID_NAMESPACE, ITERATOR, copy, for_each_socket, write_row

_ROW = struct.Struct("=QII")  # what the program writes: inode, process, one of these
_UNDECIDED, _MADE, _INHERITED = range(3)

_MOST_THREADS = 256  # the verifier follows each round of a loop, and takes its time

_NUMBERS = ("uid", "gid", "suid", "sgid", "euid", "egid", "fsuid", "fsgid", "securebits")
_CAPABILITIES = ("cap_inheritable", "cap_permitted", "cap_effective", "cap_bset", "cap_ambient")
_POINTERS = ("user_ns", "group_info")
_KEYRINGS = ("session_keyring", "process_keyring", "thread_keyring")  # only in kernels with keys

# Where things lie on the program's stack.
_INODE, _PID, _OUTCOME = -16, -8, -4
_HEAD, _NODE, _OWN, _OF_THREAD, _DIFFERENCE = -24, -32, -40, -48, -56


def read_makers(
    host: Host, wanted: Mapping[int, Collection[int]], types: Types | None = None
) -> dict[tuple[int, int], bool]:
    """Return, by (pid, inode), whether a process made a socket that it holds; ``wanted`` are inodes by pid, ``types``
    the kernel's if they have been read already.

    True: it did, and has neither executed a program nor changed its credentials since. False: it got it by fork() or
    over a UNIX socket, or made it before it last executed a program. A pair that cannot be decided is not in it.
    Raises NotSupported or NotPermitted where the kernel does not tell (Linux 5.8 with BTF; CAP_BPF and CAP_PERFMON).
    """
    types = types or read_types(host)
    if host.readlink("/proc/self") != str(host.own_pid()):
        raise NotSupported("/proc has the process ids of another PID namespace than the kernel takes from the agent")
    asked = {pid: frozenset(inodes) for pid, inodes in wanted.items()}
    rows: dict[tuple[int, int], int] = {}
    with loaded(host, types.function(ITERATOR), list(_program(types))) as files:
        for inode, pid, outcome in _rows(host, files, asked):
            if inode in asked.get(pid, ()):
                rows[pid, inode] = outcome
    known = {pair: outcome == _MADE for pair, outcome in rows.items() if outcome != _UNDECIDED}
    made = {inode for (_pid, inode), by_it in known.items() if by_it}
    return {**{pair: False for pair in rows if pair[1] in made}, **known}  # what one made, no other did


def _rows(host: Host, files: Iteration, pids: Iterable[int]) -> Iterator[tuple[int, int, int]]:
    """Yield inode, process and outcome. A process is asked for by its number in the agent's own PID namespace; rows
    about all processes have numbers of the first one."""
    try:
        for pid in pids:
            for inode, _pid, outcome in _ROW.iter_unpack(files.of_process(pid)):
                yield inode, pid, outcome
    except NotSupported:  # before Linux 6.1
        if host.inode("/proc/self/ns/pid") != FIRST_PID_NAMESPACE:
            raise
        yield from _ROW.iter_unpack(files.everywhere())


def _program(types: Types) -> Iterator[Step]:
    """Yield the steps that write one row for each descriptor of a socket."""
    real_cred = types.offset("task_struct", "real_cred")
    yield from for_each_socket(types, _INODE)
    yield load(4, R3, R9, types.offset("task_struct", "tgid"))
    yield store(4, R10, _PID, R3)
    yield load(8, R8, R7, types.offset("file", "f_cred"))
    yield load(8, R7, R9, real_cred)
    yield store(4, R10, _OUTCOME, Value(_MADE))
    yield jump_if_equal(R7, R8, "write")
    yield from _any_thread(types, real_cred)
    yield from _same_content(types)
    yield store(4, R10, _OUTCOME, Value(_INHERITED))
    yield jump("write")
    yield Label("undecided")
    yield store(4, R10, _OUTCOME, Value(_UNDECIDED))
    yield Label("write")
    yield from write_row(types, _INODE, _ROW.size)


def _any_thread(types: Types, real_cred: int) -> Iterator[Step]:
    """Yield the steps that go to "write" when a thread has the file's credentials (R8), and to "undecided" when threads
    of the process (R9) differ: each has its own after a change in all of them, and one that ended cannot be asked."""
    yield move(R3, R9)
    yield add(R3, Value(real_cred))
    yield from copy(_OWN, 8, "undecided")
    yield load(8, R3, R9, types.offset("task_struct", "signal"))
    yield add(R3, Value(types.offset("signal_struct", "thread_head")))
    yield store(8, R10, _HEAD, R3)
    yield store(8, R10, _NODE, R3)
    yield store(8, R10, _DIFFERENCE, Value(0))
    yield move(R9, Value(0))
    yield Label("thread")
    yield load(8, R3, R10, _NODE)
    yield from copy(_NODE, 8, "undecided")
    yield load(8, R3, R10, _NODE)
    yield load(8, R1, R10, _HEAD)
    yield jump_if_equal(R3, R1, "all threads")
    yield add(R3, Value(real_cred - types.offset("task_struct", "thread_node")))
    yield from copy(_OF_THREAD, 8, "undecided")
    yield load(8, R1, R10, _OF_THREAD)
    yield jump_if_equal(R1, R8, "write")
    yield load(8, R2, R10, _OWN)
    yield toggle(R1, R2)
    yield load(8, R2, R10, _DIFFERENCE)
    yield set_bits(R2, R1)
    yield store(8, R10, _DIFFERENCE, R2)
    yield add(R9, Value(1))
    yield jump_if_greater(R9, Value(_MOST_THREADS), "undecided")
    yield jump("thread")
    yield Label("all threads")
    yield load(8, R1, R10, _DIFFERENCE)
    yield jump_if_not_equal(R1, Value(0), "undecided")


def _same_content(types: Types) -> Iterator[Step]:
    """Yield the steps that go to "undecided" when the process's credentials (R7) and the file's (R8) say different
    things: it may have changed them itself."""
    for size, offset in _compared(types):
        yield load(size, R1, R7, offset)
        yield load(size, R2, R8, offset)
        yield jump_if_not_equal(R1, R2, "undecided")


def _compared(types: Types) -> Iterator[tuple[int, int]]:
    """Yield size and place of what is compared; a set of capabilities was two numbers once (before Linux 6.3)."""
    for name in _NUMBERS:
        yield 4, types.offset("cred", name)
    for name in _CAPABILITIES:
        offset = types.offset("cred", name)
        yield from ((4, offset), (4, offset + 4))
    for name in _POINTERS:
        yield 8, types.offset("cred", name)
    for name in _KEYRINGS:
        try:
            yield 8, types.offset("cred", name)
        except NotSupported:
            return
