# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Whether a holder is the one expected, as a table; tests/modules and tests/cli show how users meet it."""

from __future__ import annotations

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.expectations import (
    Expectation,
    disappointment,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import (
    Endpoint,
    HeldSocket,
    Holder,
    Namespace,
    Owner,
    PortAnswer,
    Process,
    Socket,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.ports import PortRange

HOST = Namespace(4026531840, "host", "host", "/proc/self/ns/net")
SERVICE = Owner("unit", "web.service", manager="systemd")
ESCAPED = Owner("unit", "web@a/b.service", manager="systemd", id=r"web@a\x2fb.service")
PROVEN_BY_CGROUP = Owner("socket_unit", "web.socket", manager="systemd")
FOR_ANOTHER = Owner("socket_unit", "web.socket", manager="systemd", detail={"triggers": "other.service"})
CONTAINER = Owner("container", "shop", manager="docker", id="f00d" * 16, detail={"unit": "app.service"})


INSIDE_SUPERVISOR = Owner("program", "web.service", manager="supervisord", detail={"unit": "supervisor.service"})
OF_A_USER = Owner("unit", "web.service", manager="systemd", user="alice")
SOCKET_OF_A_USER = Owner("socket_unit", "web.socket", manager="systemd", user="www-data")
NAMESAKES = {
    "process": Owner("process", "web.service", detail={"unit": "web.service"}),
    "container": Owner("container", "web.service", manager="docker", id="web.service"),
    "session": Owner("session", "web.service", user="alice"),
    "supervised program": INSIDE_SUPERVISOR,
    "unit of a user": OF_A_USER,
    "socket unit of a user": SOCKET_OF_A_USER,
    "container of a user": Owner("container", "x", manager="podman", user="alice", detail={"unit": "web.service"}),
}


def answer(*owners: Owner, verdict: str = "owned", protocol: str = "tcp") -> PortAnswer:
    row = Socket(
        protocol, 4, "LISTEN", Endpoint("0.0.0.0", 80), None, 7, 1, HOST.id, 0, None, None, 0, 128, None, None
    )  # fmt: skip
    process = Process(5, "web", "/usr/sbin/web", False, ("web",), 33, "www-data", 1, 5, "S", 1, 1e9, 100, None, None)
    holders = tuple(Holder(5, 3, "descriptor", None, "unknown", None, process, owner) for owner in owners)
    held = (HeldSocket(row, holders, False, None),) if owners else ()
    return PortAnswer(80, protocol, HOST, verdict, "summary.", "advice.", (), {}, {}, held)


@pytest.mark.parametrize(
    ("expectation", "owners", "met"),
    [
        pytest.param(Expectation(unit="web.service"), [SERVICE], True, id="unit"),
        pytest.param(Expectation(unit="web"), [SERVICE], True, id="unit without its ending"),
        pytest.param(Expectation(unit="other"), [SERVICE], False, id="another unit"),
        pytest.param(Expectation(unit=r"web@a\x2fb.service"), [ESCAPED], True, id="unit by its exact name"),
        pytest.param(Expectation(unit="web@a/b.service"), [ESCAPED], True, id="unit by its readable name"),
        pytest.param(Expectation(unit="web.socket"), [PROVEN_BY_CGROUP], True, id="socket unit"),
        pytest.param(Expectation(unit="web"), [PROVEN_BY_CGROUP], True, id="socket unit for the service of its name"),
        pytest.param(Expectation(unit="other"), [FOR_ANOTHER], True, id="socket unit for the service it names"),
        pytest.param(Expectation(unit="web"), [FOR_ANOTHER], False, id="socket unit for another service"),
        pytest.param(Expectation(unit="web"), [PROVEN_BY_CGROUP, SERVICE], True, id="socket unit and its service"),
        pytest.param(Expectation(unit="web"), [SERVICE, CONTAINER], False, id="one holder of two"),
        pytest.param(Expectation(unit="app"), [CONTAINER], True, id="unit inside a container"),
        pytest.param(Expectation(unit="supervisor"), [INSIDE_SUPERVISOR], True, id="unit of a supervisor"),
        *(pytest.param(Expectation(unit="web"), [one], False, id="namesake: " + of) for of, one in NAMESAKES.items()),
        pytest.param(Expectation(unit="web", user="www-data"), [OF_A_USER], False, id="unit of another user"),
        pytest.param(Expectation(unit="web", user="www-data"), [SOCKET_OF_A_USER], True, id="unit of the user by name"),
        pytest.param(Expectation(unit="web", user="33"), [SOCKET_OF_A_USER], True, id="unit of the user by uid"),
        pytest.param(Expectation(exe="/usr/sbin/web"), [SERVICE], True, id="executable by path"),
        pytest.param(Expectation(exe="web"), [SERVICE], True, id="executable by name"),
        pytest.param(Expectation(exe="sbin/web"), [SERVICE], False, id="half a path"),
        pytest.param(Expectation(user="www-data"), [SERVICE], True, id="user by name"),
        pytest.param(Expectation(user="33"), [SERVICE], True, id="user by uid"),
        pytest.param(Expectation(unit="web", user="root"), [SERVICE], False, id="all that is given must hold"),
        pytest.param(Expectation(container="shop"), [CONTAINER], True, id="container by name"),
        pytest.param(Expectation(container="f00d" * 3), [CONTAINER], True, id="container by short id"),
        pytest.param(Expectation(container="f00d"), [CONTAINER], False, id="too short an id"),
        pytest.param(Expectation(free=True), [SERVICE], False, id="free, but held"),
        pytest.param(Expectation(unit="web", free=True), [SERVICE], True, id="free or mine: mine"),
        pytest.param(Expectation(), [SERVICE], True, id="nothing expected"),
    ],
)
def test_held_port(expectation: Expectation, owners: list[Owner], met: bool) -> None:
    assert (disappointment(expectation, (answer(*owners),), (PortRange(80, 80),), "") is None) == met


@pytest.mark.parametrize(
    ("expectation", "met"),
    [
        pytest.param(Expectation(free=True), True, id="free"),
        pytest.param(Expectation(unit="web", free=True), True, id="free or mine: free"),
        pytest.param(Expectation(unit="web"), False, id="mine, but free"),
    ],
)
def test_free_port(expectation: Expectation, met: bool) -> None:
    assert (disappointment(expectation, (answer(verdict="free"),), (PortRange(80, 80),), "") is None) == met


def test_a_port_without_protocol_may_be_held_on_one_and_free_on_the_other() -> None:
    both = (answer(SERVICE), answer(verdict="free", protocol="udp"))
    assert disappointment(Expectation(unit="web"), both, (PortRange(80, 80),), "") is None
    named = (PortRange(80, 80, "tcp"), PortRange(80, 80, "udp"))
    assert (
        disappointment(Expectation(unit="web"), both, named, "") == "80/udp should be held by unit web, but: summary."
    )


def test_what_lingers_is_not_free() -> None:
    assert disappointment(Expectation(free=True), (answer(verdict="lingering"),), (PortRange(80, 80),), "") is not None


MANY = (PortRange(1, 2000),)


def test_of_very_many_ports_those_without_an_answer_are_free() -> None:
    assert disappointment(Expectation(free=True), (), MANY, "") is None
    assert disappointment(Expectation(unit="web", free=True), (answer(SERVICE),), MANY, "") is None
    said = "1-2000 should be held by unit web, but 1999 of them are free."
    assert disappointment(Expectation(unit="web"), (answer(SERVICE),), MANY, "") == said


def test_of_very_many_ports_those_without_an_answer_are_not_free_where_sockets_may_be_missing() -> None:
    said = "1-2000 should be free, but whether 2000 of them are free could not be seen: tcp sockets (refused)."
    assert disappointment(Expectation(free=True), (), MANY, "tcp sockets (refused)") == said
