# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the docker engine tells of its running containers: its API, else the files it keeps."""

from __future__ import annotations

import json

from ..endpoint import Endpoint
from ..errors import NotSupported, PortreeveError
from ..host import Host
from ..record import NamedTuple
from ..typed import Any
from .case import as_data
from .local_http import parse_answer, request

_CONTAINERS = "/var/lib/docker/containers"
_TIMEOUT = 2.0  # seconds
_LIMIT = 1 << 24  # bytes
_WILDCARDS = ("", "0.0.0.0", "::")


class Binding(NamedTuple):
    """A published port: where on the host."""

    address: str
    port: int
    protocol: str

    def covers(self, protocol: str, local: Endpoint) -> bool:
        """Return whether a socket with this local end is the host's side of the binding."""
        same_address = self.address == local.address or {self.address, local.address} <= set(_WILDCARDS)
        return same_address and (self.protocol, self.port) == (protocol, local.port)


class Container(NamedTuple):
    """A running container; ``addresses`` are those in all its networks."""

    id: str
    name: str | None
    image: str | None
    addresses: frozenset[str]
    bindings: tuple[Binding, ...]


class Engine(NamedTuple):
    """The engine's containers, from where they are known, and why not when ``answered`` is False."""

    containers: tuple[Container, ...]
    answered: bool
    source: str

    def by_id(self, container_id: str) -> Container | None:
        """Return the container with this id."""
        return next((container for container in self.containers if container.id == container_id), None)

    def publishing(self, protocol: str, local: Endpoint) -> list[Container]:
        """Return the containers that publish the port a socket is bound to; exact addresses win over wildcards."""
        found = [(c, b) for c in self.containers for b in c.bindings if b.covers(protocol, local)]
        exact = [container for container, binding in found if binding.address == local.address]
        return exact or [container for container, _binding in found]


def parse_api(body: bytes) -> tuple[Container, ...]:
    """Read the answer to GET /containers/json (Docker Engine API)."""
    return tuple(
        Container(
            id=as_data(entry["Id"]),
            name=as_data(next(iter(entry.get("Names") or []), "")).lstrip("/") or None,
            image=as_data(entry.get("Image")) or None,
            addresses=_addresses(entry.get("NetworkSettings")),
            bindings=tuple(
                Binding(as_data(port.get("IP")), int(port["PublicPort"]), as_data(port.get("Type")))
                for port in entry.get("Ports") or []
                if port.get("PublicPort")
            ),
        )
        for entry in json.loads(body)
    )


def parse_config(data: bytes) -> Container | None:
    """Read a container's config.v2.json; None when it is not running."""
    config = json.loads(data)
    if not (config.get("State") or {}).get("Running"):
        return None
    settings = config.get("NetworkSettings") or {}
    bindings = []
    for exposed, published in (settings.get("Ports") or {}).items():
        for entry in published or []:
            protocol = exposed.partition("/")[2] or "tcp"
            bindings.append(Binding(as_data(entry.get("HostIp")), int(entry["HostPort"]), as_data(protocol)))
    return Container(
        id=as_data(config["ID"]),
        name=as_data(config.get("Name")).lstrip("/") or None,
        image=as_data((config.get("Config") or {}).get("Image")) or None,
        addresses=_addresses(settings),
        bindings=tuple(bindings),
    )


def _addresses(settings: Any) -> frozenset[str]:
    networks = ((settings or {}).get("Networks") or {}).values()
    found = {network.get(key) for network in networks if network for key in ("IPAddress", "GlobalIPv6Address")}
    return frozenset(as_data(address) for address in found if address)


def engine_socket(uid: int | None) -> str:
    """Return where the system's engine (``uid`` None) or a user's rootless one takes requests."""
    return "/run/docker.sock" if uid is None else "/run/user/%d/docker.sock" % uid


def read_engine(host: Host, uid: int | None) -> Engine:
    """Ask the system's engine (``uid`` None) or a user's rootless one."""
    try:
        asked = request("GET", "/containers/json")
        answer = parse_answer(host.converse(engine_socket(uid), asked, _TIMEOUT, _LIMIT))
        if answer.status != 200:
            raise NotSupported("HTTP status %d" % answer.status)
        return Engine(parse_api(answer.body), True, "docker API")
    except Exception as error:  # whatever it answers, the scan goes on
        refused = "docker could not be asked: %s" % error
    containers = []
    try:
        for name in host.list(_CONTAINERS) if uid is None else []:
            container = _read_config(host, "%s/%s/config.v2.json" % (_CONTAINERS, name))
            if container:
                containers.append(container)
    except PortreeveError:
        return Engine((), False, refused)
    return Engine(tuple(containers), bool(containers), _CONTAINERS if containers else refused)


def _read_config(host: Host, path: str) -> Container | None:
    try:
        return parse_config(host.read(path))
    except Exception:  # as above
        return None
