# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every descriptor of every process, once: which processes hold the sockets that are asked for."""

from __future__ import annotations

from copy import copy
from functools import partial

from .descriptors import Links, Seat, Walk, link_of
from .errors import Gone, NotPermitted, NotSupported, PortreeveError
from .fdinfo import descriptors_in_flight, registered_sockets
from .host import Host
from .process_directory import ProcessDirectory
from .processes import ProcessReader, parse_stat, read_descriptor_limit, read_process
from .reading import as_text
from .typed import TYPE_CHECKING, Collection, Iterator

if TYPE_CHECKING:
    from .scanned import ScannedDescriptors

_EPOLL = "anon_inode:[eventpoll]"
_URING = "anon_inode:[io_uring]"
_RING_FILES = b"UserFiles:"  # left out while the ring is locked (io_uring/fdinfo.c)
_MANY_OPEN_FILES = 30_000  # a fork and the way back cost as much as reading some ten thousand links
_WORTH_A_SCAN = 10_000  # as much as to load a program into the kernel
_FEW_SEATS = 64  # so many are looked at twice, lest the process became another program in between
_MOST_ROUNDS = 4  # processes born during the walk are visited in another round

_LOOK_INSIDE = -1  # the descriptor's own fdinfo tells which sockets it keeps alive


def _open_files(host: Host) -> int:
    """Return how many files are open on the whole host, 0 if that is not told (proc_sys_fs(5): file-nr)."""
    try:
        return int(host.read("/proc/sys/fs/file-nr").split()[0])
    except (PortreeveError, ValueError, IndexError):
        return 0


def walk(
    host: Host,
    wanted: Collection[int],
    queued: Collection[int] = (),
    limits: bool = False,
    scanner: str = "auto",
) -> Walk:
    """Return every seat of the sockets with the inodes ``wanted``.

    ``queued`` are inodes of UNIX sockets with something in their queue, which may carry descriptors in flight;
    with ``limits`` each process's use of its descriptor limit is read too. The ``scanner`` 'bpf' has the kernel look at
    the descriptors (docs/adr/0008), which 'auto' tries where there are very many; others read them one by one.
    Raises NotSupported where 'bpf' is impossible.
    """
    return _Walker(host, wanted, queued, limits, scanner).run()


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
                        if _is_taken(directory, inode, seat):
                            walk.seats.setdefault(inode, []).append(seat)
        except (Gone, NotPermitted, NotSupported):
            continue


def _is_taken(directory: ProcessDirectory, inode: int, seat: Seat) -> bool:
    """Return whether a descriptor still leads to a socket; of one in flight or in a ring that is taken for granted."""
    if seat.via not in ("descriptor", "thread"):
        return True
    try:
        return directory.readlink("%sfd/%d" % ("task/%d/" % seat.tid if seat.tid else "", seat.fd)) == link_of(inode)
    except (Gone, NotSupported):
        return False


