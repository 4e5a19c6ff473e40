# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What processes hold, from rows that the kernel wrote down about all descriptors by one pass (docs/adr/0008)."""

from __future__ import annotations

from .descriptors import Seat, link_of
from .errors import Gone, NotPermitted, NotSupported
from .host import Host
from .kernel.file_scan import ANONYMOUS, EPOLL, MOST_CHOSEN, PIPE, URING, scan_files
from .kernel.socket_iteration import SOCKET
from .process_directory import ProcessDirectory
from .processes import count_kinds
from .record import NamedTuple
from .typed import Collection, Iterable
from .visiting import FEW_SEATS, Visitor, leads_to
from .visiting import URING as URING_LINK

_KINDS = {SOCKET: "socket", PIPE: "pipe", ANONYMOUS: "anon_inode"}
_FILE = "/"  # where it lies does not matter
_ENDS = (0, -1)


class _Told(NamedTuple):
    """What rows tell of one process: the seats, its epolls, what keeps other sockets alive and is to be asked itself
    (descriptor and link), each row's kind, and the descriptors of rare kinds."""

    seats: list[tuple[int, Seat]]
    epolls: list[tuple[str, int]]
    inside: list[tuple[int, str]]
    kinds: list[int]
    rare: list[int]


class Scan(Visitor):
    """A visitor who knows beforehand where there is something to see. When the sockets are few, only those who have one
    are visited; when they are many, or limits are wanted, rows take the place of what the links would have told."""

    def __init__(
        self, host: Host, wanted: Collection[int], queued: Collection[int], limits: bool, pids: Iterable[int]
    ) -> None:
        """Scan what the processes ``pids`` have. Raises NotSupported or NotPermitted where that cannot be."""
        super().__init__(host, wanted, queued, limits)
        sockets = self._wanted | self._queued
        self._knows_all = limits or len(sockets) > MOST_CHOSEN
        self._counts = _descriptor_counts(host, pids) if self._knows_all else {}
        self._rows, self._seen = scan_files(host, None if self._knows_all else sockets)

    def visit_all(self, pids: Iterable[int]) -> None:
        """Visit some processes, as far as there is something to see."""
        super().visit_all(pids if self._limits else [pid for pid in pids if self._is_telling(pid)])

    def visit(self, pid: int, directory: ProcessDirectory) -> None:
        """Visit one process by its opened directory."""
        if not self._is_telling(pid):
            self._visit_for_its_limit(pid, directory)
        elif not self._knows_all or pid not in self._seen or not self._visit_by_rows(pid, directory):
            super().visit(pid, directory)  # asked itself: others of its descriptors are not known, or have changed

    def _is_telling(self, pid: int) -> bool:
        """Return whether a process has a descriptor worth a look, or was kept from sight, as init by some kernels."""
        wanted, queued = self._wanted, self._queued
        return pid not in self._seen or any(
            inode in wanted or inode in queued if kind == SOCKET else inode == URING and kind == ANONYMOUS
            for inode, _pid, _tid, _descriptor, kind in self._rows.get(pid, ())
        )

    def _visit_by_rows(self, pid: int, directory: ProcessDirectory) -> bool:
        """Note what the rows tell of a process. Returns False, and notes nothing, where they are not right any more: it
        has opened or closed something since, moved a socket or is another one; or its threads have tables of their own.
        """
        told = self._told_of(pid)
        count = directory.descriptor_count()
        if told is None or count != self._counts.get(pid) or count < len(told.kinds) or _have_moved(directory, told):
            return False
        seats = told.seats
        for descriptor, link in told.inside:
            seats.extend(self._seats_inside(pid, None, directory, descriptor, link))
        if seats:
            self._note_seats(pid, directory, seats, _count_kinds(told, directory, count))
            if told.epolls:
                self.found.epolls[pid] = told.epolls
            if any(link == URING_LINK for _descriptor, link in told.inside):
                self.found.rings.add(pid)
        if self._limits:
            self._note_limit(pid, directory, count)
        return True

    def _told_of(self, pid: int) -> _Told | None:
        """Return what the rows of a process tell, None if threads of it have tables of their own."""
        wanted, queued = self._wanted, self._queued
        seats, epolls, inside, kinds, rare = told = _Told([], [], [], [], [])
        for inode, _pid, tid, descriptor, kind in self._rows.get(pid, ()):
            if tid != pid:
                return None
            kinds.append(kind)
            if kind == SOCKET:
                if inode in wanted:
                    seats.append((inode, tuple.__new__(Seat, (pid, descriptor, "descriptor", None))))  # no frame for it
                elif inode in queued:
                    inside.append((descriptor, link_of(inode)))
            elif kind == ANONYMOUS:
                if inode == EPOLL:
                    epolls.append(("", descriptor))
                elif inode == URING:
                    inside.append((descriptor, URING_LINK))
            elif kind != PIPE:
                rare.append(descriptor)
        return told

    def _visit_for_its_limit(self, pid: int, directory: ProcessDirectory) -> None:
        count = directory.descriptor_count()
        if count:
            self._note_limit(pid, directory, count)
        elif directory.thread_count() > 1:  # they may have some though their leader has none
            super().visit(pid, directory)


def _descriptor_counts(host: Host, pids: Iterable[int]) -> dict[int, int]:
    """Return how many descriptors each process has; one that cannot be asked is missing."""
    counts = {}
    for pid in pids:
        try:
            with host.open_process(pid) as directory:
                counts[pid] = directory.descriptor_count()
        except (Gone, NotPermitted, NotSupported):
            continue
    return counts


def _have_moved(directory: ProcessDirectory, told: _Told) -> bool:
    """Return whether a descriptor leads elsewhere by now; of very many seats the first and the last are looked at."""
    seats = told.seats if len(told.seats) <= FEW_SEATS else [told.seats[end] for end in _ENDS]
    links = [(seat.fd, link_of(inode)) for inode, seat in seats] + told.inside
    return not all(leads_to(directory, "fd/%d" % descriptor, link) for descriptor, link in links)


def _count_kinds(told: _Told, directory: ProcessDirectory, count: int) -> dict[str, int]:
    """Return how many descriptors there are of which kind: those without a row lead to files."""
    kinds = count_kinds([_target(directory, one) for one in told.rare] + [_FILE] * (count - len(told.kinds)))
    for number, name in _KINDS.items():
        if number in told.kinds:
            kinds[name] = kinds.get(name, 0) + told.kinds.count(number)
    return dict(sorted(kinds.items()))


def _target(directory: ProcessDirectory, descriptor: int) -> str:
    try:
        return directory.readlink("fd/%d" % descriptor)
    except (Gone, NotSupported):
        return _FILE
