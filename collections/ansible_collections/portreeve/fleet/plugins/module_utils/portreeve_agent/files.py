# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files of a host, or of a tree that looks like one."""

from __future__ import annotations

import os

from .errors import NotSupported
from .reading import as_text, read_all, read_regular, translate

_SETTING_SIZE = 1 << 19  # more than the longest there is, a list of ports with every third one left out


class Files:
    """What can be read below ``root``. Each raises Gone, NotPermitted or NotSupported with the path it concerns."""

    def __init__(self, root: str = "/") -> None:
        self._root = root.rstrip("/")

    def path(self, path: str) -> str:
        """Return where ``path`` of the host lies."""
        return self._root + path

    def read(self, path: str) -> bytes:
        """Return the content of a file."""
        try:
            descriptor = os.open(self.path(path), os.O_RDONLY | os.O_CLOEXEC)
            try:
                return read_all(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            translate(error, path)

    def read_at_once(self, path: str) -> bytes:
        """Return the content of a kernel setting by one read: some end after the first, however short it was."""
        try:
            descriptor = os.open(self.path(path), os.O_RDONLY | os.O_CLOEXEC)
            try:
                return os.read(descriptor, _SETTING_SIZE)
            finally:
                os.close(descriptor)
        except OSError as error:
            translate(error, path)

    def read_text(self, path: str) -> str:
        """Return the content of a file as text that is always valid Unicode."""
        return as_text(self.read(path))

    def read_ordinary(self, path: str, limit: int) -> str:
        """Return the beginning of an untrusted owner's file as text. Raises NotSupported if it is no regular file."""
        try:
            return as_text(read_regular(self.path(path), limit))
        except OSError as error:
            translate(error, path)

    def read_strictly(self, path: str, limit: int) -> str | None:
        """Return a file's text as it stands, None where there is no file, so that it can be replaced whole.

        Raises NotSupported for a link, for what is no regular file or not UTF-8, and from ``limit`` bytes on.
        """
        try:
            content = read_regular(self.path(path), limit, follow=False)
        except FileNotFoundError:
            return None
        except OSError as error:
            translate(error, path)
        if len(content) >= limit:
            raise NotSupported("%s: longer than %d bytes" % (path, limit))
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise NotSupported("%s: not a text in UTF-8" % path) from error

    def readlink(self, path: str) -> str:
        """Return the target of a link."""
        try:
            return as_text(os.fsencode(os.readlink(self.path(path))))
        except OSError as error:
            translate(error, path)

    def inode(self, path: str) -> int:
        """Return the inode number of what ``path`` leads to."""
        try:
            return os.stat(self.path(path)).st_ino
        except OSError as error:
            translate(error, path)

    def subdirectories(self, path: str) -> list[tuple[str, int]]:
        """Return (name, inode) of the directories in ``path`` without a stat for each."""
        try:
            with os.scandir(self.path(path)) as entries:
                return [(entry.name, entry.inode()) for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError as error:
            translate(error, path)

    def list(self, path: str) -> list[str]:
        """Return the sorted names in a directory. The last method: ``list`` is its own from here on."""
        try:
            return sorted(os.listdir(self.path(path)))
        except OSError as error:
            translate(error, path)
