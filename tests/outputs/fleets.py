# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Runs to show: a small fleet with something of everything, one that is fine, and what a hostile host may send."""

from __future__ import annotations

import dataclasses
import datetime
import json
import pathlib
from collections.abc import Sequence

from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.expectations import Expectation
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.ports import parse_ports
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.host_answer import parse_picture
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.host_picture import HostPicture
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.findings import Finding, JudgedHost, Unjudged
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.judge import judge_host
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.records import Declaration, Policy, Waiver
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.rules import RULES
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.runs import Judged, Past, Run, Tracked

FIXTURES = pathlib.Path(__file__).parents[1] / "report" / "fixtures"
BEGAN, ENDED, BEFORE = "2026-11-21T02:00:00Z", "2026-11-21T02:03:20Z", "2026-11-14T02:03:10Z"
ENDED_ON = datetime.date(2026, 11, 21)
SOON = "moves soon, until 2026-12-31"
NASTY = 'ä\x00\x1b[2J\n]]>"<script>|`@all &amp; https://evil.example/ \\ \u202e\ud800\ufffe'


def picture(name: str) -> HostPicture:
    """Return what the host of a fixture answered."""
    return parse_picture(json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8")))


def finding(host: str, rule: str, place: str = "8080/tcp", **fields: str | None) -> Finding:
    """Return a finding of the rule's own severity unless ``fields`` say otherwise."""
    usual = {
        "subject": "billing",
        "who": "process java of mara",
        "severity": RULES[rule],
        "said": f"{place} is held by process java of mara, it should be by billing.service.",
        "advice": "Stop java and start billing.service.",
    }
    return Finding(host, rule, place, **{**usual, **fields})


def host(name: str, status: str = "ok", seen: HostPicture | None = None, **fields: object) -> JudgedHost:
    """Return a judged host."""
    return JudgedHost(name, status, fields.pop("reason", None), ENDED, seen or HostPicture(), **fields)


def run_of(hosts: Sequence[JudgedHost], tracked: Sequence[Tracked] = (), **fields: object) -> Run:
    """Return a run of these hosts."""
    fail_on = str(fields.pop("fail_on", "medium"))
    return Run(Judged("2026-11-21T020000Z-7f3a", BEGAN, ENDED, fail_on, tuple(hosts)), tuple(tracked), **fields)


def small_fleet() -> Run:
    """Return a run with every status, standing and kind of row."""
    tracked = [
        *(Tracked(finding(name, "wrong_owner"), "new", ENDED, ENDED) for name in ("web1", "web2", "web10")),
        Tracked(finding("web1", "undeclared", "4444/tcp", subject="process nc"), "persisting", BEFORE, ENDED),
        Tracked(finding("web1", "deleted_executable", "443/tcp"), "persisting", BEFORE, ENDED),
        Tracked(finding("web2", "not_reserved", "36601/tcp", waived=SOON), "persisting", BEFORE, ENDED),
        Tracked(finding("db1", "not_listening", "5432/tcp", subject="postgres", who=""), "unseen", BEFORE, BEFORE),
        Tracked(finding("web10", "hung_listener", "9000/tcp"), "resolved", BEFORE, BEFORE),
    ]  # fmt: skip
    unjudged = (Unjudged("web2", "wrong_owner", "8443/tcp", "the answer is not from root"),)
    hosts = [
        host("web10", seen=picture("web2")),
        host("web1", seen=picture("web1"), ignored=("close_wait_pileup",)),
        host("web2", "incomplete", picture("hostile"), unjudged=unjudged),
        host("db1", "unreachable", reason="No route to host"),
        host("db2", "failed", reason="MODULE FAILURE"),
        host("db3", "stale", reason="the answer is 3 days old"),
    ]
    severities = {"critical": 1, "medium": 1}
    past = (Past("2026-11-14T020000Z-11aa", BEFORE, "not_compliant", severities, 1, {"ok": 6}),)
    return run_of(hosts, tracked, past=past)


def nasty_fleet() -> Run:
    """Return a run in which every text is hostile to some format."""
    nasty = Finding(NASTY, "undeclared", NASTY, NASTY, NASTY, "high", NASTY, NASTY, NASTY)
    waived = nasty._replace(rule="wrong_owner", waived=NASTY)
    seen = picture("hostile")
    hosts = [
        JudgedHost(NASTY, "incomplete", NASTY, NASTY, HostPicture(seen.listeners, blind_spots=(NASTY,), system=NASTY),
                   (), (), (Unjudged(NASTY, "squatted", NASTY, NASTY),), ("hung_listener",)),
        host(NASTY + "2", "failed", reason=NASTY),
    ]  # fmt: skip
    tracked = [Tracked(one, "new", ENDED, ENDED) for one in (nasty, waived)]
    past = (Past(NASTY, BEFORE, "compliant", {}, 0, {}),)
    run = run_of(hosts, tracked, past=past)
    return Run(Judged(NASTY, BEGAN, ENDED, "medium", run.judged.hosts, (1, 2), NASTY), run.tracked, past, (2,))


def whole(seen: HostPicture) -> HostPicture:
    """Return the picture as root would have seen it."""
    return dataclasses.replace(seen, sockets_complete=True, dangers=())


def shown_fleet() -> Run:
    """Return the run that docs/outputs.md shows: web1 to web3, judged, one of them not reached."""
    must = {"listen": "must", "reserve": "auto"}
    applications = [
        Declaration("ssh", parse_ports("22/tcp"), owners=(Expectation(unit="ssh.service"),), **must),
        Declaration("shop", parse_ports("80/tcp,443/tcp"), owners=(Expectation(unit="nginx.service"),), **must),
        Declaration("orders", parse_ports("8080/tcp"), "loopback", (Expectation(user="orders"),), **must),
        Declaration("names", parse_ports("53/tcp,53/udp,2000/tcp,5432/tcp,51820/udp"), is_application=False),
    ]
    expires = datetime.date(2026, 12, 31)
    waiver = Waiver(("undeclared",), parse_ports("8443/tcp"), "all", "moves into the shop", expires, "entry 1")
    policy = Policy(tuple(applications), (waiver,))
    web2 = Policy((applications[0],), (), {"inheritable_listener": "ignore"})
    seen = [("web1", picture("web1"), policy), ("web2", picture("web2"), web2)]
    hosts = [judge_host(name, "ok", None, ENDED, whole(one), held, ENDED_ON) for name, one, held in seen]
    known = ("hung_listener", "wrong_address")
    tracked = [
        Tracked(one, "persisting" if one.rule in known else "new", BEFORE if one.rule in known else ENDED, ENDED)
        for judged in hosts
        for one in judged.findings
    ]
    lost = host("web3", "unreachable", reason="Failed to connect to the host via ssh: No route to host")
    return run_of([*hosts, lost], tracked)


def limited_fleet(limit: str = "web1") -> Run:
    """Return a run that was limited to one host, which is fine."""
    run = run_of([host("web1", seen=picture("web1"))])
    return dataclasses.replace(run, judged=dataclasses.replace(run.judged, limit=limit))


RUNS = {
    "small": small_fleet,
    "shown": shown_fleet,
    "nasty": nasty_fleet,
    "fine": lambda: run_of([host("web1", seen=picture("web1"))]),
    "limited": limited_fleet,
    "empty": lambda: run_of([]),
}
