# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What was approved covers the same victims, or fewer, and nobody else; a digest stands for each of them."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import InvalidInput, Moved
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.approval import (
    check_reach,
    compare,
    digest_of,
    sealed,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.records import (
    OwnerMark,
    Plan,
    ProcessMark,
    SocketMark,
    Step,
    Then,
)

LISTENER = SocketMark("tcp", "LISTEN", "0.0.0.0:8080", None, 700, 9700)
CALL = SocketMark("tcp", "ESTABLISHED", "10.0.0.1:8080", "10.0.0.2:443", 701, 9701)
SHOP = OwnerMark("unit", "shop.service", "systemd", "shop.service", None, "f00d")
MAIN, CHILD = ProcessMark(21, 1021, "shop", "/usr/bin/shop"), ProcessMark(22, 1022, "shop", "/usr/bin/shop")
APP = ProcessMark(11, 1011, "app", "/usr/bin/app")
NEWCOMER = ProcessMark(77, 9, "new\x1bcomer", "/usr/bin/new")
STOP = Step("stop", (LISTENER,), (MAIN, CHILD), SHOP, others=("shop.socket",), why="It holds it.", harm="It stops.")
DESTROY = Step("destroy", (CALL,), (APP,), why="It has it.", harm="It is reset.")
END = Step("terminate", (CALL,), (APP,), None, True, why="It has it still.", harm="It ends.")
SWEEP = Step("destroy", if_still_held=True, why="They remain.", harm="They go.")
PLAN = sealed(
    Plan("boot-1", 7, 8080, "tcp", None, "owned", (DESTROY, STOP, END, SWEEP), Then("start", "till.service"), ("x.",))
)
#: Words, and what changes by itself: what nobody approves.
UNSEALED = {"why", "harm", "withheld", "refusal", "needless", "digest", "verdict", "state"}
#: Workers of a run of an owner come and go with their sockets: that run is approved, told by its birth.
OF_A_RUN = re.compile(r"steps\[1\]\.(processes.*|sockets0|sockets\[0\]\.(remote|inode|cookie))")


def is_sealed(name: str) -> bool:
    return last_of(name) not in UNSEALED and not OF_A_RUN.fullmatch(name)


def last_of(name: str) -> str:
    return name.rpartition(".")[2].partition("[")[0].rstrip("01")


def with_steps(*steps: Step, **changes: Any) -> Plan:
    return sealed(replace(PLAN, steps=steps, **changes))


def variants(record: Any) -> Iterator[tuple[str, Any]]:
    """Yield a record with each of its fields, and of those below it, changed in turn."""
    for field in fields(record):
        value = getattr(record, field.name)
        for changed in [("", SHOP)] if field.name == "owner" and value is None else changed_values(value):
            name, later = changed if isinstance(changed, tuple) and len(changed) == 2 else ("", changed)
            if later != value:
                yield f"{field.name}{name}", replace(record, **{field.name: later})


def changed_values(value: Any) -> Iterator[Any]:
    if is_dataclass(value):
        for name, later in variants(value):
            yield "." + name, later
        yield "", None
    elif isinstance(value, tuple):
        yield "0", value + (value[-1:] or ("more",))
        if value:
            yield "1", value[:-1]
        for index, one in enumerate(value):
            if is_dataclass(one):
                for name, later in variants(one):
                    yield f"[{index}].{name}", (*value[:index], later, *value[index + 1 :])
    elif isinstance(value, bool):
        yield "", not value
    elif isinstance(value, int):
        yield "", value + 1
    elif isinstance(value, str):
        yield "", value + "x"
    else:
        yield "", "something"


VARIANTS = list(variants(PLAN))


def test_there_is_a_variant_for_every_field() -> None:
    named = {last_of(name) for name, _plan in VARIANTS}
    records = (Plan, Step, SocketMark, ProcessMark, OwnerMark, Then)
    assert named == {field.name for record in records for field in fields(record)}


@pytest.mark.parametrize(("name", "plan"), VARIANTS, ids=[name for name, _plan in VARIANTS])
def test_the_digest_stands_for_all_but_words(name: str, plan: Plan) -> None:
    assert (digest_of(plan) != PLAN.digest) == is_sealed(name)


def test_no_two_variants_have_one_digest() -> None:
    sealed_ones = [plan for name, plan in VARIANTS if is_sealed(name)]
    distinct = {repr(sealed(plan)): digest_of(plan) for plan in sealed_ones}
    assert len(set(distinct.values())) == len(distinct)


def test_the_same_is_covered() -> None:
    assert compare(PLAN, PLAN) == ()


@pytest.mark.parametrize(("name", "plan"), VARIANTS, ids=[name for name, _plan in VARIANTS])
def test_who_changes_an_approved_plan_is_found_out(name: str, plan: Plan) -> None:
    if is_sealed(name) or name == "digest":
        with pytest.raises(InvalidInput, match="is not as it was made"):
            compare(PLAN, plan)


@pytest.mark.parametrize(
    ("now", "gone"),
    [
        ((), ["shop.service", "app[11]"]),
        ((DESTROY,), ["shop.service"]),
        ((SWEEP,), ["app[11]", "shop.service"]),
        ((replace(SWEEP, if_still_held=False),), ["app[11]", "shop.service"]),
        ((replace(STOP, processes=(MAIN,)), SWEEP), ["app[11]"]),
        ((replace(STOP, processes=(NEWCOMER,), sockets=(replace(LISTENER, inode=1, cookie=2),)), DESTROY), []),
        ((replace(END, kill=False),), ["shop.service"]),
        ((replace(STOP, why="Other words.", harm="Other words."), DESTROY), []),
        ((replace(STOP, sockets=(replace(LISTENER, state="BOUND"),)), DESTROY), []),
    ],
)
def test_fewer_are_covered_and_those_who_went_are_told(now: tuple[Step, ...], gone: list[str]) -> None:
    said = compare(with_steps(*now), PLAN)
    assert sorted(said) == sorted(f"{one}, part of the plan, holds the port no longer." for one in gone)


MOVED = [
    ("another boot", replace(PLAN, boot_id="boot-2"), "the host was booted since the plan was made"),
    ("another namespace", replace(PLAN, namespace=8),
     "the network namespace is another one than when the plan was made"),
    ("another unit to start", replace(PLAN, then=Then("start", "other.service")),
     "what is to be started afterwards was not approved"),
    ("another verb", replace(PLAN, then=Then("restart", "till.service")),
     "what is to be started afterwards was not approved"),
    ("another run of the unit", with_steps(replace(STOP, owner=replace(SHOP, birth="beef"))),
     "shop.service was started again since the plan was made"),
    ("another unit", with_steps(replace(STOP, owner=replace(SHOP, name="bank.service", id="bank.service"))),
     "bank.service was not part of the plan"),
    ("the unit of a user", with_steps(replace(STOP, owner=replace(SHOP, user="ann"))),
     "shop.service of user ann was not part of the plan"),
    ("a pid used again", with_steps(replace(DESTROY, processes=(replace(APP, start_ticks=5),))),
     "process 11 is another one than when the plan was made"),
    ("somebody new", with_steps(replace(DESTROY, processes=(APP, NEWCOMER))),
     r"new\x1bcomer[77] holds 8080/tcp now, who did not when the plan was made"),
    ("another socket", with_steps(replace(DESTROY, sockets=(replace(CALL, cookie=1),))),
     "8080/tcp is held by another socket than when the plan was made"),
    ("more harm", with_steps(replace(DESTROY, act="terminate")),
     "to terminate app[11] was not part of the plan"),
    ("at once what was for need only", with_steps(replace(END, if_still_held=False)),
     "to terminate app[11] was not part of the plan"),
    ("SIGKILL", with_steps(replace(END, kill=True)), "to terminate app[11] was not part of the plan"),
]  # fmt: skip


@pytest.mark.parametrize(("now", "said"), [case[1:] for case in MOVED], ids=[case[0] for case in MOVED])
def test_whatever_is_new_is_refused_and_named(now: Plan, said: str) -> None:
    with pytest.raises(Moved) as error:
        compare(now, PLAN)
    assert str(error.value) == said + ": nothing was done"


def test_a_sweep_that_was_not_approved_is_refused() -> None:
    with pytest.raises(Moved, match="to destroy what remains was not part of the plan"):
        compare(with_steps(SWEEP), with_steps(DESTROY))


def test_a_run_that_cannot_be_told_from_others_is_told_by_its_processes() -> None:
    untold = replace(STOP, owner=replace(SHOP, birth=None))
    approved = with_steps(untold)
    compare(with_steps(replace(untold, processes=(MAIN,))), approved)
    with pytest.raises(Moved):
        compare(with_steps(replace(untold, processes=(NEWCOMER,))), approved)
    assert with_steps(replace(untold, processes=(NEWCOMER,))).digest != approved.digest


def test_another_unit_that_stops_as_well_is_refused() -> None:
    with pytest.raises(Moved):
        compare(with_steps(replace(STOP, others=("shop.socket", "bank.service"))), PLAN)
    assert compare(with_steps(replace(STOP, others=()), DESTROY), PLAN) == ()


@pytest.mark.parametrize("change", [{"port": 8081}, {"protocol": "udp"}, {"address": "127.0.0.1"}])
def test_the_plan_of_another_port_is_no_plan_of_this_one(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="the approved plan is about 8080/tcp, not about "):
        compare(replace(PLAN, **change), PLAN)


@pytest.mark.parametrize(
    ("approved", "at_most", "furthest"),
    [
        (PLAN, "detach", "terminate"),
        (with_steps(replace(STOP, kill=True)), "terminate", "kill"),
        (PLAN, "terminate", None),
        (with_steps(), "destroy", None),
    ],
)
def test_a_plan_that_went_further_takes_the_same_options(approved: Plan, at_most: str, furthest: str | None) -> None:
    check_reach(PLAN, approved, at_most)  # what is not refused needs no more than there is
    refused = replace(PLAN, steps=(), refusal="It is left as it is.")
    if furthest is None:
        check_reach(refused, approved, at_most)
    else:
        with pytest.raises(
            InvalidInput, match=f"goes as far as {furthest}, and at_most is {at_most} now: accepted are"
        ):
            check_reach(refused, approved, at_most)


def test_random_plans_are_covered_only_by_those_that_name_all_their_victims() -> None:
    """Drawn from a seed: whatever is taken out of an approved plan is covered, whatever is put in is not."""
    draw = random.Random(20261121)
    marks = [ProcessMark(pid, ticks, "p") for pid in range(2, 8) for ticks in (1, 2)]
    places = [replace(CALL, inode=inode, cookie=cookie) for inode in (1, 2, 3) for cookie in (4, 5)]

    def a_step() -> Step:
        act = draw.choice(("destroy", "detach", "terminate"))
        return Step(act, tuple(draw.sample(places, 2)), tuple(draw.sample(marks, 2)), kill=draw.random() < 0.2)

    for _each in range(2000):
        approved = with_steps(*(a_step() for _step in range(draw.randint(0, 3))))
        now = with_steps(*(a_step() for _step in range(draw.randint(0, 2))))
        if draw.random() < 0.5 and approved.steps:
            one = draw.choice(approved.steps)
            now = with_steps(replace(one, processes=one.processes[:1], sockets=one.sockets[1:], kill=False))
        covered = all(any(does_no_more(step, old) for old in approved.steps) for step in now.steps)
        try:
            compare(now, approved)
            was_covered = True
        except Moved:
            was_covered = False
        assert was_covered == covered, (now, approved)


def does_no_more(step: Step, old: Step) -> bool:
    return (
        step.act == old.act
        and set(step.processes) <= set(old.processes)
        and set(step.sockets) <= set(old.sockets)
        and (old.kill or not step.kill)
    )