class _Walker:
    """The state of one walk. ``_telling`` maps link targets worth a look to the wanted inode or to ``_LOOK_INSIDE``."""

    def __init__(
        self, host: Host, wanted: Collection[int], queued: Collection[int], limits: bool, scanner: str
    ) -> None:
        self._host = host
        self._scanner = scanner
        self._reader = ProcessReader(host)
        self._limits = limits
        self._wanted = frozenset(wanted)
        self._queued = frozenset(queued)
        self._telling = {link_of(inode): _LOOK_INSIDE for inode in queued}
        self._telling[_URING] = _LOOK_INSIDE
        self._telling.update((link_of(inode), inode) for inode in wanted)
        self._found = Walk()

    def run(self) -> Walk:
        visited: set[tuple[int, int]] = set()
        for _round in range(_MOST_ROUNDS):
            newcomers = [one for one in self._host.births() if one not in visited]
            pids = [pid for pid, _birth in newcomers]
            if not newcomers:
                break
            if visited:
                self._found.forget(pids)  # theirs are other processes now
                self._visit_all(pids)
            else:
                self._visit_first(pids)
            visited.update(newcomers)
        else:
            self._found.unvisited = len(set(self._host.births()) - visited)
        self._leave_out_onlookers()
        return self._found

    def _leave_out_onlookers(self) -> None:
        """Drop agents at work, ourselves and our forks above all: to peek, they hold the UNIX socket for a moment."""
        in_flight = {seat.pid for seats in self._found.seats.values() for seat in seats if seat.via == "in_flight"}
        if in_flight:
            own = read_process(self._host, self._host.own_pid()).cmdline
            self._found.forget(pid for pid in in_flight if self._found.processes[pid].cmdline == own)

    def _visit_first(self, pids: list[int]) -> None:
        """Visit the processes there are, by the means that is the best for so many descriptors."""
        open_files = _open_files(self._host)
        if self._scanner == "bpf" or (self._scanner == "auto" and open_files >= _WORTH_A_SCAN):
            from .scanned import ScannedDescriptors

            try:
                scanned = ScannedDescriptors(self._host, self._wanted | self._queued, self._limits)
            except PortreeveError as error:
                if self._scanner == "bpf":
                    raise NotSupported("a scan by bpf is not possible here: %s" % error) from error
                self._found.means = "walk: %s" % error
            else:
                self._found.means = "bpf"
                self._visit_scanned(pids, scanned)
                return
        elif self._scanner == "walk":
            self._found.means = "walk"
        if open_files >= _MANY_OPEN_FILES and self._host.processors() > 1:
            self._visit_by_two(pids)
        else:
            self._visit_all(pids)

    def _visit_scanned(self, pids: list[int], scanned: ScannedDescriptors) -> None:
        telling = {pid for pid in pids if scanned.is_telling(pid)}
        self._visit_all(pids if self._limits else sorted(telling), scanned)

    def _visit_by_two(self, pids: list[int]) -> None:
        others = self._host.in_second_process(partial(self._visit_apart, pids[1::2]))
        try:
            self._visit_all(pids[::2])
        finally:
            try:
                self._found.add(others())
            except NotSupported:
                self._visit_all(pids[1::2])

    def _visit_apart(self, pids: list[int]) -> Walk:
        """Visit processes and return what was found for them alone, as a second process does."""
        other = copy(self)
        other._found = Walk()
        other._visit_all(pids)
        return other._found

    def _visit_all(self, pids: list[int], scanned: ScannedDescriptors | None = None) -> None:
        for pid in pids:
            try:
                with self._host.open_process(pid) as directory:
                    if scanned and not scanned.is_telling(pid):
                        self._visit_for_its_limit(pid, directory)
                    else:
                        self._visit(pid, directory, scanned.links(pid, directory) if scanned else None)
            except Gone:
                continue
            except (NotPermitted, NotSupported):
                self._found.unreadable.append(pid)

    def _visit(self, pid: int, directory: ProcessDirectory, known: Links | None = None) -> None:
        own = known or directory.descriptor_links()
        tables = [("", own)]
        seats = list(self._seats(pid, None, directory, own))
        for tid, table in () if known else self._private_tables(pid, directory):
            tables.append(("task/%d/" % tid, table))
            seats.extend(self._seats(pid, tid, directory, table))
            own = own if own[0] else table  # a dead group leader has none
        if seats:
            process = self._reader.read(pid, directory, own[1])
            self._note_watchers(pid, tables)
            if len(seats) <= _FEW_SEATS:
                seats = [(inode, seat) for inode, seat in seats if _is_taken(directory, inode, seat)]
            elif known and not all(_is_taken(directory, *seats[place]) for place in (0, -1)):
                self._visit(pid, directory)  # what is known is of another process, or of long ago
                return
            for inode, seat in seats:
                self._found.processes[pid] = process
                self._found.seats.setdefault(inode, []).append(seat)
        if self._limits and own[0]:
            self._note_limit(pid, directory, len(own[1]))

    def _note_watchers(self, pid: int, tables: list[tuple[str, Links]]) -> None:
        for table, (descriptors, targets) in tables:
            if _EPOLL in targets:
                named = [(table, int(fd)) for fd, target in zip(descriptors, targets) if target == _EPOLL]
                self._found.epolls.setdefault(pid, []).extend(named)
            if _URING in targets:
                self._found.rings.add(pid)

    def _visit_for_its_limit(self, pid: int, directory: ProcessDirectory) -> None:
        count = directory.descriptor_count()
        if count:
            self._note_limit(pid, directory, count)
        elif directory.thread_count() > 1:  # they may have some though their leader has none
            self._visit(pid, directory)

    def _note_limit(self, pid: int, directory: ProcessDirectory, count: int) -> None:
        limit = read_descriptor_limit(directory)
        if limit:
            name = as_text(directory.read("comm")).rstrip("\n")
            self._found.nearest_limit.append((pid, name, count, limit))

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
            if target not in telling:
                continue
            inode = telling[target]
            if inode != _LOOK_INSIDE:
                yield inode, Seat(pid, int(descriptor), "thread" if tid else "descriptor", tid)
                continue
            fdinfo = _fdinfo(directory, "task/%d/" % tid if tid else "", descriptor)
            if target == _URING:
                via, inodes = "io_uring", registered_sockets(fdinfo)
                self._found.busy_rings += _RING_FILES not in fdinfo
            else:
                via, inodes = "in_flight", self._peek(pid, int(descriptor), target, descriptors_in_flight(fdinfo))
            for inode in inodes:
                if inode in self._wanted:
                    yield inode, Seat(pid, int(descriptor), via, tid)
                elif link_of(inode) in telling:
                    self._found.hidden_in_flight += 1  # a UNIX socket that may carry others, but has no descriptor

    def _peek(self, pid: int, descriptor: int, target: str, carried: int) -> list[int]:
        if not carried:
            return []
        inodes = self._host.peek_descriptors(pid, descriptor, int(target[len("socket:[") : -1]))
        self._found.hidden_in_flight += max(0, carried - len(inodes))
        return inodes


def _fdinfo(directory: ProcessDirectory, table: str, descriptor: str) -> bytes:
    try:
        return directory.read("%sfdinfo/%s" % (table, descriptor))
    except (Gone, NotPermitted, NotSupported):
        return b""
