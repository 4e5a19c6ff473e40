# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The course of getting ports back on one host: look, reserve, release, and put back what was reserved in vain.

It reaches the host only through what it is handed, which runs a module there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ..fleet.picture import plain, reason_of
from ..fleet.port_sets import compress
from ..report.wire import record, records

#: What a look finds of a port.
DUE, NEEDLESS, REFUSED, FAILED = "due", "needless", "refused", "failed"
#: What becomes of it besides refused and failed; left is what the approved plan refuses.
DONE, UNDONE, NOT_DONE, LEFT = "done", "undone", "not done", "left"

_RELEASE, _RESERVATION = "portreeve.fleet.port_release", "portreeve.fleet.port_reservation"
_NOBODY = "portreeve.nobody"
_SQUATTED = "squatted"
_TOLD = ("done", "proof", "collateral", "undone", "not_undone", "unfinished", "gone", "trail")

#: Runs a module: its name, its arguments, whether in check mode.
Execute = Callable[[str, dict[str, Any], bool], dict[str, Any]]
#: Is told what was reserved: application, port and protocol.
Tell = Callable[[dict[str, Any]], None]


def look(releases: Iterable[Mapping[str, Any]], execute: Execute) -> list[dict[str, Any]]:
    """Return what would be done for each of ``releases``, as the lookup of applications returns them."""
    releases = list(releases)
    with_service = {release["application"] for release in releases if "then" in release["options"]}
    return [
        _looked(release, execute(_RELEASE, dict(release["options"]), True), release["application"] in with_service)
        for release in releases
    ]


def take_back(
    ports: Iterable[Mapping[str, Any]], execute: Execute, run: Mapping[str, str], tell: Tell, *, approved: bool
) -> Iterator[dict[str, Any]]:
    """Do what ``look`` returned, port by port, and yield what became of each.

    What is refused in ``ports`` is left if they are those of an ``approved`` plan: who approved it knew.

    After a failure nothing more is done on the host; after a refusal nothing more for the same application, as its
    service needs all of its ports. ``run`` are the options of port_release that name the run in the host's trail.
    ``tell`` is told what was reserved before anything else is done, as the host may be lost after that.
    """
    given_up: str | None = None
    as_planned = {REFUSED: LEFT if approved else REFUSED, NEEDLESS: DONE}
    refused: set[str] = set()
    for port in ports:
        name, number = port["application"], label(port["options"])
        if port["outcome"] != DUE:
            yield _became(port, as_planned.get(port["outcome"], FAILED), port["summary"])
            continue
        why = given_up or (f"another port of {name} was refused" if name in refused else None)
        if why:
            yield _became(port, NOT_DONE, why)
            continue
        done = _one(port, execute, run, tell)
        if done["outcome"] in (FAILED, UNDONE):
            given_up = f"{number} failed before"
        elif done["outcome"] == REFUSED:
            refused.add(name)
        yield done


def _one(port: Mapping[str, Any], execute: Execute, run: Mapping[str, str], tell: Tell) -> dict[str, Any]:
    put_back = None
    if port["reserve"] and port["plan"]["verdict"] == _SQUATTED:
        reserved = _reserve(port, execute)
        if reserved.get("failed"):
            return _became(port, FAILED, f"it could not be reserved: {reason_of(reserved)}")
        put_back = reserved.get("put_back")
        if put_back is not None:
            tell(_named(port))
    result = execute(_RELEASE, {**port["options"], **run, "approved": port["plan"]}, False)
    became = _became(port, _judged(result), str(result.get("summary") or ""), result)
    if became["outcome"] == DONE:
        held = record(result.get("proof")).get("held_as_expected")
        return became if held or not port["unserved"] else {**became, "unserved": port["unserved"]}
    became["summary"] = reason_of(result)
    if put_back is not None:
        again = execute(_RESERVATION, put_back, False)
        where = "not_undone" if again.get("failed") else "undone"
        said = f": {reason_of(again)}" if again.get("failed") else ""
        became[where] = [
            *became.get(where, ()),
            f"the reservation of {label(port['options'])} for {port['application']}{said}",
        ]
    if became["outcome"] == FAILED and became.get("undone") and not became.get("not_undone"):
        became["outcome"] = UNDONE
    return became


