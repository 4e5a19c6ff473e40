# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Dangers beside the verdict: each found where it is, and not found where it is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.answers import answer_ports
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import (
    Agent,
    DescriptorPressure,
    DescriptorUse,
    Endpoint,
    HeldSocket,
    Holder,
    HostFacts,
    Namespace,
    Owner,
    PortRanges,
    Process,
    SettingFile,
    Snapshot,
    Socket,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.ports import PortRange
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.risks.registry import (
    RISKS,
    host_risks,
    port_risks,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.verdicts.case import Case

HOST = Namespace(4026531840, "host", "host", "/proc/self/ns/net")
RANGES = PortRanges((32768, 60999), "", 1024)
WEB = Owner("unit", "web.service", manager="systemd")
OTHER = Owner("unit", "other.service", manager="systemd")
SESSION = Owner("session", "session-4.scope", manager="systemd", user="ada")


def holder(name: str = "web", owner: Owner = WEB, pid: int = 77, **known: Any) -> Holder:
    process = Process(
        pid, name, f"/usr/bin/{name}", known.pop("exe_deleted", False), (name,), 0, "root", 1, pid, "S", 1, 1e9, 100,
        None, known.pop("descriptors", None),
    )  # fmt: skip
    return Holder(pid, 3, "descriptor", None, known.pop("role", "unknown"), None, process, owner, **known)


def held(address: str = "0.0.0.0", *holders: Holder, state: str = "LISTEN", **known: Any) -> HeldSocket:
    family = 6 if ":" in address else 4
    row = Socket(
        "tcp", family, state, Endpoint(address, 8080), None, 7, 1, HOST.id, 0, known.get("device"),
        known.get("v6only"), 0, 128, None, None,
    )  # fmt: skip
    return HeldSocket(row, holders or (holder(),), False, None)


def found(*sockets: HeldSocket, port: int = 8080, **known: Any) -> dict[str, str]:
    connections = known.pop("connections", {})
    case = Case(port, known.pop("protocol", "tcp"), HOST, sockets, connections, "", "", **known)
    return {risk.id: risk.summary for risk in port_risks(case)}


def found_on_host(
    reserved: str | None, *files: tuple[str, str], descriptors: DescriptorPressure | None = None
) -> list[tuple[str, str]]:
    snapshot = Snapshot(
        Agent("0", "none", 0), HostFacts("web1", "Linux", "6", None), (HOST,), (), (), PortRanges(None, reserved, None),
        descriptors, (), reservation_files=tuple(SettingFile(*file) for file in files),
    )  # fmt: skip
    return [(risk.id, risk.summary) for risk in host_risks(snapshot)]


def test_every_risk_has_an_id_of_its_own() -> None:
    assert len({danger.id for danger in RISKS}) == len(RISKS)
    assert all(danger.of_port or danger.of_host for danger in RISKS)


def test_a_service_in_order_is_in_no_danger() -> None:
    assert found(held("0.0.0.0"), held("::", v6only=True), ranges=RANGES, connections={"ESTABLISHED": 900}) == {}


def test_deleted_executable() -> None:
    assert found(held("0.0.0.0", holder(exe_deleted=True))) == {
        "deleted_executable": "web[77] runs a program that was replaced or removed."
    }


def test_descriptor_pressure_of_a_holder_and_of_the_host() -> None:
    use = DescriptorUse(17, 20, {})
    assert found(held("0.0.0.0", holder(descriptors=use))) == {
        "descriptor_pressure": "web[77] uses 17 of 20 descriptors."
    }
    nearest = ({"pid": 9, "name": "java", "open": 90, "limit": 100}, {"pid": 8, "name": "x", "open": 1, "limit": 100})
    assert found_on_host(None, descriptors=DescriptorPressure(85, 100, nearest)) == [
        ("descriptor_pressure", "The host uses 85 of 100 descriptors."),
        ("descriptor_pressure", "java[9] uses 90 of 100 descriptors."),
    ]


@pytest.mark.parametrize(
    ("unaccepted", "end"), [(None, "."), ({}, "."), ({"CLOSE_WAIT": 5}, "; 5 of them still wait for accept().")]
)
def test_close_wait_pileup(unaccepted: dict[str, int] | None, end: str) -> None:
    said = found(held(), connections={"CLOSE_WAIT": 20}, unaccepted=unaccepted)
    assert said == {"close_wait_pileup": "20 connections were closed by the peer but not by the server" + end}
    assert found(held(), connections={"CLOSE_WAIT": 19}) == {}


# --- ephemeral_unreserved --------------------------------------------------------------------------------------------

CHOSEN = "The kernel chooses ports from 32768 to 60999, and 36601 is not reserved: a connection may take it."


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"ranges": RANGES}, True),
        ({"ranges": RANGES, "asked": False}, True),
        ({"ranges": replace(RANGES, reserved="1-36600,36602")}, True),
        ({"ranges": replace(RANGES, reserved="36000-37000")}, False),
        ({"ranges": PortRanges(None, None, None)}, False),
        ({"ranges": None}, False),
        ({"ranges": replace(RANGES, automatic=(40000, 50000))}, False),
    ],
)
def test_ephemeral_unreserved_where_somebody_listens(known: dict[str, Any], expected: bool) -> None:
    assert found(held(), port=36601, **known) == ({"ephemeral_unreserved": CHOSEN} if expected else {})


