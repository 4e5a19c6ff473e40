# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The very process that is meant, and nobody else: identity is checked on the handle through which one acts."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from itertools import chain

from ...descriptors import link_of
from ...errors import Gone, Moved, NotPermitted, NotSupported
from ...fdinfo import descriptors_in_flight, registered_sockets
from ...host import Host
from ...process_directory import ProcessDirectory
from ...process_handle import ProcessHandle
from ...processes import Stat, parse_stat, read_process
from ...typed import Collection, Iterator
from ...verdicts.wording import name_mark, one_line
from ...writing import ActingHost
from ..records import ProcessMark, SocketMark

_URING = "anon_inode:[io_uring]"
_SOCKET = "socket:["


@contextmanager
def seized(host: ActingHost, mark: ProcessMark) -> Iterator[ProcessHandle]:
    """Open a handle of the process that ``mark`` means.

    The handle comes first: if /proc then still shows the start that was noted, the pid has had no other process in
    between. Raises Gone when it has ended, Moved when another process has its pid or it runs another program
    (execve(2)), NotPermitted when /proc hides it, NotSupported without such handles or where /proc is of another PID
    namespace (pid_namespaces(7)).
    """
    try:
        handle = host.open_handle(mark.pid)
    except Gone:
        _check_numbers_are_ours(host, mark)
        raise Gone("%s has ended" % name_mark(mark)) from None
    with handle:
        _check_identity(host, mark, handle)
        yield handle


def read_stat(host: Host, mark: ProcessMark) -> Stat:
    """Return what /proc/PID/stat tells of whoever has the pid now. Raises Gone."""
    return parse_stat(host.read("/proc/%d/stat" % mark.pid))


def holds(host: Host, mark: ProcessMark, sockets: Collection[SocketMark]) -> bool:
    """Return whether the process keeps any of ``sockets``: by a descriptor, be it in a table of a thread alone, by an
    io_uring, or in the queue of a UNIX socket. Raises Gone when it has ended, NotPermitted where one may not look.
    """
    inodes = {one.inode for one in sockets if one.inode}
    with host.open_process(mark.pid) as directory:
        tables = chain([""], private_tables(host, mark.pid, directory))
        return any(_is_in(host, mark.pid, directory, table, inodes) for table in tables)


def private_tables(host: Host, pid: int, directory: ProcessDirectory) -> Iterator[str]:
    """Yield ``task/TID/`` for each thread that does not share the descriptor table of its process (unshare(2))."""
    if directory.thread_count() < 2:
        return
    for tid in sorted(map(int, directory.list("task"))):
        with suppress(Gone, NotPermitted, NotSupported):  # where it cannot be told, what is there is looked at
            if host.shares_descriptor_table(pid, tid):
                continue
        yield "task/%d/" % tid


def _check_numbers_are_ours(host: Host, mark: ProcessMark) -> None:
    with suppress(Gone):
        stat = read_stat(host, mark)
        if stat.start_ticks == mark.start_ticks and stat.state not in "ZX":
            raise NotSupported("%s is in a PID namespace that cannot be reached from here" % name_mark(mark))


def _check_identity(host: ActingHost, mark: ProcessMark, handle: ProcessHandle) -> None:
    try:
        number = parse_pid(host.read("/proc/self/fdinfo/%d" % handle.descriptor))
    except Gone:
        number = None
    if handle.has_ended_within(0):
        raise Gone("%s has ended" % name_mark(mark))
    if number != mark.pid:
        raise NotSupported("%s is in a PID namespace that cannot be reached from here" % name_mark(mark))
    try:
        stat = read_stat(host, mark)
    except Gone:
        if handle.has_ended_within(0):
            raise Gone("%s has ended" % name_mark(mark)) from None
        raise NotPermitted("%s is hidden from us in /proc: it may be another one by now" % name_mark(mark)) from None
    if stat.start_ticks != mark.start_ticks:
        raise Moved(
            "%s has ended, and its pid is that of another process now, %s" % (name_mark(mark), one_line(stat.name))
        )
    program = read_process(host, mark.pid).exe if mark.exe else None
    if program is not None and program != mark.exe:
        raise Moved("%s runs another program now, %s" % (name_mark(mark), one_line(program)))


def parse_pid(fdinfo: bytes) -> int | None:
    """Return whose handle a descriptor is, by the numbers of the /proc it is read from, from its fdinfo.

    >>> parse_pid(b"flags:\\t02000002\\nPid:\\t77\\nNSpid:\\t77\\t3\\n")
    77
    """
    for line in fdinfo.split(b"\n"):
        if line.startswith(b"Pid:"):
            return int(line.split()[1])
    return None


def _is_in(host: Host, pid: int, directory: ProcessDirectory, table: str, inodes: Collection[int]) -> bool:
    try:
        descriptors, targets = directory.descriptor_links(table + "fd")
    except Gone:  # a thread that ended, or the first of a process whose other threads live on
        return False
    if not {link_of(inode) for inode in inodes}.isdisjoint(targets):
        return True
    for descriptor, target in zip(descriptors, targets):
        if target == _URING or target.startswith(_SOCKET):
            fdinfo = b""
            with suppress(Gone):
                fdinfo = directory.read("%sfdinfo/%s" % (table, descriptor))
            kept = registered_sockets(fdinfo)
            if descriptors_in_flight(fdinfo):
                kept = host.peek_descriptors(pid, int(descriptor), int(target[len(_SOCKET) : -1]))
            if not set(kept).isdisjoint(inodes):
                return True
    return False
