# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A fleet that was judged: a shop with something of everything, and one whose names are meant to do harm."""

from __future__ import annotations

from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import Owner
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.host_picture import (
    Bound,
    Holding,
    HostPicture,
    Listener,
)
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.findings import Finding, JudgedHost, Unjudged
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.rules import RULES
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.runs import Judged, Past, Run, Tracked

BEGAN, NOW, BEFORE, LONG_AGO = (
    "2026-05-04T02:00:00Z", "2026-05-04T02:03:11Z", "2026-05-03T02:03:02Z", "2026-04-21T02:02:57Z",
)  # fmt: skip
HARM = '<img src="x" onerror="alert(1)">\u202e\x1b[2J</script><script>alert(2)</script>'
HARM_SHOWN = '<img src="x" onerror="alert(1)">\\u202e\\x1b[2J</script><script>alert(2)</script>'
PASSED = "an \u05d0\u05d1\u05d2 name"  # written from right to left, and harmless

EVERYWHERE = ((22, "ssh.service", "sshd", "root"), (9100, "prometheus-node-exporter.service", "node_exporter", "node"))
WEB = ((80, "nginx.service", "nginx", "www-data"), (443, "nginx.service", "nginx", "www-data"))
DB = ((5432, "postgresql.service", "postgres", "postgres"),)
APP = ((8080, "billing.service", "java", "billing"), (36601, "billing.service", "java", "billing"))


def listener(port: int, unit: str, program: str, user: str) -> Listener:
    """Return a port on which a unit listens, or a process by hand."""
    kind = "unit" if unit.endswith(".service") else "process"
    holding = Holding(Owner(kind, unit, "systemd"), program, f"/usr/sbin/{program}", user, 1000, "creator")
    return Listener(
        port, "tcp", None, "owned", (Bound("0.0.0.0", None, True, False, (holding,)),), ("exposed_wildcard",)
    )


def seen(*services: tuple[int, str, str, str]) -> HostPicture:
    """Return the picture of a host with these services and those that every host has."""
    listeners = tuple(listener(*service) for service in sorted((*EVERYWHERE, *services)))
    return HostPicture(listeners, True, (32768, 60999), "", "Linux 6.1.0")


def host(name: str, *services: tuple[int, str, str, str], status: str = "ok", reason: str | None = None) -> JudgedHost:
    """Return a host that serves these, and nothing known of it where it was not seen."""
    known = status in ("ok", "incomplete")
    declared = tuple((unit.removesuffix(".service"), f"{port}/tcp") for port, unit, *_process in services)
    picture = seen(*services) if known else HostPicture()
    return JudgedHost(name, status, reason, NOW if known else None, picture, declared if known else ())


def tracked(name: str, rule: str, place: str, standing: str = "new", since: str = NOW, **said: str | None) -> Tracked:
    """Return a finding of the rule's own severity."""
    words = {"subject": "billing", "who": "", "said": f"{place} breaks {rule}.", "advice": "Look at it."}
    finding = Finding(name, rule, place, **{"severity": RULES[rule], **words, **said})
    return Tracked(finding, standing, since, NOW if standing in ("new", "persisting") else BEFORE)


