# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One process's directory below /proc, opened once (proc(5))."""

from __future__ import annotations

import errno
import os

from .lean import partial
from .reading import GONE, as_text, read_all, translate

MOST_BYTES = 1 << 22


class ProcessDirectory:
    """An opened /proc/PID: reads through it can never reach a later process that got the same pid."""

    def __init__(self, descriptor: int, path: str) -> None:
        self._descriptor = descriptor
        self._path = path

    def __enter__(self) -> ProcessDirectory:
        return self

    def __exit__(self, *_reason: object) -> None:
        os.close(self._descriptor)

    def read(self, name: str) -> bytes:
        """Return the content of one file below the process directory, of an endless one the beginning.

        A process chooses which part of its memory is its command line (prctl(2), PR_SET_MM_MAP).
        """
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._descriptor)
            try:
                return read_all(descriptor, MOST_BYTES)
            finally:
                os.close(descriptor)
        except OSError as error:
            translate(error, self._path + "/" + name)

    def read_memory(self, address: int, size: int) -> bytes:
        """Return what lies in the memory of the process, less than ``size`` where it ends (proc(5), mem)."""
        try:
            descriptor = os.open("mem", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._descriptor)
            try:
                return os.pread(descriptor, size, address) if size else b""
            finally:
                os.close(descriptor)
        except (OSError, OverflowError) as error:
            translate(error if isinstance(error, OSError) else OSError(errno.EIO, str(error)), self._path + "/mem")

    def readlink(self, name: str) -> str:
        """Return the target of one link below the process directory."""
        try:
            return as_text(os.fsencode(os.readlink(name, dir_fd=self._descriptor)))
        except OSError as error:
            translate(error, self._path + "/" + name)

    def lies_as_named(self, name: str, root: str) -> bool:
        """Return whether what a link leads to still lies where the link says, seen from the process's ``root`` link."""
        try:
            named = os.stat(root + os.readlink(name, dir_fd=self._descriptor), dir_fd=self._descriptor)
            return os.path.samestat(named, os.stat(name, dir_fd=self._descriptor))
        except OSError:
            return False

    def thread_count(self) -> int:
        """Return the number of threads from the link count of task/ (one stat instead of a listing)."""
        try:
            return os.stat("task", dir_fd=self._descriptor).st_nlink - 2
        except OSError as error:
            translate(error, self._path + "/task")

    def descriptor_count(self) -> int:
        """Return the number of descriptors of the process, from one stat (Linux 6.2) or else a listing."""
        try:
            return os.stat("fd", dir_fd=self._descriptor).st_size or len(self.list("fd"))
        except OSError as error:
            translate(error, self._path + "/fd")

    def descriptor_links(self, table: str = "fd") -> tuple[list[str], list[str]]:
        """Return the descriptors of one table and, side by side, what they lead to.

        This is where the time of a scan goes. Links are read relative to the opened directory, a third cheaper than by
        absolute path, and by one map() without a Python frame for each; if one is closed meanwhile, singly.
        """
        try:
            directory = os.open(table, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._descriptor)
            try:
                names = os.listdir(directory)
                try:
                    return names, list(map(partial(os.readlink, dir_fd=directory), names))
                except OSError:
                    return _remaining_links(directory, names)
            finally:
                os.close(directory)
        except OSError as error:
            translate(error, self._path + "/" + table)

    def list(self, name: str) -> list[str]:
        """Return the names in one directory below the process's. The last method: ``list`` is its own from here on."""
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._descriptor)
            try:
                return os.listdir(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            translate(error, self._path + "/" + name)


def _remaining_links(directory: int, names: list[str]) -> tuple[list[str], list[str]]:
    links = {}
    for name in names:
        try:
            links[name] = os.readlink(name, dir_fd=directory)
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:  # a file below very many directories
                links[name] = "/"
            elif error.errno not in GONE:
                raise
    return list(links), list(links.values())
