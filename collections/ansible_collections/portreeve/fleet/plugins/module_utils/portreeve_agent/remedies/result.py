# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run for a port returns: plain JSON types, a sentence on what it came to, and the difference as text. Pure."""

from __future__ import annotations

from ..model import BlindSpot, HostFacts, PortAnswer
from ..record import dataclass
from ..typed import Any, Sequence
from ..verdicts.wording import listed, name_owner, name_process, one_line
from ..wire import to_wire
from .approved import PLAN_FORMAT
from .collateral import Fallen
from .plan import is_free, is_in_order
from .proof import Proof
from .records import Outcome, Plan, Wish
from .sight import Sight, expectation_of, mark_socket
from .words import name_target

FORMAT = "portreeve.port_release/1"
_DONE = {
    "destroy": "destroyed %s",
    "detach": "took the socket from %s, nobody of whom ended",
    "restart": "restarted %s",
    "stop": "stopped %s",
    "terminate": "ended %s",
}  # fmt: skip


@dataclass(frozen=True)
class Achieved:
    """What a run has come to; ``failure`` says in one sentence why the port is not back, None if it is."""

    outcomes: tuple[Outcome, ...] = ()
    then: str | None = None
    proof: Proof | None = None
    held_as_expected: bool | None = None
    unit_active: bool | None = None
    fallen: tuple[Fallen, ...] = ()
    undone: tuple[str, ...] = ()
    not_undone: tuple[str, ...] = ()
    failure: str | None = None


def result_of(
    wish: Wish,
    host: HostFacts,
    blind_spots: Sequence[BlindSpot],
    before: Sight,
    plan: Plan,
    achieved: Achieved,
    after: Sight | None = None,
) -> dict[str, Any]:
    """Return the result of a run, or with ``after`` None of one that only looked."""
    answer = before.answer
    lines = _lines(before)
    touched = any(one.result in ("done", "failed") for one in achieved.outcomes) or achieved.then is not None
    return {
        "format": FORMAT,
        "changed": bool(plan.steps or plan.then) and not plan.refusal if after is None else touched,
        "touched": touched,
        "complete": not blind_spots,
        "blind_spots": to_wire(blind_spots),
        "host": to_wire(host),
        "port": wish.port,
        "protocol": wish.protocol,
        "address": wish.address,
        "namespace": {"id": answer.namespace.id, "name": answer.namespace.name, "kind": answer.namespace.kind},
        "summary": one_line(_summarize(wish, plan, achieved, after)),
        "before": to_wire(answer),
        "after": None if after is None else to_wire(after.answer),
        "plan": {"format": PLAN_FORMAT, **to_wire(plan)},
        "done": [_told(one) for one in achieved.outcomes],
        "proof": _proven(achieved),
        "collateral": to_wire(achieved.fallen),
        "undone": list(achieved.undone),
        "not_undone": list(achieved.not_undone),
        "diff": {"before": lines, "after": _foretold(wish, before, plan, lines) if after is None else _lines(after)},
        "failed_because": achieved.failure,
    }


def _told(outcome: Outcome) -> dict[str, Any]:
    target = name_target(to_wire(outcome.step))
    return {"act": outcome.step.act, "target": target, "result": outcome.result, "summary": outcome.summary}


def _proven(achieved: Achieved) -> dict[str, Any]:
    proof = achieved.proof
    return {
        "free": proof.free if proof else None,
        "bind": to_wire(proof.attempts) if proof else [],
        "held_as_expected": achieved.held_as_expected,
        "unit_active": achieved.unit_active,
        "summary": proof.summary if proof else "",
    }


def _summarize(wish: Wish, plan: Plan, achieved: Achieved, after: Sight | None) -> str:
    if achieved.failure:
        return achieved.failure
    if after is None:
        return _say_plan(plan)
    port = "%d/%s" % (plan.port, plan.protocol)
    done = [_say_done(one) for one in achieved.outcomes if one.result == "done"]
    expected = expectation_of(wish)
    if expected.holder and is_in_order(after, expected):
        state = "%s is held by whom it should be (%s)" % (port, expected.holder)
    else:
        state = "%s is free" % port
    return "%s%s." % (state, ": " + listed(done, 4) if done else "")


def _say_done(outcome: Outcome) -> str:
    return _DONE[outcome.step.act] % name_target(to_wire(outcome.step))


def _say_plan(plan: Plan) -> str:
    port = "%d/%s" % (plan.port, plan.protocol)
    then = "%s %s" % (plan.then.verb, plan.then.unit) if plan.then else ""
    if plan.refusal or not plan.steps:
        said = plan.refusal or plan.needless or ""
        return said + (" Then %s." % then if then else "")
    steps = ["%s %s" % (one.act, name_target(to_wire(one))) for one in plan.steps if not one.if_still_held]
    return "To free %s: %s." % (port, listed([*steps, *([then] if then else [])], 5))


def _lines(sight: Sight) -> str:
    """Return one line for each holder, or for what has none, unless the port can be bound all the same."""
    if is_free(sight):
        return _free(sight.answer)
    lines = []
    for held in sight.answer.sockets:
        mark = mark_socket(held.socket)
        place = "%s %s%s" % (mark.state, mark.local, " to " + mark.remote if mark.remote else "")
        for one in held.holders:
            lines.append("%s %s of %s (%s)" % (place, name_process(one), name_owner(one.owner), one.role))
        if not held.holders:
            lines.append("%s, no process" % place)
    return "".join(one_line(line) + "\n" for line in sorted(set(lines)) or [_free(sight.answer).rstrip()])


def _free(answer: PortAnswer) -> str:
    return "%d/%s free\n" % (answer.port, answer.protocol)


def _foretold(wish: Wish, before: Sight, plan: Plan, lines: str) -> str:
    if plan.refusal or not (plan.steps or plan.then):
        return lines
    expected = expectation_of(wish)
    if plan.then or (expected.holder and any(one.act == "restart" for one in plan.steps)):
        return "%d/%s held by %s\n" % (plan.port, plan.protocol, expected.holder or (plan.then and plan.then.unit))
    return _free(before.answer)
