# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What a plan holds for every state of a port, and what none may ever hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.binding import BindWish
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.expectations import Expectation
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import HeldSocket, Process
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.protected import why_protected
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.approval import digest_of
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.approved import (
    PLAN_FORMAT,
    parse_approved,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.plan import make_plan
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.protection import names_of
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.records import (
    ACTS,
    STRATEGIES,
    Plan,
    Step,
    Then,
    Wish,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.sight import Sight
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.verdicts.case import identity
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.wire import to_wire
from hypothesis import given, settings
from hypothesis import strategies as some

from .sights import (
    HOLDERS,
    PORT,
    connection,
    held,
    holder,
    left,
    sight,
)

SHOP_UNIT = {"expect": Expectation(unit="shop.service")}
NO_REUSE = {"bind": BindWish(reuseaddr=False)}
ORPHANED = held(holder("three", "heir"))
LEAKED = held(holder("shop"), holder("three", "heir"))
SQUATTED = connection(holder("one", "unknown"))
CANNOT = {"cannot": {"destroy": "this kernel destroys nothing", "detach": "this kernel lends no descriptors"}}
SWEEP = "destroy what remains?"


def told(plan: Plan) -> list[str] | str:
    """Return the steps in short, or why there are none."""
    if plan.refusal or plan.needless:
        assert not plan.steps
        return plan.refusal or plan.needless or ""
    return [_in_short(step) for step in plan.steps] + ([f"then {plan.then.verb} {plan.then.unit}"] if plan.then else [])


def _in_short(step: Step) -> str:
    if step.owner is not None:
        whom = step.owner.name
    elif step.sockets:
        whom = " ".join(str(one.pid) for one in step.processes)
    else:
        whom = "what remains"
    return step.act + " " + whom + ("?" if step.if_still_held else "")


CASES: list[tuple[str, Sight, dict[str, Any], list[str] | str]] = [
    # nothing to do
    ("free", sight(verdict="free"), {}, "8080/tcp is free."),
    ("free, with more to do", sight(verdict="free"), {"then": Then("start", "shop.service")}, "8080/tcp is free."),
    ("held by whom it should be", sight(held(holder("shop"))), SHOP_UNIT,
     "8080/tcp is held by whom it should be: unit shop.service."),
    ("heirs beside whom it should be", sight(LEAKED, verdict="leaked_to_heirs"), SHOP_UNIT,
     "8080/tcp is held by whom it should be: unit shop.service."),
    ("a bind that always fails", sight(held(holder("one")), cannot_bind="that bind fails"), {"at_most": "kill"},
     "8080/tcp is left as it is: that bind fails."),
    ("nobody can be who is expected", sight(held(holder("one")), cannot_expect="no such unit"), {"at_most": "kill"},
     "8080/tcp is left as it is: no such unit."),
    ("detached before", sight(held(holder("three", "heir"), state="BOUND"), free_now=True), {},
     "8080/tcp can be bound by a server that sets SO_REUSEADDR: what heirs still hold of it is detached."),
    # lingering, squatted: destroy
    ("remains", sight(left(), verdict="lingering"), {}, ["destroy what remains"]),
    ("remains, least allowed", sight(left(), verdict="lingering"), {"at_most": "destroy"}, ["destroy what remains"]),
    ("remains, kernel cannot", sight(left(), verdict="lingering", **CANNOT), {},
     "8080/tcp is not freed: this kernel destroys nothing; It is as it is."),
    ("squatted", sight(SQUATTED, verdict="squatted"), {}, ["destroy 11"]),
    ("squatted and remains", sight(SQUATTED, left(), verdict="squatted"), {}, ["destroy 11", SWEEP]),
    ("squatted, more allowed", sight(SQUATTED, verdict="squatted"), {"at_most": "terminate"},
     ["destroy 11", "terminate 11?"]),
    ("squatted by a unit, more allowed", sight(connection(holder("shop")), verdict="squatted"), {"at_most": "kill"},
     ["destroy 21", "restart shop.service?"]),
    ("squatted, bound on purpose", sight(SQUATTED, on_purpose={9700: True}), {},
     "8080/tcp is not freed: app[11] has to be ended for it (app[11] bound the port itself, and keeps it without the"
     " connection), which at_most: terminate would allow."),
    ("squatted, bound on purpose, destroy only", sight(SQUATTED, on_purpose={9700: True}), {"strategy": "destroy"},
     "8080/tcp is not freed: app[11] bound the port itself, and keeps it without the connection"
     " (strategy terminate would)."),
    ("squatted, kernel cannot, more allowed", sight(SQUATTED, **CANNOT), {"at_most": "terminate"},
     ["terminate 11", SWEEP]),
    ("squatted, to be ended", sight(SQUATTED), {"strategy": "terminate", "at_most": "terminate"},
     ["terminate 11", SWEEP]),
    ("a connection of nobody seen", sight(connection()), {},
     "8080/tcp is not freed: a connection of 8080/tcp is held by somebody who cannot be seen."),
    ("the very connection of the run", sight(SQUATTED, in_use=frozenset({9700})), {},
     "8080/tcp is not freed: this run came over that connection of 8080/tcp."),
    ("the very connection of the run, in a tunnel", sight(connection(holder("tunnel")), in_use=frozenset({9700})),
     {"strategy": "terminate", "at_most": "kill", "override": ("tunnel",)},
     "8080/tcp is not freed: this run came over that connection of 8080/tcp."),
    # heirs: detach
    ("orphaned", sight(ORPHANED, verdict="orphaned_listener"), {}, ["detach 13"]),
    ("orphaned, least allowed", sight(ORPHANED), {"at_most": "destroy"},
     "8080/tcp is not freed: helper[13] only inherited it, which at_most: detach would allow."),
    ("orphaned, more allowed", sight(ORPHANED), {"at_most": "terminate"}, ["detach 13", "terminate 13?"]),
    ("orphaned, new server without SO_REUSEADDR", sight(ORPHANED), {**NO_REUSE, "at_most": "terminate"},
     ["terminate 13", SWEEP]),
    ("orphaned, kernel cannot", sight(ORPHANED, **CANNOT), {},
     "8080/tcp is not freed: helper[13] has to be ended for it (this kernel lends no descriptors), which at_most:"
     " terminate would allow."),
    ("orphaned, destroy", sight(ORPHANED), {"strategy": "destroy", "at_most": "destroy"},
     "8080/tcp is not freed: helper[13] only inherited it: to destroy a listening socket does not free its port"
     " (strategy detach would)."),
    ("orphaned, detach, kernel cannot", sight(ORPHANED, **CANNOT), {"strategy": "detach"},
     "8080/tcp is not freed: helper[13] only inherited it: this kernel lends no descriptors"
     " (strategy terminate would)."),
    ("orphaned, detach, new server without SO_REUSEADDR", sight(ORPHANED), {**NO_REUSE, "strategy": "detach"},
     "8080/tcp is not freed: helper[13] only inherited it: a server that does not set SO_REUSEADDR cannot be bound"
     " beside a detached socket (strategy terminate would)."),
    ("orphaned and remains", sight(ORPHANED, left()), {}, ["detach 13", SWEEP]),
    ("orphaned with connections, which may be its remains", sight(ORPHANED, connections={"TIME_WAIT": 1}), {},
     ["detach 13", SWEEP]),
    ("orphaned on both families", sight(ORPHANED, held(holder("three", "heir"), local="::", inode=701)), {},
     ["detach 13"]),
    ("a server in the background, perhaps", sight(held(holder("three", "heir", forked=True))), {},
     "8080/tcp is not freed: helper[13] has to be ended for it (it may be the server itself, at work on something else"
     " just now; strategy detach would not mind), which at_most: terminate would allow."),
    ("a server in the background, and more allowed", sight(held(holder("three", "heir", forked=True))),
     {"at_most": "terminate"}, ["terminate 13", SWEEP]),
    ("a server in the background, by strategy", sight(held(holder("three", "heir", forked=True))),
     {"strategy": "detach"}, ["detach 13"]),
    ("orphaned, one heir is protected", sight(held(holder("three", "heir"), holder("sshd", "heir"))), {},
     "8080/tcp is not freed: sshd[4] is a program of SSH, perhaps the way in."),
    ("orphaned UDP", sight(held(holder("three", "heir"), state="UNCONNECTED", protocol="udp"), protocol="udp"),
     {"protocol": "udp", "at_most": "terminate"}, ["terminate 13"]),
    ("leaked", sight(LEAKED, verdict="leaked_to_heirs"), {"at_most": "stop"},
     ["stop shop.service", "detach 13", SWEEP]),
    ("leaked, too little allowed", sight(LEAKED), {},
     "8080/tcp is not freed: shop.service has to be stopped for it (2 processes), which at_most: stop would allow."),
    # owners
    ("owned", sight(held(holder("shop"))), {"at_most": "stop"}, ["stop shop.service", SWEEP]),
    ("owned, killed if need be", sight(held(holder("shop"))), {"at_most": "kill"}, ["stop shop.service", SWEEP]),
    ("owned, to be restarted", sight(held(holder("shop"))), {"strategy": "restart", "at_most": "restart"},
     "8080/tcp is not freed: shop.service would take it again once it is restarted (strategy stop would)."),
    ("owned, process to be ended", sight(held(holder("shop"))), {"strategy": "terminate", "at_most": "terminate"},
     ["terminate 21", SWEEP]),
    ("owned, detach", sight(held(holder("shop"))), {"strategy": "detach"},
     "8080/tcp is not freed: shop.service (shop[21]) serves it: only what heirs hold can be detached"
     " (strategy stop would)."),
    ("workers", sight(held(holder("shop"), holder("shop child", "worker")), verdict="shared_workers"),
     {"at_most": "stop"}, ["stop shop.service", SWEEP]),
    ("bare", sight(held(holder("one"))), {},
     "8080/tcp is not freed: app[11] has to be ended for it, which at_most: terminate would allow."),
    ("bare, ended", sight(held(holder("one"))), {"at_most": "terminate"}, ["terminate 11", SWEEP]),
    ("bare, stopped", sight(held(holder("one"))), {"strategy": "stop", "at_most": "stop"},
     "8080/tcp is not freed: nobody manages app[11], so it cannot be stopped (strategy terminate would)."),
    ("a group of rivals", sight(held(holder("one")), held(holder("shop"), inode=701), verdict="reuseport_group"),
     {"at_most": "terminate"}, ["stop shop.service", "terminate 11", SWEEP]),
    ("a container", sight(held(holder("web")), verdict="container_published"), {"at_most": "stop"},
     ["stop web", SWEEP]),
    ("a program", sight(held(holder("queue"))), {"at_most": "stop"}, ["stop queue", SWEEP]),
    ("a session", sight(held(holder("login"))), {"at_most": "terminate"}, ["terminate 51", SWEEP]),
    ("a container that nobody here can stop", sight(held(holder("pod"))), {"at_most": "kill"},
     "8080/tcp is not freed: container pod-a (kubernetes): nobody here can act on it."),
    ("activated", sight(held(holder("init"), holder("shop", "worker")), verdict="socket_activated"),
     {"at_most": "stop"}, ["stop shop.socket", "stop shop.service", SWEEP]),
    ("hung, expected", sight(held(holder("shop")), verdict="hung_listener"), {**SHOP_UNIT, "at_most": "restart"},
     ["restart shop.service", SWEEP]),
    ("hung, not expected", sight(held(holder("shop")), verdict="hung_listener"),
     {"expect": Expectation(unit="till.service"), "at_most": "stop"}, ["stop shop.service", SWEEP]),
    ("bound only, expected", sight(held(holder("shop"), state="BOUND"), verdict="bound_not_listening"),
     {**SHOP_UNIT, "at_most": "restart"}, ["restart shop.service", SWEEP]),
    ("a stranger beside whom it should be", sight(held(holder("shop")), held(holder("one"), inode=701)),
     {**SHOP_UNIT, "at_most": "terminate"}, ["terminate 11", SWEEP]),
    ("then", sight(held(holder("one"))), {"at_most": "terminate", "then": Then("start", "shop.service")},
     ["terminate 11", SWEEP, "then start shop.service"]),
    ("terminate, kernel cannot", sight(held(holder("one")), cannot={"terminate": "this kernel has no pidfd"}),
     {"at_most": "kill"}, "8080/tcp is not freed: this kernel has no pidfd."),
    # nobody who is protected
    ("protected by kind", sight(held(holder("sshd"))), {"at_most": "kill"},
     "8080/tcp is not freed: sshd[4] is a program of SSH, perhaps the way in."),
    ("protected by kind, named", sight(held(holder("sshd"))), {"at_most": "terminate", "override": ("sshd",)},
     ["terminate 4", SWEEP]),
    ("protected by name", sight(held(holder("one"))), {"at_most": "kill", "protect": ("app",)},
     "8080/tcp is not freed: app[11] is protected as app."),
    ("protected unit", sight(held(holder("shop"))), {"at_most": "kill", "protect": ("shop",)},
     "8080/tcp is not freed: shop.service is protected as shop."),
    ("the unit of the run itself", sight(held(holder("own"))), {"at_most": "kill", "override": ("runner", "3")},
     "8080/tcp is not freed: runner.service is left alone: python3[3] carries this very run."),
    ("the first process", sight(held(holder("init"))),
     {"strategy": "terminate", "at_most": "kill", "override": ("1", "systemd")},
     "8080/tcp is not freed: systemd[1] is the first process of all."),
    ("a thread of the kernel", sight(held(holder("kernel"))), {"at_most": "kill", "override": ("2",)},
     "8080/tcp is not freed: kworker/0:1[2] is a kernel thread."),
    ("below the cgroup of a unit only", sight(held(holder("stray"))), {"at_most": "kill"},
     "8080/tcp is not freed: stray[81] holds it and is no process of shop.service any more."),
    # what is not known
    ("the kernel", sight(held(in_kernel=True), verdict="kernel_held"), {"at_most": "kill"},
     "8080/tcp is not freed: 8080/tcp is held by the kernel itself."),
    ("unknown", sight(held(), verdict="unknown"), {"at_most": "kill"},
     "8080/tcp is not freed: 8080/tcp is held by somebody who cannot be seen."),
    ("unseen", sight(held(holder("one")), unseen="TCP table (permission denied)"), {"at_most": "kill"},
     "8080/tcp is not freed, as there may be sockets on it that cannot be seen: TCP table (permission denied)."),
    ("all or nothing", sight(held(holder("one")), held(holder("sshd"), inode=701)), {"at_most": "kill"},
     "8080/tcp is not freed: sshd[4] is a program of SSH, perhaps the way in."),
]  # fmt: skip


@pytest.mark.parametrize(("seen", "options", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_is_planned(seen: Sight, options: dict[str, Any], expected: list[str] | str) -> None:
    assert told(make_plan(seen, Wish(PORT, **options))) == expected


def test_every_verdict_is_among_the_cases() -> None:
    assert {"free", "owned", "shared_workers", "reuseport_group", "socket_activated", "container_published",
            "leaked_to_heirs", "orphaned_listener", "hung_listener", "bound_not_listening", "lingering", "squatted",
            "kernel_held", "unknown"} <= {case[1].answer.verdict for case in CASES}  # fmt: skip


def test_only_who_is_free_to_start_something_is_needless_and_goes_on() -> None:
    then = Then("start", "shop.service")
    assert make_plan(sight(verdict="free"), Wish(PORT, then=then)).then == then
    assert make_plan(sight(held(holder("shop"))), Wish(PORT, then=then)).then is None
    refused = make_plan(sight(held(holder("sshd"))), Wish(PORT, then=then))
    assert refused.refusal
    assert refused.then is None


SHARES = {"roles": ("creator", "worker", "heir", "unknown"), "states": ("LISTEN", "BOUND", "ESTABLISHED", "CLOSE_WAIT")}


@some.composite
def sockets(draw: some.DrawFn) -> tuple[HeldSocket, ...]:
    found = []
    for number in range(draw(some.integers(0, 3))):
        who = draw(some.lists(some.sampled_from(sorted(HOLDERS)), max_size=3, unique=True))
        holders = [holder(one, draw(some.sampled_from(SHARES["roles"]))) for one in who]
        state = draw(some.sampled_from(SHARES["states"]))
        local = draw(some.sampled_from(("0.0.0.0", "127.0.0.1", "::")))
        found.append(held(*holders, state=state, inode=700 + number, local=local, in_kernel=None if who else True))
    if draw(some.booleans()):
        found.append(left(draw(some.sampled_from(("TIME_WAIT", "FIN_WAIT2")))))
    return tuple(found)


@some.composite
def sights(draw: some.DrawFn) -> Sight:
    there = draw(sockets())
    connections = [one.socket.cookie for one in there if one.socket.remote and one.socket.inode]
    verdict = draw(some.sampled_from(("owned", "hung_listener", "leaked_to_heirs", "squatted", "lingering")))
    return sight(
        *there,
        verdict=verdict if there else "free",
        in_use=frozenset(connections[:1] if draw(some.integers(0, 3)) == 0 else ()),
        on_purpose=draw(some.dictionaries(some.sampled_from((9700, 9701)), some.booleans(), max_size=2)),
        free_now=draw(some.sampled_from((False, False, True, None))) if there else True,
        unseen=draw(some.sampled_from(("", "", "", "a table"))),
        **draw(some.sampled_from(({}, {}, CANNOT))),
    )


@some.composite
def wishes(draw: some.DrawFn) -> Wish:
    names = some.sampled_from(("1", "2", "3", "4", "11", "sshd", "systemd", "app", "shop", "runner", "web", "queue"))
    protect = tuple(draw(some.lists(names, max_size=2)))
    return Wish(
        PORT,
        strategy=draw(some.sampled_from(STRATEGIES)),
        at_most=draw(some.sampled_from(ACTS)),
        protect=protect,
        override=tuple(one for one in draw(some.lists(names, max_size=3)) if one not in protect),
        expect=draw(some.sampled_from((Expectation(), Expectation(unit="shop"), Expectation(exe="/usr/bin/app")))),
        then=draw(some.sampled_from((None, None, Then("restart", "shop.service")))),
        bind=draw(some.sampled_from((BindWish(), BindWish(reuseaddr=False)))),
    )


def victims(seen: Sight, step: Step) -> list[Process]:
    """Return all processes that something is done to: those named, and all of an owner."""
    pids = {one.pid for one in step.processes}
    there = {one.pid: one.process for each in seen.answer.sockets for one in each.holders}
    found = [there[pid] for pid in sorted(pids)]
    for known in seen.conditions.values():
        if known.mark == step.owner:
            found = [one for one in found if one.pid != 1] + list(known.members)  # it only holds it for the unit
    return found


@settings(max_examples=500, deadline=None)
@given(sights(), wishes())
def test_what_no_plan_may_hold(seen: Sight, wish: Wish) -> None:
    plan = make_plan(seen, wish)
    assert not (plan.refusal and plan.needless)
    assert not ((plan.refusal or plan.needless) and plan.steps)
    assert plan.steps or plan.refusal or plan.needless
    assert not (plan.refusal and plan.then)
    for step in plan.steps:
        assert not {one.cookie for one in step.sockets} & seen.in_use, "the connection of the run itself"
        assert ACTS.index(step.act) <= ACTS.index(wish.at_most) or is_half_of_a_restart(plan, step, wish)
        assert wish.at_most == "kill" or not step.kill
        for one in victims(seen, step):
            assert one.pid not in seen.own
            assert why_protected(one) not in ("the first process of all", "a kernel thread")
            owner = next((each.owner for each in holders_of(seen) if each.pid == one.pid), None)
            names = names_of(one, owner)
            assert not names & set(wish.protect) or names & set(wish.override)
            assert not why_protected(one) or names & set(wish.override)
    conditional = [step.if_still_held for step in plan.steps]
    assert conditional == sorted(conditional), "what is done only if need be comes after what is done in any case"
    sweeps = [index for index, step in enumerate(plan.steps) if step.act == "destroy" and not step.sockets]
    assert sweeps in ([], [len(plan.steps) - 1])
    if plan.steps and not plan.steps[0].if_still_held:
        assert_all_let_go(seen, wish, plan)


def is_half_of_a_restart(plan: Plan, step: Step, wish: Wish) -> bool:
    """A unit that is to be restarted may be stopped first and started when its heirs have let go."""
    starts = plan.then is not None and step.owner is not None and plan.then.unit == step.owner.name
    return step.act == "stop" and wish.at_most == "restart" and starts


def holders_of(seen: Sight) -> list[Any]:
    return [one for each in seen.answer.sockets for one in each.holders]


def assert_all_let_go(seen: Sight, wish: Wish, plan: Plan) -> None:
    """Half a plan would do harm to no avail."""
    taken = {one.cookie for step in plan.steps for one in step.sockets if step.act in ("destroy", "detach")}
    ended = {one.pid for step in plan.steps if step.act == "terminate" for one in step.processes}
    owners = {step.owner for step in plan.steps if step.owner is not None}
    for each in seen.answer.sockets:
        if each.socket.cookie in taken or not (each.socket.inode or each.holders):
            continue
        for one in each.holders:
            known = seen.conditions.get(identity(one.owner))
            lets_go = one.pid in ended or (known is not None and known.mark in owners)
            rightful = bool(wish.expect.holder or wish.then)  # who may stay, with heirs beside
            assert lets_go or rightful, f"{one.process.name} keeps {each.socket}"


@settings(max_examples=150, deadline=None)
@given(sights(), wishes())
def test_a_plan_survives_the_way_to_the_controller_and_back(seen: Sight, wish: Wish) -> None:
    plan = make_plan(seen, wish)
    again = parse_approved({"format": PLAN_FORMAT, **to_wire(plan)})
    assert again == plan
    assert digest_of(again) == plan.digest == make_plan(seen, wish).digest


def test_the_digest_does_not_depend_on_what_only_changes_words() -> None:
    seen = sight(SQUATTED, left())
    first = make_plan(seen, Wish(PORT))
    later = replace(seen, answer=replace(seen.answer, summary="Other words.", connections={"TIME_WAIT": 7}))
    assert make_plan(later, Wish(PORT)).digest == first.digest
    assert make_plan(replace(seen, boot_id="boot-2"), Wish(PORT)).digest != first.digest
