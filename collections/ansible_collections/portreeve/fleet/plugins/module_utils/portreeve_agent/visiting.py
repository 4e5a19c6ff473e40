# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What processes hold, by reading each of their descriptors."""

from __future__ import annotations

from .descriptors import Links, Seat, Walk, link_of
from .errors import Gone, NotPermitted, NotSupported
from .fdinfo import descriptors_in_flight, registered_sockets
from .host import Host
from .process_directory import ProcessDirectory
from .processes import ProcessReader, count_kinds, read_descriptor_limit
from .reading import as_text
from .typed import Collection, Iterable, Iterator

EPOLL = "anon_inode:[eventpoll]"
URING = "anon_inode:[io_uring]"
_RING_FILES = b"UserFiles:"  # left out while the ring is locked (io_uring/fdinfo.c)
FEW_SEATS = 64  # so many are looked at twice, lest the process became another program in between

_LOOK_INSIDE = -1  # the descriptor's own fdinfo tells which sockets it keeps alive


class Visitor:
    """Visits processes; ``found`` is what it has seen."""

    def __init__(self, host: Host, wanted: Collection[int], queued: Collection[int], limits: bool) -> None:
        self.found = Walk()
        self._host = host
        self._reader = ProcessReader(host)
        self._limits = limits
        self._wanted = frozenset(wanted)
        self._queued = frozenset(queued)
        self._made: dict[str, int] | None = None

    @property
    def _telling(self) -> dict[str, int]:
        """What links may lead to that is worth a look: the wanted inode, or ``_LOOK_INSIDE``."""
        if self._made is None:
            self._made = {link_of(inode): _LOOK_INSIDE for inode in self._queued}
            self._made[URING] = _LOOK_INSIDE
            self._made.update((link_of(inode), inode) for inode in self._wanted)
        return self._made

    def visit_all(self, pids: Iterable[int]) -> None:
        """Visit some processes; those that are gone are left out, and those that refuse a look are noted."""
        for pid in pids:
            try:
                with self._host.open_process(pid) as directory:
                    self.visit(pid, directory)
            except Gone:
                continue
            except (NotPermitted, NotSupported):
                self.found.unreadable.append(pid)

    def visit(self, pid: int, directory: ProcessDirectory) -> None:
        """Visit one process by its opened directory."""
        own = directory.descriptor_links()
        tables = [("", own)]
        seats = list(self._seats(pid, None, directory, own))
        for tid, table in self._private_tables(pid, directory):
            tables.append(("task/%d/" % tid, table))
            seats.extend(self._seats(pid, tid, directory, table))
            own = own if own[0] else table  # a dead group leader has none
        if seats:
            self._note_watchers(pid, tables)
            self._note_seats(pid, directory, seats, count_kinds(own[1]))
        if self._limits and own[0]:
            self._note_limit(pid, directory, len(own[0]))

    def _note_seats(
        self, pid: int, directory: ProcessDirectory, seats: list[tuple[int, Seat]], kinds: dict[str, int]
    ) -> None:
        process = self._reader.read(pid, directory, kinds)
        if len(seats) <= FEW_SEATS:
            seats = [(inode, seat) for inode, seat in seats if is_taken(directory, inode, seat)]
        if seats:
            self.found.processes[pid] = process
        for inode, seat in seats:
            self.found.seats.setdefault(inode, []).append(seat)

    def _note_watchers(self, pid: int, tables: list[tuple[str, Links]]) -> None:
        for table, (descriptors, targets) in tables:
            if EPOLL in targets:
                named = [(table, int(fd)) for fd, target in zip(descriptors, targets) if target == EPOLL]
                self.found.epolls.setdefault(pid, []).extend(named)
            if URING in targets:
                self.found.rings.add(pid)

    def _note_limit(self, pid: int, directory: ProcessDirectory, count: int) -> None:
        known = self.found.processes.get(pid)
        limit = known.descriptors.limit if known and known.descriptors else read_descriptor_limit(directory)
        if limit:
            name = known.name if known else as_text(directory.read("comm")).rstrip("\n")
            self.found.nearest_limit.append((pid, name, count, limit))

    def _private_tables(self, pid: int, directory: ProcessDirectory) -> Iterator[tuple[int, Links]]:
        """Yield (tid, links) of tables that threads do not share with their group leader (CLONE_FILES, unshare(2)).

        After the leader's death every surviving thread's table differs from the leader's, which is gone.
        """
        if directory.thread_count() < 2:
            return
        tables = [pid]
        for tid in sorted(int(name) for name in directory.list("task")):
            try:
                if any(self._host.shares_descriptor_table(table, tid) for table in tables):
                    continue
            except (Gone, NotSupported, NotPermitted):
                pass  # cannot compare: look into it; what is found twice is merged later
            try:
                links = directory.descriptor_links("task/%d/fd" % tid)
            except Gone:
                continue
            tables.append(tid)
            yield tid, links

    def _seats(
        self, pid: int, tid: int | None, directory: ProcessDirectory, links: Links
    ) -> Iterator[tuple[int, Seat]]:
        telling = self._telling
        if telling.keys().isdisjoint(links[1]):
            return
        for descriptor, target in zip(*links):
            inode = telling.get(target)
            if inode == _LOOK_INSIDE:
                yield from self._seats_inside(pid, tid, directory, int(descriptor), target)
            elif inode is not None:
                yield inode, Seat(pid, int(descriptor), "thread" if tid else "descriptor", tid)

    def _seats_inside(
        self, pid: int, tid: int | None, directory: ProcessDirectory, descriptor: int, target: str
    ) -> Iterator[tuple[int, Seat]]:
        """Yield the seats of what a ring or the queue of a UNIX socket keeps alive."""
        fdinfo = _fdinfo(directory, "task/%d/" % tid if tid else "", descriptor)
        if target == URING:
            via, inodes = "io_uring", registered_sockets(fdinfo)
            self.found.busy_rings += _RING_FILES not in fdinfo
        else:
            via, inodes = "in_flight", self._peek(pid, descriptor, target, descriptors_in_flight(fdinfo))
        for inode in inodes:
            if inode in self._wanted:
                yield inode, Seat(pid, descriptor, via, tid)
            elif inode in self._queued:
                self.found.hidden_in_flight += 1  # a UNIX socket that may carry others, but has no descriptor

    def _peek(self, pid: int, descriptor: int, target: str, carried: int) -> list[int]:
        if not carried:
            return []
        inodes = self._host.peek_descriptors(pid, descriptor, int(target[len("socket:[") : -1]))
        self.found.hidden_in_flight += max(0, carried - len(inodes))
        return inodes


def is_taken(directory: ProcessDirectory, inode: int, seat: Seat) -> bool:
    """Return whether a descriptor still leads to a socket; of one in flight or in a ring that is taken for granted."""
    if seat.via not in ("descriptor", "thread"):
        return True
    return leads_to(directory, "%sfd/%d" % ("task/%d/" % seat.tid if seat.tid else "", seat.fd), link_of(inode))


def leads_to(directory: ProcessDirectory, name: str, target: str) -> bool:
    """Return whether a link of a process leads to ``target``."""
    try:
        return directory.readlink(name) == target
    except (Gone, NotSupported):
        return False


def _fdinfo(directory: ProcessDirectory, table: str, descriptor: int) -> bytes:
    try:
        return directory.read("%sfdinfo/%d" % (table, descriptor))
    except (Gone, NotPermitted, NotSupported):
        return b""
