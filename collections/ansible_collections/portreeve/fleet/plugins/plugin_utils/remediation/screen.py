# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is said of a plan on the screen once it is made: what it comes to, and how to go on. Pure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ...module_utils.portreeve_agent.verdicts.wording import one_line
from ..report.sentences import named
from .course import REFUSED, with_label
from .plans import FAILED, UNREACHABLE, hosts_to_do, said_of

_MOST_LINES = 20
_PLAN = "reports/plan.json"  # what both playbooks take if no other is named


def lines_of(plan: Mapping[str, Any], exceeded: Iterable[str], page: str, go_on: str) -> list[str]:
    """Return the sentences that a person needs next, one a line; the command ``go_on`` only where it would be taken."""
    too_much = list(exceeded)
    lines = [said_of(plan), *_first(list(_refused(plan)), page), *_first(list(_unknown(plan)), page), *too_much]
    lines += [f"To be read: {page}", f"Digest: {plan['digest']}"]
    if hosts_to_do(plan) and not too_much:
        lines.append(f"To do it: {go_on}")
    return [one_line(line) for line in lines]


def command(plan: str, digest: str, inventories: Sequence[str], limit: str | None, with_make: bool) -> str:
    """Return how a plan is applied: as it was made, by make or by ansible-playbook, on the same hosts."""
    if with_make:
        given = {"INVENTORY": inventories[0] if inventories else "", "LIMIT": limit or "", "PLAN": plan}
        named_so = [f"{name}={shlex.quote(value)}" for name, value in given.items() if value not in ("", _PLAN)]
        return " ".join(["make remediate", *named_so, f"DIGEST={digest}"])
    where = [word for one in inventories for word in ("-i", one)] + (["--limit", limit] if limit else [])
    variables = json.dumps({"portreeve_plan": plan, "portreeve_digest": digest})
    return shlex.join(["ansible-playbook", *where, "portreeve.fleet.remediate", "-e", variables])


def _refused(plan: Mapping[str, Any]) -> Iterator[str]:
    hosts: dict[tuple[str, str], list[str]] = {}
    for name, host in plan["hosts"].items():
        for port in host["ports"]:
            if port["outcome"] == REFUSED:
                said = with_label(port["options"], port["summary"])
                hosts.setdefault((port["application"], said), []).append(name)
    for (application, said), names in hosts.items():
        yield f"Refused for {application} on {named(names)}: {said}"


def _unknown(plan: Mapping[str, Any]) -> Iterator[str]:
    for name, host in plan["hosts"].items():
        if host["status"] in (UNREACHABLE, FAILED):
            yield f"Not known: {name} ({host['status']}): {host['problem']}"


def _first(lines: Sequence[str], page: str) -> list[str]:
    more = len(lines) - _MOST_LINES
    return [*lines[:_MOST_LINES], *([f"... and {more} more, in {page}"] if more > 0 else [])]
