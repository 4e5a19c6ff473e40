# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What lies in the memory of a process, where the process says: now and then, and never for long."""

from __future__ import annotations

from collections import deque

from ..errors import PortreeveError
from ..host import Host

_SECONDS = 0.5
_MOST_PER_SECOND = 4
_MOST_LEFT_BEHIND = 4


class Recollection:
    """Reads memory in a second process: what is mapped there may answer when it likes, or never, and whoever reads it
    may not even be killed. After some that were left behind for that it is not tried any more."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._started: deque[float] = deque(maxlen=_MOST_PER_SECOND)
        self._left_behind = 0

    def recall(self, pid: int, address: int, size: int) -> bytes:
        """Return what lies at an address now, nothing where that cannot be had, or too often."""
        now = self._host.clock()
        often = len(self._started) == _MOST_PER_SECOND and now - self._started[0] < 1
        if often or self._left_behind == _MOST_LEFT_BEHIND:
            return b""
        self._started.append(now)
        try:
            return self._host.in_second_process(lambda: _read(self._host, pid, address, size), _SECONDS)()
        except PortreeveError:
            self._left_behind += self._host.clock() - now >= _SECONDS
            return b""


def _read(host: Host, pid: int, address: int, size: int) -> bytes:
    try:
        with host.open_process(pid) as directory:
            return directory.read_memory(address, size)
    except PortreeveError:  # gone, or nothing lies there
        return b""
