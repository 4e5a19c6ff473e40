# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Hosts in records: who holds what on them, and what is declared of it."""

from __future__ import annotations

import datetime
from typing import Any

from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.expectations import Expectation
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import Owner
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.ports import parse_ports
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.host_picture import (
    Bound,
    Holding,
    HostPicture,
    Listener,
)
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.findings import Finding, JudgedHost
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.judge import judge_host
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.records import Declaration, Policy, Waiver

TODAY = datetime.date(2026, 11, 21)
AUTOMATIC = (32768, 60999)


def unit(name: str, role: str = "creator") -> Holding:
    """Return the processes of a unit."""
    return Holding(Owner("unit", f"{name}.service", "systemd"), name, f"/usr/sbin/{name}", name, 990, role)


def by_hand(program: str, user: str = "ada", role: str = "creator") -> Holding:
    """Return a process that somebody started."""
    return Holding(Owner("process", program), program, f"/usr/bin/{program}", user, 1000, role)


def in_session(program: str, number: int, user: str = "ada") -> Holding:
    """Return a process of a login session."""
    return Holding(Owner("session", f"session-{number}.scope", "systemd"), program, None, user, 1000, "creator")


SHOP, WEB, JAVA = unit("shop"), unit("web"), by_hand("java")


def bound(address: str, *holdings: Holding, serving: bool = True, device: str | None = None) -> Bound:
    """Return an address with its holders."""
    return Bound(address, device, serving, False, holdings)


IN_KERNEL = Bound("0.0.0.0", None, True, True, ())


def listener(
    place: str, *addresses: Bound, verdict: str = "owned", namespace: str | None = None, **more: Any
) -> Listener:
    """Return a port; ``place`` is 8080/tcp. Who is given without an address holds all of them."""
    port, protocol = place.split("/")
    return Listener(int(port), protocol, namespace, verdict, addresses, more.pop("risks", ()), **more)


def held(place: str, *holdings: Holding, verdict: str = "owned", **more: Any) -> Listener:
    """Return a port that is held on all IPv4 addresses."""
    return listener(place, bound("0.0.0.0", *holdings), verdict=verdict, **more)


def picture(*listeners: Listener, **more: Any) -> HostPicture:
    """Return a host that was seen in full and reserves nothing, unless it is said otherwise."""
    return HostPicture(
        tuple(sorted(listeners, key=lambda one: (one.port, one.protocol, one.namespace or ""))),
        **{"sockets_complete": True, "automatic": AUTOMATIC, "reserved": "", **more},
    )


def app(name: str, ports: str, *owners: dict[str, str], **more: Any) -> Declaration:
    """Return an application that must listen."""
    said = {"listen": "must", "owners": tuple(Expectation(**owner) for owner in owners), **more}
    ranges = parse_ports([one if "/" in one else one + "/tcp" for one in ports.split(",")])
    return Declaration(name, ranges, **said)


def allowed(name: str, ports: str, *owners: dict[str, str], **more: Any) -> Declaration:
    """Return something that may listen."""
    return app(name, ports, *owners, **{"listen": "may", "is_application": False, **more})


def waiver(rules: str = "", ports: str = "", expires: str = "2026-12-31", reason: str = "vendor") -> Waiver:
    """Return a waiver that matched the host."""
    ranges = parse_ports(ports) if ports else ()
    when = datetime.date.fromisoformat(expires)
    return Waiver(tuple(rules.split()), ranges, "all", reason, when, "entry 1 of portreeve_waivers")


def judge(
    seen: HostPicture, *declared: Declaration | Waiver, name: str = "web1", status: str = "ok", **severities: str
) -> JudgedHost:
    """Return a host held against declarations, waivers and severities."""
    policy = Policy(
        tuple(one for one in declared if isinstance(one, Declaration)),
        tuple(one for one in declared if isinstance(one, Waiver)),
        severities,
    )
    return judge_host(name, status, None, "2026-11-21T10:00:00Z", seen, policy, TODAY)


def told(judged: JudgedHost) -> set[tuple[str, str, str]]:
    """Return rule, place and subject of all that was found."""
    return {(one.rule, one.place, one.subject) for one in judged.findings}


def the_one(judged: JudgedHost) -> Finding:
    """Return what alone was found."""
    assert len(judged.findings) == 1, judged.findings
    return judged.findings[0]


def untold(judged: JudgedHost) -> set[tuple[str, str]]:
    """Return rule and place of all that could not be judged."""
    return {(one.rule, one.place) for one in judged.unjudged}
