# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The plan for a fleet: what was found to be done on each host, and the digest by which it is approved. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ...module_utils.portreeve_agent.errors import InvalidInput
from ..fleet.picture import HostAnswer, natural, plain, read_answer
from ..report.sentences import counted, named
from ..report.wire import record
from .course import DUE, NEEDLESS

FORMAT = "portreeve.plan/1"

#: What a host of a plan is: something is to be done; nothing is; what should be done is refused; not known.
TO_DO, NOTHING, REFUSED, UNREACHABLE, FAILED = "to do", "nothing", "refused", "unreachable", "failed"

_OF_A_PORT = ("application", "place", "reserve", "options", "outcome", "summary", "plan", "unserved")
_NOT_APPROVED = frozenset(("made_at", "made_by", "digest"))
_WORDS_OF_HOST = frozenset(("problem",))
_WORDS_OF_PORT = frozenset(("summary", "unserved"))
_WORDS_OF_PLAN = frozenset(("why", "harm", "withheld", "refusal", "needless"))


def build(looks: Mapping[str, Any], limits: Mapping[str, int | None], made_at: str, made_by: str) -> dict[str, Any]:
    """Return the plan from what the action remedy registered on each host in check mode, None for a host without.

    ``limits`` are the budgets that are approved with it. ``made_at`` is ISO 8601 in UTC.
    """
    hosts = {name: _host(read_answer(name, looks[name])) for name in sorted(looks, key=natural)}
    plan = {"format": FORMAT, "made_at": made_at, "made_by": made_by, "limits": dict(limits), "hosts": hosts}
    return {**plan, "digest": digest_of(plan)}


def digest_of(plan: Mapping[str, Any]) -> str:
    """Return SHA-256, in hexadecimal, over everything in a plan but its words and who made it when.

    So the same digest means the same victims on the same hosts, and the same budgets.
    """
    content = _without(plan, _NOT_APPROVED)
    content["hosts"] = {name: _host_without_words(host) for name, host in plan["hosts"].items()}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def approved_plan(text: str, where: str, digest: str) -> dict[str, Any]:
    """Return the plan in ``text``, the content of the file ``where``, if it is the one with that digest.

    Raises InvalidInput, with one sentence, for anything that is no plan, was changed, or is another one.
    """
    try:
        plan = json.loads(text)
    except ValueError:
        raise InvalidInput(f"{where} is no plan: it is not JSON.") from None
    if not isinstance(plan, dict) or plan.get("format") != FORMAT or not isinstance(plan.get("hosts"), dict):
        raise InvalidInput(f"{where} is no plan for a fleet: accepted is a file in the format {FORMAT}.")
    found = digest_of(plan)
    if found != plan.get("digest"):
        raise InvalidInput(f"{where} has been changed since it was made: its digest is not the one it says.")
    if not all(map(_is_host, plan["hosts"].values())) or not isinstance(plan.get("limits"), dict):
        raise InvalidInput(f"{where} is no plan as this version makes them: make it anew.")
    if not digest:
        raise InvalidInput(f"No digest was given: accepted is that of the plan that was approved, for {where} {found}.")
    if digest != found:
        raise InvalidInput(f"{where} is not the plan that was approved: its digest is {found}, not {digest}.")
    return plan


def hosts_to_do(plan: Mapping[str, Any]) -> list[str]:
    """Return the hosts on which something is to be done, in the plan's order."""
    return [name for name in sorted(plan["hosts"], key=natural) if plan["hosts"][name]["status"] == TO_DO]


def ports_to_do(host: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return those ports of a plan's host for which something is to be done, in the order in which it is."""
    return [port for port in host["ports"] if port["outcome"] == DUE]


def said_of(plan: Mapping[str, Any]) -> str:
    """Return in a sentence on how many hosts what is to be done, and which are not known."""
    by_status: dict[str, list[str]] = {}
    for name in plan["hosts"]:
        by_status.setdefault(plan["hosts"][name]["status"], []).append(name)
    said = f"Something is to be done on {len(by_status.get(TO_DO, ()))} of {counted(len(plan['hosts']), 'host')}."
    for status in (REFUSED, FAILED, UNREACHABLE):
        if status in by_status:
            said += f" {status.capitalize()}: {named(sorted(by_status[status], key=natural))}."
    return said


def places_of(host: Mapping[str, Any]) -> list[str]:
    """Return where the applications of a plan's host should be, as ``8080/tcp``, whatever was found there."""
    return [*host["in_order"], *(port["place"] for port in host["ports"])]


def _host(answer: HostAnswer) -> dict[str, Any]:
    found = answer.result
    if found is None:
        return {"status": answer.status, "boot_id": None, "ports": [], "in_order": [], "problem": answer.reason}
    ports = [_port(one) for one in found["ports"] if one["outcome"] != NEEDLESS]
    failed = next((one for one in found["ports"] if one["outcome"] == FAILED), None)
    status = FAILED if failed else NOTHING if not ports else REFUSED
    if status == REFUSED and any(one["outcome"] == DUE for one in ports):
        status = TO_DO
    boot_id = next((one["plan"]["boot_id"] for one in found["ports"] if one["plan"]), None)
    return {
        "status": status,
        "boot_id": boot_id,
        "ports": ports,
        "in_order": [one["place"] for one in found["ports"] if one["outcome"] == NEEDLESS],
        "problem": failed["summary"] if failed else None,
    }


def _is_host(host: Any) -> bool:
    """Return whether a host of a plan has what is read of it; one of another version may not, whatever its digest."""
    if not isinstance(host, dict) or host.get("status") not in (TO_DO, NOTHING, REFUSED, UNREACHABLE, FAILED):
        return False
    in_order, ports = host.get("in_order"), host.get("ports")
    if not isinstance(in_order, list) or not isinstance(ports, list):
        return False
    return all(isinstance(place, str) for place in in_order) and all(
        isinstance(port, dict) and set(_OF_A_PORT) <= set(port) and isinstance(port["options"], dict) for port in ports
    )


def _port(one: Mapping[str, Any]) -> dict[str, Any]:
    return {key: plain(one[key]) for key in _OF_A_PORT}


def _host_without_words(host: Any) -> Any:
    """Names of hosts and applications are anybody's choice, so words are left out only where they stand."""
    host = _without(host, _WORDS_OF_HOST)
    ports = host.get("ports")
    if isinstance(ports, list):
        host["ports"] = [
            {**_without(port, _WORDS_OF_PORT), "plan": _without_words(record(port).get("plan"))} for port in ports
        ]
    return host


def _without_words(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_words(item) for key, item in _without(value, _WORDS_OF_PLAN).items()}
    return [_without_words(item) for item in value] if isinstance(value, list) else value


def _without(value: Any, keys: frozenset[str]) -> dict[str, Any]:
    return {key: item for key, item in record(value).items() if key not in keys}