def test_ephemeral_unreserved_for_a_port_that_is_needed_though_nobody_has_it() -> None:
    assert found(port=36601, ranges=RANGES) == {"ephemeral_unreserved": CHOSEN}
    assert found(port=36601, ranges=RANGES, asked=False) == {}


def test_a_udp_client_is_in_no_danger() -> None:
    client = held(state="UNCONNECTED")
    assert found(client, port=36601, protocol="udp", ranges=RANGES, asked=False) == {}
    assert found(client, port=36601, protocol="udp", ranges=RANGES) == {"ephemeral_unreserved": CHOSEN}


@pytest.mark.needs("root")
def test_ephemeral_unreserved_by_the_settings_of_its_own_namespace(another_arena: Any) -> None:
    """For what listens and for what is declared; the settings are those of the namespace, not of the host."""
    another_arena.play(
        "for name, value in (('port_range', '20000 20999'), ('reserved_ports', '20002')):\n"
        "    pathlib.Path('/proc/sys/net/ipv4/ip_local_' + name).write_text(value)\n"
        "many = [server(port) for port in (20001, 20002, 36601)]; ready(); hold()"
    )
    declared = (PortRange(20002, 20003, "tcp"),)
    answers = answer_ports(another_arena.look(declared=declared), declared, ("tcp", "udp"))
    risky = {answer.port for answer in answers for risk in answer.risks if risk.id == "ephemeral_unreserved"}
    assert {answer.port for answer in answers} == {20001, 20002, 20003, 36601}
    assert risky == {20001, 20003}


# --- reservations ----------------------------------------------------------------------------------------------------

A, B = "/etc/sysctl.d/10-a.conf", "/etc/sysctl.d/20-b.conf"


@pytest.mark.parametrize(
    ("reserved", "files", "expected"),
    [
        ("", [], []),
        (None, [(A, "8080")], []),
        ("8080-8082", [(A, "8080,8081,8082")], []),
        ("8080,8081", [(A, "8081")], [f"Reserved now, but not in {A} and so not after the next boot: 8080."]),
        ("8080", [], ["Reserved now, but not in any file of sysctl.d and so not after the next boot: 8080."]),
        ("", [(A, "8080-8084")], [f"In {A}, but not reserved now: 8080, 8081, 8082 and 2 more."]),
        ("", [(A, "http")], [f"{A} sets net.ipv4.ip_local_reserved_ports to what the kernel refuses."]),
    ],
)
def test_reservation_drift(reserved: str | None, files: list[tuple[str, str]], expected: list[str]) -> None:
    assert found_on_host(reserved, *files) == [("reservation_drift", text) for text in expected]


def test_reservation_overridden() -> None:
    assert found_on_host("9000", (A, "8080,9000"), (B, "9000")) == [
        ("reservation_overridden", f"{B} wipes what {A} reserves: 8080.")
    ]
    assert found_on_host("8080-9000", (A, "8080,9000"), (B, "8080-9000")) == []


