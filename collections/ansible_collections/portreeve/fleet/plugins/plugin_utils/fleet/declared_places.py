# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the applications of a judged host are declared to be. Pure."""

from __future__ import annotations

from functools import lru_cache

from ...module_utils.portreeve_agent.ports import parse_ports
from ..policy.findings import JudgedHost


def applications_by_place(host: JudgedHost) -> dict[str, list[str]]:
    """Return the names of the applications by port such as ``8080/tcp``."""
    found: dict[str, list[str]] = {}
    for name, ports in host.declared:
        for place in _places(ports):
            found.setdefault(place, []).append(name)
    return found


@lru_cache(maxsize=1024)
def _places(ports: str) -> tuple[str, ...]:
    return tuple(
        f"{port}/{one.protocol or 'tcp'}" for one in parse_ports(ports) for port in range(one.low, one.high + 1)
    )
