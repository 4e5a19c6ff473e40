# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One look at the host: the only place where tables, descriptors and owners come together."""

from __future__ import annotations

import gc
import time
from dataclasses import replace
from typing import Iterable, Sequence

from . import descriptors
from .errors import InvalidInput, PortreeveError
from .host import Host
from .kernel.namespaces import read_namespaces
from .kernel.port_ranges import read_port_ranges
from .kernel.unix_diag import read_queued_unix_sockets
from .masking import mask_secrets
from .model import (
    Agent, BlindSpot, DescriptorPressure, HeldSocket, Holder, HostFacts, Namespace, PortRanges, Process,
    Snapshot, Socket,
)  # fmt: skip
from .ports import PortRange
from .ownership.resolve import Owners
from .roles import assign_roles
from .tables import Question, Tables, read_tables
from .version import VERSION

_MOST_ATTEMPTS = 3
_INITIAL_PID_NAMESPACE = "pid:[4026531836]"  # PROC_PID_INIT_INO, linux/proc_ns.h
_MOST_NEAREST = 5


def take_snapshot(host: Host, question: Question) -> Snapshot:
    """Return what this host shows for ``question``. Raises InvalidInput for a namespace that does not exist.

    The records of a scan hold no cycles, so the garbage collector would only go through them again and again.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        return _take(host, question)
    finally:
        if collecting:
            gc.enable()


def _take(host: Host, question: Question) -> Snapshot:
    started = time.monotonic()
    if question.scanner == "psutil" or host.system()[0] != "Linux":
        from .elsewhere import take_snapshot_elsewhere

        return take_snapshot_elsewhere(question)
    ranges = read_port_ranges(host)
    owners = Owners(host)
    found, unseen_namespaces = read_namespaces(host)
    named = tuple(replace(namespace, name=owners.namespace_name(namespace)) for namespace in found)
    namespaces = choose_namespaces(named, question.namespaces)
    tables, walk, changed = _settle(host, question, namespaces, found, ranges)
    blind = _Blindness(host, walk, tables.sockets)
    sockets = _held_sockets(tables.sockets, walk, owners, blind.decidable, question.show_secrets)
    hiding_sockets = tables.blind_spots + changed
    return Snapshot(
        agent=Agent(VERSION, tables.scanner, int((time.monotonic() - started) * 1000)),
        host=read_host_facts(host),
        namespaces=namespaces,
        sockets=sockets,
        connections=tables.connections,
        ranges=ranges,
        descriptors=_read_pressure(host, walk) if question.host_picture else None,
        blind_spots=unseen_namespaces + hiding_sockets + blind.spots(sockets),
        hiding_sockets=hiding_sockets,
    )


def read_host_facts(host: Host) -> HostFacts:
    """Return which machine this is."""
    system, name, kernel = host.system()
    try:
        boot_id = host.read_text("/proc/sys/kernel/random/boot_id").strip()
    except PortreeveError:
        boot_id = None
    return HostFacts(name=name, system=system, kernel=kernel, boot_id=boot_id)


def choose_namespaces(namespaces: tuple[Namespace, ...], wanted: str) -> tuple[Namespace, ...]:
    """Return those of ``namespaces`` that ``wanted`` names: all, host, a name or an inode number."""
    if wanted == "all":
        return namespaces
    chosen = tuple(one for one in namespaces if wanted in ("host" if one.kind == "host" else one.name, str(one.id)))
    if not chosen:
        known = ", ".join(sorted({one.name for one in namespaces})[:8])
        raise InvalidInput("namespace %r is not on this host; accepted are all, host, a number, or one of: %s" % (wanted, known))
    if len(chosen) > 1:
        numbers = ", ".join(str(one.id) for one in chosen)
        raise InvalidInput("namespace %r is the name of several; accepted are their numbers: %s" % (wanted, numbers))
    return chosen


def _settle(
    host: Host,
    question: Question,
    namespaces: tuple[Namespace, ...],
    all_namespaces: tuple[Namespace, ...],
    ranges: PortRanges,
) -> tuple[Tables, descriptors.Walk, tuple[BlindSpot, ...]]:
    """Read the tables, walk, and read again what has no holder: what is gone by then is dropped.

    Where ports were asked for, a socket that came meanwhile starts the scan anew, a few times at most.
    """
    for _attempt in range(_MOST_ATTEMPTS):
        tables = read_tables(host, question, namespaces, ranges)
        walk = _walk(host, question, tables, all_namespaces)
        unexplained = _unexplained(tables, walk)
        if not unexplained and not question.ports:
            return tables, walk, ()
        doubtful = {socket.namespace for socket in tables.sockets if question.ports or socket.inode in unexplained}
        nearby = [one for one in namespaces if one.id in doubtful or (question.ports and one.kind == "host")]
        again = read_tables(host, _closer(question, tables, unexplained), nearby, ranges)
        present = {socket.inode for socket in again.sockets}
        gone = unexplained - present
        settled = replace(tables, sockets=tuple(one for one in tables.sockets if one.inode not in gone))
        newcomers = present - {socket.inode for socket in tables.sockets}
        if not question.ports or not newcomers:
            return settled, walk, ()
    why = "they come and go faster than the scan"
    return settled, walk, (BlindSpot("sockets that changed during the scan", why, len(newcomers)),)


def _closer(question: Question, tables: Tables, inodes: set[int]) -> Question:
    """Return the question for the ports of these sockets only, which the kernel answers without a whole table."""
    if question.ports:
        return question
    ports = sorted({socket.local.port for socket in tables.sockets if socket.inode in inodes})
    return replace(question, ports=tuple(PortRange(port, port) for port in ports), every_connection=True)


def _walk(host: Host, question: Question, tables: Tables, namespaces: tuple[Namespace, ...]) -> descriptors.Walk:
    """Return the seats of the sockets in ``tables``; a UNIX socket of any namespace may carry one in flight."""
    wanted = {socket.inode for socket in tables.sockets if socket.inode}
    if not wanted and not question.host_picture:
        return descriptors.Walk()
    queued: set[int] = set()
    for namespace in namespaces:
        try:
            queued |= read_queued_unix_sockets(host, None if namespace.kind == "host" else namespace.path)
        except PortreeveError:
            continue
    return descriptors.walk(host, wanted, queued, limits=question.host_picture)


def _unexplained(tables: Tables, walk: descriptors.Walk) -> set[int]:
    return {socket.inode for socket in tables.sockets if socket.inode and socket.inode not in walk.seats}


class _Blindness:
    """What the walk could not see, and whether a socket without a visible holder may be called the kernel's own."""

    def __init__(self, host: Host, walk: descriptors.Walk, sockets: tuple[Socket, ...]) -> None:
        self._walk = walk
        self._relevant = any(socket.inode for socket in sockets)
        self._is_root = host.is_root()
        self._hidden_processes = not self._is_root and _proc_hides_processes(host)
        self._confined = _pid_namespace(host) != _INITIAL_PID_NAMESPACE
        unseen = walk.unreadable or walk.hidden_in_flight or walk.busy_rings
        self.decidable = not (unseen or self._hidden_processes or self._confined)

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
        if self._walk.busy_rings:
            spots.append(BlindSpot("files registered with io_uring", "the ring was at work", self._walk.busy_rings))
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
    for line in host.read_text("/proc/self/mountinfo").splitlines():
        fields = line.split()
        if fields[4] == "/proc":
            options = fields[-1].split(",")
            return any(option.startswith("hidepid=") and option not in ("hidepid=0", "hidepid=off") for option in options)
    return False


