# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A plan carried out: on record before anything is done, step by step, proven in the end, or else undone."""

from __future__ import annotations

import os
from functools import partial

from ..errors import NotApplied, PortreeveError
from ..model import SERVING_STATES, Owner
from ..record import dataclass, replace
from ..typed import Any, Callable
from ..verdicts.wording import listed, name_owner, name_process
from ..writing import ActingHost
from .apply import apply
from .bystanders import find_fallen
from .look import Look, see
from .owners import registry
from .owners.starting import SECONDS_TO_START, start_unit
from .plan import is_free, is_in_order
from .proof import Proof
from .prove import bind_now, settle
from .records import Condition, Outcome, OwnerMark, Plan, Step, Then, Wish
from .result import Achieved, result_of
from .sight import Sight, expectation_of
from .trail import Trail, UnfinishedRun

_SECONDS_TO_COME_BACK = 3.0  # in which who starts an ended program again has done so; systemd waits 0.1 s
_GRACE = 10.0  # seconds, for what is only stopped so that what was there before can be started
_ON_RECORD = ("summary", "changed", "done", "proof", "collateral", "undone", "not_undone")
_ENDING = ("restart", "stop", "terminate")


@dataclass(frozen=True)
class Errand:
    """What is to be carried out: the plan that was made of a look for a wish, under the name ``run`` and for
    ``reason``.

    ``cut_off`` are the earlier runs for the same port that never ended.
    """

    wish: Wish
    seen: Look
    plan: Plan
    run: str
    reason: str | None
    cut_off: tuple[UnfinishedRun, ...]


def carry_out(host: ActingHost, errand: Errand) -> dict[str, Any]:
    """Do what is planned and return the result. Raises NotApplied or NotPermitted where it cannot be put on record:
    then nothing was done."""
    wish, seen, plan, cut_off = errand.wish, errand.seen, errand.plan, errand.cut_off
    trail = Trail(host, errand.run)
    trail.begin(plan, wish, _who(), errand.reason)
    silence: list[str] = []

    def tell(what: Step | Outcome) -> str | None:
        try:
            if isinstance(what, Step):
                trail.act(what)
            else:
                trail.outcome(what)
        except PortreeveError as error:
            silence.append(str(error))
            return silence[0]
        return None

    outcomes = apply(host, wish, seen, plan, tell)
    failure = _say_failed(outcomes) or (silence[0] if silence else None)
    after: Sight | None = None
    try:
        earlier = [mark for one in cut_off for mark in one.undo if one.boot_id == plan.boot_id]
        achieved, after = _conclude(host, wish, seen, plan, outcomes, failure, earlier)
    except PortreeveError as error:
        achieved = Achieved(outcomes=outcomes, failure=_about(wish, failure or str(error)))
    snapshot = seen.snapshot
    result = result_of(wish, snapshot.host, snapshot.blind_spots, seen.sight, plan, achieved, after)
    try:
        trail.end({name: result[name] for name in _ON_RECORD})
        for one in cut_off:
            trail.take_over(one)
    except PortreeveError as error:
        said = achieved.failure or _about(wish, str(error))
        result.update(failed_because=said, summary=said)
    return result


def _about(wish: Wish, failure: str) -> str:
    return "%d/%s: %s" % (wish.port, wish.protocol, _ended(failure))


def _conclude(
    host: ActingHost,
    wish: Wish,
    seen: Look,
    plan: Plan,
    outcomes: tuple[Outcome, ...],
    failure: str | None,
    earlier: list[OwnerMark],
) -> tuple[Achieved, Sight]:
    """Return what it has come to, with ``failure`` where a step has failed, and what there is on the port then."""
    expected = expectation_of(wish)
    said = None
    proof = bind_now(host, seen.namespace, wish)
    started = None
    if failure is None and plan.then is not None and proof.free is not False:
        started = None if _is_active(host, plan.then) else plan.then
        try:
            said = _start_afterwards(host, plan.then, outcomes, max(wish.grace, SECONDS_TO_START))
        except PortreeveError as error:
            failure = "the port was freed, but %s" % error
    after = see(host, wish) if failure else _await(host, wish, seen, plan, outcomes)
    in_order = is_in_order(after, expected) if expected.holder else None
    if not in_order:
        was_free, proof = proof.free, bind_now(host, seen.namespace, wish)
        after = replace(after, free_now=proof.free)
        failure = failure or _say_missed(host, seen.sight, plan, after, proof, bool(was_free), outcomes)
    undone: tuple[str, ...] = ()
    not_undone: tuple[str, ...] = ()
    if failure is not None and wish.undo:
        undone, not_undone = _undo(host, seen.sight, plan.then, started, outcomes, earlier)
        if undone:
            proof = bind_now(host, seen.namespace, wish)
            after = replace(see(host, wish), free_now=proof.free)
    achieved = Achieved(
        outcomes=outcomes,
        then=said,
        proof=proof,
        held_as_expected=in_order,
        unit_active=None if plan.then is None else said is not None,
        fallen=find_fallen(host, seen.others, _touched(outcomes, plan.then), _SECONDS_TO_COME_BACK),
        undone=undone,
        not_undone=not_undone,
        failure=failure and _about(wish, failure),
    )
    return achieved, after


