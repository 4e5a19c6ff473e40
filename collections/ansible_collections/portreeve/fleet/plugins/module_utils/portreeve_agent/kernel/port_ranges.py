# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which ports the kernel chooses by itself, leaves alone or guards (Documentation/networking/ip-sysctl.rst)."""

from __future__ import annotations

from ..errors import Gone, NotPermitted, NotSupported
from ..host import Host
from ..model import PortRanges

_DIRECTORY = "/proc/sys/net/ipv4/"


def read_port_ranges(host: Host) -> PortRanges:
    """Return the settings of the agent's own network namespace; what cannot be read is None."""
    return parse_port_ranges(
        automatic=_read(host, "ip_local_port_range"),
        reserved=_read(host, "ip_local_reserved_ports"),
        unprivileged_start=_read(host, "ip_unprivileged_port_start"),
    )


def parse_port_ranges(automatic: bytes | None, reserved: bytes | None, unprivileged_start: bytes | None) -> PortRanges:
    r"""Return the settings from the content of their files.

    ``parse_port_ranges(b"32768\t60999\n", b"\n", b"1024\n") == PortRanges((32768, 60999), "", 1024)``.
    """
    bounds = automatic.split() if automatic else []
    return PortRanges(
        automatic=(int(bounds[0]), int(bounds[1])) if len(bounds) == 2 else None,
        reserved=None if reserved is None else reserved.decode("ascii").strip(),
        unprivileged_start=int(unprivileged_start) if unprivileged_start else None,
    )


def _read(host: Host, name: str) -> bytes | None:
    try:
        return host.read_at_once(_DIRECTORY + name)
    except (Gone, NotPermitted, NotSupported):
        return None
