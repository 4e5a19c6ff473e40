# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Of which declared ports a host is asked what is the matter with them, whether somebody listens there or not. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from ...module_utils.portreeve_agent.ports import PortRange
from ..fleet.port_sets import merge
from .records import MUST, Declaration

#: What port_audit takes.
MOST_PORTS = 4096


def asked_ports(declarations: Iterable[Declaration]) -> tuple[PortRange, ...]:
    """Return the ports of all applications; where a host cannot be asked for so many, of those that must listen."""
    applications = [one for one in declarations if one.is_application]
    ports = merge([one.ports for one in applications])
    return ports if count(ports) <= MOST_PORTS else needed_ports(applications)


def needed_ports(declarations: Iterable[Declaration]) -> tuple[PortRange, ...]:
    """Return the ports on which somebody must listen."""
    return merge([one.ports for one in declarations if one.listen == MUST])


def are_all_asked(declarations: Iterable[Declaration]) -> bool:
    """Return whether a host is asked for the ports of all its applications."""
    return count(merge([one.ports for one in declarations if one.is_application])) <= MOST_PORTS


def count(ports: Iterable[PortRange]) -> int:
    """Return how many ports there are, one of every protocol counted once."""
    return sum(one.high - one.low + 1 for one in ports)
