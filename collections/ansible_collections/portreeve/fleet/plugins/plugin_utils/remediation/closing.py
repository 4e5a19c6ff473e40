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
from .course import DONE, FAILED, LEFT, NOT_DONE, REFUSED, UNDONE, with_label
from .gate import PARTLY, Line
from .plans import ports_to_do

FORMAT = "portreeve.remediation/1"

#: What may become of a host, the worst first.
OUTCOMES = (FAILED, UNDONE, PARTLY, REFUSED, NOT_DONE, DONE)

#: What may become of its ports, the worst first.
_OF_PORTS = (FAILED, UNDONE, REFUSED, NOT_DONE, LEFT, DONE)

_TRAIL = "/var/log/portreeve/trail.jsonl"


def outcome_of(ports: Iterable[Mapping[str, Any]]) -> str:
    """Return what a host is by what became of its ports: the worst of it, unless that would hide what is done."""
    found = {port["outcome"] for port in ports} or {DONE}
    worst = min(found, key=_OF_PORTS.index)
    if worst not in (FAILED, DONE) and DONE in found:
        return PARTLY
    return REFUSED if worst == LEFT else worst


def is_as_approved(outcome: str, ports: Iterable[Mapping[str, Any]]) -> bool:
    """Return whether everything was done on a host that the approved plan does not refuse itself."""
    return outcome == DONE or (outcome == PARTLY and all(port["outcome"] in (DONE, LEFT) for port in ports))


def why_of(ports: Iterable[Mapping[str, Any]]) -> str | None:
    """Return why not everything was done, None if it was."""
    reasons = [_why(one) for one in ports if one["outcome"] != DONE]
    return " ".join(reasons) or None


def would_be(outcome: str, check: bool) -> str:
    """Return an outcome as it is told to people: in check mode nothing has been done."""
    return f"would be {outcome}" if check and outcome in (DONE, PARTLY, REFUSED) else outcome


def _why(port: Mapping[str, Any]) -> str:
    said = with_label(port, port["summary"])
    return f"Left, as the plan says: {said}" if port["outcome"] == LEFT else said


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
            "as_approved": is_as_approved(line["outcome"], line["ports"]),
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
        "summary": _summary(hosts, ended, header["check"], header["left_out"]),
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


def _summary(
    hosts: Mapping[str, Mapping[str, Any]], ended: str | None, check: bool, left_out: Mapping[str, str]
) -> str:
    by_outcome: dict[str, list[str]] = {}
    for name, host in hosts.items():
        by_outcome.setdefault(host["outcome"], []).append(name)
    done = len(by_outcome.pop(DONE, ()))
    said = f"{would_be(DONE, check).capitalize()} on {done} of {counted(len(hosts), 'host')}."
    for outcome in OUTCOMES:
        if outcome in by_outcome:
            told = would_be(outcome, check).capitalize()
            said += f" {told}: {len(by_outcome[outcome])} ({named(by_outcome[outcome])})."
    if left_out:
        said += f" Left out: {len(left_out)} ({named(sorted(left_out, key=natural))})."
    return f"{said} It ended because {ended}." if ended else said
