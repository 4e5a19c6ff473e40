# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Handles of processes that hold watched sockets: their end is heard at once (pidfd_open(2), Linux 5.3)."""

from __future__ import annotations

import os
import select
from contextlib import suppress

from .. import syscalls
from ..errors import PortreeveError
from ..host import Host
from ..model import Holder
from ..processes import parse_stat
from ..typed import Iterable

_MOST = 256


class Handles:
    """A handle of each holder, as long as they are few beside the descriptors that we may have; ``taken`` are in use
    for the whole watch. ``poll`` wakes up with the end of one."""

    def __init__(self, host: Host, poll: select.poll, taken: int) -> None:
        import resource

        self._host = host
        self._poll = poll
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._most = _MOST if limit == resource.RLIM_INFINITY else max(min(_MOST, limit // 4, limit // 2 - taken), 0)
        self._opened: dict[int, int] = {}
        self.unheard = 0  # the most holders so far without a handle for want of descriptors

    def follow(self, holders: Iterable[Holder]) -> bool:
        """Let the handles be those of ``holders``, of too many the oldest; returns whether all of them still live."""
        births = {one.pid: one.process.start_ticks for one in holders}
        for pid in self._opened.keys() - births:
            self._release(pid)
        missing = sorted(births.keys() - self._opened, key=lambda pid: (births[pid], pid))
        room = self._most - len(self._opened)
        self.unheard = max(self.unheard, len(missing) - room)
        gone = [pid for pid in missing[:room] if not self._open(pid, births[pid])]
        return not gone

    def _open(self, pid: int, birth: int) -> bool:
        """Open one; returns False when the process has gone, be it that a later one has its number."""
        try:
            handle = syscalls.open_process_handle(pid)
        except (OSError, PortreeveError):  # gone, or a kernel without: the next walk tells
            return True
        with suppress(PortreeveError):
            if parse_stat(self._host.read("/proc/%d/stat" % pid)).start_ticks == birth:
                self._opened[pid] = handle
                self._poll.register(handle, select.POLLIN)
                return True
        os.close(handle)
        return False

    def take_ended(self) -> list[int]:
        """Return the holders that have ended since the last call."""
        poll = select.poll()
        for handle in self._opened.values():
            poll.register(handle, select.POLLIN)
        ready = {handle for handle, _events in poll.poll(0)}
        ended = [pid for pid, handle in self._opened.items() if handle in ready]
        for pid in ended:
            self._release(pid)
        return ended

    def _release(self, pid: int) -> None:
        handle = self._opened.pop(pid)
        self._poll.unregister(handle)
        os.close(handle)

    def close(self) -> None:
        """Let go of all of them."""
        for pid in list(self._opened):
            self._release(pid)
