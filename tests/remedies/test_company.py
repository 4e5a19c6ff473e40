# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Who goes along when a unit is stopped, restarted or started: named in the plan, protected, approved."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import Moved
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.expectations import Expectation
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import HeldSocket, Owner
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.approval import compare
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.plan import make_plan
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.records import (
    Condition,
    Plan,
    Then,
    Wish,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.verdicts.case import identity

from .sights import OWN, PORT, SHOP, SHOP_CHILD, SHOP_MAIN, SSHD, condition, held, holder, process, sight

TILL = Owner("unit", "till.service", "systemd")
CLERK = process(95, "/usr/bin/clerk")
COMPANY = {
    "triggers": ("shop.socket", "shop.timer"),
    "dependants": ("front.service",),
    "deserted": ("door.service",),
    "rivals": ("stall.service",),
}
IN_STEPS = {"stop": ("shop.socket", "front.service", "door.service"), "restart": ("stall.service", "front.service")}


def planned(*sockets: HeldSocket, shop: Condition | None = None, till: Condition | None = None, **wish: Any) -> Plan:
    """Return the plan where shop.service, if it is that, and the unit to be started stand as given."""
    known: dict[str, Any] = {"conditions": {identity(SHOP): shop}} if shop else {}
    seen = sight(*sockets, verdict=wish.pop("verdict", "owned" if sockets else "free"), then=till, **known)
    return make_plan(seen, Wish(PORT, **wish))


def of_the_shop(act: str, **known: Any) -> Plan:
    """Return the plan to stop or restart shop.service."""
    expected: dict[str, Any] = (
        {"expect": Expectation(unit="shop.service"), "verdict": "hung_listener"} if act == "restart" else {}
    )
    shop = condition(SHOP, SHOP_MAIN, SHOP_CHILD, **{**COMPANY, **known.pop("shop", {})})
    return planned(held(holder("shop")), shop=shop, at_most=act, **expected, **known)


@pytest.mark.parametrize(
    ("act", "revivable", "said"), [("stop", False, True), ("stop", True, False), ("restart", False, False)]
)
def test_what_cannot_be_started_again_is_said_before(act: str, revivable: bool, said: bool) -> None:
    (step, _sweep) = of_the_shop(act, shop={"revivable": revivable}).steps
    assert step.act == act
    assert ("it is gone then, and cannot be started again" in step.harm) is said


@pytest.mark.parametrize("act", ["stop", "restart"])
def test_a_step_names_just_those_who_go_along(act: str) -> None:
    (step, _sweep) = of_the_shop(act).steps
    assert (step.act, step.others) == (act, IN_STEPS[act])
    assert [unit for unit in ("shop.timer", *sum(COMPANY.values(), ())) if unit in step.harm] == [
        unit for unit in sum(COMPANY.values(), ()) if unit in IN_STEPS[act]
    ]


@pytest.mark.parametrize("act", ["stop", "restart"])
@pytest.mark.parametrize("unit", [unit for them in COMPANY.values() for unit in them])
def test_one_who_is_protected_by_name_holds_it_up_only_if_it_goes_along(act: str, unit: str) -> None:
    plan = of_the_shop(act, protect=(unit,))
    assert (plan.refusal is not None) is (unit in IN_STEPS[act])
    assert plan.refusal is None or unit in plan.refusal


@pytest.mark.parametrize(
    ("member", "override", "why"),
    [
        (SSHD, (), "sshd[4] is a program of SSH, perhaps the way in"),
        (SSHD, ("front.service",), None),
        (OWN, ("front.service", "3"), "python3[3] carries this very run"),
        (CLERK, (), None),
    ],
)
def test_a_process_of_one_that_goes_along_is_protected(member: Any, override: tuple[str, ...], why: str | None) -> None:
    plan = of_the_shop("stop", shop={"members_of": {"front.service": (member,)}}, override=override)
    said = f"8080/tcp is not freed: shop.service is left alone, as front.service goes with it: {why}."
    assert plan.refusal == (said if why else None)


def test_who_lives_on_where_a_unit_is_restarted_may_be_anybody() -> None:
    assert of_the_shop("restart", shop={"members_of": {"door.service": (SSHD,)}}).refusal is None


def test_a_process_whose_end_may_be_the_hosts_is_not_ended() -> None:
    shop = condition(SHOP, SHOP_MAIN, fatal="the host may go down when it ends (FailureAction=reboot)", obstacle="so")
    plan = planned(held(holder("shop")), shop=shop, strategy="terminate", at_most="kill")
    assert not plan.steps
    assert plan.refusal is not None
    assert "FailureAction=reboot" in plan.refusal


@pytest.mark.parametrize("act", ["stop", "terminate"])
def test_whom_the_end_of_a_unit_wakes_is_told(act: str) -> None:
    shop = condition(SHOP, SHOP_MAIN, answers=("alarm.service",))
    plan = planned(held(holder("shop")), shop=shop, strategy=act, at_most=act)
    assert "alarm.service" in plan.steps[0].harm


AFTERWARDS = {"dependants": ("front.service",), "rivals": ("stall.service", "booth.service")}


@pytest.mark.parametrize(
    ("verb", "active", "others"),
    [
        ("start", False, ("stall.service", "booth.service")),
        ("restart", True, ("stall.service", "booth.service", "front.service")),
    ],
)
@pytest.mark.parametrize("sockets", [(), (held(holder("one")),)], ids=["free", "held"])
def test_what_is_done_in_the_end_names_who_stops_for_it(
    verb: str, active: bool, others: tuple[str, ...], sockets: tuple[HeldSocket, ...]
) -> None:
    till = replace(condition(TILL, **AFTERWARDS), active=active)
    then = planned(*sockets, till=till, then=Then(verb, "till.service"), at_most="terminate").then
    assert then is not None
    assert then.others == others
    assert all(unit in then.harm for unit in others)


def test_who_has_stopped_by_then_is_not_named_again() -> None:
    shop = condition(SHOP, SHOP_MAIN, dependants=("booth.service",))
    till = replace(condition(TILL, rivals=("shop.service", "booth.service", "stall.service")), active=False)
    wish = {"then": Then("start", "till.service"), "at_most": "stop"}
    assert planned(held(holder("shop")), shop=shop, till=till, **wish).then == Then(
        "start", "till.service", ("stall.service",), "As till.service is started, one unit stops: stall.service."
    )


@pytest.mark.parametrize("sockets", [(), (held(holder("one")),)], ids=["free", "held"])
@pytest.mark.parametrize(
    ("known", "options", "refused"),
    [
        ({"rivals": ("stall.service",)}, {"protect": ("stall",)}, True),
        ({"rivals": ("stall.service",), "members_of": {"stall.service": (SSHD,)}}, {}, True),
        ({"rivals": ("stall.service",), "members_of": {"stall.service": (CLERK,)}}, {"protect": ("clerk",)}, True),
        ({"rivals": ("stall.service",), "members_of": {"stall.service": (CLERK,)}}, {"protect": ("else",)}, False),
        ({"dependants": ("front.service",), "members_of": {"front.service": (OWN,)}}, {}, False),
    ],
)
def test_nothing_is_started_for_which_somebody_protected_would_stop(
    known: dict[str, Any], options: dict[str, Any], refused: bool, sockets: tuple[HeldSocket, ...]
) -> None:
    till = replace(condition(TILL, **known), active=False)
    plan = planned(*sockets, till=till, then=Then("start", "till.service"), at_most="terminate", **options)
    assert bool(plan.refusal) is refused
    assert (plan.then is None, plan.steps == ()) == (refused, refused or not sockets)


def test_what_runs_is_restarted_only_if_all_of_it_may_be() -> None:
    till = condition(TILL, OWN)
    assert planned(till=till, then=Then("restart", "till.service")).refusal is not None
    assert planned(till=till, then=Then("start", "till.service")).refusal is None


def test_who_stops_in_the_end_is_approved() -> None:
    def plan(*rivals: str) -> Plan:
        till = replace(condition(TILL, rivals=rivals), active=False)
        return planned(held(holder("one")), till=till, then=Then("start", "till.service"), at_most="terminate")

    approved = plan("stall.service", "booth.service")
    assert approved.digest != plan("stall.service").digest
    assert compare(plan("stall.service"), approved) == ()
    with pytest.raises(Moved, match=r"booth\.service would stop as till\.service is started"):
        compare(approved, plan("stall.service"))


def test_an_owner_that_is_stopped_and_started_for_its_heirs_takes_along_who_stops() -> None:
    """It would have been restarted, had nobody inherited its socket."""
    shop = condition(SHOP, SHOP_MAIN, **COMPANY)
    seen = held(holder("shop"), holder("three", "heir"))
    plan = planned(seen, shop=shop, verdict="hung_listener", expect=Expectation(unit="shop.service"), at_most="restart")
    (stop, *_rest) = plan.steps
    assert (stop.act, stop.others) == ("stop", IN_STEPS["stop"])
    assert plan.then == Then("start", "shop.service", ("stall.service",), plan.then.harm if plan.then else "")
