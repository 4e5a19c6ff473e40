# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What of a host's listeners could be declared as it is, and what should not be. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import NamedTuple

from ...module_utils.portreeve_agent.expectations import Expectation, is_expected
from ...module_utils.portreeve_agent.ports import port_set
from ...module_utils.portreeve_agent.verdicts.wording import one_line
from ..fleet.host_picture import Bound, Holding, HostPicture, Listener
from ..fleet.naming import HEIR, is_kernels_choice, name_holders, served
from ..fleet.port_sets import Place
from .entry_names import entry_name
from .fitting import is_address_declared
from .records import ANY, LOOPBACK, WILDCARD, Declaration
from .rules import VERDICT_RULES

#: Keys of an expectation and what is expected, in order.
OwnerWords = tuple[tuple[str, str], ...]

_MANAGED = ("unit", "socket_unit", "container", "program")
_TEMPLATE_MARKS = ("{{", "{%", "{#")  # Ansible would evaluate what is between them
_KERNEL = "kernel"


class Service(NamedTuple):
    """Who serves on a host; ``owners`` are those any one of which does, none for the kernel.

    ``base`` is what its entry could be called. ``remark`` is what a reader of the draft should know of it.
    """

    owners: tuple[OwnerWords, ...]
    is_application: bool
    base: str
    remark: str


class HostSight(NamedTuple):
    """``services`` have their places and addresses; ``left_out`` a sentence for each place that is not declared.

    ``doubtful`` are those places, ``unreserved`` ports that the kernel may give away, ``clients`` how many sockets take
    datagrams on ports of the kernel's choice.
    """

    services: dict[tuple[Place, Service], str]
    left_out: tuple[str, ...]
    doubtful: frozenset[Place]
    unreserved: frozenset[int]
    clients: int


def sight_of(picture: HostPicture) -> HostSight:
    """Return what a host that was seen in full shows in its own network namespace."""
    services: dict[tuple[Place, Service], str] = {}
    left_out: dict[Place, str] = {}
    clients = 0
    for listener in picture.listeners:
        if listener.namespace is None and listener.verdict in VERDICT_RULES:
            left_out[listener.port, listener.protocol] = _said(listener, listener.verdict.replace("_", " "))
    for listener, serving in served(picture):
        place = (listener.port, listener.protocol)
        if place in left_out:
            continue
        if is_kernels_choice(picture, listener):
            clients += 1
            continue
        found = _services(serving)
        if found is None:
            left_out[place] = _said(listener, "its holder could not be seen, or cannot be named in a policy")
        else:
            services |= {(place, service): address for service, address in found.items()}
    return HostSight(services, tuple(left_out.values()), frozenset(left_out), _unreserved(picture, services), clients)


def _said(listener: Listener, why: str) -> str:
    who = name_holders(listener.bound)
    return one_line(f"{listener.place}{' of ' if who else ''}{who}: {why}")


def _services(serving: tuple[Bound, ...]) -> dict[Service, str] | None:
    """Return who serves a port and on which address, None when one of them could not be declared.

    A port has two applications only where one is on loopback; others that share it are one, of either's owner.
    """
    found: dict[Service, list[Bound]] = {}
    for bound in serving:
        service = _service(bound)
        if service is None:
            return None
        found.setdefault(service, []).append(bound)
    addressed = {service: _address(bound) for service, bound in found.items()}
    alone = sorted(addressed.values(), key=lambda address: address != LOOPBACK)[1:]
    if len(alone) == 0 or (len(alone) == 1 and LOOPBACK in addressed.values() and alone != [LOOPBACK]):
        return addressed
    return {_joined(list(found)): _address(list(serving))}


def _joined(services: list[Service]) -> Service:
    first = min(services, key=lambda one: (not one.is_application, one.base))
    anybody = any(not one.owners for one in services)
    owners = () if anybody else tuple(sorted({owner for one in services for owner in one.owners}))
    return Service(owners, first.is_application and not anybody, first.base, "Several share it.")


def _service(bound: Bound) -> Service | None:
    """Return who serves there, None when that is not known or cannot be written so that it would be recognised."""
    if not bound.holdings:
        return Service((), False, _KERNEL, "The kernel itself serves it.") if bound.in_kernel else None
    serving = [(holding, _owner(holding)) for holding in bound.holdings if holding.role != HEIR]
    named = [(holding, owner) for holding, owner in serving if owner is not None]
    if not named or len(named) < len(serving):
        return None
    first, owner = min(named, key=lambda one: (one[0].owner.kind not in _MANAGED, one[1]))
    owners = tuple(sorted({owner for _holding, owner in named}))
    return Service(owners, first.owner.kind in _MANAGED, _base(first, dict(owner)), _remark(first))


def _owner(holding: Holding) -> OwnerWords | None:
    for wanted in _expectations(holding):
        words = tuple((key, name) for key, name in wanted.items() if name)
        plain = words and not any(mark in name for _key, name in words for mark in _TEMPLATE_MARKS)
        if plain and len(words) == len(wanted) and is_expected(_expectation(words), holding):
            return words
    return None


def _expectation(words: OwnerWords) -> Expectation:
    said = dict(words)
    return Expectation(said.get("unit"), said.get("exe"), said.get("user"), said.get("container"))


def _expectations(holding: Holding) -> Iterator[dict[str, str | None]]:
    """Yield what could be expected of who holds alike, the most telling first."""
    owner = holding.owner
    manager: dict[str, str | None] = {} if owner.user is None else {"user": owner.user}
    if owner.kind == "socket_unit":
        yield {"unit": (owner.detail or {}).get("triggers"), **manager}
    if owner.kind in ("unit", "socket_unit"):
        yield {"unit": owner.name, **manager}
    if owner.kind == "container":
        yield {"container": owner.name}
    user = holding.user or (None if holding.uid is None else str(holding.uid))
    yield {"exe": holding.exe, "user": user}
    yield {"exe": holding.exe}
    yield {"user": user}


def _base(holding: Holding, owner: dict[str, str]) -> str:
    if "unit" in owner:
        return entry_name(owner["unit"].removesuffix(".service").removesuffix(".socket"))
    return entry_name(owner.get("container") or owner.get("exe", "").rpartition("/")[2] or holding.program)


def _remark(holding: Holding) -> str:
    remarks = {
        "session": "Somebody runs it in a login session: keep it only where it is wanted.",
        "process": "A process of no unit and no container: whether it comes back after a boot is not known.",
    }
    return remarks.get(holding.owner.kind, "")


def _address(serving: list[Bound]) -> str:
    """Return the narrowest that a declaration can say of all these addresses."""
    first = serving[0].address.partition("%")[0]
    try:
        address = ipaddress.ip_address(first)
    except ValueError:
        candidates = [LOOPBACK, WILDCARD]
    else:
        candidates = [LOOPBACK, WILDCARD, str(getattr(address, "ipv4_mapped", None) or address)]
    fitting = (
        one
        for one in candidates
        if all(is_address_declared(Declaration("", (), address=one), bound) for bound in serving)
    )
    return next(fitting, ANY)


def _unreserved(picture: HostPicture, services: dict[tuple[Place, Service], str]) -> frozenset[int]:
    ports = frozenset(port for (port, _protocol), _service in services)
    if picture.automatic is None:
        return ports
    low, high = picture.automatic
    return frozenset(port for port in ports if low <= port <= high) - (port_set(picture.reserved) or frozenset())
