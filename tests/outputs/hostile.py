# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Runs over hosts that answer whatever they like: any text in any place, as it gets into a run."""

from __future__ import annotations

from typing import Any

from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.host_answer import parse_picture
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.host_picture import HostPicture
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.findings import Finding, JudgedHost, Unjudged
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.rules import RULES, SEVERITIES
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.runs import STANDINGS, Judged, Past, Run, Tracked
from hypothesis import settings
from hypothesis import strategies as st

MOMENT = "2026-11-21T02:00:00Z"
FRAGMENTS = (
    "web1", "8080/tcp", "\n", "\r\n", "\t", "\x00", "\x1b[31m", "\x85", "\u2028", "\u202e", "\ud800", "\ufffe",
    "😀", "é", "<b>", "</testcase>", "]]>", "&amp;", '"', "'", "\\", '\\"', "`", "``", "```", "|", "@all",
    "<!channel>", "#12", "!3", "https://evil.example/", "www.evil.example", "a@b.example", "[x](y)", "![x](y)", "*",
    "_", "~~", "$x$", "- ", "1. ", "# ", "{{ 7 * 7 }}", "[bold]", " ", "", ":",
)  # fmt: skip
TEXTS = st.lists(
    st.one_of(st.sampled_from(FRAGMENTS), st.text(st.characters(exclude_categories=()), max_size=4)), max_size=4
).map("".join)
ADDRESSES = st.one_of(st.sampled_from(("0.0.0.0", "::", "127.0.0.1", "::1", "10.0.0.2", "::ffff:0.0.0.0")), TEXTS)


#: For tests of runs: how long one takes depends on what it happens to hold.
ANY_TIME = settings(deadline=None, max_examples=60)


@st.composite
def pictures(draw: st.DrawFn) -> HostPicture:
    """Return what is left of an answer that a hostile host gave."""

    def holder() -> dict[str, Any]:
        kind = draw(st.sampled_from(("unit", "session", "process", "container")))
        process = {"name": draw(TEXTS), "exe": draw(TEXTS), "user": draw(TEXTS), "uid": 7}
        return {"owner": {"kind": kind, "name": draw(TEXTS), "user": draw(TEXTS)}, "process": process, "role": "worker"}

    def port() -> dict[str, Any]:
        socket = {"state": draw(st.sampled_from(("LISTEN", "UNCONN", "BOUND"))), "device": draw(TEXTS)}
        return {
            "port": draw(st.integers(0, 65535)),
            "protocol": draw(st.sampled_from(("tcp", "udp"))),
            "namespace": {"kind": draw(st.sampled_from(("host", "container"))), "name": draw(TEXTS)},
            "sockets": [{**socket, "local": {"address": draw(ADDRESSES)}, "holders": [holder()]}],
            "verdict": draw(TEXTS),
            "risks": [{"id": draw(TEXTS), "summary": draw(TEXTS)}],
        }

    ports = [port() for _number in range(draw(st.integers(0, 3)))]
    blind = [{"what": draw(TEXTS), "why": draw(TEXTS)}]
    ranges = {"automatic": [32768, 60999], "reserved": ""}
    result = {"ports": ports, "host": {"system": draw(TEXTS)}, "blind_spots": blind, "ranges": ranges}
    return parse_picture({**result, "sockets_complete": draw(st.booleans())})


@st.composite
def tracked(draw: st.DrawFn, host: str) -> Tracked:
    """Return a finding on a host, of any kind."""
    rule, severity = draw(st.sampled_from(list(RULES))), draw(st.sampled_from(SEVERITIES))
    place, subject, who, said, advice, evidence = (draw(TEXTS) for _number in range(6))
    waived = draw(st.none() | TEXTS)
    finding = Finding(host, rule, place, subject, who, severity, said, advice, evidence, waived)
    return Tracked(finding, draw(st.sampled_from(STANDINGS)), MOMENT, MOMENT)


@st.composite
def runs(draw: st.DrawFn) -> Run:
    """Return a run in which every text may be anything."""
    hosts, found = [], []
    for name in draw(st.lists(TEXTS.filter(bool), max_size=3, unique=True)):
        status = draw(st.sampled_from(("ok", "ok", "incomplete", "unreachable", "failed", "stale")))
        seen = status in ("ok", "incomplete")
        unjudged = [Unjudged(name, draw(st.sampled_from(list(RULES))), draw(TEXTS), draw(TEXTS))]
        here = draw(st.lists(tracked(name), max_size=3))
        found += here
        hosts.append(
            JudgedHost(
                name,
                status,
                draw(st.none() | TEXTS),
                MOMENT if seen else None,
                draw(pictures()) if seen else HostPicture(),
                ((draw(TEXTS), "8080/tcp"),),
                tuple(one.finding for one in here if one.standing in ("new", "persisting")),
                tuple(unjudged) if status == "incomplete" and draw(st.booleans()) else (),
                tuple(draw(st.lists(st.sampled_from(list(RULES)), max_size=2))),
            )
        )
    fail_on = draw(st.sampled_from((*SEVERITIES, "never")))
    judged = Judged(
        draw(TEXTS), MOMENT, MOMENT, fail_on, tuple(hosts), None, draw(st.none() | TEXTS), draw(st.none() | TEXTS)
    )
    past = (Past(draw(TEXTS), MOMENT, "compliant", {"high": 1}, 0, {"ok": 1}),)
    unkept = draw(st.sampled_from(((), ("The history could not be written: disk full.",))))
    return Run(judged, tuple(found), past, draw(st.sampled_from(((), (2,)))), unkept)
