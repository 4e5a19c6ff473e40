# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One look at the host: the only place where tables, descriptors and owners come together."""

from __future__ import annotations

import gc
import time

from .blindness import Blindness
from .descriptors import Seat, Walk
from .errors import PortreeveError
from .host import Host
from .kernel.namespaces import choose_namespaces, read_namespaces
from .kernel.port_ranges import read_port_ranges, read_ranges_by_namespace
from .kernel.sysctl_files import read_setting_files
from .model import (
    SERVING_STATES,
    Agent,
    DescriptorPressure,
    HeldSocket,
    HidingSpot,
    Holder,
    HostFacts,
    Snapshot,
    Socket,
)  # fmt: skip
from .ownership.resolve import Owners
from .record import replace
from .sighting import Sighting, take_sighting
from .tables import Question, Tables, blind_spots_of, unlisted_bound_sockets
from .typed import TYPE_CHECKING, Iterable, Sequence
from .version import VERSION

if TYPE_CHECKING:
    from .evidence import Evidence

_MOST_NEAREST = 5
_NOWHERE = ("", 0)


def take_snapshot(host: Host, question: Question, kept: list[object] | None = None) -> Snapshot:
    """Return what this host shows for ``question``. Raises InvalidInput for a namespace that does not exist.

    ``kept`` is given what was needed for it, where the process ends with the answer: to let go of very many records
    takes time, and is in vain there.
    The records of a scan hold no cycles, so the garbage collector would only go through them again and again.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        return _take(host, question, kept)
    finally:
        if collecting:
            gc.enable()


def _take(host: Host, question: Question, kept: list[object] | None) -> Snapshot:
    started = time.monotonic()
    if question.scanner == "psutil" or host.system()[0] != "Linux":
        from .elsewhere import take_snapshot_elsewhere

        return take_snapshot_elsewhere(question)
    ranges = read_port_ranges(host)
    owners = Owners(host)
    found, unseen_namespaces = read_namespaces(host)
    named = tuple(replace(namespace, name=owners.namespace_name(namespace)) for namespace in found)
    namespaces = choose_namespaces(named, question.namespaces)
    sighting = take_sighting(host, question, namespaces, found, ranges)
    blindness = Blindness(host, sighting)
    owners.meet(sighting.walk.processes.values())
    sockets: tuple[HeldSocket, ...] = ()
    if sighting.tables.sockets:
        from .evidence import gather

        evidence = gather(host, sighting, found, owners.birthplace, thorough=bool(question.ports))
        sockets = _held_sockets(sighting, owners, blindness, evidence, question.show_secrets)
    bind = None
    if question.ports:
        from .bind_trial import try_binds
        from .socket_options import with_options

        sockets = with_options(host, sockets)
        bind = try_binds(host, question, namespaces, sockets)
    tables = sighting.tables
    hiding_sockets = tables.hiding_sockets + unlisted_bound_sockets(host, question, tables) + _missed(sighting)
    hiding_holders = blindness.spots(sockets)
    if kept is not None:
        kept.append(sighting)
    return Snapshot(
        agent=Agent(VERSION, _sources(sighting), int((time.monotonic() - started) * 1000)),
        host=read_host_facts(host),
        namespaces=namespaces,
        sockets=sockets,
        connections=tables.connections,
        ranges=ranges,
        descriptors=_read_pressure(host, sighting.walk) if question.host_picture else None,
        blind_spots=unseen_namespaces + tables.blind_spots + blind_spots_of(hiding_sockets) + hiding_holders,
        hiding_sockets=hiding_sockets,
        hiding_holders=hiding_holders,
        bind=bind,
        ranges_by_namespace=read_ranges_by_namespace(host, namespaces, ranges),
        reservation_files=read_setting_files(host).all_known if question.host_picture else None,
    )


def read_host_facts(host: Host) -> HostFacts:
    """Return which machine this is."""
    system, name, kernel = host.system()
    try:
        boot_id = host.read_text("/proc/sys/kernel/random/boot_id").strip()
    except PortreeveError:
        boot_id = None
    return HostFacts(name=name, system=system, kernel=kernel, boot_id=boot_id)


def _sources(sighting: Sighting) -> str:
    """Return what was read: ``sock_diag``, and on a host with many descriptors how these were looked at."""
    means = sighting.walk.means
    return sighting.tables.scanner + ("+" + means if means else "")


def _missed(sighting: Sighting) -> tuple[HidingSpot, ...]:
    if not sighting.missed:
        return ()
    why = "they come and go faster than the scan"
    return (HidingSpot("sockets that changed during the scan", why, count=sighting.missed),)


def _held_sockets(
    sighting: Sighting, owners: Owners, blindness: Blindness, evidence: Evidence, show_secrets: bool
) -> tuple[HeldSocket, ...]:
    """Join rows and seats. There may be very many, so tuples are made past what checks their fields, and of connections
    that one process has, which most are, nobody asks what part it plays."""
    from .masking import mask_secrets
    from .roles import assign_roles

    seats_of, processes = sighting.walk.seats, sighting.walk.processes
    owner_of, creator_of, new = owners.owner_of, owners.creator_of, tuple.__new__
    shown = processes
    if not show_secrets:
        shown = {pid: replace(process, cmdline=mask_secrets(process.cmdline)) for pid, process in processes.items()}
    held = []
    for socket in _in_order(sighting.tables):
        creator = creator_of(socket)
        seats: Sequence[Seat] = seats_of.get(socket.inode, ())
        if len(seats) == 1 and socket.state not in SERVING_STATES:
            ((pid, fd, via, tid),) = seats
            owner = owner_of(processes[pid], socket)
            holder = new(Holder, (pid, fd, via, tid, "unknown", None, shown[pid], owner, None, None, None))
            held.append(new(HeldSocket, (socket, (holder,), False, creator, None)))
            continue
        holders = tuple(
            Holder(
                pid, fd, via, tid, "unknown", None,
                shown[pid], owner_of(processes[pid], socket), evidence.cloexec.get((pid, fd, tid)),
            )
            for pid, fd, via, tid in _by_process(_lasting(seats, evidence.gone))
        )  # fmt: skip
        in_kernel = False if holders or not socket.inode else blindness.is_the_kernels(socket.inode)
        clues = evidence.clues.get(socket.inode, {})
        holders, creator = assign_roles(socket.state, holders, creator, clues)
        held.append(HeldSocket(socket, holders, in_kernel, creator))
    return tuple(held)


def _lasting(seats: Sequence[Seat], gone: frozenset[int]) -> Sequence[Seat]:
    """Leave out those who ended meanwhile, unless nobody would be left: another walk would have to look for others."""
    return [seat for seat in seats if seat.pid not in gone] or seats


def _by_process(seats: Sequence[Seat]) -> Iterable[Seat]:
    """Return the seats by process and descriptor; threads that show the same one count once."""
    if len(seats) < 2:
        return seats
    distinct = {seat[:3]: seat for seat in sorted(seats, key=lambda seat: (*seat[:3], seat.tid or 0), reverse=True)}
    return reversed(distinct.values())


def _in_order(tables: Tables) -> list[Socket]:
    """Return the rows by namespace, port, and so on. The first two together are one small number for each row, which
    nearly always tells two rows apart: what follows is seldom compared."""
    namespaces = sorted({namespace for namespace, _protocol in tables.sources})
    first = {namespace: rank << 16 for rank, namespace in enumerate(namespaces)}

    def order(socket: Socket) -> tuple[object, ...]:
        address, port = socket.local
        return (
            first[socket.namespace] + port, socket.protocol, socket.family, address, socket.state,
            socket.remote or _NOWHERE, socket.inode, socket.cookie or 0,
        )  # fmt: skip

    return sorted(tables.sockets, key=order)


def _read_pressure(host: Host, walk: Walk) -> DescriptorPressure | None:
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
