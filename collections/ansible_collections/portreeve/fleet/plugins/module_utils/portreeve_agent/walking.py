# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every descriptor of every process, once: which processes hold the sockets that are asked for."""

from __future__ import annotations

from .descriptors import Seat, Walk
from .errors import Gone, NotPermitted, NotSupported, PortreeveError
from .host import Host
from .lean import partial
from .processes import parse_stat, read_process
from .typed import Collection
from .visiting import Visitor, is_taken

_MANY_OPEN_FILES = 30_000  # a fork and the way back cost as much as reading some ten thousand links
_WORTH_A_SCAN = 10_000  # to load a program costs as much as some 2,500 links; its offsets, once a boot, as 40,000
_MOST_ROUNDS = 4  # processes born during the walk are visited in another round


def walk(
    host: Host,
    wanted: Collection[int],
    queued: Collection[int] = (),
    limits: bool = False,
    scanner: str = "auto",
    refusal: str = "",
) -> Walk:
    """Return every seat of the sockets with the inodes ``wanted``.

    ``queued`` are inodes of UNIX sockets with something in their queue, which may carry descriptors in flight;
    with ``limits`` each process's use of its descriptor limit is read too. The ``scanner`` 'bpf' has the kernel look at
    the descriptors (docs/adr/0008), which 'auto' tries where there are very many; others read them one by one.
    ``refusal`` is the ``Walk.means`` of an earlier walk that could not: it is not tried again.
    Raises NotSupported where 'bpf' is impossible.
    """
    return _Walking(host, wanted, queued, limits, scanner, refusal).run()


def drop_those_who_let_go(host: Host, walk: Walk) -> None:
    """Take out the seats that processes have left since they were visited, and processes that have ended."""
    by_process: dict[int, list[tuple[int, Seat]]] = {}
    for inode, seats in walk.seats.items():
        for seat in seats:
            by_process.setdefault(seat.pid, []).append((inode, seat))
    walk.seats = {}
    for pid, taken in by_process.items():
        try:
            with host.open_process(pid) as directory:
                if parse_stat(directory.read("stat")).start_ticks == walk.processes[pid].start_ticks:
                    for inode, seat in taken:
                        if is_taken(directory, inode, seat):
                            walk.seats.setdefault(inode, []).append(seat)
        except (Gone, NotPermitted, NotSupported):
            continue


class _Walking:
    """One walk, by means that fit the host."""

    def __init__(
        self, host: Host, wanted: Collection[int], queued: Collection[int], limits: bool, scanner: str, refusal: str
    ) -> None:
        self._host = host
        self._scanner = scanner
        self._refusal = refusal
        self._asked = (host, wanted, queued, limits)
        self._visitor = Visitor(*self._asked)

    def run(self) -> Walk:
        visited: set[tuple[int, int]] = set()
        for _round in range(_MOST_ROUNDS):
            newcomers = [one for one in self._host.births() if one not in visited]
            pids = [pid for pid, _birth in newcomers]
            if not newcomers:
                break
            if visited:
                self._visitor.found.forget(pids)  # theirs are other processes now
                self._visitor.visit_all(pids)
            else:
                means = self._visit_first(pids)
                self._visitor.found.means = means
            visited.update(newcomers)
        else:
            self._visitor.found.unvisited = len(set(self._host.births()) - visited)
        self._leave_out_onlookers(self._visitor.found)
        return self._visitor.found

    def _leave_out_onlookers(self, found: Walk) -> None:
        """Drop agents at work, ourselves and our forks above all: to peek, they hold the UNIX socket for a moment."""
        in_flight = {seat.pid for seats in found.seats.values() for seat in seats if seat.via == "in_flight"}
        if in_flight:
            own = read_process(self._host, self._host.own_pid()).cmdline
            found.forget(pid for pid in in_flight if found.processes[pid].cmdline == own)

    def _visit_first(self, pids: list[int]) -> str:
        """Visit the processes there are by the means that is best for so many descriptors; returns ``Walk.means``."""
        open_files = _open_files(self._host)
        means = "walk" if self._scanner == "walk" else self._refusal
        if self._scanner == "bpf" or (self._scanner == "auto" and open_files >= _WORTH_A_SCAN and not means):
            try:
                from .scanned import Scan

                scan = Scan(*self._asked, pids)
            except PortreeveError as error:
                if self._scanner == "bpf":
                    raise NotSupported("descriptors cannot be scanned by bpf here: %s" % error) from error
                means = "walk: %s" % error
            else:
                self._visitor.found = scan.found
                scan.visit_all(pids)
                return "bpf"
        if open_files >= _MANY_OPEN_FILES and self._host.processors() > 1:
            self._visit_by_two(pids)
        else:
            self._visitor.visit_all(pids)
        return means

    def _visit_by_two(self, pids: list[int]) -> None:
        others = self._host.in_second_process(partial(self._visit_apart, pids[1::2]))
        try:
            self._visitor.visit_all(pids[::2])
        finally:
            try:
                self._visitor.found.add(others())
            except NotSupported:
                self._visitor.visit_all(pids[1::2])

    def _visit_apart(self, pids: list[int]) -> Walk:
        """Visit processes and return what was found for them alone, as a second process does."""
        from copy import copy

        other = copy(self._visitor)
        other.found = Walk()
        other.visit_all(pids)
        return other.found


def _open_files(host: Host) -> int:
    """Return how many files are open on the whole host, 0 if that is not told (proc_sys_fs(5): file-nr)."""
    try:
        return int(host.read("/proc/sys/fs/file-nr").split()[0])
    except (PortreeveError, ValueError, IndexError):
        return 0