def _await(host: ActingHost, wish: Wish, seen: Look, plan: Plan, outcomes: tuple[Outcome, ...]) -> Sight:
    """Return what there is on the port once its owner serves it, or once nobody has come back who was ended."""
    expected = expectation_of(wish)
    renewed = any(one.step.act == "restart" and one.result == "done" for one in outcomes)
    if expected.holder and (plan.then is not None or renewed):
        return settle(
            host,
            lambda: see(host, wish),
            lambda sight: is_in_order(sight, expected),
            max(wish.grace, _SECONDS_TO_COME_BACK),
        )
    if any(one.step.act in _ENDING and one.result == "done" for one in outcomes):
        settle(host, lambda: bind_now(host, seen.namespace, wish), lambda proof: not proof.free, _SECONDS_TO_COME_BACK)
    return see(host, wish)


def _start_afterwards(host: ActingHost, then: Then, outcomes: tuple[Outcome, ...], seconds: float) -> str:
    """Start or restart the unit that the port is for; where that was stopped first, with those that stopped with it."""
    for one in outcomes:
        owner = one.undo if one.result == "done" else None
        if owner is not None and owner.user is None and then.unit in (owner.id, owner.name):
            return registry.start(host, owner, one.step.others)
    return start_unit(host, then.unit, then.verb, seconds, then.others)


def _say_failed(outcomes: tuple[Outcome, ...]) -> str | None:
    """Return what went wrong with a step, unless a later one made up for it."""
    for index, one in enumerate(outcomes):
        if one.result in ("refused", "failed") and not any(later.result == "done" for later in outcomes[index + 1 :]):
            return one.summary[0].lower() + one.summary[1:]
    return None


def _say_missed(
    host: ActingHost,
    before: Sight,
    plan: Plan,
    after: Sight,
    proof: Proof,
    was_free: bool,
    outcomes: tuple[Outcome, ...],
) -> str | None:
    """Return why the port is not as it should be after all steps, None if it is. Only a bind proves it to be free."""
    if plan.then is None and is_free(after):
        return None
    left = [held for held in after.answer.sockets if held.socket.state in SERVING_STATES]
    holders = [one for held in left for one in held.holders if one.role != "heir"]
    if not holders:
        return "it is not back: %s" % (proof.summary if after.answer.verdict == "free" else after.answer.summary)
    named = listed([name_process(one) for one in holders])
    owner = holders[0].owner
    old = {held.socket.cookie for held in before.answer.sockets}
    if was_free or any(held.socket.cookie not in old for held in left if held.holders):
        return "it was taken again at once by %s of %s%s" % (named, name_owner(owner), _say_loop(host, owner))
    return "it is still held by %s of %s" % (named, name_owner(owner))


def _say_loop(host: ActingHost, owner: Owner) -> str:
    revives = registry.condition(host, owner).revives
    return ", as %s: stop %s instead" % (revives, name_owner(owner)) if revives else ""


def _undo(
    host: ActingHost,
    before: Sight,
    then: Then | None,
    started: Then | None,
    outcomes: tuple[Outcome, ...],
    earlier: list[OwnerMark],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Start again what was stopped, the last first; returns what was undone and what was not."""
    undone: list[str] = []
    left: list[str] = []
    if started is not None and _is_active(host, started):
        # it did not come up as it should, may be tried again by its manager, and would fight for the port
        _try_to(undone, left, lambda: registry.stop(host, _unit(host, started).mark, _GRACE, False))
    for mark in [OwnerMark("unit", name, "systemd") for name in (then.others if then else ())]:
        if not registry.condition(host, Owner("unit", mark.name, "systemd")).active:
            _try_to(undone, left, partial(registry.start, host, mark))
    together = {
        known.mark: known.triggers + known.triggered + known.dependants + known.deserted
        for known in before.conditions.values()
    }
    for mark in [one.undo for one in reversed(outcomes) if one.result == "done" and one.undo]:
        _try_to(undone, left, partial(registry.start, host, mark, together.get(mark, ())))
    for mark in earlier:
        _try_to(undone, left, partial(_start_if_left_so, host, mark))
    left += ["Cannot be undone: " + one.summary for one in outcomes if one.result == "done" and one.undo is None]
    return tuple(undone), tuple(left)


def _try_to(undone: list[str], left: list[str], act: Callable[[], str]) -> None:
    try:
        undone.append("%s." % act())
    except PortreeveError as error:
        left.append("%s." % error)


def _start_if_left_so(host: ActingHost, mark: OwnerMark) -> str:
    """Start what an earlier run had stopped, unless somebody has started and stopped it since."""
    there = registry.condition(host, Owner(mark.kind, mark.name, mark.manager, mark.id, mark.user)).mark
    if there.birth not in (None, "", mark.birth):
        raise NotApplied("%s ran again since it was stopped, and is left as it is" % mark.name)
    return registry.start(host, mark)


def _unit(host: ActingHost, then: Then) -> Condition:
    return registry.condition(host, Owner("unit", then.unit, "systemd"))


def _is_active(host: ActingHost, then: Then) -> bool:
    return _unit(host, then).active


def _touched(outcomes: tuple[Outcome, ...], then: Then | None) -> list[OwnerMark | int]:
    touched: list[OwnerMark | int] = [OwnerMark("unit", name, "systemd") for name in (then.others if then else ())]
    for one in outcomes:
        if one.result == "done":
            touched += [mark.pid for mark in one.step.processes]
            touched += [one.step.owner] if one.step.owner else []
            touched += [replace(one.step.owner, name=name, id=None) for name in one.step.others if one.step.owner]
    return touched


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith((".", "!")) else sentence + "."


def _who() -> str:
    """Return who acts: the user who became root, and root."""
    for name in ("SUDO_USER", "DOAS_USER", "LOGNAME"):
        user = os.environ.get(name)
        if user:
            return user if user == "root" else "%s as root" % user
    return "root"
