# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A remedy as text for a terminal, from the plain result: what is to be done to whom, or what came of it. Pure."""

from __future__ import annotations

import re

from ..model import BlindSpot, Owner
from ..typed import Any, Iterator, Mapping
from ..verdicts.wording import listed, name_mark, name_owner, one_line
from ..words import paragraph, say_blind_spots
from .records import ProcessMark

_INDENT = "  "
_DEEPER = "     "  # as far as what stands behind a step's number
_OPTIONS = {"at_most": "--at-most", "override_protection": "--override", "strategy": "--strategy"}
_OPTION = re.compile(r"\b(%s):? " % "|".join(_OPTIONS))


def name_options(text: str) -> str:
    """Return a sentence with the options of the module as the command line has them."""
    return _OPTION.sub(lambda match: _OPTIONS[match.group(1)] + " ", text)


def say_state(before: Mapping[str, Any], address: str | None) -> Iterator[str]:
    """Yield what the port, or what of it a bind to this address would meet, is now: the verdict, and what it means."""
    on_it = " on %s" % address if address else ""
    where = "" if before["namespace"]["kind"] == "host" else " in namespace " + one_line(before["namespace"]["name"])
    yield "%d/%s%s%s: %s" % (before["port"], before["protocol"], on_it, where, before["verdict"])
    if address and before["verdict"] == "free":
        yield from paragraph("No socket that a bind to %s would meet has it." % address)
    else:
        yield from paragraph(one_line(before["summary"]))


def say_plan(plan: Mapping[str, Any]) -> Iterator[str]:
    """Yield who is concerned, by what, why, and what it costs; then what is left alone, and why."""
    for number, step in enumerate(plan["steps"], 1):
        yield from _say_step(number, step)
    if plan["then"]:
        yield from paragraph(one_line("Then: %(verb)s %(unit)s" % plan["then"]))
        if plan["then"]["harm"]:
            yield from paragraph(one_line(plan["then"]["harm"]), indent=_DEEPER)
    for reason in plan["withheld"]:
        yield from paragraph("Withheld: " + one_line(reason))


def say_outcome(result: Mapping[str, Any]) -> Iterator[str]:
    """Yield what was done, what proves it, what else fell, what was undone, and where it is written down."""
    for one in [one for one in result["done"] if one["result"] != "skipped"]:
        target = "" if one["target"] in one["summary"] else " " + one["target"]
        came_of_it = "" if one["result"] == "done" else ": " + one["result"]
        yield from paragraph(one_line("%s%s%s: %s" % (one["act"], target, came_of_it, one["summary"])))
    if result["proof"]["summary"]:
        yield from paragraph("Proof: " + one_line(result["proof"]["summary"]))
    for title, sentences in (
        ("Withheld", result["plan"]["withheld"]),
        ("Also changed, as planned", [one["summary"] for one in result["collateral"] if one["expected"]]),
        ("Also changed", [one["summary"] for one in result["collateral"] if not one["expected"]]),
        ("Undone", result["undone"]),
        ("Not undone", result["not_undone"]),
    ):
        for sentence in sentences:
            yield from paragraph("%s: %s" % (title, one_line(sentence)))
    if result["done"] and result["trail"]["path"]:
        yield from paragraph("Trail: %(path)s, run %(run)s" % result["trail"])


def say_release(result: Mapping[str, Any], foretold: bool) -> Iterator[str]:
    """Yield the lines below the headline of a result: the plan if it is only foretold, else what came of it."""
    for title, sentences in (("Earlier run", result["unfinished"]), ("Gone", result["gone"])):
        for sentence in sentences:
            yield from paragraph("%s: %s" % (title, one_line(sentence)))
    yield from say_plan(result["plan"]) if foretold else say_outcome(result)
    yield from say_blind_spots(BlindSpot(**one) for one in result["blind_spots"])


def name_target(step: Mapping[str, Any]) -> str:
    """Return whom a step is about: its owner, else the processes, else the sockets."""
    owner = step["owner"]
    if owner is not None:
        return name_owner(Owner(owner["kind"], owner["name"], manager=owner["manager"], user=owner["user"]))
    if step["act"] != "destroy" and step["processes"]:
        return listed([name_mark(ProcessMark(**one)) for one in step["processes"]])
    return listed([_name_socket(one) for one in step["sockets"]]) or "what remained of connections"


def _name_socket(socket: Mapping[str, Any]) -> str:
    if socket["remote"]:
        return "the connection %s to %s" % (socket["local"], socket["remote"])
    return "%s %s" % (socket["state"], socket["local"])


def _say_step(number: int, step: Mapping[str, Any]) -> Iterator[str]:
    force = ", by SIGKILL if nothing else helps" if step["kill"] else ""
    condition = ", if the port is still held by then" if step["if_still_held"] else ""
    yield from paragraph("%d. %s %s%s%s" % (number, step["act"], name_target(step), force, condition))
    is_sweep = step["act"] == "destroy" and not step["sockets"] and step["if_still_held"]
    for sentence in (step["why"], step["harm"]):
        if sentence and not is_sweep:
            yield from paragraph(one_line(sentence), indent=_DEEPER)
