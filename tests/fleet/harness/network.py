# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The hosts' network: one bridge on this machine, one named network namespace and one veth pair per host.

Nothing is routed or forwarded: the hosts reach this machine and each other, and no one else.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import pathlib

from .command import FleetError, run
from .places import BRIDGE, LINK_PREFIX, NAMESPACE_PREFIX, NETWORK_NAMESPACES

#: From the range that RFC 2544 sets aside for tests of network devices.
PREFIX_LENGTH = 24
GATEWAY = "198.18.0.1"


def add_bridge() -> None:
    """Make the bridge and give this machine its address on it."""
    run("ip", "link", "add", BRIDGE, "type", "bridge")
    run("ip", "address", "add", f"{GATEWAY}/{PREFIX_LENGTH}", "dev", BRIDGE)
    run("ip", "link", "set", BRIDGE, "up")


def namespace(host: str) -> str:
    """Return the name of a host's network namespace."""
    return NAMESPACE_PREFIX + host


def add_namespace(host: str, address: str) -> None:
    """Make the host's network namespace, with eth0 on the bridge."""
    name, link = namespace(host), LINK_PREFIX + host
    run("ip", "netns", "add", name)
    run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name, "address", _card(address))
    # A link-local IPv6 address would be tentative for a second, and whoever binds it early fails.
    run("ip", "-n", name, "link", "set", "eth0", "addrgenmode", "none")
    run("ip", "-n", name, "address", "add", f"{address}/{PREFIX_LENGTH}", "dev", "eth0")
    run("ip", "-n", name, "link", "set", "lo", "up")
    run("ip", "-n", name, "link", "set", "eth0", "up")
    run("ip", "link", "set", link, "master", BRIDGE, "up")


def _card(address: str) -> str:
    """Return the hardware address that goes with an IPv4 address: the same after a reboot, as neighbours expect.

    >>> _card("198.18.0.11")
    '02:00:c6:12:00:0b'
    """
    return "02:00:" + ipaddress.IPv4Address(address).packed.hex(":")


def remove_namespace(host: str) -> None:
    """Remove the host's network namespace and its link; the same can then be made anew."""
    # The link first: the kernel dismantles a namespace in the background, and the link's name with it.
    run("ip", "link", "delete", LINK_PREFIX + host)
    run("ip", "netns", "delete", namespace(host))


def remove_all() -> None:
    """Remove every namespace, link and the bridge of the fleet, whichever of them exist."""
    for place in sorted(NETWORK_NAMESPACES.glob(NAMESPACE_PREFIX + "*")):
        run("ip", "netns", "delete", place.name)
    for link in json.loads(run("ip", "-json", "link", "show") or "[]"):
        if link["ifname"].startswith(LINK_PREFIX):
            # A veth may vanish by itself: its namespace, just deleted, is dismantled in the background.
            with contextlib.suppress(FleetError):
                run("ip", "link", "delete", link["ifname"])
    left = [link.name for link in pathlib.Path("/sys/class/net").glob(LINK_PREFIX + "*")]
    if left:
        raise FleetError(f"could not remove network links: {', '.join(left)}")
