# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which ports the kernel chooses by itself, leaves alone or guards (Documentation/networking/ip-sysctl.rst)."""

from __future__ import annotations

from ..errors import Gone, NotPermitted, NotSupported
from ..host import Host
from ..lean import partial
from ..model import Namespace, PortRanges
from ..typed import Callable, Iterable

_DIRECTORY = "/proc/sys/net/ipv4/"


def read_port_ranges(host: Host) -> PortRanges:
    """Return the settings of the agent's own network namespace; what cannot be read is None."""
    return _read_ranges(host.read_at_once)


def read_ranges_by_namespace(
    host: Host, namespaces: Iterable[Namespace], own: PortRanges
) -> tuple[tuple[int, PortRanges], ...]:
    """Return the settings of each namespace by its number, those of the agent's own as they were read before."""
    return tuple(
        (
            one.id,
            own if one.kind == "host" else _read_ranges(partial(host.read_setting_in_namespace, one.path, one.id)),
        )
        for one in namespaces
    )


def _read_ranges(read: Callable[[str], bytes]) -> PortRanges:
    return parse_port_ranges(
        automatic=_read(read, "ip_local_port_range"),
        reserved=_read(read, "ip_local_reserved_ports"),
        unprivileged_start=_read(read, "ip_unprivileged_port_start"),
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


def _read(read: Callable[[str], bytes], name: str) -> bytes | None:
    try:
        return read(_DIRECTORY + name)
    except (Gone, NotPermitted, NotSupported):
        return None
