# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who is whose parent, and who may have lost his (proc(5), stat and status)."""

from __future__ import annotations

from .errors import Gone, NotPermitted, NotSupported
from .host import Host
from .model import Process
from .processes import Stat, parse_stat
from .typed import Mapping

_FARTHEST = 64


class Lineage:
    """The parents of processes of one scan, each read once."""

    def __init__(self, host: Host, processes: Mapping[int, Process]) -> None:
        self._host = host
        self._processes = processes
        self._stats: dict[int, Stat | None] = {}
        self._adopting: dict[int, bool] = {}
        self._orphans: dict[int, bool] = {}

    def ancestors(self, pid: int) -> tuple[int, ...]:
        """Return the parents of a process, the nearest first, up to the first process of all."""
        found: list[int] = []
        parent = self._processes[pid].ppid
        while parent > 0 and parent not in found and len(found) < _FARTHEST:
            found.append(parent)
            stat = self._stat(parent)
            parent = stat.ppid if stat else 0
        return tuple(found)

    def has_only_forked(self, pid: int) -> bool | None:
        """Return whether a process still runs the program of its parent: it has not executed any; None when gone."""
        stat = self._stat(pid)
        return stat.forked if stat else None

    def may_be_an_orphan(self, pid: int) -> bool:
        """Return whether the parent may be one who adopted the process when its own died (prctl(2), subreaper).

        Such a one is the first of a PID namespace, or leads another session: children stay in the session of
        their parent until they leave it.
        """
        if pid not in self._orphans:
            process = self._processes[pid]
            parent = self._stat(process.ppid) if process.ppid else None
            left = parent is None or parent.session != process.session or self._adopts(process.ppid)
            self._orphans[pid] = process.ppid != 0 and left
        return self._orphans[pid]

    def _stat(self, pid: int) -> Stat | None:
        if pid not in self._stats:
            try:
                with self._host.open_process(pid) as directory:
                    self._stats[pid] = parse_stat(directory.read("stat"))
            except (Gone, NotPermitted, NotSupported):
                self._stats[pid] = None
        return self._stats[pid]

    def _adopts(self, pid: int) -> bool:
        if pid not in self._adopting:
            self._adopting[pid] = pid == 1 or self._is_first(pid)
        return self._adopting[pid]

    def _is_first(self, pid: int) -> bool:
        try:
            with self._host.open_process(pid) as directory:
                return is_first_of_namespace(directory.read("status"))
        except (Gone, NotPermitted, NotSupported):
            return False


def is_first_of_namespace(status: bytes) -> bool:
    """Return whether a process is number 1 in its PID namespace: ``is_first_of_namespace(b"NSpid:\\t77\\t1\\n")``."""
    for line in status.split(b"\n"):
        if line.startswith(b"NSpid:"):
            return line.split()[-1] == b"1"
    return False
