# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The hosts' network: a bridge on this machine, a veth pair per host; a second bridge that only a jump host reaches.

Nothing is routed or forwarded: the hosts reach this machine and each other, and no one else. All names and addresses
follow from a number, so that several sets of hosts can stand at once, and so that traces of a killed one are found.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from ..fleet.harness.command import FleetError, run, wait_for

#: From the range that RFC 2544 sets aside for tests of network devices; the hosts of tests/fleet have 198.18.0.0/24.
OUTER = ipaddress.ip_network("198.18.64.0/18")
INNER = ipaddress.ip_network("198.19.64.0/18")
PREFIX_LENGTH = 24
MOST_HOSTS = 250
#: A card that nobody has: what is sent to it vanishes.
NOBODY = "02:00:00:00:00:01"
#: The bridges' own. One that changes with the cards on the bridge would take the neighbours with it each time.
BRIDGE_CARD = "02:00:00:00:00:02"


@dataclass(frozen=True)
class Network:
    """The network of the set of hosts with that number."""

    number: int

    @property
    def link_prefix(self) -> str:
        return f"prtrs{self.number}-"

    @property
    def bridge(self) -> str:
        return f"{self.link_prefix}outer"

    @property
    def inner_bridge(self) -> str:
        return f"{self.link_prefix}inner"

    def address(self, position: int) -> str:
        """Return the address of the host at that position, from 0; the machine itself is in front of the first."""
        return str(self._subnet(OUTER)[position + 2])

    def inner_address(self, position: int) -> str:
        """Return the address of the host at that position in the network behind the jump host."""
        return str(self._subnet(INNER)[position + 2])

    def _subnet(self, of: ipaddress.IPv4Network) -> ipaddress.IPv4Network:
        return ipaddress.ip_network((int(of[0]) + (self.number << (32 - PREFIX_LENGTH)), PREFIX_LENGTH))

    def build(self, lost: Sequence[str]) -> None:
        """Make the bridges. What this machine sends to the addresses ``lost`` vanishes."""
        _ip(
            f"link add {self.bridge} address {BRIDGE_CARD} type bridge",
            f"link set {self.bridge} addrgenmode none",
            f"address add {self._subnet(OUTER)[1]}/{PREFIX_LENGTH} dev {self.bridge}",
            f"link set {self.bridge} up",
            f"link add {self.inner_bridge} address {BRIDGE_CARD} type bridge",
            f"link set {self.inner_bridge} addrgenmode none",
            f"link set {self.inner_bridge} up",
            # Who does not go through the jump host is told so, and nothing leaves by a default route.
            f"route add unreachable {self._subnet(INNER)}",
            *(f"neighbour add {address} lladdr {NOBODY} dev {self.bridge} nud permanent" for address in lost),
        )

    def connect(self, outer: Sequence[tuple[int, int]], inner: Sequence[tuple[int, int]]) -> None:
        """Give hosts, as (position, process), an eth0 on the outer and an eth1 on the inner bridge."""
        lines = []
        for bridge, card, hosts in ((self.bridge, "eth0", outer), (self.inner_bridge, "eth1", inner)):
            for position, process in hosts:
                link = f"{self.link_prefix}{position}{card[-1]}"
                lines.append(f"link add {link} type veth peer name {card} netns {process}")
                lines.append(f"link set {link} addrgenmode none")
                lines.append(f"link set {link} master {bridge} up")
        _ip(*lines)

    def remove(self) -> None:
        """Remove all of it, whatever of it exists; the kernel takes the hosts' links down with their namespaces."""
        with contextlib.suppress(FleetError):
            run("ip", "route", "delete", "unreachable", str(self._subnet(INNER)))
        for link in self._links():
            with contextlib.suppress(FleetError):
                run("ip", "link", "delete", link)
        wait_for(lambda: not self._links(), "the links of the sshd hosts are gone")

    def _links(self) -> list[str]:
        return [name for _, name in socket.if_nameindex() if name.startswith(self.link_prefix)]


def set_up_cards(addresses: Sequence[tuple[str, str]]) -> None:
    """Bring up the network from inside a host: loopback, and each (card, address)."""
    lines = ["link set lo up"]
    for card, address in addresses:
        # A link-local IPv6 address would be tentative for a second, and whoever binds it early fails.
        lines += [f"link set {card} addrgenmode none", f"address add {address}/{PREFIX_LENGTH} dev {card}"]
        lines.append(f"link set {card} up")
    _ip(*lines)


def _ip(*lines: str) -> None:
    run("ip", "-batch", "-", given="".join(f"{line}\n" for line in lines).encode())
