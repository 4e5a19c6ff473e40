# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The instances of services in answers of a Consul registry, and those of one node. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ...module_utils.portreeve_agent.errors import InvalidInput
from ...module_utils.portreeve_agent.ports import shown

_ACCEPTED = (
    "accepted are answers of Consul's /v1/agent/services, /v1/catalog/service/NAME, /v1/catalog/node/NODE, "
    "/v1/catalog/node-services/NODE and /v1/health/service/NAME, and lists and maps of them"
)
_DEEPEST = 8


class UnknownNode(InvalidInput):
    """The answer knows nothing of the node; ``str(error)`` is one sentence."""


class Instance(NamedTuple):
    """A service on a node. ``port`` is as it came; ``address`` is the service's own, empty where it is the node's."""

    identity: str
    name: str
    port: Any
    address: str
    meta: Mapping[str, Any]
    kind: str
    socket_path: str


class _Seen(NamedTuple):
    """A node, None where the answer does not say which, as an agent's own does not, with a service of it or none."""

    node: str | None
    addresses: tuple[str, ...]
    instance: Instance | None


def instances_of(answer: Any, wanted: tuple[str, ...], where: str) -> tuple[Instance, ...]:
    """Return the instances of the wanted node, each once and in order; see ``consul.applications_in``."""
    seen = list(_read(answer, where, 0))
    nodes = {one.node: one.addresses for one in seen if one.node is not None}
    if not wanted and len(nodes) > 1:
        raise InvalidInput(
            f"{where} has services of {len(nodes)} nodes: say which one is meant, such as node=inventory_hostname."
        )
    node = _match(nodes, wanted, where) if wanted and (nodes or not seen) else None
    # exports overlap: an instance counts once
    found = {
        (one.node, one.instance.name, one.instance.identity): one.instance
        for one in seen
        if one.instance is not None and (node is None or one.node in (node, None))
    }
    return tuple(sorted(found.values(), key=lambda one: (one.name, one.identity)))


def names_at(address: str, answer: Any, where: str) -> tuple[str, ...]:
    """Return the names of the nodes that have an address, from an answer of /v1/catalog/nodes."""
    if not isinstance(answer, list) or not all(isinstance(one, Mapping) for one in answer):
        raise InvalidInput(f"{where} has no list of nodes: accepted is the answer of Consul's /v1/catalog/nodes.")
    seen = [_seen(node, None, where) for node in answer]
    return tuple(dict.fromkeys(one.node for one in seen if one.node is not None and address in one.addresses))


def _match(nodes: Mapping[str, tuple[str, ...]], wanted: tuple[str, ...], where: str) -> str:
    for name in wanted:
        fitting = _fitting(nodes, name.casefold().rstrip("."))
        if len(fitting) > 1:
            several = ", ".join(map(shown, sorted(fitting)[:3]))
            raise InvalidInput(f"{where} has more than one node that {shown(name)} fits: {several}.")
        if fitting:
            return fitting[0]
    raise UnknownNode(
        f"{where} does not know the node {' or '.join(map(shown, wanted))}: accepted is the name of a node, its first "
        "label or its address; missing=empty declares nothing for hosts that are not there."
    )


def _fitting(nodes: Mapping[str, tuple[str, ...]], asked: str) -> list[str]:
    """Return the nodes of that name, else those of that address, else those of that name but for the domain."""
    named = [node for node in nodes if node.casefold() == asked]
    at = [node for node in nodes if asked in nodes[node]]
    short = [node for node in nodes if _is_short_for(node.casefold(), asked) or _is_short_for(asked, node.casefold())]
    return named or at or short


def _is_short_for(short: str, whole: str) -> bool:
    return "." not in short and whole.startswith(short + ".")


def _read(answer: Any, where: str, depth: int) -> Iterator[_Seen]:
    if depth > _DEEPEST:
        raise InvalidInput(f"{where} is nested too deep: {_ACCEPTED}.")
    if isinstance(answer, Mapping):
        yield from _read_mapping(answer, where, depth)
    elif isinstance(answer, list):
        for one in answer:
            yield from _read(one, where, depth + 1)
    elif answer is not None:  # as /v1/catalog/node answers for a node that is not there
        raise InvalidInput(f"{where} is no answer of a registry: {_ACCEPTED}.")


def _read_mapping(answer: Mapping[str, Any], where: str, depth: int) -> Iterator[_Seen]:
    node, service = answer.get("Node"), answer.get("Service")
    if isinstance(node, str) and "ServiceName" in answer:
        plain = {key.removeprefix("Service"): value for key, value in answer.items() if key.startswith("Service")}
        yield _seen(answer, {**plain, "Service": answer["ServiceName"]}, where)
    elif "Node" in answer and "Services" in answer:
        yield from _read_node(answer, where)
    elif isinstance(node, Mapping) and isinstance(service, Mapping):
        yield _seen(node, service, where)
    elif isinstance(service, str):
        yield _seen({}, answer, where)
    elif answer and all(isinstance(one, list) and _are_tags(one) for one in answer.values()):
        raise InvalidInput(f"{where} names services without their ports, as /v1/catalog/services does: {_ACCEPTED}.")
    else:
        for one in answer.values():
            if not isinstance(one, (Mapping, list)) and one is not None:
                raise InvalidInput(f"{where} is no answer of a registry: {_ACCEPTED}.")
            yield from _read(one, where, depth + 1)


def _read_node(answer: Mapping[str, Any], where: str) -> Iterator[_Seen]:
    node, services = answer["Node"], answer["Services"]
    found = list(services.values()) if isinstance(services, Mapping) else services or []
    if not isinstance(found, list) or not isinstance(node, (Mapping, type(None))):
        raise InvalidInput(f"{where} has a node or services in a form that is not known: {_ACCEPTED}.")
    if node:
        yield _seen(node, None, where)
        for service in found:
            yield _seen(node, service, where)


def _are_tags(values: list[Any]) -> bool:
    return all(isinstance(one, str) for one in values)


def _seen(node: Mapping[str, Any], service: Any, where: str) -> _Seen:
    name, tagged = node.get("Node"), node.get("TaggedAddresses")
    addresses = (node.get("Address"), *(tagged.values() if isinstance(tagged, Mapping) else ()))
    return _Seen(
        name if isinstance(name, str) else None,
        tuple(dict.fromkeys(one for one in addresses if isinstance(one, str) and one)),
        None if service is None else _instance(service, where),
    )


def _instance(service: Any, where: str) -> Instance:
    said = service if isinstance(service, Mapping) else {}
    name, meta = said.get("Service"), said.get("Meta") or {}
    if not isinstance(name, str) or not name or not isinstance(meta, Mapping):
        raise InvalidInput(f"{where} has a service without a name, or with a Meta that is no map: {_ACCEPTED}.")
    return Instance(
        identity=str(said.get("ID") or name),
        name=name,
        port=said.get("Port"),
        address=str(said.get("Address") or ""),
        meta=meta,
        kind=str(said.get("Kind") or ""),
        socket_path=str(said.get("SocketPath") or ""),
    )
