# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whom a step of a plan concerns, in words. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ...module_utils.portreeve_agent.verdicts.wording import one_line
from ..report.sentences import counted
from ..report.wire import owner_name, record, records

#: Acts after which an owner or process is another one, or gone.
_ENDING = ("restart", "stop", "terminate", "kill")


def owners_of(port: Mapping[str, Any]) -> Iterator[str]:
    """Yield the owners, and the processes that have none, that a plan's port restarts, stops or ends.

    Among them are the units that a manager stops with others, by their names.
    """
    plan = record(port["plan"])
    for step in records(plan.get("steps")):
        if step.get("act") in _ENDING:
            owner = owner_name(step.get("owner"))
            yield from [owner] if owner else [_process(one) for one in records(step.get("processes"))]
            yield from map(str, step.get("others") or ())
    then = record(plan.get("then"))
    if then.get("verb") == "restart":
        yield str(then.get("unit"))
    yield from map(str, then.get("others") or ())


def target(step: Mapping[str, Any], with_pids: bool = False) -> str:
    """Return whom a step is done to: ``nginx.service``, ``sleep, 2 tail``, ``3 sockets``."""
    owner = owner_name(step.get("owner"))
    if owner:
        return owner
    processes = records(step.get("processes"))
    if processes and with_pids:
        return ", ".join(_process(one) for one in processes)
    if processes:
        names = Counter(one_line(str(one.get("name"))) for one in processes)
        return ", ".join(name if number == 1 else f"{number} {name}" for name, number in sorted(names.items()))
    sockets = records(step.get("sockets"))
    return counted(len(sockets), "socket") if sockets else "what remains of connections"


def _process(process: Mapping[str, Any]) -> str:
    return f"{one_line(str(process.get('name')))}[{process.get('pid')}]"
