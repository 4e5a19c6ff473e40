# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A look at a port whose remedy is to be planned: its sockets, their owners, and what those serve beside it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Iterable

from ..answers import answer_ports, own_namespace
from ..errors import Gone, InvalidInput, NotPermitted, NotSupported, PortreeveError
from ..kernel.openers import bound_on_purpose
from ..model import SERVING_STATES, HeldSocket, Namespace, Snapshot
from ..ports import PortRange
from ..processes import own_ancestry
from ..snapshot import take_snapshot
from ..tables import Question
from ..verdicts.case import identity
from ..way_in import is_end_of, ssh_connections
from ..writing import ActingHost
from .acts.destroy import can_destroy
from .acts.detach import can_detach
from .bystanders import read_servers
from .collateral import Server
from .owners.registry import condition
from .prove import bind_now
from .records import Condition, Wish
from .sight import OwnerKey, Sight, mark_process, mark_socket


@dataclass(frozen=True)
class Look:
    """What was seen: the sight itself, and what it was made of."""

    sight: Sight
    snapshot: Snapshot
    namespace: Namespace
    servers: tuple[Server, ...]


def look(host: ActingHost, wish: Wish) -> Look:
    """Return what there is on the port of a wish. Raises InvalidInput for a namespace that does not exist."""
    snapshot, sight = _see(host, wish)
    namespace = sight.answer.namespace
    sockets = sight.answer.sockets
    servers = read_servers(host)
    conditions = {
        identity(one.owner): condition(host, one.owner) for held in sockets for one in held.holders
    }  # fmt: skip
    sight = replace(
        sight,
        conditions=conditions,
        serves=dict(_served_beside(sight, conditions, servers)),
        own=own_ancestry(host),
        in_use=_in_use(host, sockets),
        on_purpose=_on_purpose(host, namespace, sockets),
        cannot=_impossible(host, namespace, sockets),
        free_now=bind_now(host, namespace, wish).free,
    )
    return Look(sight, snapshot, namespace, servers)


def see(host: ActingHost, wish: Wish) -> Sight:
    """Return who has the port, and no more: for whoever waits for it to change."""
    return _see(host, wish)[1]


def _see(host: ActingHost, wish: Wish) -> tuple[Snapshot, Sight]:
    bind = replace(wish.bind, protocol=wish.protocol, address=wish.bind.address or wish.address)
    asked = (PortRange(wish.port, wish.port, wish.protocol),)
    question = Question(
        ports=asked,
        protocols=(wish.protocol,),
        namespaces=wish.namespace,
        every_connection=wish.address is not None,
        bind=bind,
    )
    snapshot = take_snapshot(host, question)
    namespace = own_namespace(snapshot.namespaces)
    answers = answer_ports(snapshot, asked, (wish.protocol,), wish.address)
    found = [one for one in answers if namespace is not None and one.namespace.id == namespace.id]
    if not found:
        raise InvalidInput("network namespace %s was not seen" % wish.namespace)
    said = [(spot.what, spot.why) for spot in snapshot.hiding_sockets if spot.protocol in (None, wish.protocol)]
    said += [(spot.what, spot.why) for spot in snapshot.hiding_holders]
    why = "; ".join(dict.fromkeys("%s (%s)" % one for one in said))
    return snapshot, Sight(found[0], snapshot.host.boot_id or "", unseen=why)


def _served_beside(
    sight: Sight, conditions: dict[OwnerKey, Condition], servers: Iterable[Server]
) -> Iterable[tuple[OwnerKey, tuple[str, ...]]]:
    """Yield by owner, and by process, which other ports they serve."""
    here = {(held.socket.protocol, mark_socket(held.socket).local) for held in sight.answer.sockets}
    others = [
        one for one in servers if (one.protocol, one.local) not in here or one.namespace != sight.answer.namespace.name
    ]
    for key, known in conditions.items():
        yield key, _ports_of({one.pid for one in known.members}, others)
    for pid in {one.pid for held in sight.answer.sockets for one in held.holders}:
        yield ("process", pid), _ports_of({pid}, others)


def _ports_of(pids: set[int], servers: Iterable[Server]) -> tuple[str, ...]:
    found = {
        (int(one.local.rpartition(":")[2]), one.protocol)
        for one in servers
        if any(holder.pid in pids for holder in one.holders)
    }
    return tuple("%d/%s" % place for place in sorted(found))


def _in_use(host: ActingHost, sockets: Iterable[HeldSocket]) -> frozenset[int]:
    connections = ssh_connections(host, own_ancestry(host))
    return frozenset(
        held.socket.cookie
        for held in sockets
        if held.socket.cookie is not None and any(is_end_of(held.socket, one) for one in connections)
    )


def _on_purpose(host: ActingHost, namespace: Namespace, sockets: Iterable[HeldSocket]) -> dict[int, bool]:
    rows = [held.socket for held in sockets if held.socket.state not in SERVING_STATES and held.socket.inode]
    with suppress(PortreeveError):
        return bound_on_purpose(host, namespace, rows) if rows else {}
    return {}


def _impossible(host: ActingHost, namespace: Namespace, sockets: Iterable[HeldSocket]) -> dict[str, str]:
    """Return why this kernel can not destroy connections, or detach from heirs, as far as there are any."""
    found: dict[str, str] = {}
    for held in sockets:
        row = held.socket
        try:
            if row.state not in SERVING_STATES:
                can_destroy(host, namespace, row)
            elif row.protocol == "tcp":
                for one in held.holders:
                    if one.role == "heir" and one.via == "descriptor":
                        can_detach(host, mark_process(one.process), one.fd, mark_socket(row))
                        break
        except (NotSupported, NotPermitted) as error:
            found["detach" if row.state in SERVING_STATES else "destroy"] = str(error)
        except (Gone, PortreeveError):
            continue  # it is looked at again when its turn comes
    return found
