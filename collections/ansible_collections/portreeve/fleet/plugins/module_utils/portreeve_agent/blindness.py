# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What stayed out of sight, and why."""

from __future__ import annotations

from .errors import PortreeveError
from .host import Host
from .model import BlindSpot, HeldSocket
from .sighting import Sighting

_INITIAL_PID_NAMESPACE = "pid:[4026531836]"  # PROC_PID_INIT_INO, linux/proc_ns.h


class Blindness:
    """What a walk could not see, and what follows for sockets without a visible holder."""

    def __init__(self, host: Host, sighting: Sighting) -> None:
        self._walk = sighting.walk
        self._restless = sighting.restless
        self._relevant = any(socket.inode for socket in sighting.tables.sockets)
        self._is_root = host.is_root()
        self._hidden_processes = not self._is_root and _proc_hides_processes(host)
        self._confined = _pid_namespace(host) != _INITIAL_PID_NAMESPACE

    def is_the_kernels(self, inode: int) -> bool | None:
        """Return whether a socket for which no holder was found may be called the kernel's own, None if undecided."""
        hidden = self._walk.is_blind or self._hidden_processes or self._confined or inode in self._restless
        return None if hidden else True

    def spots(self, sockets: tuple[HeldSocket, ...]) -> tuple[BlindSpot, ...]:
        """Return the blind spots that matter for these sockets."""
        if not self._relevant:
            return ()
        spots = []
        if self._walk.unreadable:
            spots.append(_unreadable(self._walk.unreadable, self._is_root))
        if self._hidden_processes:
            spots.append(BlindSpot("processes of other users", "/proc is mounted with hidepid", 1))
        if self._walk.hidden_in_flight:
            spots.append(
                BlindSpot("descriptors in flight", "queued behind others in a UNIX socket", self._walk.hidden_in_flight)
            )
        if self._walk.unlisted_queues:
            why = "the kernel does not list UNIX sockets"
            spots.append(BlindSpot("descriptors in flight", why, self._walk.unlisted_queues))
        if self._walk.busy_rings:
            spots.append(BlindSpot("files registered with io_uring", "the ring was at work", self._walk.busy_rings))
        if self._walk.unvisited:
            why = "they were born faster than the scan"
            spots.append(BlindSpot("descriptors of new processes", why, self._walk.unvisited))
        if self._restless:
            why = "they change hands faster than the scan"
            spots.append(BlindSpot("holders of sockets", why, len(self._restless)))
        undecided = sum(1 for held in sockets if held.in_kernel is None)
        if undecided and self._confined:
            spots.append(BlindSpot("processes outside this PID namespace", "the agent runs inside of it", undecided))
        return tuple(spots)


def _unreadable(pids: list[int], is_root: bool) -> BlindSpot:
    what = "descriptors of process %d" % pids[0] if len(pids) == 1 else "descriptors of other processes"
    why = "it has capabilities that the agent lacks (ptrace(2))" if is_root else "permission denied (not root)"
    return BlindSpot(what, why, len(pids))


def _pid_namespace(host: Host) -> str | None:
    try:
        return host.readlink("/proc/self/ns/pid")
    except PortreeveError:
        return None


def _proc_hides_processes(host: Host) -> bool:
    for line in reversed(host.read_text("/proc/self/mountinfo").split("\n")[:-1]):  # the last one covers the others
        fields = line.split(" ")
        if fields[4] == "/proc":
            hiding = [option for option in fields[-1].split(",") if option.startswith("hidepid=")]
            return not {"hidepid=0", "hidepid=off"}.issuperset(hiding)
    return False
