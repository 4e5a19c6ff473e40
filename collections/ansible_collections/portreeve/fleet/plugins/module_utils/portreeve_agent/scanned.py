# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the kernel wrote down of all descriptors by one pass, in the form in which a walk reads them one by one."""

from __future__ import annotations

from .descriptors import Links, link_of
from .errors import Gone
from .host import Host
from .kernel.file_scan import ANONYMOUS, EPOLL, MOST_CHOSEN, PIPE, SOCKET, URING, Row, scan_files
from .process_directory import ProcessDirectory
from .typed import Collection, Iterable

_ANONYMOUS_NAMES = {EPOLL: "anon_inode:[eventpoll]", URING: "anon_inode:[io_uring]"}
_FILE = "/"  # where it lies does not matter


class ScannedDescriptors:
    """The descriptors of all processes that lead to ``sockets``, to an io_uring, or to anything that is not a file if
    the sockets are very many or ``everything`` is wanted."""

    def __init__(self, host: Host, sockets: Collection[int], everything: bool) -> None:
        """Scan. Raises NotSupported or NotPermitted where that cannot be."""
        self._sockets = frozenset(sockets)
        self._everything = everything or len(sockets) > MOST_CHOSEN
        self._rows = scan_files(host, None if self._everything else sockets)

    def is_telling(self, pid: int) -> bool:
        """Return whether a process has any descriptor worth a look."""
        sockets = self._sockets
        return any(
            (kind == SOCKET and inode in sockets) or (inode == URING and kind == ANONYMOUS)
            for inode, _pid, _tid, _descriptor, kind in self._rows.get(pid, ())
        )

    def links(self, pid: int, directory: ProcessDirectory) -> Links | None:
        """Return the descriptors of a process and what they lead to, files left to the end and without a descriptor.

        None if it has to be asked itself: where chosen sockets were looked for, or threads have tables of their own.
        """
        rows = self._rows.get(pid, ())
        if not self._everything or any(tid != pid for _inode, _pid, tid, _descriptor, _kind in rows):
            return None
        targets = list(_targets(rows, directory))
        files = directory.descriptor_count() - len(rows)
        return [str(row[3]) for row in rows], targets + [_FILE] * files


def _targets(rows: Iterable[Row], directory: ProcessDirectory) -> Iterable[str]:
    for inode, _pid, _tid, descriptor, kind in rows:
        if kind == SOCKET:
            yield link_of(inode)
        elif kind == PIPE:
            yield "pipe:"
        elif kind == ANONYMOUS:
            yield _ANONYMOUS_NAMES.get(inode, "anon_inode:")
        else:
            try:
                yield directory.readlink("fd/%d" % descriptor)
            except Gone:
                yield _FILE
