# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every read of the host has in common: whole contents, valid text, errors a caller can act on."""

from __future__ import annotations

import errno
import os
import stat
from typing import NoReturn

from .errors import Gone, NotPermitted, NotSupported

GONE = (errno.ENOENT, errno.ESRCH, errno.ENOTDIR)
_REFUSED = (errno.EACCES, errno.EPERM)
_READ_SIZE = 1 << 16


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


def read_all(descriptor: int) -> bytes:
    """Return everything that can still be read from a descriptor."""
    chunks: list[bytes] = []
    while True:
        chunk = os.read(descriptor, _READ_SIZE)
        if not chunk:
            return b"".join(chunks)
        chunks.append(chunk)


def read_regular(path: str, limit: int) -> bytes:
    """Return at most ``limit`` bytes of a regular file: a FIFO would hold us up, a device might never end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotSupported("%s: not a regular file" % path)
        return os.read(descriptor, limit)
    finally:
        os.close(descriptor)
