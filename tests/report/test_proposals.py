# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Better numbers for ports at risk: outside of what any host chooses from, and free on all of them."""

from __future__ import annotations

import json
import pathlib

import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.picture import merge
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.proposals import propose
from ansible_collections.portreeve.fleet.plugins.plugin_utils.report import as_html, as_json
from ansible_collections.portreeve.fleet.plugins.plugin_utils.report.sentences import closing
from ansible_collections.portreeve.fleet.plugins.plugin_utils.report.view import report_of

RISK = {"id": "ephemeral_unreserved", "summary": "The kernel chooses it."}
AUTOMATIC = (32768, 60999)


def port(number: int, *risks: dict, verdict: str = "owned", kind: str = "host", protocol: str = "tcp") -> dict:
    return {"port": number, "protocol": protocol, "verdict": verdict, "namespace": {"kind": kind}, "risks": list(risks)}


def host(*ports: dict, automatic=AUTOMATIC, unprivileged_start: int = 1024, **more: object) -> dict:
    ranges = {"automatic": list(automatic), "reserved": "", "unprivileged_start": unprivileged_start}
    known = {"format": "portreeve.port_audit/1", "complete": True, "ports": list(ports), "ranges": ranges}
    return {**known, "declared": [], **more}


def proposed(**hosts: object) -> list[str]:
    return [str(proposal) for proposal in propose(merge(hosts))]


def test_the_last_four_digits_stay_where_they_can():
    assert proposed(web1=host(port(36601, RISK)), web2=host(), web3=host(port(22))) == [
        "36601 → 26601, free on all 3 hosts"
    ]


@pytest.mark.parametrize(
    ("taken", "better"),
    [
        ([], 26601),
        ([26601], 16601),
        ([26601, 16601], 6601),
        ([26601, 16601, 6601], 32601),
        (list(range(601, 65536, 1000)), 32767),
    ],
)
def test_the_first_number_that_nobody_has_is_taken(taken: list[int], better: int):
    assert proposed(web1=host(port(36601, RISK)), web2=host(*map(port, taken))) == [
        f"36601 → {better}, free on all 2 hosts"
    ]


def test_a_number_held_for_udp_is_not_free():
    assert proposed(web1=host(port(36601, RISK), port(26601, protocol="udp"))) == [
        "36601 → 16601, free on the only host"
    ]


def test_the_range_of_every_host_counts():
    wide = host(automatic=(10000, 65535))
    assert proposed(web1=host(port(36601, RISK)), web2=wide) == ["36601 → 6601, free on all 2 hosts"]


def test_a_privileged_number_is_none():
    assert proposed(web1=host(port(40080, RISK), automatic=(2000, 65535))) == ["40080 → 1080, free on the only host"]
    assert proposed(web1=host(port(40080, RISK), automatic=(2000, 65535), unprivileged_start=1500)) == [
        "40080 → 1999, free on the only host"
    ]


def test_where_there_is_no_number_that_is_said():
    assert proposed(web1=host(port(36601, RISK), automatic=(1024, 65535))) == [
        "36601: no number outside of the automatic range is free on every host"
    ]


def test_two_ports_get_two_numbers():
    assert proposed(web1=host(port(36601, RISK), port(46601, RISK))) == [
        "36601 → 26601, free on the only host",
        "46601 → 16601, free on the only host",
    ]


def test_what_is_declared_is_not_given_away_though_it_is_free():
    free = port(26601, verdict="free")
    assert proposed(web1=host(port(36601, RISK, verdict="free"), free, declared=["26601", "36601"])) == [
        "36601 → 16601, free on the only host"
    ]


def test_what_a_container_listens_on_inside_is_its_own():
    assert proposed(web1=host(port(36601, RISK, kind="process"), port(26601, kind="process"))) == []


def test_hosts_not_seen_in_full_are_said_not_taken_for_free():
    unreachable = {"unreachable": True, "msg": "No route to host"}
    partly = host(port(26601), complete=False)
    assert proposed(web1=host(port(36601, RISK)), web2=unreachable, web3=partly) == [
        "36601 → 26601, free on the only host seen in full, 2 not"
    ]
    assert proposed(web2=unreachable) == []


def test_a_host_counts_as_seen_when_no_socket_can_have_been_missed():
    holders_unseen = host(port(26601), complete=False, sockets_complete=True)
    assert proposed(web1=host(port(36601, RISK)), web2=holders_unseen) == ["36601 → 16601, free on all 2 hosts"]

    sockets_unseen = host(complete=False, sockets_complete=False)
    assert proposed(web1=holders_unseen, web2=host(port(36601, RISK)), web3=sockets_unseen) == [
        "36601 → 16601, free on all 2 hosts seen in full, 1 not"
    ]


@pytest.mark.parametrize(
    "answer",
    [
        {"ports": None, "ranges": None, "declared": None},
        {"ports": [1, {"port": "x"}, {"port": 1, "namespace": "host", "risks": 3}], "ranges": [], "declared": {"a": 1}},
        {"ports": [{"port": 36601, "namespace": {"kind": "host"}, "risks": [None]}], "ranges": {"automatic": "x"}},
    ],
)
def test_what_no_agent_would_send_does_no_harm(answer: dict):
    assert proposed(web1={"format": "portreeve.port_audit/1", "complete": True, **answer}) == []


def test_every_format_shows_them():
    report = report_of(merge({"web1": host(port(36601, RISK), port(8080, verdict="free"))}), "2026-05-04T13:02:11Z")
    document = json.loads(as_json.render(report))

    assert document["proposals"] == [{"port": 36601, "better": 26601, "hosts": 1, "unseen": 0}]
    assert document["summary"]["ports"] == 1
    assert "36601 → 26601, free on the only host" in as_html.render(report)
    assert closing(report, pathlib.PurePath("/srv/r"), written=True) == (
        "The report on 1 host was written to /srv/r. Ports to move or reserve: 36601 → 26601, free on the only host."
    )
