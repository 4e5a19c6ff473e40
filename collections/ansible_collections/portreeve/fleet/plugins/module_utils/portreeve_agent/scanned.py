# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What processes hold, from rows that the kernel wrote down about all descriptors by one pass (docs/adr/0008)."""

from __future__ import annotations

from .descriptors import Seat, link_of
from .errors import Gone, NotSupported
from .host import Host
from .kernel.file_scan import ANONYMOUS, EPOLL, MOST_CHOSEN, PIPE, SOCKET, URING, Row, scan_files
from .process_directory import ProcessDirectory
from .processes import count_kinds
from .typed import Collection, Iterable, Sequence
from .visiting import FEW_SEATS, Visitor, is_taken
from .visiting import URING as URING_LINK

_KINDS = {SOCKET: "socket", PIPE: "pipe", ANONYMOUS: "anon_inode"}
_FILE = "/"  # where it lies does not matter
_ENDS = (0, -1)


class Scan(Visitor):
    """A visitor who knows beforehand where there is something to see. When the sockets are few, only those who have one
    are visited; when they are many, or limits are wanted, rows take the place of what the links would have told."""

    def __init__(self, host: Host, wanted: Collection[int], queued: Collection[int], limits: bool) -> None:
        """Scan. Raises NotSupported or NotPermitted where that cannot be."""
        super().__init__(host, wanted, queued, limits)
        sockets = self._wanted | self._queued
        self._knows_all = limits or len(sockets) > MOST_CHOSEN
        self._rows, self._seen = scan_files(host, None if self._knows_all else sockets)

    def visit_all(self, pids: Iterable[int]) -> None:
        """Visit some processes, as far as there is something to see."""
        super().visit_all(pids if self._limits else [pid for pid in pids if self._is_telling(pid)])

    def visit(self, pid: int, directory: ProcessDirectory) -> None:
        """Visit one process by its opened directory."""
        rows = self._rows.get(pid, ())
        if not self._is_telling(pid):
            self._visit_for_its_limit(pid, directory)
        elif self._knows_all and pid in self._seen and not any(row[2] != pid for row in rows):
            self._visit_with(rows, pid, directory)
        else:  # asked itself: others of its descriptors are not known, or threads have tables of their own
            super().visit(pid, directory)

    def _is_telling(self, pid: int) -> bool:
        """Return whether a process has a descriptor worth a look, or was kept from sight, as init by some kernels."""
        wanted, queued = self._wanted, self._queued
        return pid not in self._seen or any(
            inode in wanted or inode in queued if kind == SOCKET else inode == URING and kind == ANONYMOUS
            for inode, _pid, _tid, _descriptor, kind in self._rows.get(pid, ())
        )

    def _visit_with(self, rows: Sequence[Row], pid: int, directory: ProcessDirectory) -> None:
        wanted, queued = self._wanted, self._queued
        seats = []
        epolls = []
        has_ring = False
        for inode, _pid, _tid, descriptor, kind in rows:
            if kind == SOCKET:
                if inode in wanted:
                    seats.append((inode, tuple.__new__(Seat, (pid, descriptor, "descriptor", None))))  # no frame for it
                elif inode in queued:
                    seats.extend(self._seats_inside(pid, None, directory, descriptor, link_of(inode)))
            elif kind == ANONYMOUS and inode == EPOLL:
                epolls.append(("", descriptor))
            elif kind == ANONYMOUS and inode == URING:
                has_ring = True
                seats.extend(self._seats_inside(pid, None, directory, descriptor, URING_LINK))
        if len(seats) > FEW_SEATS and not all(is_taken(directory, *seats[end]) for end in _ENDS):
            super().visit(pid, directory)  # the rows are those of another process, or of long ago
            return
        count = directory.descriptor_count()
        if seats:
            self._note_seats(pid, directory, seats, _kinds(rows, directory, count))
            if epolls:
                self.found.epolls[pid] = epolls
            if has_ring:
                self.found.rings.add(pid)
        if self._limits:
            self._note_limit(pid, directory, count)

    def _visit_for_its_limit(self, pid: int, directory: ProcessDirectory) -> None:
        count = directory.descriptor_count()
        if count:
            self._note_limit(pid, directory, count)
        elif directory.thread_count() > 1:  # they may have some though their leader has none
            super().visit(pid, directory)


def _kinds(rows: Sequence[Row], directory: ProcessDirectory, count: int) -> dict[str, int]:
    """Return how many descriptors there are of which kind: those without a row lead to files."""
    numbers = [row[4] for row in rows]
    usual = {name: numbers.count(number) for number, name in _KINDS.items() if number in numbers}
    rare = [] if sum(usual.values()) == len(rows) else [row[3] for row in rows if row[4] not in _KINDS]
    kinds = count_kinds([_target(directory, one) for one in rare] + [_FILE] * (count - len(rows)))
    for name, number in usual.items():
        kinds[name] = kinds.get(name, 0) + number
    return dict(sorted(kinds.items()))


def _target(directory: ProcessDirectory, descriptor: int) -> str:
    try:
        return directory.readlink("fd/%d" % descriptor)
    except (Gone, NotSupported):
        return _FILE
