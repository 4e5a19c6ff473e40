# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Owners of holders, creators of sockets, names of namespaces."""

from __future__ import annotations

from ..host import Host
from ..model import Creator, Namespace, Owner, Process, Socket
from ..record import replace
from ..typed import Callable, Iterable
from .case import Case, Scene
from .namespace_names import name_namespace
from .placement import unescape

ROOT_CGROUP = 1  # its inode: every process is in it unless something put it elsewhere


class Owners:
    """Resolves owners for one scan; keeps what it has read, so it must not outlive the scan."""

    def __init__(self, host: Host) -> None:
        self._scene = Scene(host)
        self._by_process: dict[int, Owner] = {}  # by pid: a scan knows one process of each
        self._of_every_socket: dict[int, Owner] = {}  # of processes that never hold a socket for another owner
        self._creators: dict[int, Creator | None] = {}

    def owner_of(self, process: Process, socket: Socket) -> Owner:
        """Return who owns a socket as held by a process. Never raises: what failed shows in ``evidence``."""
        settled = self._of_every_socket.get(process.pid)
        if settled is not None:
            return settled
        from .published import forwarder
        from .registry import PROCESS_RESOLVERS, SOCKET_RESOLVERS
        from .socket_units import MANAGER

        self._scene.remember(process)
        case = Case(process, socket, self._scene.place(process.cgroup), self._scene, [])
        owner = _first(SOCKET_RESOLVERS, case)
        if owner is None:
            socket_notes = list(case.notes)
            case.notes.clear()
            if process.pid not in self._by_process:
                found = _first(PROCESS_RESOLVERS, case) or Owner("process", process.name)
                self._by_process[process.pid] = _noted(found, case.notes)
            if process.name != MANAGER and not forwarder(process):
                self._of_every_socket[process.pid] = self._by_process[process.pid]
            return _noted(self._by_process[process.pid], socket_notes)
        return _noted(owner, case.notes)

    def meet(self, processes: Iterable[Process]) -> None:
        """Note where processes live: a socket was nearly always made in the cgroup of one of them."""
        for process in processes:
            self._scene.remember(process)

    def birthplace(self, socket: Socket) -> str | None:
        """Return the path of the cgroup in which a socket was made, '' where that is gone, None where not known."""
        tree = self._scene.cgroups
        if socket.cgroup_id in (None, ROOT_CGROUP):
            return None
        path = tree.path_of(socket.cgroup_id)
        if path is None:
            return "" if tree.mounted() and tree.whole() else None
        return None if path == "/" else path

    def creator_of(self, socket: Socket) -> Creator | None:
        """Return whose process made a socket, or None where its cgroup says nothing."""
        cgroup_id = socket.cgroup_id
        if cgroup_id is None or cgroup_id == ROOT_CGROUP:
            return None
        if cgroup_id not in self._creators:
            try:
                self._creators[cgroup_id] = self._creator(cgroup_id)
            except Exception as error:  # as for owners
                self._creators[cgroup_id] = Creator(None, None, "cgroup id %d; %s" % (cgroup_id, error))
        return self._creators[cgroup_id]

    def _creator(self, cgroup_id: int) -> Creator | None:
        tree = self._scene.cgroups
        path = tree.path_of(cgroup_id)
        if path is None:
            if not tree.mounted():
                return Creator(None, None, "cgroup id %d, but no cgroup2 tree is mounted" % cgroup_id)
            gone = "its cgroup is gone" if tree.whole() else "not in the part of the cgroup tree seen from here"
            return Creator(None, None, "cgroup id %d, %s" % (cgroup_id, gone))
        if path == "/":
            return None
        placement = self._scene.place(path)
        unit, mark = placement.unit, placement.container
        container = None
        if mark:
            unit = placement.inner_unit or placement.unit
            container = self._scene.tell(mark, placement.uid).name or mark.id[:12]
        return Creator(unescape(unit) if unit else None, container, "cgroup id %d = %s" % (cgroup_id, path))

    def namespace_name(self, namespace: Namespace) -> str:
        """Return the name of the container or pod whose processes are in a namespace, else the namespace's own name."""
        return name_namespace(self._scene, namespace)


def _first(resolvers: Iterable[Callable[[Case], Owner | None]], case: Case) -> Owner | None:
    for resolve in resolvers:
        try:
            owner = resolve(case)
        except Exception as error:  # whatever processes and engines present, the next resolver still answers
            case.notes.append("%s: %s" % (resolve.__module__.rpartition(".")[2], error))
            continue
        if owner:
            return owner
    return None


def _noted(owner: Owner, notes: list[str]) -> Owner:
    return replace(owner, evidence="; ".join([owner.evidence or "", *notes]).lstrip("; ")) if notes else owner
