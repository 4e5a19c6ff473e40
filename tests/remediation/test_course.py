# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The course on one host, against a stand-in for its modules: what is asked of them in which order, and put back."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.remediation.closing import (
    is_as_approved,
    outcome_of,
    why_of,
)
from ansible_collections.portreeve.fleet.plugins.plugin_utils.remediation.course import look, take_back

from .looks import port_found, step

RELEASE, RESERVATION = "portreeve.fleet.port_release", "portreeve.fleet.port_reservation"
RUN = {"run": "r1"}
FREED = {"format": "portreeve.port_release/1", "changed": True, "summary": "8080/tcp is free.", "touched": True}
MOVED = {"format": "portreeve.port_release/1", "failed": True, "msg": "8080/tcp: sleep[812] is another one now.",
         "touched": False}  # fmt: skip
KEPT = {"format": "portreeve.port_release/1", "failed": True, "changed": True, "msg": "8080/tcp is still held.",
        "touched": True}  # fmt: skip


class Modules:
    """Answers what it was given, in order, for each module, and remembers what it was asked."""

    def __init__(self, releases: Any = (), reservations: Any = ()) -> None:
        self.answers = {RELEASE: list(releases), RESERVATION: list(reservations)}
        self.told: list[dict[str, Any]] = []
        self.asked: list[tuple[str, dict[str, Any], bool]] = []

    def __call__(self, name: str, arguments: dict[str, Any], check: bool) -> dict[str, Any]:
        self.asked.append((name.rpartition("_")[2], arguments, check))
        return dict(self.answers[name].pop(0))


def due(port: int = 8080, **more: Any) -> dict[str, Any]:
    return port_found("due", port, steps=[step()], **more)


def course(modules: Modules, *ports: dict[str, Any], approved: bool = True) -> list[dict[str, Any]]:
    return list(take_back(ports, modules, RUN, modules.told.append, approved=approved))


def outcomes(became: list[dict[str, Any]]) -> list[str]:
    return [one["outcome"] for one in became]


def test_what_was_approved_is_what_is_done():
    modules, port = Modules([FREED]), due()

    (became,) = course(modules, port)

    assert modules.asked == [("release", {**port["options"], "run": "r1", "approved": port["plan"]}, False)]
    assert became == {
        "application": "shop", "port": 8080, "protocol": "tcp", "outcome": "done", "changed": True,
        "summary": "8080/tcp is free.",
    }  # fmt: skip


def test_nothing_more_is_done_after_a_failure():
    modules = Modules([FREED, KEPT])

    became = course(modules, due(), due(8081), due(8082), due(8083, application="wiki"))

    assert outcomes(became) == ["done", "failed", "not done", "not done"]
    assert len(modules.asked) == 2
    assert outcome_of(became) == "failed"
    assert why_of(became) == (
        "8081/tcp: 8080/tcp is still held. 8082/tcp: 8081/tcp failed before 8083/tcp: 8081/tcp failed before"
    )


def test_after_a_refusal_the_other_applications_go_on():
    modules = Modules([MOVED, FREED])

    became = course(modules, due(), due(8081), due(8082, application="wiki"))

    assert outcomes(became) == ["refused", "not done", "done"]
    assert became[0]["summary"] == MOVED["msg"]
    assert outcome_of(became) == "done in part"
    assert not is_as_approved("done in part", became)
    assert outcome_of(became[:2]) == "refused"


def test_what_the_plan_refuses_is_not_tried():
    modules = Modules()
    ports = port_found("refused", refusal="It is protected."), port_found("needless", 81)

    became = course(modules, *ports)

    assert outcomes(became) == ["left", "done"]
    assert outcome_of(became) == "done in part"
    assert is_as_approved("done in part", became)
    assert why_of(became) == "Left, as the plan says: 8080/tcp: It is protected."
    assert outcomes(course(modules, *ports, approved=False)) == ["refused", "done"]
    assert modules.asked == []


def test_it_is_said_that_nobody_is_started_to_serve_a_port():
    sentence = (
        "Nobody will serve 8080/tcp afterwards unless the declared owner (exe shopd) takes it by itself: "
        "no service to be started is declared for shop."
    )
    answer = {"changed": True, "plan": due()["plan"], "summary": "To free it: …"}
    options = due()["options"]
    release = {"application": "shop", "reserve": True, "options": options}
    later = {**release, "options": {**options, "port": 8081, "then": {"start": "shop.service"}}}

    (found,) = look([release], Modules([answer]))
    assert found["unserved"] == sentence
    assert [one["unserved"] for one in look([release, later], Modules([answer, answer]))] == [None, None]
    restart = {**due()["plan"], "steps": [step("restart")]}
    assert look([release], Modules([{**answer, "plan": restart}]))[0]["unserved"] is None

    assert course(Modules([FREED]), {**due(), **found})[0]["unserved"] == sentence
    served = {**FREED, "proof": {"held_as_expected": True}}
    assert "unserved" not in course(Modules([served]), {**due(), **found})[0]


