# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The run of a plan on the controller: how it begins, whether it goes on, and how it is told in the end."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...module_utils.portreeve_agent.errors import InvalidInput
from .budgets import Limits, exceeded, read_limits, tightest
from .closing import remediation, unfinished
from .gate import Line, why_closed, why_no_host, why_no_wave
from .health import read_health
from .journal import moment
from .pages import remediation_page
from .places import Record, earlier_records, new_record, read_text, write_text
from .plans import NOTHING, TO_DO, approved_plan, hosts_to_do, places_of
from .windows import now, parse_window


@dataclass(frozen=True)
class Order:
    """What is asked for: the plan by its file and digest, where runs are recorded, and what holds a run up."""

    plan: str
    digest: str
    records: str
    limits: Limits
    stop_file: str | None = None
    window: str | None = None
    health: Any = None
    check: bool = False


def begin(order: Order, hosts: Collection[str], groups: Mapping[str, Collection[str]]) -> tuple[Record, dict[str, Any]]:
    """Return the record of a new run and its first line; ``hosts`` are those that may be reached by it.

    Raises InvalidInput when the plan is not the approved one, or exceeds a budget, or when what is asked for cannot be:
    then there is no run.
    """
    if order.window:
        parse_window(order.window)
    path = pathlib.Path(order.plan).absolute()
    text = read_text(path)
    plan = approved_plan(text, str(path), order.digest)
    limits = tightest(read_limits(plan.get("limits") or {}), order.limits)
    due = [name for name in hosts_to_do(plan) if name in hosts]
    too_much = list(exceeded(plan, due, groups, limits))
    if too_much:
        raise InvalidInput(" ".join([*too_much, "Nothing was done."]))
    records = pathlib.Path(order.records).absolute()
    health = read_health(order.health, {place for name in due for place in places_of(plan["hosts"][name])})
    earlier = list(_earlier(records, order.digest))
    record = new_record(records, moment())
    header = {
        "run": record.run,
        "plan": str(path),
        "digest": order.digest,
        "check": order.check,
        "hosts": due,
        "left_out": _left_out(plan, hosts),
        "limits": limits.to_wire(),
        "stop_file": str(pathlib.Path(order.stop_file).absolute()) if order.stop_file else None,
        "window": order.window or None,
        "health": health,
        "earlier": earlier,
    }
    record.journal.begin(**header)
    write_text(record.plan, text)
    return record, header


def why_not_now(stop_file: str | None, window: str | None) -> str | None:
    """Return why nothing may be begun at this moment, None if it may."""
    if stop_file and pathlib.Path(stop_file).exists():
        return f"the stop file {stop_file} is there"
    return why_closed(parse_window(window) if window else None, now())


def begin_host(record: Record, host: str) -> str | None:
    """Record that a host is begun, or return why it may not be: then the run has ended, for all."""
    header = record.journal.read()[0]

    def obstacle(lines: Sequence[Line]) -> str | None:
        return why_not_now(header["stop_file"], header["window"]) or why_no_host(lines)

    return _ended(record, record.journal.append_unless(obstacle, "begin", host=host))


def end_here(record: Record) -> str | None:
    """Return why no other wave may be begun, None if it may. If not, the run has ended, for all."""
    lines = record.journal.read()
    return _ended(record, why_not_now(lines[0]["stop_file"], lines[0]["window"]) or why_no_wave(lines))


def _ended(record: Record, why: str | None) -> str | None:
    if why and not any(line["event"] == "ended" for line in record.journal.read()):
        record.journal.append("ended", why=why)
    return why


def close(record: Record) -> dict[str, Any]:
    """Write what came of a run for people and programs, and return it."""
    lines = record.journal.read()
    plan = approved_plan(read_text(record.plan), str(record.plan), lines[0]["digest"])
    found = remediation(lines, plan, moment())
    write_text(record.page, remediation_page(found))
    write_text(record.result, json.dumps(found, indent=1, sort_keys=True) + "\n")
    record.journal.append("closed")
    return found


def _earlier(records: pathlib.Path, digest: str) -> Iterator[str]:
    """Yield what earlier runs of the same plan left, and which records cannot be read."""
    for one in earlier_records(records):
        try:
            lines = one.journal.read()
        except InvalidInput as error:
            yield f"{error} Whether it is a run of this plan is not known."
            continue
        sentence = unfinished(lines) if lines[0]["digest"] == digest else None
        if sentence:
            yield sentence


def _left_out(plan: Mapping[str, Any], hosts: Collection[str]) -> dict[str, str]:
    found = {}
    for name, host in plan["hosts"].items():
        if host["status"] == TO_DO and name not in hosts:
            found[name] = "the plan acts on it, but it is not among the hosts of this run"
        elif host["status"] not in (TO_DO, NOTHING):
            reasons = [port["summary"] for port in host["ports"]]
            found[name] = f"{host['status']} when the plan was made: {host['problem'] or ' '.join(reasons)}"
    return found
