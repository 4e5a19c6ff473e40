# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A look at a port whose remedy is to be planned: its sockets, their owners, and what those serve beside it."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from ..answers import answer_ports, own_namespace
from ..errors import InvalidInput, NotPermitted, NotSupported, PortreeveError
from ..kernel.openers import bound_on_purpose
from ..model import SERVING_STATES, HeldSocket, Namespace, Owner, Snapshot, Socket
from ..ports import PortRange
from ..processes import own_ancestry
from ..record import dataclass, replace
from ..snapshot import take_snapshot
from ..tables import Question
from ..typed import Callable, Iterable, Iterator, Mapping
from ..verdicts.case import identity
from ..verdicts.wording import one_line
from ..way_in import SshConnection, carriers, is_end_of, ssh_connections
from ..writing import ActingHost
from .acts.destroy import can_destroy
from .acts.detach import can_detach
from .acts.terminate import can_terminate
from .bystanders import name_place, read_servers
from .collateral import Server
from .owners.registry import condition, knows_unit
from .proof import UNTRIED, Proof, say_attempt
from .prove import bind_now
from .records import Condition, Wish
from .sight import OwnerKey, Sight, mark_process, mark_socket


@dataclass(frozen=True)
class Look:
    """What was seen: the sight itself, what it was made of, who else serves anything on the host, and the bind that was
    tried."""

    sight: Sight
    snapshot: Snapshot
    namespace: Namespace
    others: tuple[Server, ...]
    proof: Proof


def look(host: ActingHost, wish: Wish) -> Look:
    """Return what there is on the port of a wish. Raises InvalidInput for a namespace that does not exist."""
    snapshot, sight = _see(host, wish)
    namespace = sight.answer.namespace
    sockets = sight.answer.sockets
    others = _others(sight, read_servers(host))
    owners = {identity(one.owner): one.owner for held in sockets for one in held.holders}
    conditions = {key: condition(host, owner) for key, owner in owners.items()}
    then = _follower(host, wish)
    on_purpose = _on_purpose(host, namespace, sockets)
    proof = bind_now(host, namespace, wish)
    own = own_ancestry(host)
    way_in = ssh_connections(host, own)
    sight = replace(
        sight,
        conditions=conditions,
        serves=dict(_served_beside(sight, conditions, others)),
        own=own | carriers(host, way_in),
        in_use=_in_use(way_in, sockets),
        on_purpose=on_purpose,
        cannot=dict(_impossible(host, namespace, sockets, on_purpose)),
        free_now=proof.free,
        cannot_start=_why_not_started(wish, then),
        cannot_bind=_why_never_bound(wish, proof),
        cannot_expect=_why_never_expected(host, wish),
        then=then,
    )
    return Look(sight, snapshot, namespace, others, proof)


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
    hiding = [(spot.what, spot.why) for spot in snapshot.hiding_holders]
    return snapshot, Sight(found[0], snapshot.host.boot_id or "", unseen=_say(said), hiding=_say(hiding))


def _say(spots: Iterable[tuple[str, str]]) -> str:
    return "; ".join(dict.fromkeys("%s (%s)" % spot for spot in spots))


def _others(sight: Sight, servers: Iterable[Server]) -> tuple[Server, ...]:
    """Return those who serve something else than the sockets that are in the way."""
    here = {(held.socket.protocol, name_place(held.socket)) for held in sight.answer.sockets}
    number = sight.answer.namespace.id
    return tuple(one for one in servers if one.namespace_id != number or (one.protocol, one.local) not in here)


def _served_beside(
    sight: Sight, conditions: dict[OwnerKey, Condition], others: tuple[Server, ...]
) -> Iterator[tuple[OwnerKey, tuple[str, ...]]]:
    """Yield by owner, and by process, which other ports they serve."""
    for key, known in conditions.items():
        yield key, _ports_of({one.pid for one in known.members}, others)
    for pid in {one.pid for held in sight.answer.sockets for one in held.holders}:
        yield ("process", pid), _ports_of({pid}, others)


def _ports_of(pids: set[int], servers: Iterable[Server]) -> tuple[str, ...]:
    found = {
        (one.port, one.protocol)
        for one in servers
        if not one.automatic and any(keeper.process.pid in pids for keeper in one.keepers)
    }
    return tuple("%d/%s" % place for place in sorted(found))


def _in_use(connections: list[SshConnection], sockets: Iterable[HeldSocket]) -> frozenset[int]:
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


def _follower(host: ActingHost, wish: Wish) -> Condition | None:
    return None if wish.then is None else condition(host, Owner("unit", wish.then.unit, "systemd"))


def _why_not_started(wish: Wish, known: Condition | None) -> str:
    """Return why the unit that is to be started afterwards cannot be, empty where it can or there is none."""
    if wish.then is None or known is None or known.obstacle is None:
        return ""
    return "%s could not be %sed afterwards: %s" % (wish.then.unit, wish.then.verb, known.obstacle)


def _why_never_bound(wish: Wish, proof: Proof) -> str:
    """Return why the bind fails whoever has the port: bind(2) finds that out before it looks for others."""
    barred = [one for one in proof.attempts if one.result not in ("ok", "EADDRINUSE", UNTRIED)]
    return say_attempt(barred[0], wish.port) if barred else ""


def _why_never_expected(host: ActingHost, wish: Wish) -> str:
    unit = wish.expect.unit
    if not unit or knows_unit(host, unit if "." in unit else unit + ".service", wish.expect.user) is not False:
        return ""
    return "systemd has no unit %s, which should have it" % one_line(unit)


def _impossible(
    host: ActingHost, namespace: Namespace, sockets: Iterable[HeldSocket], on_purpose: Mapping[int, bool]
) -> Iterator[tuple[str, str]]:
    """Yield what this kernel cannot do, destroy, detach or terminate, and why, as far as there is anybody to try it on:
    once for each kind of socket."""
    connections: dict[tuple[str, int], Socket] = {}
    for held in sockets:
        row = held.socket
        if row.state not in SERVING_STATES:
            if not on_purpose.get(row.cookie or 0):
                connections.setdefault((row.protocol, row.family), row)
            continue
        heirs = [one for one in held.holders if one.role == "heir" and one.via == "descriptor"]
        if heirs and row.protocol == "tcp":
            heir, mark = heirs[0], mark_socket(row)
            yield from _why("detach", partial(can_detach, host, mark_process(heir.process), heir.fd, mark))
    for row in connections.values():
        yield from _why("destroy", partial(can_destroy, host, namespace, row))
    holders = [(one, held.socket) for held in sockets for one in held.holders]
    for holder, row in holders[:1]:
        yield from _why("terminate", partial(can_terminate, host, mark_process(holder.process), (mark_socket(row),)))


def _why(act: str, attempt: Callable[[], None]) -> Iterator[tuple[str, str]]:
    try:
        attempt()
    except NotSupported as error:
        yield act, str(error)
    except NotPermitted as error:
        if act != "terminate":  # whom nobody may end is left alone by other rules
            yield act, str(error)
    except PortreeveError:
        return  # it is looked at again when its turn comes
