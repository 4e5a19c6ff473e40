# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From what a Consul registry says of services to applications as an inventory declares them. Pure.

What Consul says of a service, and of its Meta in particular, is in its reference of service definitions; the answers
themselves are in that of the endpoints /v1/agent/services, /v1/catalog/service, /v1/catalog/node,
/v1/catalog/node-services and /v1/health/service.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from ...module_utils.portreeve_agent.errors import InvalidInput
from ...module_utils.portreeve_agent.ports import HIGHEST_PORT, shown
from .entry_names import entry_name
from .records import OWNER
from .registry_nodes import Instance, instances_of

_MARK = "portreeve-"
_PLAIN = ("address", "listen", "reserve", "severity")
_PROTOCOLS = {"tcp": ("tcp",), "udp": ("udp",), "tcp,udp": ("tcp", "udp"), "udp,tcp": ("tcp", "udp")}
_ACCEPTED = ", ".join(_MARK + key for key in (*OWNER, *_PLAIN, "protocol"))


class Declared(NamedTuple):
    """Entries for portreeve_applications, and a sentence for each service that has no port to declare.

    ``expected`` are those of them that never have one, such as proxies on a socket file.
    """

    entries: tuple[dict[str, Any], ...]
    left_out: tuple[str, ...] = ()
    expected: tuple[str, ...] = ()


def applications_in(answer: Any, node: Iterable[str] = (), where: str = "the export") -> Declared:
    """Return the applications that an answer of Consul, or several in a list or map, declares for a node.

    ``node`` are names or addresses of the host, the first that the answer knows counts; none takes all that is there,
    which must be one node's. Raises InvalidInput, with one sentence that begins with ``where``, for anything that is no
    such answer, and UnknownNode where it knows nothing of the node.
    """
    found = instances_of(answer, tuple(node), where)
    entries: dict[str, list[tuple[Instance, dict[str, Any]]]] = {}
    left_out: list[str] = []
    expected: list[str] = []
    for instance in found:
        service = f"{where}: the service {shown(instance.identity)}"
        if not _port(instance, service):
            reason = _why_none(instance)
            (expected if reason else left_out).append(f"{service} has no port{reason}, and declares none.")
            continue
        entries.setdefault(entry_name(instance.name), []).append((instance, _entry(instance, service)))
    named = (entry for name, group in sorted(entries.items()) for entry in _named(name, group))
    return Declared(tuple(named), tuple(left_out), tuple(expected))


def _named(name: str, group: list[tuple[Instance, dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    """Yield the entries of one service: a single one, unless its instances agree on the ports alone."""
    said = [{key: value for key, value in entry.items() if key != "ports"} for _instance, entry in group]
    if all(one == said[0] for one in said):
        ports = {port: None for _instance, entry in group for port in entry["ports"]}
        yield {"name": name, "ports": sorted(ports, key=_in_order), **said[0]}
        return
    for instance, entry in sorted(group, key=lambda pair: pair[0].identity):
        yield {"name": entry_name(instance.identity), **entry}


def _in_order(port: int | str) -> tuple[int, str]:
    number, _slash, protocol = str(port).partition("/")
    return int(number), protocol


def _port(instance: Instance, service: str) -> int:
    port = instance.port
    if port is None:
        return 0
    if isinstance(port, bool) or not isinstance(port, int) or port > HIGHEST_PORT:
        raise InvalidInput(f"{service} has the port {shown(port)}: accepted is a number up to {HIGHEST_PORT}.")
    return max(port, 0)


def _why_none(instance: Instance) -> str:
    if instance.socket_path:
        return ", as it is on a socket file"
    return f", as it is a {instance.kind}" if instance.kind and re.fullmatch(r"[a-z-]+", instance.kind) else ""


def _entry(instance: Instance, service: str) -> dict[str, Any]:
    marks = {key: value for key, value in instance.meta.items() if key.startswith(_MARK)}
    said = {}
    for key, value in sorted(marks.items()):
        if key.removeprefix(_MARK) not in (*OWNER, *_PLAIN, "protocol"):
            raise InvalidInput(
                f"{service} has the meta key {shown(key)}, which is not known: accepted are {_ACCEPTED}."
            )
        if not isinstance(value, str) or not value.strip():
            raise InvalidInput(f"{service} has the meta key {key} without a text: accepted is one.")
        said[key.removeprefix(_MARK)] = value.strip()
    protocol = said.pop("protocol", "tcp").replace(" ", "")
    if protocol not in _PROTOCOLS:
        raise InvalidInput(f"{service} has {_MARK}protocol: {shown(protocol)}: accepted are tcp, udp and tcp,udp.")
    owner = {key: said[key] for key in OWNER if key in said}
    entry: dict[str, Any] = {"ports": [_written(instance.port, one) for one in _PROTOCOLS[protocol]]}
    if owner:
        entry["owner"] = owner
    if _is_loopback(instance.address):
        entry["address"] = "loopback"  # any other address is where clients find it, whatever it is bound to
    return {**entry, **{key: said[key] for key in _PLAIN if key in said}}


def _written(port: Any, protocol: str) -> int | str:
    return int(port) if protocol == "tcp" else f"{port}/{protocol}"


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
