# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who waits on which socket at this moment."""

from __future__ import annotations

from .descriptors import Walk
from .errors import Gone, NotPermitted, NotSupported
from .fdinfo import parse_targets
from .host import Host
from .process_directory import MOST_BYTES
from .processes import parse_stat
from .record import NamedTuple
from .typed import Iterable
from .waiting import Waiting, read_waiting

_STOPPED = "Tt"
_SECONDS = 2.0  # for one look at all


class _EpollSet(NamedTuple):
    """What is in an epoll set, by descriptor and by inode, as far as it was read."""

    descriptors: set[int]
    inodes: set[int]
    is_whole: bool


class Attention:
    """What the holders found by a walk wait for. ``gone`` are those who had ended when they were looked at."""

    def __init__(self, host: Host, walk: Walk) -> None:
        self._host = host
        self._walk = walk
        self._epolls: dict[int, dict[int, _EpollSet]] = {}
        self.gone: set[int] = set()

    def of(self, pids: Iterable[int]) -> dict[int, Waiting | None]:
        """Return what processes wait for, None where that cannot be told: one is out of reach, or gone.

        Where only their memory tells, a second process looks into it, which can be left behind.
        """
        found = self._look(pids, into_memory=False)
        deeper = [pid for pid, (waiting, _gone) in found.items() if waiting is not None and waiting.in_memory]
        if deeper:
            try:
                told = self._host.in_second_process(lambda: self._look_into_memory(deeper), _SECONDS)()
            except NotSupported:
                told = {}  # it did not come back
            for pid, (values, is_gone) in told.items():
                found[pid] = (None if values is None else Waiting._make(values), is_gone)
        self.gone.update(pid for pid, (_waiting, is_gone) in found.items() if is_gone)
        return {pid: waiting for pid, (waiting, _gone) in found.items()}

    def _look(self, pids: Iterable[int], into_memory: bool) -> dict[int, tuple[Waiting | None, bool]]:
        return {pid: self._look_at(pid, into_memory) for pid in pids}

    def _look_into_memory(self, pids: Iterable[int]) -> dict[int, tuple[tuple[object, ...] | None, bool]]:
        """Return what ``_look`` does, in plain tuples: these come back from another process soonest."""
        found = self._look(pids, into_memory=True)
        return {
            pid: (None if waiting is None else tuple(waiting), is_gone) for pid, (waiting, is_gone) in found.items()
        }

    def _look_at(self, pid: int, into_memory: bool) -> tuple[Waiting | None, bool]:
        try:
            with self._host.open_process(pid) as directory:
                if parse_stat(directory.read("stat")).start_ticks != self._walk.processes[pid].start_ticks:
                    return None, True  # another process by now
                return read_waiting(directory, self._host.machine(), self._host.clock(), into_memory), False
        except Gone:
            return None, True
        except (NotPermitted, NotSupported):
            return None, False

    def how_it_waits(self, inode: int, pid: int, waiting: Waiting) -> str | None:
        """Return how a process waits on a socket that it holds, None when it does not."""
        for seat in self._walk.seats[inode]:
            if seat.pid == pid and seat.fd in waiting.descriptors:
                return "waits in %s" % waiting.descriptors[seat.fd]
        watched = set(waiting.epolls) | set(waiting.descriptors)
        sets = self._epoll_sets(pid)
        for epoll, (_descriptors, inodes, is_whole) in sets.items():
            is_watched = epoll in watched or any(epoll in sets[outer].descriptors for outer in watched & sets.keys())
            if inode in inodes and is_watched:
                return "waits in an epoll set with it (descriptor %d)" % epoll
            if not is_whole and is_watched:
                return "waits in an epoll set too large to be read whole (descriptor %d)" % epoll
            if inode in inodes and self._walk.processes[pid].state in _STOPPED:
                return "has it in an epoll set (descriptor %d), but is stopped" % epoll
        return None

    def _epoll_sets(self, pid: int) -> dict[int, _EpollSet]:
        if pid not in self._epolls:
            self._epolls[pid] = sets = {}
            try:
                with self._host.open_process(pid) as directory:
                    for table, descriptor in self._walk.epolls.get(pid, ()):
                        fdinfo = directory.read("%sfdinfo/%d" % (table, descriptor))
                        sets[descriptor] = _EpollSet(*parse_targets(fdinfo), len(fdinfo) < MOST_BYTES)
            except (Gone, NotPermitted, NotSupported):
                pass
        return self._epolls[pid]
