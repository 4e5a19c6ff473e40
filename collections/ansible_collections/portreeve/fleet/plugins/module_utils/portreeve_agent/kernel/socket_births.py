# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Was this process there before the TCP socket that it holds?

A TCP socket keeps the tick in which it was made, as the beginning of its window of round trip times, and as long as it
has no connection that stays (net/ipv4/tcp.c, tcp_init_sock()). Whoever was born later cannot have made it.
"""

from __future__ import annotations

import struct

from ..host import Host
from ..typed import Iterable, Iterator
from .bpf import (
    KTIME,
    R0,
    R1,
    R3,
    R7,
    R9,
    R10,
    TICKS,
    Step,
    Value,
    add,
    call,
    load,
    loaded,
    store,
)
from .btf import Types
from .socket_iteration import ITERATOR, copy, for_each_socket, write_row

_ROW = struct.Struct("=QQQQIHH")  # inode; process's start and now, in ns; now and socket's birth, in ticks; its kind
_INODE, _STARTED, _NOW, _TICKS, _BORN, _PROTOCOL, _FAMILY = -40, -32, -24, -16, -8, -4, -2
_SOCK = -48
_TCP, _INET = 6, (2, 10)

_RATES = (100, 250, 300, 1000, 24, 32, 48, 64, 128, 200, 256, 512, 1024)  # CONFIG_HZ, the usual ones first
_COUNTED = 1 << 32  # ticks after which a birth begins to look later than it was
_BEFORE_BOOT = 300  # seconds by which the count of ticks begins before it wraps (linux/jiffies.h)
_TOO_CLOSE = 2  # ticks


def read_ages(host: Host, types: Types, pids: Iterable[int]) -> dict[tuple[int, int], bool]:
    """Return, by (pid, inode), whether a process is older than a TCP socket that it holds; where both came in the same
    moment or that cannot be told, the pair is missing.

    Raises NotSupported or NotPermitted where the kernel does not tell (Linux 6.1 with BTF; CAP_BPF and CAP_PERFMON).
    """
    ages: dict[tuple[int, int], bool] = {}
    with loaded(host, types.function(ITERATOR), list(_program(types))) as files:
        for pid in pids:
            for inode, started, now, ticks, born, protocol, family in _ROW.iter_unpack(files.of_process(pid)):
                if protocol == _TCP and family in _INET:
                    older = is_older(started, now, ticks, born)
                    if older is not None:
                        ages[pid, inode] = older
    return ages


def is_older(started: int, now: int, ticks: int, born: int) -> bool | None:
    """Return whether a process that started at ``started`` (nanoseconds) is older than a socket of the tick ``born``.

    ``now`` and ``ticks`` are the same moment. None when both came together, or when the count of ticks has wrapped in
    the host's time so that an old socket may look young.
    """
    rate = _rate(now, ticks)
    if rate is None:
        return None
    later = (now - started) / 1e9 * rate - ((ticks - born) % _COUNTED)  # ticks by which the socket came later
    if later < -_TOO_CLOSE:
        return False
    return True if later > _TOO_CLOSE and now / 1e9 * rate < _COUNTED else None


def _rate(now: int, ticks: int) -> int | None:
    """Return the ticks per second of this kernel (CONFIG_HZ): the rate that explains how many there were since boot."""
    for rate in _RATES:
        since_boot = (ticks - (_COUNTED - _BEFORE_BOOT * rate)) / rate
        if abs(since_boot - now / 1e9) < 1 + now / 1e9 / 1000:
            return rate
    return None


def _program(types: Types) -> Iterator[Step]:
    """Yield the steps that write one row for each descriptor of a socket."""
    yield from for_each_socket(types, _INODE)
    yield load(8, R1, R9, types.offset("task_struct", "group_leader"))
    yield load(8, R3, R1, types.offset("task_struct", "start_time"))
    yield store(8, R10, _STARTED, R3)
    yield load(8, R3, R7, types.offset("file", "private_data"))
    yield add(R3, Value(types.offset("socket", "sk")))
    yield from copy(_SOCK, 8, "end")
    for place, size, structure, member in (
        (_FAMILY, 2, "sock_common", "skc_family"),
        (_PROTOCOL, 2, "sock", "sk_protocol"),
        (_BORN, 4, "tcp_sock", "rtt_min"),
    ):
        yield load(8, R3, R10, _SOCK)
        yield add(R3, Value(types.offset(structure, member)))
        yield from copy(place, size, "end")
    yield call(TICKS)
    yield store(8, R10, _TICKS, R0)
    yield call(KTIME)
    yield store(8, R10, _NOW, R0)
    yield from write_row(types, _INODE, _ROW.size)
