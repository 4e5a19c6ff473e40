# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One question of ownership, and what the scan has read to answer such questions so far."""

from __future__ import annotations

from ..errors import PortreeveError
from ..host import Host
from ..model import Process, Socket
from ..processes import ProcessReader
from ..reading import as_text
from ..record import NamedTuple
from ..typed import TYPE_CHECKING, Iterator, Sequence
from .cgroup_tree import CgroupTree
from .placement import Mark, Placement, place

if TYPE_CHECKING:
    from .docker import Engine
    from .podman import Monitor
    from .socket_listing import SocketUnit

_MOST_ANCESTORS = 64
_MOST_ENVIRONMENT = 1 << 18  # bytes


class Told(NamedTuple):
    """What an engine tells of a container; ``name`` is None when it could not be told, ``evidence`` says why."""

    name: str | None
    detail: dict[str, str]
    evidence: str | None


def as_data(value: object) -> str:
    """Return an engine's text as valid Unicode: JSON may spell lone surrogates, which no output takes."""
    return "" if value is None else as_text(str(value).encode("utf-8", "surrogatepass"))


class Scene:
    """What the resolvers of one scan share. Each source is read when first asked for, and once."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.cgroups = CgroupTree(host)
        self._reader: ProcessReader | None = None
        self._processes: dict[int, Process | None] = {}
        self._lineages: dict[int, list[Process]] = {}  # of the children of a process: itself and its ancestors
        self._placements: dict[str, Placement] = {}
        self._users: dict[int, str] = {}
        self._told: dict[Mark, Told] = {}
        self._docker: dict[int | None, Engine] = {}
        self._monitors: list[Monitor] | None = None
        self._socket_units: dict[int | None, list[SocketUnit]] = {}
        self._supervised: dict[int, dict[str, dict[str, str]]] = {}

    def remember(self, process: Process) -> None:
        """Keep a process the scan has read already."""
        if self._processes.get(process.pid) is not process:
            self._processes[process.pid] = process
            self._lineages.clear()
        if process.cgroup:
            self.cgroups.remember(process.cgroup)

    def place(self, path: str | None) -> Placement:
        """Return what a cgroup path says."""
        path = path or ""
        if path not in self._placements:
            self._placements[path] = place(path)
        return self._placements[path]

    def process(self, pid: int) -> Process | None:
        """Return a process, or None when it is gone or hidden."""
        if pid not in self._processes:
            self._processes[pid] = self._read(pid)
        return self._processes[pid]

    def _read(self, pid: int) -> Process | None:
        try:
            self._reader = self._reader or ProcessReader(self.host)
            with self.host.open_process(pid) as directory:
                return self._reader.read(pid, directory)
        except PortreeveError:
            return None

    def ancestors(self, process: Process) -> Sequence[Process]:
        """Return the parent, its parent and so on, as far as they can be seen."""
        parent = self._parent(process)
        if parent is None:
            return ()
        if parent.pid not in self._lineages:
            self._lineages[parent.pid] = list(self._lineage(parent))
        return self._lineages[parent.pid]

    def _lineage(self, process: Process) -> Iterator[Process]:
        ancestor: Process | None = process
        for _generation in range(_MOST_ANCESTORS):
            if ancestor is None:
                return
            yield ancestor
            ancestor = self._parent(ancestor)

    def _parent(self, process: Process) -> Process | None:
        parent = self.process(process.ppid) if process.ppid else None
        if parent is None or parent.start_ticks > process.start_ticks:  # the pid has gone to a later process
            return None
        return parent

    def children(self, pid: int) -> list[int]:
        """Return the pids of a process's children (proc(5), task/TID/children)."""
        try:
            return [int(child) for child in self.host.read("/proc/%d/task/%d/children" % (pid, pid)).split()]
        except PortreeveError:
            return []

    def environment(self, pid: int) -> dict[str, str]:
        """Return the variables a process started with; empty when unreadable or overwritten by the process.

        A process may say that they lie anywhere in its memory (PR_SET_MM_MAP), so only the beginning is read.
        """
        try:
            text = self.host.read_ordinary("/proc/%d/environ" % pid, _MOST_ENVIRONMENT)
        except PortreeveError:
            return {}
        return {name: value for name, _sep, value in (item.partition("=") for item in text.split("\0"))}

    def network_of(self, pid: int) -> int | None:
        """Return the inode of a process's network namespace."""
        try:
            return int(self.host.readlink("/proc/%d/ns/net" % pid).strip("net:[]"))
        except (PortreeveError, ValueError):
            return None

    def user(self, uid: int) -> str:
        """Return a login name, or the uid as text where there is none."""
        if uid not in self._users:
            self._users[uid] = self.host.user_name(uid) or str(uid)
        return self._users[uid]

    def docker(self, uid: int | None) -> Engine:
        """Return what the docker engine of the system (None) or of a user tells."""
        from .docker import read_engine

        if uid not in self._docker:
            self._docker[uid] = read_engine(self.host, uid)
        return self._docker[uid]

    def monitors(self) -> list[Monitor]:
        """Return the running container monitors of podman and cri-o."""
        from .podman import read_monitors

        if self._monitors is None:
            self._monitors = read_monitors(self)
        return self._monitors

    def socket_units(self, uid: int | None) -> list[SocketUnit]:
        """Return the .socket units of the system's manager (None) or of a user's."""
        from .socket_listing import read_socket_units

        if uid not in self._socket_units:
            self._socket_units[uid] = read_socket_units(self.host, uid)
        return self._socket_units[uid]

    def supervised(self, supervisor: Process) -> dict[str, dict[str, str]]:
        """Return {configuration: {program: command}} of a supervisord."""
        from .supervisor_config import read_commands

        if supervisor.pid not in self._supervised:
            self._supervised[supervisor.pid] = read_commands(self.host, supervisor)
        return self._supervised[supervisor.pid]

    def tell(self, mark: Mark, uid: int | None) -> Told:
        """Return what the engine tells of a container."""
        from .engines import tell

        if mark not in self._told:
            try:
                self._told[mark] = tell(self, mark, uid)
            except Exception as error:  # whatever an engine answers, the container keeps its id
                self._told[mark] = Told(None, {}, "its name could not be told: %s" % error)
        return self._told[mark]


class Case(NamedTuple):
    """Who owns ``socket`` as held by ``process``? Resolvers note in ``notes`` what they could not find out."""

    process: Process
    socket: Socket
    placement: Placement
    scene: Scene
    notes: list[str]
