# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Getting occupants off their ports without killing anybody: their connections are destroyed, nothing else."""

from __future__ import annotations

import socket

from ..errors import NotPermitted, NotSupported, PortreeveError
from ..host import Host
from ..kernel.single_socket import open_talk
from ..kernel.sock_destroy import check_destruction, destroy_socket
from ..model import SERVING_STATES, Namespace, Socket
from ..record import replace
from ..tables import Tables
from ..typed import Callable, Collection, Tuple
from ..way_in import SshConnection, is_end_of, ssh_connections
from .occupancy import Occupant, say
from .occupants import Occupants, question_about, read

Fate = Tuple[bool, bool, str]  # destroyed, evicted, and the words for it


def evict(
    host: Host, namespace: Namespace, found: Occupants, protected: Collection[int], pretend: bool = False
) -> Occupants:
    """Destroy the connections of squatters and what lingers of outgoing ones; returns who is gone, and why others stay.

    Nothing is destroyed that a process among ``protected`` or a protected program holds, that is the SSH connection in
    use, or whose holders could not be seen. The kernel's word is not taken for it: the tables are read again. With
    ``pretend`` nothing is destroyed; ``destroyed`` and ``evicted`` tell what would be.
    """
    in_use = ssh_connections(host, protected)
    everybody = found.squatters + found.lingering
    obstacles = {one: one.obstacle or _protection(one, protected, in_use) for one in everybody}
    doomed = [one for one in everybody if not obstacles[one]]
    fates = (_foretell if pretend else _destroy)(host, namespace, doomed) if doomed else {}
    fates.update((one, (False, False, "it is left alone: " + why)) for one, why in obstacles.items() if why)

    def after(one: Occupant) -> Occupant:
        destroyed, evicted, fate = fates[one]
        summary = say(one.socket, one.holders, namespace, one.automatic, fate)
        return replace(one, destroyed=destroyed, evicted=evicted, obstacle=None, summary=summary)

    return replace(found, squatters=tuple(map(after, found.squatters)), lingering=tuple(map(after, found.lingering)))


def _protection(one: Occupant, protected: Collection[int], in_use: list[SshConnection]) -> str | None:
    for holding in one.holders:
        if holding.pid in protected:
            return "process %d, through which this task runs, holds it" % holding.pid
        if holding.protection:
            return "process %d, which holds it, is %s" % (holding.pid, holding.protection)
    if any(is_end_of(one.socket, connection) for connection in in_use):
        return "this task came over it by SSH"
    if one.socket.cookie is None:
        return "the table that was read does not tell it from a later one"
    return None


def _foretell(host: Host, namespace: Namespace, doomed: list[Occupant]) -> dict[Occupant, Fate]:
    """Return what would become of each, as far as the kernel says without destroying any."""
    _can, failures = _ask(host, namespace, doomed, check_destruction)
    fate = {one: (False, False, "it would still be there: " + why) for one, why in failures.items()}
    return {**dict.fromkeys(doomed, (True, True, "it would be destroyed")), **fate}


def _destroy(host: Host, namespace: Namespace, doomed: list[Occupant]) -> dict[Occupant, Fate]:
    """Return what has become of each in fact."""
    destroyed, failures = _ask(host, namespace, doomed, destroy_socket)
    tables = read(host, namespace, question_about({one.socket.local.port for one in doomed}))
    return {one: _fate(one, tables, one in destroyed, failures.get(one)) for one in doomed}


def _ask(
    host: Host, namespace: Namespace, doomed: list[Occupant], what: Callable[[socket.socket, Socket], bool]
) -> tuple[set[Occupant], dict[Occupant, str]]:
    """Return for whom the kernel says yes, and why it does nothing for others."""
    agreed: set[Occupant] = set()
    try:
        with open_talk(host, namespace) as netlink:
            failures: dict[Occupant, str] = {}
            for one in doomed:
                try:
                    if what(netlink, one.socket):
                        agreed.add(one)
                except (NotPermitted, NotSupported) as error:
                    failures[one] = str(error)
                except PortreeveError:  # its interface is gone
                    continue
            return agreed, failures
    except PortreeveError as error:
        return agreed, dict.fromkeys(doomed, str(error))


def _fate(one: Occupant, tables: Tables, destroyed: bool, failure: str | None) -> Fate:
    was = one.socket
    for row in tables.sockets:
        if (row.local.port, row.cookie, row.inode) != (was.local.port, was.cookie, was.inode):
            continue
        if row.state in SERVING_STATES or row.remote != was.remote:
            return destroyed, False, "its connection was destroyed, but it keeps the port"
        return False, False, "it is still there: " + (failure or "the kernel did not destroy it")
    if tables.hiding_sockets:
        return destroyed, False, "whether it is gone could not be seen: " + tables.hiding_sockets[0].why
    if not destroyed:
        return False, True, "it has ended by itself meanwhile"
    return True, True, "it is destroyed" + (", no process was ended" if one.holders else "")
