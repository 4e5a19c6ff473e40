# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The .socket units of a service manager, from systemctl's machine-readable output."""

from __future__ import annotations

from ..endpoint import Endpoint
from ..host import Host
from ..record import NamedTuple
from .placement import unescape

_PROTOCOLS = {"(Stream)": "tcp", "(Datagram)": "udp"}


class SocketUnit(NamedTuple):
    """One .socket unit; ``triggers`` is what it starts."""

    id: str
    listens: tuple[tuple[str, Endpoint], ...]
    triggers: str | None
    active: bool

    def listens_on(self, protocol: str, local: Endpoint) -> bool:
        """Return whether the unit names this port. "80" is [::]:80, or 0.0.0.0:80 where there is no IPv6."""
        wildcards = {"::", "0.0.0.0"}
        for kind, endpoint in self.listens:
            if (kind, endpoint.port) == (protocol, local.port) and (
                endpoint.address == local.address or {endpoint.address, local.address} == wildcards
            ):
                return True
        return False


def parse_socket_units(text: str) -> list[SocketUnit]:
    """Read ``systemctl show '*.socket' --property=Id,Listen,Triggers,ActiveState``.

    >>> parse_socket_units("Id=a.socket\\nListen=[::]:22 (Stream)\\nActiveState=active\\n")[0].listens
    (('tcp', Endpoint(address='::', port=22)),)
    """
    units = []
    for block in text.split("\n\n"):
        lines = [line.partition("=")[::2] for line in block.split("\n")]
        values = dict(lines)
        listens = [_listen(value) for key, value in lines if key == "Listen"]
        if values.get("Id"):
            units.append(
                SocketUnit(
                    id=values["Id"],
                    listens=tuple(listen for listen in listens if listen),
                    triggers=_unquoted(values.get("Triggers", "")) or None,
                    active=values.get("ActiveState") == "active",
                )
            )
    return units


def _unquoted(value: str) -> str:
    """Return a list of units as systemctl prints it, in quotes where a name holds a backslash, as people write it."""
    if '"' in value:
        import shlex

        value = " ".join(shlex.split(value))
    return unescape(value)


def _listen(value: str) -> tuple[str, Endpoint] | None:
    """Read one Listen= line; None for what has no port: paths, netlink, vsock."""
    where, _sep, kind = value.rpartition(" ")
    address, _sep, port = where.rpartition(":")
    if kind not in _PROTOCOLS or not port.isdigit() or address.startswith(("/", "@", "vsock")):
        return None
    return _PROTOCOLS[kind], Endpoint(address.strip("[]").partition("%")[0], int(port))


def read_socket_units(host: Host, uid: int | None) -> list[SocketUnit]:
    """Return the .socket units of the system's manager (``uid`` None) or of a user's.

    Raises NotSupported where systemctl is missing, refuses or does not answer.
    """
    manager = [] if uid is None else ["--user"]
    if uid is not None and host.is_root():
        manager.append("--machine=%d@.host" % uid)
    return parse_socket_units(
        host.run(["systemctl", *manager, "show", "*.socket", "--property=Id,Listen,Triggers,ActiveState"])
    )
