# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Small fleets whose runs are recorded. What is made here twice is equal."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence

from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.host_answer import parse_picture
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.host_picture import HostPicture
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.findings import Finding, JudgedHost, Unjudged
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.runs import Judged

BEGIN = datetime.datetime(2026, 1, 1, 6, 0, 0, tzinfo=datetime.UTC)
NASTY = "grün\x00\x1b[31m\"'; DROP TABLE portreeve_run; -- \ud800 ☃"


def moment(day: int, seconds: int = 0) -> str:
    """Return the time of the run of a day."""
    return (BEGIN + datetime.timedelta(days=day, seconds=seconds)).isoformat().replace("+00:00", "Z")


def picture(host: str, ports: Iterable[int] = (22, 443), extra: str = "") -> HostPicture:
    """Return what a host serves; the agent's sentences about its ports are part of it."""
    answered = [
        {
            "port": port,
            "protocol": "tcp",
            "namespace": {"kind": "host", "name": "host"},
            "verdict": "owned",
            "summary": f"{port}/tcp is held by pid {port}.",
            "advice": "Leave it.",
            "risks": [{"id": "exposed_wildcard", "summary": "Everybody reaches it."}],
            "sockets": [
                {
                    "state": "LISTEN",
                    "local": {"address": "0.0.0.0"},
                    "device": None,
                    "in_kernel": False,
                    "holders": [
                        {
                            "process": {
                                "name": f"d{port}{extra}",
                                "exe": f"/usr/sbin/d{port}",
                                "user": "root",
                                "uid": 0,
                            },
                            "owner": {"kind": "unit", "name": f"d{port}.service", "detail": {"unit": f"d{port}"}},
                            "role": "creator",
                        }
                    ],
                }
            ],
        }
        for port in ports
    ]
    return parse_picture({
        "ports": answered,
        "sockets_complete": True,
        "ranges": {"automatic": [32768, 60999], "reserved": "8080"},
        "host": {"system": "Debian 12", "kernel": f"6.1 {host}"},
        "risks": [{"id": "descriptor_pressure", "summary": "Descriptors run out."}],
        "blind_spots": [{"what": "one", "why": "two", "count": 3}],
    })  # fmt: skip


def finding(host: str, place: str = "8080/tcp", rule: str = "undeclared", **other: str | None) -> Finding:
    """Return a finding."""
    told = {
        "subject": "java",
        "who": "java of ada",
        "severity": "medium",
        "said": f"{place} is nobody's.",
        "advice": "Ask.",
    }
    return Finding(host, rule, place, **{**told, **other})


def ok(
    name: str,
    at: str,
    findings: Sequence[Finding] = (),
    unjudged: Sequence[Unjudged] = (),
    ports: Iterable[int] = (22,),
) -> JudgedHost:
    """Return a host that answered, incomplete when something could not be judged."""
    status = "incomplete" if unjudged else "ok"
    declared = (("shop", "8080/tcp"),)
    return JudgedHost(
        name, status, None, at, picture(name, ports), declared, tuple(findings), tuple(unjudged), ("close_wait_pileup",)
    )


def away(name: str) -> JudgedHost:
    """Return a host that did not answer."""
    return JudgedHost(name, "unreachable", "no route to host", None, HostPicture())


def run(
    day: int,
    hosts: Iterable[JudgedHost],
    name: str | None = None,
    slice_of: tuple[int, int] | None = None,
    whole: str | None = None,
) -> Judged:
    """Return the run of a day."""
    return Judged(
        name or f"run-{day}", moment(day), moment(day, 300), "medium", tuple(hosts), slice_of=slice_of, whole=whole
    )


def four_days() -> tuple[Judged, ...]:
    """Return runs in which findings come, stay, cannot be seen, and go."""
    web, db = "web1", NASTY.replace("\0", "").replace("\ud800", "")
    waived = finding(db, "", "waiver_expired", waived="a reason, until 2027-01-01", severity="critical", said=NASTY)
    blind = Unjudged(db, "undeclared", "8080/tcp", "not root")
    return (
        run(0, [ok(web, moment(0, 5), [finding(web), finding(web, "53/udp", severity="info")]), ok(db, moment(0, 9))]),
        run(1, [ok(web, moment(1, 5), [finding(web)]), ok(db, moment(1, 9), [finding(db), waived])]),
        run(2, [away(web), ok(db, moment(2, 9), [waived], [blind])]),
        run(3, [ok(web, moment(3, 5), [finding(web)]), ok(db, moment(3, 9), ports=(22, 8443))]),
    )
