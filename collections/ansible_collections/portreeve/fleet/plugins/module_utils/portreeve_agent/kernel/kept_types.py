# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The few facts about a kernel's types that programs need, kept until the next boot: to find them takes 0.1 s and more.

What is kept is believed only where nobody but root can have written it, for the very kernel that it was read from.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from zlib import crc32

from ..errors import NotSupported, PortreeveError
from ..host import Host
from ..reading import as_text, read_all
from ..typed import Iterator
from .btf import Types, read_types

_DIRECTORY, _NAME = "/run/portreeve", "kernel-types"
_DIRECTORY_MODE, _FILE_MODE = 0o755, 0o600
_MOST_BYTES = 1 << 16
_BUILD = ("/proc/version", "/sys/kernel/notes")  # the linker leaves its build id in the latter
_ABSENT = -1


class KnownTypes(Types):
    """Answers from what is kept, and reads the kernel's description at the first question that it does not answer."""

    def __init__(self, host: Host, kept: dict[str, int]) -> None:
        self._host = host
        self._types: Types | None = None
        self.kept = kept
        self.has_learned = False

    def function(self, name: str) -> int:
        number = self.kept.get(name)
        return self._learn(name, name) if number is None else _present(number, "no function " + name)

    def offset(self, structure: str, member: str) -> int:
        key = structure + "." + member
        place = self.kept.get(key)
        if place is None:
            return self._learn(key, structure, member)
        return _present(place, "no member %s in its structure %s" % (member, structure))

    def _learn(self, key: str, name: str, member: str = "") -> int:
        if self._types is None:
            self._types = read_types(self._host)
        self.has_learned = True
        self.kept[key] = _ABSENT
        self.kept[key] = self._types.offset(name, member) if member else self._types.function(name)
        return self.kept[key]


def _present(number: int, lack: str) -> int:
    if number == _ABSENT:
        raise NotSupported("this kernel has " + lack)
    return number


@contextmanager
def known_types(host: Host) -> Iterator[KnownTypes]:
    """Give the types of the running kernel, and keep in /run/portreeve/kernel-types what was asked of them.

    Whoever is not root reads them anew each time, as everybody does where the file cannot be written or is not to be
    believed. Raises NotSupported or NotPermitted where the kernel does not tell its types.
    """
    if not host.is_root():
        yield KnownTypes(host, {})
        return
    build = _build(host)
    types = KnownTypes(host, _unpack(_read(host.path(_DIRECTORY)), build))
    try:
        yield types
    finally:  # what the kernel lacks is worth keeping above all
        if types.has_learned:
            with suppress(OSError):
                _write(host.path(_DIRECTORY), _pack(types.kept, build))


def _build(host: Host) -> bytes:
    """Return what is different for each build of a kernel."""
    told = [as_text(host.read(_BUILD[0]))]
    with suppress(PortreeveError):
        told.append(host.read(_BUILD[1]).hex())
    return " ".join("".join(told).split()).encode("utf-8")


def _pack(kept: dict[str, int], build: bytes) -> bytes:
    """Return the file for some facts; the first line is the check sum of the others."""
    lines = [build, *(b"%s %d" % (key.encode("ascii"), kept[key]) for key in sorted(kept))]
    content = b"\n".join(lines) + b"\n"
    return b"%08x\n" % crc32(content) + content


def _unpack(data: bytes, build: bytes) -> dict[str, int]:
    """Return the facts in a file, none where it is another kernel's or not whole."""
    told, _line, content = data.partition(b"\n")
    if told != b"%08x" % crc32(content) or not content.startswith(build + b"\n"):
        return {}
    facts = [line.rpartition(b" ") for line in content[len(build) + 1 :].split(b"\n") if line]
    return {as_text(key): int(number) for key, _space, number in facts}


def _read(path: str) -> bytes:
    """Return the content of the file, nothing where it is not there or anybody but root may have had a hand in it."""
    try:
        directory = _open_directory(path)
        try:
            descriptor = os.open(_NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
            try:
                facts = os.fstat(descriptor)
                is_ours = stat.S_ISREG(facts.st_mode) and facts.st_nlink == 1 and _only_roots(facts)
                return read_all(descriptor, _MOST_BYTES) if is_ours else b""
            finally:
                os.close(descriptor)
        finally:
            os.close(directory)
    except OSError:
        return b""


def _write(path: str, data: bytes) -> None:
    """Put a file with ``data`` in the place of the one there is, at once. Raises OSError where that cannot be."""
    with suppress(FileExistsError):
        os.mkdir(path, _DIRECTORY_MODE)
        os.chmod(path, _DIRECTORY_MODE)  # whatever the umask: what is reserved lies there as well, for all to read
    directory = _open_directory(path)
    try:
        new = "%s.%d" % (_NAME, os.getpid())
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            with open(os.open(new, flags, _FILE_MODE, dir_fd=directory), "wb") as stream:
                stream.write(data)
            os.rename(new, _NAME, src_dir_fd=directory, dst_dir_fd=directory)
        except OSError:
            os.unlink(new, dir_fd=directory)
            raise
    finally:
        os.close(directory)


def _open_directory(path: str) -> int:
    """Return the opened directory. Raises OSError where it is none, or where anybody but root may write to it."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    if not _only_roots(os.fstat(directory)):
        os.close(directory)
        raise PermissionError(path)
    return directory


def _only_roots(facts: os.stat_result) -> bool:
    return facts.st_uid == 0 and not facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