def shop() -> Run:
    """Return a run over twenty-one hosts with every status, standing and kind of finding."""
    java = (8080, "java", "java", "carol")
    hosts = [
        *(host(f"web{number}", *WEB) for number in range(1, 7)),
        *(host(f"app{number}", *APP) for number in (1, 2, 3, 4, 7, 8, 9, 10)),
        *(host(f"app{number}", java, *APP[1:]) for number in (5, 6)),
        host("db1", *DB),
        host("db2", *DB, status="incomplete"),
        host("db3", status="unreachable", reason="ssh: connect to host db3 port 22: No route to host"),
        host("old1", status="failed", reason="/usr/bin/python3: not found"),
        host("old2", status="stale", reason="the answer is from 2026-04-30, older than 1 day"),
    ]
    at = [one.name for one in hosts].index("db2")
    why = Unjudged("db2", "wrong_owner", "5432/tcp", "the descriptors of 61 processes could not be read")
    hosts[at] = JudgedHost("db2", "incomplete", "not root", NOW, seen(*DB), unjudged=(why,))
    wrong = {
        "who": "process java of carol",
        "said": "8080/tcp is held by process java of carol; it should be by billing.service.",
        "advice": "End java[4711] and start billing.service.",
        "evidence": "8080/tcp is held by java[4711] of carol, started by hand.",
    }
    findings = (
        tracked("app5", "wrong_owner", "8080/tcp", **wrong),
        tracked("app6", "wrong_owner", "8080/tcp", **wrong),
        tracked("db1", "wrong_address", "5432/tcp", "persisting", BEFORE, subject="postgresql",
                who="postgresql.service", said="5432/tcp can be reached on 0.0.0.0; it should be on loopback alone.",
                advice="Set listen_addresses to localhost and restart postgresql.service."),
        tracked("db3", "not_listening", "5432/tcp", "unseen", LONG_AGO, subject="postgresql",
                said="Nobody listens on 5432/tcp, postgresql should.", advice="Start postgresql.service."),
        tracked("web2", "undeclared", "4444/tcp", "resolved", BEFORE, subject="process nc", who="process nc",
                said="Nobody declared 4444/tcp.", advice="Declare it or end nc."),
        *(tracked(f"app{number}", "not_reserved", "36601/tcp", "persisting", LONG_AGO,
                  said="36601/tcp is in the automatic range and not reserved.", advice="Reserve it.",
                  waived="moves to 26601 with release 9, until 2026-06-30" if number == 3 else None)
          for number in range(1, 5)),
        tracked("web1", "inheritable_listener", "443/tcp", "persisting", LONG_AGO, subject="nginx.service",
                said="443/tcp would be inherited by every program that nginx starts.", advice="Set close-on-exec."),
    )  # fmt: skip
    past = tuple(
        Past(f"run{day}", f"2026-04-{day:02}T02:03:00Z", "not_compliant",
             {"critical": day % 3, "high": day % 2, "medium": 9 - day // 4, "info": 1}, 1, {"ok": 14, "unreachable": 3})
        for day in range(4, 31)
    )  # fmt: skip
    ordered = sorted(hosts, key=lambda one: one.name)
    return Run(Judged("2026-05-04T020000Z-7f3a", BEGAN, NOW, "medium", tuple(ordered)), findings, past)


def fine(number: int = 2) -> Run:
    """Return a run that found nothing."""
    hosts = tuple(host(f"web{at}", *WEB) for at in range(1, number + 1))
    return Run(Judged("2026-05-04T020000Z-0001", BEGAN, NOW, "medium", hosts), ())


def harmful() -> Run:
    """Return a run in which every name is markup, turns the writing round or moves the cursor."""
    unreachable = JudgedHost(f"gone {HARM}", "unreachable", HARM, None, HostPicture())
    holding = Holding(Owner("process", HARM), HARM, HARM, HARM, 1000, "creator")
    held = Listener(6667, "tcp", HARM, HARM, (Bound(HARM, HARM, True, False, (holding,)),), (HARM,))
    open_port = listener(8080, HARM, HARM, HARM)
    picture = HostPicture((held, open_port), True, None, HARM, HARM, ((HARM, HARM),), (HARM,))
    unjudged = (Unjudged(HARM, "squatted", HARM, HARM),)
    bad = JudgedHost(HARM, "incomplete", HARM, NOW, picture, ((HARM, "8080/tcp"), (PASSED, "81/tcp")), (), unjudged)
    findings = tuple(
        Tracked(Finding(HARM, rule, place, HARM, HARM, "high", HARM, HARM, HARM, waived), standing, NOW, NOW)
        for rule, place, waived, standing in (
            ("undeclared", "8080/tcp", None, "new"), ("wrong_owner", HARM, None, "new"),
            ("wrong_address", "8080/tcp", HARM, "new"), ("hung_listener", "8080/tcp", None, "resolved"),
        )
    )  # fmt: skip
    past = (Past(HARM, BEFORE, "compliant", {}, 0, {}),)
    return Run(Judged(HARM, BEGAN, NOW, "medium", (bad, unreachable), (1, 2), HARM), findings, past, (2,), (HARM,))


def large(number: int) -> Run:
    """Return a run over many hosts, each with ports and a finding of its own."""
    services = [(8000 + port, f"shop-{port}.service", "shopd", "shop") for port in range(58)]
    hosts = [host(f"node{at}.example.com", *services) for at in range(1, number + 1)]
    findings = tuple(
        tracked(one.name, "undeclared", f"{20000 + at}/tcp", subject=f"process nc{at}") for at, one in enumerate(hosts)
    )
    return Run(Judged("2026-05-04T020000Z-0002", BEGAN, NOW, "medium", tuple(hosts)), findings)
