# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What /proc/PID/fdinfo tells of one descriptor (proc(5))."""

from __future__ import annotations

_CLOSE_ON_EXEC, _NON_BLOCKING = 0o2000000, 0o4000  # fcntl(2), by their numbers on most machines


def closes_on_exec(fdinfo: bytes) -> bool | None:
    """Return the close-on-exec flag, None when it is not told: ``closes_on_exec(b"flags:\\t02000002\\n")`` is True."""
    flags = _flags(fdinfo)
    return None if flags is None else bool(flags & _CLOSE_ON_EXEC)


def never_blocks(fdinfo: bytes) -> bool:
    """Return whether accept() and recv() on it return at once: ``never_blocks(b"flags:\\t02004002\\n")`` is True."""
    return bool((_flags(fdinfo) or 0) & _NON_BLOCKING)


def _flags(fdinfo: bytes) -> int | None:
    for line in fdinfo.split(b"\n"):
        if line.startswith(b"flags:"):
            return int(line.split()[1], 8)
    return None


def parse_targets(fdinfo: bytes) -> tuple[set[int], set[int]]:
    """Return the descriptors in an epoll set, and the inodes of what they led to when they were added.

    ``parse_targets(b"tfd:  7 events: 19 data: 7  pos:0 ino:4d2 sdev:9\\n") == ({7}, {1234})``
    """
    lines = [line for line in fdinfo.split(b"\n") if line.startswith(b"tfd:") and b" ino:" in line]  # since Linux 4.13
    return (
        {int(line.split(None, 2)[1]) for line in lines},
        {int(line.rpartition(b" ino:")[2].split(None, 1)[0], 16) for line in lines},
    )


def registered_sockets(fdinfo: bytes) -> list[int]:
    """Return the inodes of sockets registered with an io_uring, from its fdinfo.

    ``registered_sockets(b"UserFiles:\\t1\\n    0: socket:[77]\\n") == [77]``.
    """
    marker = b": socket:["
    return [int(line.split(marker)[1].rstrip(b"]")) for line in fdinfo.split(b"\n") if marker in line]


def descriptors_in_flight(fdinfo: bytes) -> int:
    """Return how many descriptors wait in a UNIX socket's queue: ``descriptors_in_flight(b"scm_fds: 2\\n") == 2``."""
    for line in fdinfo.split(b"\n"):
        if line.startswith(b"scm_fds:"):
            return int(line.split()[1])
    return 0