# --- addresses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sockets", "expected"),
    [
        ([held("0.0.0.0"), held("::", v6only=True)], None),
        ([held("0.0.0.0"), held("::", holder(owner=OTHER), v6only=True)],
         "On all addresses, IPv4 clients of 8080/tcp meet web.service, those of IPv6 other.service."),
        ([held("127.0.0.1"), held("::1", holder(owner=OTHER), v6only=True)],
         "On loopback, IPv4 clients of 8080/tcp meet web.service, those of IPv6 other.service."),
        ([held("127.0.0.1"), held("::", holder(owner=OTHER), v6only=True)], None),
        ([held("::", v6only=True)],
         "web.service of 8080/tcp takes IPv6 only, and nobody listens for IPv4 clients."),
        ([held("::", v6only=False)], None),
        ([held("::", v6only=None)], None),
        ([held("0.0.0.0")], None),
        ([held("::1", v6only=True)], None),
    ],
)  # fmt: skip
def test_dual_stack_split(sockets: list[HeldSocket], expected: str | None) -> None:
    assert found(*sockets) == ({"dual_stack_split": expected} if expected else {})


@pytest.mark.needs("root")
def test_a_socket_for_ipv6_only_alone_on_its_port(arena: Any, port: int) -> None:
    arena.play(f"one = server({port}, '::', v6only=1); ready(); hold()")
    assert [risk.id for risk in arena.answer(port).risks] == ["dual_stack_split"]
    arena.play(f"one = server({port}, '0.0.0.0'); ready(); hold()")
    assert arena.answer(port).risks == ()


@pytest.mark.parametrize(
    ("sockets", "expected"),
    [
        ([held("0.0.0.0", holder("sshd"))], None),
        ([held("0.0.0.0", holder("redis-server"))],
         "redis-server[77] listens on all addresses; as a rule it asks nobody for a password."),
        ([held("127.0.0.1", holder("redis-server"))], None),
        ([held("::", holder("python3", SESSION), v6only=False)],
         "python3[77], started by hand in login session session-4.scope of user ada, listens on all addresses."),
        ([held("127.0.0.1", holder("python3", SESSION))], None),
        ([held("0.0.0.0", holder("python3", SESSION), device="lo")], None),
        ([held("0.0.0.0", holder("python3", SESSION), state="BOUND")], None),
    ],
)  # fmt: skip
def test_exposed_wildcard(sockets: list[HeldSocket], expected: str | None) -> None:
    assert found(*sockets) == ({"exposed_wildcard": expected} if expected else {})


# --- inheritable_listener --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("python2.7", {"cloexec": False}, True),
        ("python2.7", {"cloexec": True}, False),
        ("python2.7", {"cloexec": None}, False),
        ("python2.7", {"cloexec": False, "role": "heir"}, False),
        ("nginx", {"cloexec": False}, False),
        ("dnsmasq", {"cloexec": False}, False),
    ],
)
def test_inheritable_listener(name: str, known: dict[str, Any], expected: bool) -> None:
    said = found(held("0.0.0.0", holder(name, **known)))
    text = f"{name}[77] leaves this port to every program it starts: not close-on-exec."
    assert said == ({"inheritable_listener": text} if expected else {})


def test_what_several_processes_hold_is_shared_on_purpose() -> None:
    workers = (holder("python3", cloexec=False), holder("python3", pid=78, cloexec=False))
    assert found(held("0.0.0.0", *workers)) == {}


@pytest.mark.needs("root")
def test_a_script_whose_listener_is_not_close_on_exec(arena: Any, port: int, eventually: Callable[..., Any]) -> None:
    actor = arena.play(f"one = server({port}); one.set_inheritable(True); ready(); told(); "
                       "one.set_inheritable(False); ready(); hold()")  # fmt: skip
    assert [risk.id for risk in arena.answer(port).risks] == ["inheritable_listener"]
    actor.tell("safe")
    assert arena.answer(port).risks == ()
