# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What came of a run, host by host, from its journal. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..fleet.picture import natural
from ..report.sentences import counted, named
from .course import DONE, FAILED, NOT_DONE, REFUSED, UNDONE
from .gate import Line
from .plans import ports_to_do

FORMAT = "portreeve.remediation/1"

#: The worst first: what a host of several ports is.
OUTCOMES = (FAILED, UNDONE, REFUSED, NOT_DONE, DONE)

_TRAIL = "/var/log/portreeve/trail.jsonl"


def outcome_of(ports: Iterable[Mapping[str, Any]]) -> str:
    """Return what a host is by what became of its ports: the worst of it."""
    return min((port["outcome"] for port in ports), key=OUTCOMES.index, default=DONE)


def why_of(ports: Iterable[Mapping[str, Any]]) -> str | None:
    """Return why not everything was done, None if it was."""
    reasons = [f"{one['port']}/{one['protocol']}: {one['summary']}" for one in ports if one["outcome"] != DONE]
    return " ".join(reasons) or None


def remediation(lines: Sequence[Line], plan: Mapping[str, Any], ended_at: str) -> dict[str, Any]:
    """Return what came of a run, in plain JSON types, for every host that its plan acts on."""
    header = lines[0]
    ended = next((str(line["why"]) for line in lines if line["event"] == "ended"), None)
    begun = {line["host"]: line for line in lines if line["event"] == "begin"}
    over = {line["host"]: line for line in lines if line["event"] == "end"}
    passed = {line["host"] for line in lines if line["event"] == "healthy"}
    hosts = {}
    for name in sorted(header["hosts"], key=natural):
        line = over.get(name) or _without_end(name in begun, ended)
        hosts[name] = {
            "outcome": line["outcome"],
            "why": line["why"],
            "fell": [sentence for port in line["ports"] for sentence in port.get("fell", ())],
            "not_undone": list(_left_behind(name, lines, line["ports"])),
            "healthy": (name in passed) if header["health"] and name in over else None,
            "ports": line["ports"] or list(_untouched(plan["hosts"][name])),
        }
    counts = Counter(host["outcome"] for host in hosts.values())
    return {
        "format": FORMAT,
        "run": header["run"],
        "plan": header["plan"],
        "digest": header["digest"],
        "check": header["check"],
        "began_at": header["time"],
        "ended_at": ended_at,
        "ended_because": ended,
        "earlier": header["earlier"],
        "counts": {outcome: counts[outcome] for outcome in OUTCOMES},
        "hosts": hosts,
        "left_out": header["left_out"],
        "summary": _summary(hosts, ended, header["check"]),
    }


def unfinished(lines: Sequence[Line]) -> str | None:
    """Return in a sentence what a run left that ended without a report, None if it has one."""
    if any(line["event"] == "closed" for line in lines):
        return None
    over = {line["host"] for line in lines if line["event"] == "end"}
    open_ones = [str(line["host"]) for line in lines if line["event"] == "begin" and line["host"] not in over]
    left = f"begun and not known to have ended: {named(open_ones)}" if open_ones else "no host was under way"
    return f"An earlier run of this plan, {lines[0]['run']}, was cut off; {left}."


def _left_behind(host: str, lines: Sequence[Line], ports: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what was reserved for a release of which nothing was heard any more."""
    heard = {(port["application"], port["port"], port["protocol"]) for port in ports}
    for line in lines:
        own = line["event"] == "reserved" and line["host"] == host
        if own and (line["application"], line["port"], line["protocol"]) not in heard:
            yield f"the reservation of {line['port']}/{line['protocol']} for {line['application']}"


def _without_end(was_begun: bool, ended: str | None) -> Line:
    if was_begun:
        why = f"it was begun, and nothing is known of how it ended; {_TRAIL} on the host says what was done"
        return {"outcome": FAILED, "why": why, "ports": []}
    return {"outcome": NOT_DONE, "why": ended or "the run did not come to it", "ports": []}


def _untouched(host: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for port in ports_to_do(host):
        options = port["options"]
        named_as = {"application": port["application"], "port": options["port"], "protocol": options["protocol"]}
        yield {**named_as, "outcome": NOT_DONE, "changed": False, "summary": ""}


def _summary(hosts: Mapping[str, Mapping[str, Any]], ended: str | None, check: bool) -> str:
    by_outcome: dict[str, list[str]] = {}
    for name, host in hosts.items():
        by_outcome.setdefault(host["outcome"], []).append(name)
    done = len(by_outcome.pop(DONE, ()))
    said = f"{'Would be done' if check else 'Done'} on {done} of {counted(len(hosts), 'host')}."
    for outcome in OUTCOMES:
        if outcome in by_outcome:
            said += f" {outcome.capitalize()}: {len(by_outcome[outcome])} ({named(by_outcome[outcome])})."
    return f"{said} It ended because {ended}." if ended else said
