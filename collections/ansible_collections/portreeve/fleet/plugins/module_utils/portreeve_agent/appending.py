# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A record that only grows, line by line, each on the disk before anything goes on, and that nobody else can write."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

from .errors import NotApplied, NotPermitted
from .typed import NoReturn

_DIRECTORY_MODE = 0o750
_FILE_MODE = 0o600
_OTHERS_MAY_WRITE = 0o022
_REFUSED = (errno.EACCES, errno.EPERM)
_MEANINGS = {
    errno.ELOOP: "it is a link",
    errno.EISDIR: "it is a directory",
    errno.ENXIO: "it is no regular file",
    errno.ENOTDIR: "it is not a directory, or below something that is none",
    errno.ENOENT: "the directory in which it is to be is not there",
}


def append_line(path: str, line: str, room: int) -> None:
    """Add a line to a file in a directory of its own, both made if missing, and have it on the disk (fsync(2)).

    What is left of a line that was torn is ended first; what cannot be written whole is taken back. With less than
    ``room`` bytes left on the filesystem nothing is written. Raises NotApplied or NotPermitted, also where file or
    directory is somebody else's, may be written by others, or is no plain one.
    """
    parent, name = os.path.split(path)
    directory = _open_directory(parent)
    try:
        descriptor = _open_file(name, directory, path)
        try:
            _check_owner(descriptor, path)
            _check_room(descriptor, room, path)
            _write(descriptor, line.encode("utf-8") + b"\n")
            os.fsync(descriptor)
            os.fsync(directory)
        except OSError as error:
            _refuse(error, path)
        finally:
            os.close(descriptor)
    finally:
        os.close(directory)


def check_line(path: str, room: int) -> None:
    """Raise what ``append_line`` would raise as far as that can be told without writing anything."""
    parent = os.path.dirname(path)
    try:
        for place, flags in ((path, os.O_RDWR), (parent, os.O_RDONLY | os.O_DIRECTORY), (os.path.dirname(parent), 0)):
            with suppress(FileNotFoundError):
                _check_place(place, flags, room, owned=place != os.path.dirname(parent))
                return
    except OSError as error:
        _refuse(error, path)


def _check_place(path: str, flags: int, room: int, owned: bool) -> None:
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if owned:
            _check_owner(descriptor, path)
        if os.fstatvfs(descriptor).f_flag & os.ST_RDONLY:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        _check_room(descriptor, room, path)
    finally:
        os.close(descriptor)


def _open_directory(path: str) -> int:
    try:
        with suppress(FileExistsError):
            os.mkdir(path, _DIRECTORY_MODE)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        _refuse(error, path)
    try:
        _check_owner(descriptor, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _open_file(name: str, directory: int, path: str) -> int:
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(name, flags, _FILE_MODE, dir_fd=directory)
    except OSError as error:
        _refuse(error, path)


def _check_owner(descriptor: int, path: str) -> None:
    found = os.fstat(descriptor)
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        raise NotApplied("%s: it is no regular file" % path)
    if found.st_uid != os.geteuid():
        raise NotApplied("%s: it belongs to uid %d" % (path, found.st_uid))
    if found.st_mode & _OTHERS_MAY_WRITE:
        raise NotApplied("%s: others may write to it (mode %04o)" % (path, stat.S_IMODE(found.st_mode)))


def _check_room(descriptor: int, room: int, path: str) -> None:
    there = os.fstatvfs(descriptor)
    if there.f_blocks and there.f_bfree * there.f_frsize < room:
        raise NotApplied("%s: less than %d KiB are left on its filesystem" % (path, room // 1024))


def _write(descriptor: int, line: bytes) -> None:
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        line = b"\n" + line
    if os.write(descriptor, line) != len(line):
        os.ftruncate(descriptor, size)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _refuse(error: OSError, path: str) -> NoReturn:
    if error.errno in _REFUSED:
        raise NotPermitted("%s: permission denied" % path) from error
    raise NotApplied("%s: %s" % (path, _MEANINGS.get(error.errno or 0, error.strerror))) from error