@pytest.mark.parametrize("crashed", [{"failed": True, "msg": "MODULE FAILURE"}, KEPT, {**MOVED, "touched": None}])
def test_what_may_have_touched_something_has_failed(crashed):
    assert outcomes(course(Modules([crashed]), due())) == ["failed"]


def squatted(**more: Any) -> dict[str, Any]:
    return due(36601, verdict="squatted", **more)


SEEN = {"changed": False, "reservations": [{"name": "shop", "ports": "36600"}, {"name": "wiki", "ports": "1"}]}
RESERVED = {"changed": True}
SEE = ("reservation", {"name": "portreeve.nobody", "state": "absent"}, True)
ADD = ("reservation", {"name": "shop", "ports": "36600-36601"}, False)


def test_a_squatted_port_is_reserved_first_beside_what_the_application_has():
    modules = Modules([FREED], [SEEN, RESERVED])

    assert outcomes(course(modules, squatted())) == ["done"]
    assert modules.asked[:2] == [SEE, ADD]
    assert modules.asked[2][0] == "release"
    assert modules.told == [{"application": "shop", "port": 36601, "protocol": "tcp"}]


def test_what_was_reserved_is_told_before_the_host_may_be_lost():
    modules = Modules([], [SEEN, RESERVED])

    with pytest.raises(IndexError):  # nothing answers the release
        course(modules, squatted())

    assert modules.told == [{"application": "shop", "port": 36601, "protocol": "tcp"}]


def test_servers_that_fell_though_nobody_meant_it_are_told_apart():
    fell = [
        {"expected": False, "namespace": "host", "summary": "9000/tcp is served no more."},
        {"expected": True, "namespace": "host", "summary": "9001/tcp is served no more."},
        {"expected": False, "namespace": "web", "summary": "9002/tcp is served no more."},
    ]
    (became,) = course(Modules([{**FREED, "namespace": {"name": "host"}, "collateral": fell}]), due())

    assert became["outcome"] == "done"
    assert became["fell"] == ["9000/tcp is served no more."]


@pytest.mark.parametrize(
    ("seen", "back"),
    [(SEEN, {"name": "shop", "ports": "36600"}), ({"reservations": []}, {"name": "shop", "state": "absent"})],
)
def test_the_reservation_becomes_what_it_was_if_the_port_is_not_got_back(seen, back):
    for refusing, outcome in ((MOVED, "refused"), (KEPT, "undone")):
        modules = Modules([refusing], [seen, RESERVED, {"changed": True}])

        (became,) = course(modules, squatted())

        assert modules.asked[-1] == ("reservation", back, False)
        assert became["outcome"] == outcome
        assert became["undone"] == ["the reservation of 36601/tcp for shop"]


def test_what_cannot_be_put_back_is_told():
    modules = Modules([{**KEPT, "undone": ["a.service runs again"]}], [SEEN, RESERVED, {"failed": True, "msg": "full"}])

    (became,) = course(modules, squatted())

    assert became["outcome"] == "failed"
    assert became["undone"] == ["a.service runs again"]
    assert became["not_undone"] == ["the reservation of 36601/tcp for shop: full"]


def test_a_reservation_that_stood_before_stays():
    modules = Modules([KEPT], [SEEN, {"changed": False}])

    (became,) = course(modules, squatted())

    assert len(modules.asked) == 3
    assert became["outcome"] == "failed"


def test_without_a_reservation_the_port_is_left_alone():
    for answers in ([{"failed": True, "msg": "not root"}], [SEEN, {"failed": True, "msg": "not root"}]):
        (became,) = course(Modules([], answers), squatted())
        assert (became["outcome"], became["summary"]) == ("failed", "it could not be reserved: not root")


def test_what_is_never_to_be_reserved_is_not():
    modules = Modules([FREED])
    assert outcomes(course(modules, squatted(reserve=False))) == ["done"]


def test_a_look_tells_what_is_due_and_what_is_not():
    plan = due()["plan"]
    answers = [
        {"changed": True, "plan": plan, "summary": "To free it: …"},
        {"changed": False, "plan": plan, "summary": "It is free."},
        {"changed": False, "failed": True, "msg": "No.", "plan": {**plan, "refusal": "It is protected."}},
        {"failed": True, "msg": "MODULE FAILURE", "module_stderr": "no python\n"},
    ]
    releases = [
        {"application": "shop", "reserve": True, "options": {"port": number, "protocol": "tcp"}} for number in range(4)
    ]

    found = look(releases, Modules(answers))

    assert outcomes(found) == ["due", "needless", "refused", "failed"]
    assert [one["summary"] for one in found] == [
        "To free it: …", "It is free.", "It is protected.", "MODULE FAILURE - no python"
    ]  # fmt: skip
    assert found[3]["plan"] is None