def _held_sockets(
    sockets: tuple[Socket, ...], walk: descriptors.Walk, owners: Owners, decidable: bool, show_secrets: bool
) -> tuple[HeldSocket, ...]:
    shown: dict[int, Process] = {}
    for pid, process in walk.processes.items():
        shown[pid] = process if show_secrets else replace(process, cmdline=mask_secrets(process.cmdline))
    held = []
    for socket in sorted(sockets, key=_order):
        holders = []
        for seat in _in_order(walk.seats.get(socket.inode, ())):
            owner = owners.owner_of(walk.processes[seat.pid], socket)
            holders.append(Holder(seat.pid, seat.fd, seat.via, seat.tid, "unknown", None, shown[seat.pid], owner))
        in_kernel = False if holders or not socket.inode else (True if decidable else None)
        held.append(HeldSocket(socket, assign_roles(tuple(holders)), in_kernel, owners.creator_of(socket)))
    return tuple(held)


def _in_order(seats: Sequence[descriptors.Seat]) -> Iterable[descriptors.Seat]:
    """Return the seats by process and descriptor; threads that show the same one count once."""
    if len(seats) < 2:
        return seats
    distinct = {seat[:3]: seat for seat in sorted(seats, key=lambda seat: (*seat[:3], seat.tid or 0), reverse=True)}
    return reversed(distinct.values())


def _order(socket: Socket) -> tuple[object, ...]:
    local, remote = socket.local, socket.remote or ("", 0)
    return (
        socket.namespace, local.port, socket.protocol, socket.family, local.address, socket.state,
        remote, socket.inode, socket.cookie or 0,
    )  # fmt: skip


def _read_pressure(host: Host, walk: descriptors.Walk) -> DescriptorPressure | None:
    """Return the host's descriptor use (proc_sys_fs(5): file-nr) and the processes nearest to their own limit."""
    try:
        used, _free, maximum = host.read("/proc/sys/fs/file-nr").split()
    except (PortreeveError, ValueError):
        return None
    nearest = sorted(walk.nearest_limit, key=lambda use: (-use[2] / use[3], use[0]))[:_MOST_NEAREST]
    return DescriptorPressure(
        used=int(used),
        maximum=int(maximum),
        nearest=tuple(dict(zip(("pid", "name", "open", "limit"), use)) for use in nearest),
    )
