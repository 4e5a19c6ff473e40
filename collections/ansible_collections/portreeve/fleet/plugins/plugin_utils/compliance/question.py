# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host is asked for, and what its answer says. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..fleet.host_answer import parse_picture
from ..fleet.picture import INCOMPLETE, read_answer
from ..policy.asking import asked_ports
from ..policy.records import policy_from_wire
from .answers import Answer


def declared_ports(policy: Mapping[str, Any]) -> list[str]:
    """Return the ports that a host is asked for, as port_audit takes them."""
    return [str(one) for one in asked_ports(policy_from_wire(policy).declarations)]


def answer_of(host: str, taken_at: str, policy: Mapping[str, Any], found: Mapping[str, Any]) -> Answer:
    """Return the answer in what port_audit returned, or in what Ansible says in its place."""
    answered = read_answer(host, found)
    reason = answered.reason
    if answered.status == INCOMPLETE:
        first, *others = parse_picture(answered.result).blind_spots or ("it does not say why",)
        reason = f"not seen: {first}" + (f" (and {len(others)} more)" if others else "")
    return Answer(answered.name, taken_at, answered.status, reason, policy, answered.result)
