# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether what is to be done now is what was approved before: the same victims, or fewer. Pure."""

from __future__ import annotations

import hashlib
import json

from ..errors import InvalidInput, Moved
from ..record import replace
from ..typed import Any
from ..verdicts.wording import listed, name_mark, one_line
from ..wire import to_wire
from .records import ACTS, OwnerMark, Plan, ProcessMark, SocketMark, Step, Then

_WORDS = ("why", "harm", "withheld", "refusal", "needless", "digest", "verdict", "state")


def sealed(plan: Plan) -> Plan:
    """Return the plan with the digest that stands for it: of all but words, and of what changes by itself."""
    return replace(plan, digest=digest_of(plan))


def digest_of(plan: Plan) -> str:
    """Return the SHA-256 of a plan, in hexadecimal digits."""
    wire = to_wire(plan)
    wire["steps"] = [
        _of_a_run(one) if isinstance(one["owner"], dict) and one["owner"]["birth"] else one for one in wire["steps"]
    ]
    text = json.dumps(_essence(wire), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _essence(wire: Any) -> Any:
    if isinstance(wire, dict):
        return {name: _essence(value) for name, value in wire.items() if name not in _WORDS}
    return [_essence(one) for one in wire] if isinstance(wire, list) else wire


def _of_a_run(step: dict[str, Any]) -> dict[str, Any]:
    """Workers and their sockets come and go while an owner runs; its birth tells that run from others."""
    places = sorted({(one["protocol"], one["local"]) for one in step["sockets"]})
    return {**step, "processes": [], "sockets": [list(place) for place in places]}


def compare(now: Plan, approved: Plan) -> tuple[str, ...]:
    """Return who of the approved plan has gone by itself, one sentence each.

    Raises InvalidInput if the approved plan is not as it was made, or is about something else; Moved if the host was
    booted since, or if anybody would be concerned now who was not then.
    """
    if digest_of(approved) != approved.digest:
        raise InvalidInput("the approved plan is not as it was made: its digest does not stand for it")
    if (now.port, now.protocol, now.address) != (approved.port, approved.protocol, approved.address):
        raise InvalidInput(
            "the approved plan is about %s, not about %s: accepted is the plan of the same port and address"
            % (_place(approved), _place(now))
        )
    if now.terms != approved.terms:
        raise InvalidInput(
            "the plan was approved on other terms (%s): accepted are the same" % listed(list(approved.terms), 4)
        )
    if now.boot_id != approved.boot_id:
        raise Moved("the host was booted since the plan was made: nothing was done")
    if now.namespace != approved.namespace:
        raise Moved("the network namespace is another one than when the plan was made: nothing was done")
    if now.then is not None:
        _check_afterwards(now.then, approved.then)
    for step in now.steps:
        if not any(_covers(old, step) for old in approved.steps):
            raise Moved(_say_moved(step, approved))
    return _gone(now, approved)


def check_reach(now: Plan, approved: Plan, at_most: str) -> None:
    """Raise InvalidInput if nothing can be done now that this is the most, though more was approved."""
    acts = ["kill" if step.kill else step.act for step in approved.steps]
    furthest = max(acts, key=ACTS.index, default=at_most)
    if now.refusal and ACTS.index(furthest) > ACTS.index(at_most):
        raise InvalidInput(
            "the approved plan goes as far as %s, and at_most is %s now: accepted are the options that it was made with"
            % (furthest, at_most)
        )


def _check_afterwards(now: Then, approved: Then | None) -> None:
    if approved is None or (now.verb, now.unit) != (approved.verb, approved.unit):
        raise Moved("what is to be started afterwards was not approved: nothing was done")
    more = sorted(set(now.others) - set(approved.others))
    if more:
        raise Moved(
            "%s would stop as %s is %sed, which was not part of the plan: nothing was done"
            % (listed([one_line(one) for one in more]), one_line(now.unit), now.verb)
        )


def _place(plan: Plan) -> str:
    return "%d/%s%s" % (plan.port, plan.protocol, " on " + plan.address if plan.address else "")


def _covers(old: Step, new: Step) -> bool:
    """Return whether a step does nothing that the approved one would not have done as well."""
    return (
        old.act == new.act
        and old.owner == new.owner
        and (old.kill or not new.kill)
        and set(new.others) <= set(old.others)
        and _is_sweep(old) == _is_sweep(new)
        and (new.if_still_held or not old.if_still_held or _is_sweep(new))
        and (_is_of_a_run(new) or _all_in(new.processes, old.processes))
        and {_socket_key(one, new) for one in new.sockets} <= {_socket_key(one, old) for one in old.sockets}
    )


def _is_of_a_run(step: Step) -> bool:
    """Return whether its owner's manager tells one run from another, so that who takes part in the run may change."""
    return step.owner is not None and bool(step.owner.birth)


def _is_sweep(step: Step) -> bool:
    return step.act == "destroy" and not step.sockets


def _all_in(new: tuple[ProcessMark, ...], old: tuple[ProcessMark, ...]) -> bool:
    return {(one.pid, one.start_ticks) for one in new} <= {(one.pid, one.start_ticks) for one in old}


def _socket_key(mark: SocketMark, step: Step) -> tuple[object, ...]:
    """Return what a socket is known by; a running owner may close and open them, and that run is what is approved."""
    place = (mark.protocol, mark.local)
    return place if _is_of_a_run(step) else (*place, mark.remote, mark.inode, mark.cookie)


def _say_moved(step: Step, approved: Plan) -> str:
    """Return what is different now, the nearest first: the same owner in another run, the same pid, anybody else."""
    said = _say_other_owner(step, approved) or _say_other_process(step, approved)
    if not said and step.sockets and not any(_socket_key(one, step) in _sockets(approved) for one in step.sockets):
        said = "%s is held by another socket than when the plan was made" % _place(approved)
    if not said:
        victims = listed([name_mark(one) for one in step.processes]) or "what remains"
        said = "to %s %s was not part of the plan" % (step.act, victims)
    return said + ": nothing was done"


def _say_other_owner(step: Step, approved: Plan) -> str:
    owners = [old.owner for old in approved.steps if old.owner is not None]
    if step.owner is None:
        return ""
    if step.owner not in owners:
        same = any(
            (old.kind, old.name, old.user) == (step.owner.kind, step.owner.name, step.owner.user) for old in owners
        )
        said = "%s was started again since the plan was made" if same else "%s was not part of the plan"
        return said % _name_owner(step.owner)
    more = sorted(set(step.others).difference(*(old.others for old in approved.steps if old.owner == step.owner)))
    return "%s would stop as well, which was not part of the plan" % listed(more) if more else ""


def _say_other_process(step: Step, approved: Plan) -> str:
    if _is_of_a_run(step):
        return ""
    known = {(one.pid, one.start_ticks) for old in approved.steps for one in old.processes}
    new = [one for one in step.processes if (one.pid, one.start_ticks) not in known]
    again = [one for one in new if one.pid in {pid for pid, _started in known}]
    if again:
        return "process %d is another one than when the plan was made" % again[0].pid
    if new:
        names = listed([name_mark(one) for one in new])
        return "%s holds %s now, who did not when the plan was made" % (names, _place(approved))
    return ""


def _sockets(plan: Plan) -> set[tuple[object, ...]]:
    return {_socket_key(one, step) for step in plan.steps for one in step.sockets}


def _gone(now: Plan, approved: Plan) -> tuple[str, ...]:
    there = {(one.pid, one.start_ticks) for step in now.steps for one in step.processes}
    owners = {step.owner for step in now.steps}
    names = []
    for step in approved.steps:
        if step.owner is None or not step.owner.birth:
            names += [name_mark(one) for one in step.processes if (one.pid, one.start_ticks) not in there]
        elif step.owner not in owners:
            names.append(_name_owner(step.owner))
    return tuple("%s, part of the plan, holds the port no longer." % name for name in dict.fromkeys(names))


def _name_owner(mark: OwnerMark) -> str:
    return one_line(mark.name) + (" of user %s" % one_line(mark.user) if mark.user else "")
