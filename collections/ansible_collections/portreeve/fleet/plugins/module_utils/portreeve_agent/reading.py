# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every read of the host has in common: whole contents, valid text, errors a caller can act on."""

from __future__ import annotations

import errno
import math
import os
import stat
from itertools import islice

from .errors import Gone, NotPermitted, NotSupported
from .lean import Pattern
from .typed import Iterable, NoReturn

GONE = (errno.ENOENT, errno.ESRCH, errno.ENOTDIR)
_REFUSED = (errno.EACCES, errno.EPERM)
_READ_SIZE = 1 << 16
_MOST_ARGUMENTS = 256  # pasta(1) has two for each published port, and the one that tells its container is the last
_MOST_TEXT = 4096  # characters
_LONGEST_ARGUMENT = 1024  # so that what follows Java's class path, the program, is seen
_QUOTE = Pattern("[\"']")
_LAST_WORD = Pattern(r"\S*\Z")


def as_text(data: bytes) -> str:
    """Decode bytes of any origin; what is not UTF-8 shows as ``\\xNN`` and stays valid JSON."""
    return data.decode("utf-8", "backslashreplace")


def translate(error: OSError, path: str) -> NoReturn:
    """Raise the error of ours that an OSError means, with the path it concerns."""
    if error.errno in GONE:
        raise Gone("%s is gone" % path) from error
    if error.errno in _REFUSED:
        raise NotPermitted("%s: permission denied" % path) from error
    raise NotSupported("%s: %s" % (path, error.strerror)) from error


def read_all(descriptor: int, limit: float = math.inf) -> bytes:
    """Return everything that can still be read from a descriptor, up to about ``limit`` bytes."""
    chunks: list[bytes] = []
    length = 0
    while length < limit:
        chunk = os.read(descriptor, _READ_SIZE)
        if not chunk:
            break
        chunks.append(chunk)
        length += len(chunk)
    return b"".join(chunks)


def read_regular(path: str, limit: int, follow: bool = True) -> bytes:
    """Return at most ``limit`` bytes of a regular file; to open a FIFO or a device may do harm already.

    Without ``follow`` a link is none, wherever it leads.
    A place (O_PATH, open(2)) is no opened file yet, and what it holds can be opened by it once it is known.
    """
    place = os.open(path, os.O_PATH | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW))
    try:
        if not stat.S_ISREG(os.fstat(place).st_mode):
            raise NotSupported("%s: not a regular file" % path)
        descriptor = os.open("/proc/self/fd/%d" % place, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.read(descriptor, limit)
        finally:
            os.close(descriptor)
    finally:
        os.close(place)


def shorten_arguments(arguments: Iterable[str], count: int) -> tuple[str, ...]:
    """Return ``count`` arguments in a size that bears repetition; a last one says how many more there are.

    >>> shorten_arguments(["server"] + ["-v"] * 300, 301)[-2:]
    ('-v', '… 45 more')
    """
    kept: list[str] = []
    room = _MOST_TEXT
    for argument in islice(arguments, _MOST_ARGUMENTS):
        argument = _shorten(argument)
        if len(argument) > room:
            break
        room -= len(argument)
        kept.append(argument)
    if len(kept) < count:
        kept.append("… %d more" % (count - len(kept)))
    return tuple(kept)


def _shorten(argument: str) -> str:
    """Cut the tail so that a secret in what is left can still be known for one.

    Quotes tell where a command in an argument ends, what follows a URL's password tells that it is one, and its whole
    length that a token is one: what is cut ends before the first quote, and with a whole word or part of a path.
    """
    if len(argument) <= _LONGEST_ARGUMENT:
        return argument
    head = _QUOTE.split(argument[:_LONGEST_ARGUMENT], 1)[0]
    words = _LAST_WORD.sub("", head)
    return (words or head[: head.rfind("/") + 1]) + "…"


class KeptOpen:
    """Holds what a path leads to in a ``with`` statement, and gives a path to it that lasts as long as it is held."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> str:
        try:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            translate(error, self._path)
        return "/proc/self/fd/%d" % self._descriptor

    def __exit__(self, *_error: object) -> None:
        os.close(self._descriptor)
