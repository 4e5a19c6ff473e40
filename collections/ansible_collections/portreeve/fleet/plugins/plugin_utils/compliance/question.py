# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host is asked for, and what its answer says. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...module_utils.portreeve_agent.ports import PortRange
from ..fleet.host_picture import parse_picture
from ..fleet.picture import INCOMPLETE, read_answer
from ..fleet.port_sets import merge
from ..policy.records import MUST, Declaration, policy_from_wire
from .answers import Answer

#: What port_audit takes.
MOST_PORTS = 4096


def declared_ports(policy: Mapping[str, Any]) -> list[str]:
    """Return the ports of which a host is asked what is the matter with them, whether somebody listens there or not.

    Where these are more than it can be asked for, they are those on which somebody must listen.
    """
    applications = [one for one in policy_from_wire(policy).declarations if one.is_application]
    ports = _ports(applications)
    if sum(one.high - one.low + 1 for one in ports) > MOST_PORTS:
        ports = _ports([one for one in applications if one.listen == MUST])
    return [str(one) for one in ports]


def answer_of(host: str, taken_at: str, policy: Mapping[str, Any], found: Mapping[str, Any]) -> Answer:
    """Return the answer in what port_audit returned, or in what Ansible says in its place."""
    answered = read_answer(host, found)
    reason = answered.reason
    if answered.status == INCOMPLETE:
        first, *others = parse_picture(answered.result).blind_spots or ("it does not say why",)
        reason = f"not seen: {first}" + (f" (and {len(others)} more)" if others else "")
    return Answer(answered.name, taken_at, answered.status, reason, policy, answered.result)


def _ports(declarations: list[Declaration]) -> tuple[PortRange, ...]:
    return merge([one.ports for one in declarations])
