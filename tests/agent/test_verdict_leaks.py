# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What is said of leaked, orphaned and handed-over sockets, and of connections that hold a port, from records."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.endpoint import Endpoint
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import (
    Creator,
    HeldSocket,
    Holder,
    Namespace,
    Owner,
    Process,
    Socket,
    SocketOptions,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.verdicts.case import Case, Judgement
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.verdicts.registry import judge

HOST = Namespace(4026531840, "host", "host", "/proc/self/ns/net")
WEB = Owner("unit", "web.service", manager="systemd")
NTP = Owner("unit", "ntp.service", manager="systemd")
CRON = Owner("unit", "cron.service", manager="systemd")
SHELL = Owner("process", "sleep")
SOCKET_UNIT = Owner("socket_unit", "web.socket", manager="systemd")
CONTAINER = Owner("container", "shop", manager="docker", id="f00d" * 16)


def holder(pid: int, name: str, owner: Owner, role: str, **known: Any) -> Holder:
    process = Process(
        pid,
        name,
        f"/usr/bin/{name}",
        False,
        (name,),
        0,
        "root",
        1,
        pid,
        known.pop("state", "S"),
        1,
        1e9,
        100,
        None,
        None,
    )
    fd, via, serving = known.pop("fd", 3), known.pop("via", "descriptor"), known.pop("serving", None)
    return Holder(pid, fd, via, None, role, serving, process, owner, **known)


def held(*holders: Holder, **known: Any) -> HeldSocket:
    address, state = known.pop("address", "0.0.0.0"), known.pop("state", "LISTEN")
    row = Socket(
        protocol="tcp",
        family=6 if ":" in address else 4,
        state=state,
        local=Endpoint(address, 8080),
        remote=None if state in {"LISTEN", "BOUND", "UNCONNECTED"} else Endpoint("192.0.2.1", 2049),
        inode=known.pop("inode", 7),
        cookie=1,
        namespace=HOST.id,
        uid=0,
        device=None,
        v6only=None,
        queue=known.pop("queue", 0),
        queue_limit=128,
        timer_ms=None,
        cgroup_id=None,
    )
    return HeldSocket(row, holders, False, known.pop("creator", None), known.pop("options", None))


def judged(*sockets: HeldSocket, **known: Any) -> tuple[str, Judgement]:
    return judge(Case(8080, "tcp", HOST, sockets, known.pop("connections", {}), "", "", **known))


def creator(pid: int = 77, name: str = "web", owner: Owner = WEB, **known: Any) -> Holder:
    return holder(pid, name, owner, "creator", **known)


def worker(pid: int, name: str = "web", owner: Owner = WEB, **known: Any) -> Holder:
    return holder(pid, name, owner, "worker", serving=True, **known)


def heir(pid: int, name: str = "ntpd", owner: Owner = NTP, **known: Any) -> Holder:
    return holder(pid, name, owner, "heir", serving=False, **known)


def undecided(pid: int, name: str = "web", owner: Owner = WEB, **known: Any) -> Holder:
    return holder(pid, name, owner, "unknown", **known)


def test_one_heir_beside_the_creator() -> None:
    verdict, judgement = judged(held(creator(serving=True), heir(812)))
    assert verdict == "leaked_to_heirs"
    assert judgement.summary == (
        "8080/tcp on 0.0.0.0 belongs to web.service (web[77]), but ntpd[812] of ntp.service holds it too: "
        "inherited, not served."
    )
    assert judgement.advice == (
        "Ending web[77] alone does not free it: detach it from ntpd[812] as well (port_release), and set close-on-exec "
        "where it is made."
    )


def test_heirs_of_several_owners_are_named_by_owner_and_owners_once() -> None:
    verdict, judgement = judged(
        held(creator(), worker(78), heir(812), heir(813), heir(815, "sleep", SHELL), heir(820, "cron", CRON))
    )
    assert verdict == "leaked_to_heirs"
    assert judgement.summary == (
        "8080/tcp on 0.0.0.0 belongs to web.service (web[77] and web[78]), but ntpd[812] and ntpd[813] of ntp.service, "
        "sleep[815] and cron[820] of cron.service hold it too: inherited, not served."
    )
    assert judgement.advice.startswith(
        "Ending web[77] and web[78] alone does not free it: detach it from ntpd[812], ntpd[813], sleep[815] and 1 more "
    )


def test_many_heirs_are_counted() -> None:
    _verdict, judgement = judged(held(creator(), *(heir(pid) for pid in range(810, 818))))
    assert "ntpd[814] and ntpd[815] of ntp.service and 2 more hold it too" in judgement.summary


def test_one_heir_of_two_sockets_is_named_once_with_both_addresses() -> None:
    verdict, judgement = judged(held(creator(), heir(812)), held(creator(fd=4), heir(812, fd=4), address="::", inode=8))
    assert verdict == "leaked_to_heirs"
    assert judgement.summary == (
        "8080/tcp on 0.0.0.0 and [::] belongs to web.service (web[77]), but ntpd[812] of ntp.service holds it too: "
        "inherited, not served."
    )


def test_only_the_socket_that_leaked_is_told_of() -> None:
    _verdict, judgement = judged(
        held(creator(), heir(812)), held(creator(90, "other", CRON), address="192.0.2.9", inode=8)
    )
    assert judgement.summary.startswith("8080/tcp on 0.0.0.0 belongs to web.service (web[77]), but")


@pytest.mark.parametrize("rightful", [creator(), worker(78), undecided(78), undecided(78, via="in_flight")])
def test_it_is_leaked_while_anybody_else_has_it(rightful: Holder) -> None:
    assert judged(held(rightful, heir(812)))[0] == "leaked_to_heirs"


@pytest.mark.parametrize("state", ["LISTEN", "BOUND", "UNCONNECTED"])
def test_every_socket_without_a_peer_can_leak_or_be_orphaned(state: str) -> None:
    assert judged(held(creator(), heir(812), state=state))[0] == "leaked_to_heirs"
    assert judged(held(heir(812), state=state))[0] == "orphaned_listener"


@pytest.mark.parametrize("others", [(), (creator(),)])
def test_an_inherited_connection_is_no_leaked_listener(others: tuple[Holder, ...]) -> None:
    connection = held(heir(812, "ntpd", WEB), *others, state="ESTABLISHED")
    assert judged(connection, connections={"ESTABLISHED": 1})[0] == "owned"


def test_the_last_heir() -> None:
    verdict, judgement = judged(held(heir(812)))
    assert verdict == "orphaned_listener"
    assert judgement.summary == (
        "8080/tcp on 0.0.0.0 is served by nobody: its creator is gone, and ntpd[812] of ntp.service keeps the "
        "inherited descriptor open."
    )
    assert judgement.advice == "To free it, detach it from ntpd[812], which lives on (port_release)."


def test_several_heirs_of_a_creator_of_which_the_unit_is_known() -> None:
    verdict, judgement = judged(
        held(heir(812), heir(815, "sleep", SHELL), creator=Creator("billing.service", None, "cgroup of the socket"))
    )
    assert verdict == "orphaned_listener"
    assert judgement.summary == (
        "8080/tcp on 0.0.0.0 is served by nobody: its creator (billing.service) is gone, and ntpd[812] of ntp.service "
        "and sleep[815] keep the inherited descriptor open."
    )
    assert judgement.advice == (
        "To free it, detach it from ntpd[812] and sleep[815], who live on (port_release); ending one only moves it to "
        "the next."
    )


def test_the_creators_of_several_sockets_are_named_once_a_container_by_its_name() -> None:
    inside = Creator("docker-f00d.scope", "shop", "cgroup of the socket")
    sockets = (
        held(heir(812), creator=inside),
        held(heir(812, fd=4), creator=inside, address="::", inode=8),
        held(heir(812, fd=5), creator=Creator(None, None, "none of those who hold it made it"), inode=9),
    )
    assert "its creator (shop) is gone" in judged(*sockets)[1].summary


IN_FLIGHT = undecided(78, via="in_flight", fd=9)


def test_in_flight() -> None:
    verdict, judgement = judged(held(creator(serving=True), IN_FLIGHT))
    assert verdict == "passed_descriptor"
    assert judgement.summary == (
        "8080/tcp on 0.0.0.0 is in flight in a UNIX socket of web[78], which has not received it yet: "
        "web[77] of web.service serves it and web[78] of web.service keeps a copy of it."
    )
    assert judgement.advice == "To free it, stop or restart web.service."


def test_in_flight_only() -> None:
    verdict, judgement = judged(held(IN_FLIGHT))
    assert verdict == "passed_descriptor"
    assert judgement.summary.endswith("which has not received it yet: web[78] of web.service holds it.")


def test_handed_over_to_another_owner() -> None:
    verdict, judgement = judged(held(creator(), worker(901, "proxy", CRON, fd=11), worker(902, "proxy", CRON, fd=12)))
    assert verdict == "passed_descriptor"
    assert judgement.summary == (
        "8080/tcp on 0.0.0.0 was handed on from process to process on purpose: "
        "proxy[901] and proxy[902] of cron.service serve it and web[77] of web.service keeps a copy of it."
    )
    assert judgement.advice == "To free it, stop or restart cron.service and web.service."


def test_handed_over_and_all_serve_it() -> None:
    _verdict, judgement = judged(held(creator(serving=True), worker(901, fd=11)))
    assert judgement.summary.endswith(": web[77] and web[901] of web.service serve it.")


@pytest.mark.parametrize(
    ("holders", "verdict"),
    [
        ((creator(), worker(901, "proxy", CRON)), "unknown"),
        ((creator(), undecided(901, "proxy", CRON, fd=11)), "unknown"),
        ((creator(fd=11), creator(fd=12), worker(901, "proxy", CRON, fd=11)), "unknown"),
        ((creator(1, "systemd", SOCKET_UNIT), worker(901, fd=11)), "socket_activated"),
        ((creator(serving=True), creator(fd=4)), "owned"),
    ],
    ids=["the same number", "nobody serves", "one number in common", "by the service manager", "one process"],
)
def test_not_handed_over(holders: tuple[Holder, ...], verdict: str) -> None:
    assert judged(held(*holders))[0] == verdict


def test_an_unseen_holder_leaves_it_open_who_handed_it_over_but_not_that_it_leaked() -> None:
    unseen = held(address="::", inode=8)
    assert judged(held(IN_FLIGHT), unseen)[0] == "unknown"
    assert judged(held(creator(), heir(812)), unseen)[0] == "leaked_to_heirs"
    assert judged(held(heir(812)), unseen)[0] == "orphaned_listener"


FULL = {"queue": 129}
PRECEDENCE = [
    ("leaked_to_heirs", (held(heir(812)), held(creator(), heir(812, fd=4), inode=8))),
    ("leaked_to_heirs", (held(creator(), IN_FLIGHT, heir(812)),)),
    ("leaked_to_heirs", (held(creator(), worker(901, fd=11), heir(812)),)),
    ("leaked_to_heirs", (held(creator(state="T"), heir(812), **FULL),)),
    ("leaked_to_heirs", (held(creator(501, "docker-proxy", CONTAINER), heir(812)),)),
    ("leaked_to_heirs", (held(creator(1, "systemd", SOCKET_UNIT), heir(812)),)),
    ("leaked_to_heirs", (held(creator(), heir(78, "web", WEB)),)),
    ("leaked_to_heirs", (held(heir(812)), held(IN_FLIGHT, inode=8))),
    ("orphaned_listener", (held(heir(812, state="T"), **FULL),)),
    ("orphaned_listener", (held(heir(812, "shop", CONTAINER)),)),
    ("orphaned_listener", (held(heir(77, "web", WEB), heir(78, "web", WEB)),)),
    ("passed_descriptor", (held(creator(state="T", serving=True), worker(901, fd=11, state="T"), **FULL),)),
    ("passed_descriptor", (held(creator(501, "proxy", CONTAINER), worker(901, fd=11)),)),
    ("passed_descriptor", (held(creator(), worker(78, fd=11)),)),
]


@pytest.mark.parametrize(("verdict", "sockets"), PRECEDENCE)
def test_which_of_several_verdicts_decides(verdict: str, sockets: tuple[HeldSocket, ...]) -> None:
    assert judged(*sockets)[0] == verdict


def connection(*holders: Holder, **known: Any) -> HeldSocket:
    return held(*holders, **{"state": "ESTABLISHED", **known})


def test_one_connection_holds_the_port() -> None:
    verdict, judgement = judged(connection(undecided(77)), connections={"ESTABLISHED": 1})
    assert verdict == "owned"
    assert judgement.summary == (
        "Nobody listens on 8080/tcp; web[77] of web.service still has 1 connection from it to 192.0.2.1:2049: "
        "ESTABLISHED."
    )
    assert judgement.advice == "To free it, restart or stop web.service."


def test_several_connections_of_several_processes_hold_the_port() -> None:
    sockets = (
        connection(undecided(77), undecided(78)),
        connection(undecided(77, fd=4), state="CLOSE_WAIT", inode=8),
        connection(undecided(90, "cron", CRON), inode=9),
    )
    verdict, judgement = judged(*sockets, connections={"ESTABLISHED": 2, "CLOSE_WAIT": 1})
    assert verdict == "owned"
    assert judgement.summary == (
        "Nobody listens on 8080/tcp; web[77], web[78] and cron[90] of web.service and cron.service still have "
        "3 connections from it to 192.0.2.1:2049: CLOSE_WAIT and ESTABLISHED."
    )
    assert judgement.advice == "To free it, restart or stop web.service and cron.service."


def test_connections_that_only_the_peer_has_closed() -> None:
    _verdict, judgement = judged(connection(undecided(77), state="CLOSE_WAIT"), connections={"CLOSE_WAIT": 1})
    assert judgement.summary.endswith(": CLOSE_WAIT (the peer has closed, the process has not).")


SET, NOT_SET = SocketOptions(reuseaddr=True, reuseport=False), SocketOptions(reuseaddr=False, reuseport=True)
HELPS, DOES_NOT_HELP = "; a server that sets SO_REUSEADDR can bind beside it now.", " as the old socket has not set it."


@pytest.mark.parametrize(
    ("options", "end"),
    [
        ((SET,), HELPS),
        ((SET, SET), HELPS),
        ((NOT_SET,), DOES_NOT_HELP),
        ((SET, NOT_SET), DOES_NOT_HELP),
        ((SET, None), "stop web.service."),
        ((None,), "stop web.service."),
    ],
)
def test_whether_so_reuseaddr_helps_beside_connections(options: tuple[SocketOptions | None, ...], end: str) -> None:
    sockets = [connection(undecided(77, fd=fd), inode=fd, options=each) for fd, each in enumerate(options, 7)]
    assert judged(*sockets, connections={"ESTABLISHED": len(sockets)})[1].advice.endswith(end)


def test_a_socket_that_was_detached_is_in_nobodys_way_who_sets_the_option() -> None:
    verdict, judgement = judged(held(heir(812), state="BOUND", options=SocketOptions(reuseaddr=True, reuseport=False)))
    assert verdict == "orphaned_listener"
    assert judgement.advice == (
        "A server that sets SO_REUSEADDR can bind it now; for others, end or restart ntpd[812]."
    )
