# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Real sockets of a host with a network of its own, seen by the agent, held against what is declared."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.host_answer import parse_picture
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.findings import JudgedHost

from ..cli.stage import ROOT, TOOLS, Stage, stage
from .hosts import allowed, app, judge, told, untold

SCRIPT = """
def as_nobody(make):
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
    return make()


with open("/proc/sys/net/ipv4/ip_local_port_range", "w") as automatic:
    automatic.write("32768 60999")
with open("/proc/sys/net/ipv4/ip_local_reserved_ports", "w") as reserved:
    reserved.write("40000")
ready(
    shop=child(lambda: (name("shop"), as_nobody(lambda: [listening(port, "0.0.0.0") for port in (8080, 8081)]))),
    thief=child(lambda: (name("thief"), [listening(port) for port in (8082, 9999)])),
    open=child(lambda: (name("open"), listening(8443, "::"), listening(8444, "::ffff:127.0.0.1"))),
    kept=child(lambda: (name("kept"), bound(7070))),
    client=child(lambda: (name("client"), bound(50000, kind=socket.SOCK_DGRAM))),
)
"""
NOBODY = {"user": "65534"}
DECLARED = (
    app("shop", "8080-8082", NOBODY),
    app("admin", "8443-8444", address="loopback"),
    app("kept", "7070"),
    app("early", "40000-40001", listen="may", reserve="auto"),
)


@pytest.fixture(scope="module")
def port_of_call(needs: Callable[..., None]) -> Iterator[Stage]:
    """Yield a stage with a user's server, a thief on one of its ports, a server open to all, and a client."""
    needs(*TOOLS, "setpriv")
    with stage(SCRIPT) as port_of_call:
        yield port_of_call


def _judge(result: dict[str, Any], *declared: Any, **more: str) -> JudgedHost:
    return judge(parse_picture(result), *declared, **more)


def test_real_sockets_are_judged(port_of_call):
    result = port_of_call.answer("snapshot")

    judged = _judge(result, *DECLARED)

    assert result["complete"]
    assert told(judged) == {
        ("wrong_owner", "8082/tcp", "shop"),
        ("wrong_address", "8443/tcp", "admin"),
        ("not_listening", "7070/tcp", "kept"),
        ("not_reserved", "40001/tcp", "early"),
        ("undeclared", "9999/tcp", "process thief of root"),
        ("undeclared_automatic", "automatic/udp", "process client of root"),
        ("reservation_drift", "", ""),  # it is in no file
    }
    assert untold(judged) == set()


def test_the_same_host_is_in_order_where_the_policy_says_so(port_of_call):
    result = port_of_call.answer("snapshot")

    judged = _judge(
        result,
        app("shop", "8080-8081", NOBODY),
        app("admin", "8443", address="wildcard"),
        app("local", "8444", address="127.0.0.1"),
        allowed("thief", "8082,9999", {"user": "root"}, address="loopback"),
        allowed("client", "50000/udp"),
        reservation_drift="ignore",
    )

    assert (told(judged), untold(judged)) == (set(), set())


def test_findings_are_the_same_at_the_next_look_and_on_the_next_day(port_of_call):
    with stage(SCRIPT) as next_day:
        looks = [port_of_call.answer("snapshot"), port_of_call.answer("snapshot"), next_day.answer("snapshot")]

    first, again, later = ({one.id: one.said for one in _judge(look, *DECLARED).findings} for look in looks)

    assert first == again == later


def test_who_may_not_look_does_not_judge_whose_it_is(port_of_call):
    """Root without its capabilities does not see into processes that have them, nor into those of other users."""
    powerless = port_of_call.run(
        "setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable, str(ROOT / "agent"), "snapshot", "--json"
    )
    result = json.loads(powerless.stdout)

    judged = _judge(result, *DECLARED, status="incomplete")

    assert not result["complete"]
    assert {("undeclared", "9999/tcp", ""), ("wrong_address", "8443/tcp", "admin")} <= told(judged)
    assert {("wrong_owner", f"{port}/tcp") for port in (8080, 8081, 8082)} <= untold(judged)
    assert ("leaked_to_heirs", "") in untold(judged)
    assert "wrong_owner" not in {rule for rule, _place, _subject in told(judged)}
