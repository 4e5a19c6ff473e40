# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A process and what descends from it (proc_pid_stat(5))."""

from __future__ import annotations

from ...errors import PortreeveError
from ...host import Host
from ...model import Process
from ...processes import parse_stat, read_process
from ..prove import settle

_ENDED = "ZX"


def child(host: Host, parent: int, pid: int) -> Process | None:
    """Return the child with this pid, as its parent counts pids (proc_pid_status(5), NSpid); None where it has ended or
    cannot be seen."""
    for one in host.pids():
        try:
            if _parent(host, one) == parent and _innermost(host, one) == pid:
                process = read_process(host, one)
                return None if process.state in _ENDED else process
        except PortreeveError:
            continue
    return None


def descendants(host: Host, process: Process) -> tuple[Process, ...]:
    """Return a process and those that descend from it, the nearest first."""
    children: dict[int, list[int]] = {}
    for pid in host.pids():
        try:
            children.setdefault(_parent(host, pid), []).append(pid)
        except PortreeveError:
            continue
    family, found = list(children.get(process.pid, ())), [process]
    for pid in family:  # grows as it goes
        family += children.pop(pid, ())
        try:
            found.append(read_process(host, pid))
        except PortreeveError:
            continue
    return tuple(found)


def ends(host: Host, process: Process, seconds: float) -> bool:
    """Return whether a process ends within some seconds."""

    def is_over(now: Process | None) -> bool:
        return now is None or now.start_ticks != process.start_ticks or now.state in _ENDED

    def look() -> Process | None:
        try:
            return read_process(host, process.pid)
        except PortreeveError:
            return None

    return is_over(settle(host, look, is_over, seconds))


def _parent(host: Host, pid: int) -> int:
    return parse_stat(host.read("/proc/%d/stat" % pid)).ppid


def _innermost(host: Host, pid: int) -> int:
    for line in host.read("/proc/%d/status" % pid).split(b"\n"):
        if line.startswith(b"NSpid:"):
            return int(line.split()[-1])
    return pid