def _reserve(port: Mapping[str, Any], execute: Execute) -> dict[str, Any]:
    """Reserve a port for its application beside what that has reserved; ``put_back`` is how to take it back."""
    number, name = port["options"]["port"], port["application"]
    seen = execute(_RESERVATION, {"name": _NOBODY, "state": "absent"}, True)
    if seen.get("failed"):
        return seen
    before = next((one["ports"] for one in records(seen.get("reservations")) if one.get("name") == name), "")
    wanted = {"name": name, "ports": compress(before, number)}
    reserved = execute(_RESERVATION, wanted, False)
    if reserved.get("changed"):
        back = {"name": name, "ports": before} if before else {"name": name, "state": "absent"}
        reserved["put_back"] = back
    return reserved


def _looked(release: Mapping[str, Any], result: Mapping[str, Any], with_service: bool) -> dict[str, Any]:
    plan = record(result.get("plan"))
    outcome = DUE if result.get("changed") else NEEDLESS
    if result.get("failed"):
        outcome = REFUSED if plan.get("refusal") else FAILED
    said = reason_of(result) if outcome == FAILED else plan.get("refusal") or result.get("summary")
    nobody = _unserved(release, plan) if outcome == DUE and not with_service else None
    return {**release, "outcome": outcome, "summary": plain(said), "plan": plain(plan) or None, "unserved": nobody}


def _unserved(release: Mapping[str, Any], plan: Mapping[str, Any]) -> str | None:
    """Return in a sentence that nothing starts who should serve the port; a restart is only done to just them."""
    if any(step.get("act") == "restart" for step in records(plan.get("steps"))):
        return None
    name, owner = release["application"], record(release["options"].get("expect"))
    whom = " and ".join(f"{key} {value}" for key, value in owner.items())
    return (
        f"Nobody will serve {label(release['options'])} afterwards unless the declared owner ({whom}) takes it by "
        f"itself: no service to be started is declared for {name}."
    )


def _judged(result: Mapping[str, Any]) -> str:
    """Only what says that it touched nobody has refused; what does not know, or says nothing, has failed."""
    if not result.get("failed"):
        return DONE
    return REFUSED if result.get("touched") is False else FAILED


def _became(
    port: Mapping[str, Any], outcome: str, summary: str, result: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    told = {key: plain((result or {})[key]) for key in _TOLD if (result or {}).get(key)}
    fell = list(_fell(result or {}))
    if fell:
        told["fell"] = fell
    return {
        **_named(port),
        "outcome": outcome,
        "changed": bool((result or {}).get("changed")),
        "summary": summary,
        **told,
    }


def _fell(result: Mapping[str, Any]) -> Iterator[str]:
    """Yield who else serves no more though nobody meant it; of other network namespaces that may be a coincidence."""
    here = record(result.get("namespace")).get("name")
    for one in records(result.get("collateral")):
        if not one.get("expected") and one.get("namespace") == here:
            yield str(one.get("summary"))


def _named(port: Mapping[str, Any]) -> dict[str, Any]:
    options = port["options"]
    return {"application": port["application"], "port": options["port"], "protocol": options["protocol"]}


def label(options: Mapping[str, Any]) -> str:
    """Return the port that a release is about, such as ``8080/tcp``."""
    return f"{options['port']}/{options['protocol']}"


def with_label(options: Mapping[str, Any], summary: str) -> str:
    """Return a sentence on a port that names it, once."""
    name = label(options)
    return summary if summary.startswith(name) else f"{name}: {summary}"
