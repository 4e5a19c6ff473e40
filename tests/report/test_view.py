# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What a report shows of each port and host, whatever a host sent."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.picture import merge
from ansible_collections.portreeve.fleet.plugins.plugin_utils.report.ports import RiskNote
from ansible_collections.portreeve.fleet.plugins.plugin_utils.report.view import join, report_of


def texts(value: Any) -> list[str]:
    """Return every text in nested dataclasses and sequences."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for item in (*value, *value.values()) for text in texts(item)]
    if isinstance(value, (list, tuple)):
        return [text for item in value for text in texts(item)]
    return []


def row(report, host, port, protocol="tcp", namespace=None):
    """Return one row."""
    [found] = [
        found
        for found in report.ports
        if (found.host, found.port, found.protocol, found.namespace) == (host, port, protocol, namespace)
    ]
    return found


def test_workers_are_one_group_with_every_pid_once(report):
    nginx = row(report, "web1", 80)

    assert [(group.name, group.role, group.pids) for group in nginx.holders] == [
        ("nginx", "creator", (812,)),
        ("nginx", "worker", (813, 814, 815, 816, 817, 818, 819, 820)),
    ]
    assert nginx.addresses == ("0.0.0.0", "[::]")
    assert nginx.owners == ("nginx.service",)
    assert nginx.connections == (("ESTABLISHED", 118), ("TIME_WAIT", 44))


@pytest.mark.parametrize(
    ("host", "port", "protocol", "namespace", "owner", "tone"),
    [
        ("web1", 443, "tcp", "edge", "container edge (docker)", "quiet"),
        ("web1", 2000, "tcp", None, "echo.socket", "quiet"),
        ("web1", 8080, "tcp", None, "orders.service of user orders", "alarm"),
        ("web1", 36601, "tcp", None, "supervised program billing:billing-worker_00", "quiet"),
        ("web1", 51820, "udp", None, "kernel", "notice"),
        ("web2", 38601, "tcp", None, "-", "notice"),
        ("db1", 3306, "tcp", None, "not seen", "unseen"),
        ("hostile", 6667, "udp", None, "process \\x1b[2J", "notice"),
    ],
)
def test_owner_and_tone(report, host, port, protocol, namespace, owner, tone):
    found = row(report, host, port, protocol, namespace)

    assert (found.owner_words, found.tone) == (owner, tone)


def test_a_port_of_another_namespace_says_so(report):
    assert row(report, "web1", 443, "tcp", "edge").label == "443/tcp @edge"
    assert row(report, "web1", 443).label == "443/tcp"


def test_a_connected_socket_names_its_peer(report):
    assert row(report, "web2", 37601).addresses == ("198.18.0.12 → 203.0.113.7:443",)


def test_details_of_a_process(report):
    [program] = row(report, "web1", 36601).holders

    assert program.command == "/opt/billing/bin/python -m billing.worker --token=*** --port 36601"
    assert (program.user, program.exe_deleted, program.started) == ("billing", True, "2025-11-18 22:21:46 UTC")


def test_hosts_not_seen_in_full_come_first_and_are_never_fine(report):
    assert [(host.name, host.status) for host in report.unseen] == [
        ("web3", "unreachable"),
        ("old1", "failed"),
        ("db1", "incomplete"),
        ("hostile", "incomplete"),
    ]
    assert report.status_counts == {"unreachable": 1, "failed": 1, "incomplete": 2, "ok": 2}


def test_an_incomplete_host_says_what_was_not_seen(report):
    [db1] = [host for host in report.hosts if host.name == "db1"]

    assert db1.reasons == (
        "Not seen: descriptors of processes (61): not root: permission denied.",
        "Not seen: network namespaces: not root: permission denied.",
    )


def test_what_a_host_says_of_itself(report):
    [web1] = [host for host in report.hosts if host.name == "web1"]

    assert dict(web1.facts) == {
        "Calls itself": "web1",
        "System": "Linux 6.1.0-28-amd64",
        "Read from": "sock_diag",
        "Took": "143 ms",
        "Automatic ports": "32768-60999",
        "Reserved ports": "8080-8082",
        "Unprivileged from": "1024",
        "Open descriptors": "2176, no limit",
    }
    assert web1.namespaces == ("host", "edge")
    assert [(count.namespace, count.states[0]) for count in web1.connections] == [
        ("host", ("ESTABLISHED", 2435)),
        ("edge", ("ESTABLISHED", 12)),
    ]
    assert web1.near_limit == ("nginx[820]: 961 of 1024", "postgres[1204]: 212 of 1024")


def test_counts(report):
    assert (len(report.ports), len(report.attention), len(report.hidden)) == (21, 3, 2)
    assert report.verdict_counts["owned"] == 9
    assert report.risk_counts["descriptor_pressure"] == 1


def test_no_text_can_reach_a_terminal_raw(report):
    shown = texts([dataclasses.asdict(row) for row in (*report.ports, *report.hosts)])

    assert "\\x1b[2J\\x07\\r\\x9b31m" in shown
    assert [text for text in shown if not text.isprintable()] == []


MANGLED = [
    {},
    {"ports": None},
    {"ports": "x"},
    {"ports": [None, 1, "x", {}]},
    {"ports": [{"port": "x", "sockets": [None, {}, {"holders": [None, {}, {"process": 1, "owner": "x"}]}]}]},
    {"ports": [{"port": True, "sockets": {"a": 1}, "risks": [{"id": None}, {}], "connections": {"A": "x"}}]},
    {"ports": [{"port": 1, "namespace": "x", "sockets": [{"local": 5, "remote": {"address": None}}]}]},
    {"ports": [{"sockets": [{"holders": [{"pid": 1, "process": {"started_at": 1e300, "cmdline": [None, 5]}}]}]}]},
    {"blind_spots": [{}, None, {"what": ["x"], "count": "many"}], "host": [], "agent": None, "ranges": 1},
    {"descriptors": {"used": 5, "nearest": [{}, None]}, "connections": [{"states": None}], "namespaces": [{}]},
]


@pytest.mark.parametrize("mangled", MANGLED, ids=range(len(MANGLED)))
def test_missing_and_mangled_fields_are_not_known(mangled):
    registered = {"format": "portreeve.port_audit/1", "complete": True, **mangled}

    report = report_of(merge({"web1": registered}), "2026-05-04T13:02:11Z")

    assert len(report.hosts) == 1
    assert all(text.isprintable() for text in texts([dataclasses.asdict(row) for row in report.ports]))


def test_each_field_of_a_result_can_be_missing(answer):
    def without(value, path=()):
        if isinstance(value, dict):
            for key in value:
                yield {other: item for other, item in value.items() if other != key}
                for smaller in without(value[key]):
                    yield {**value, key: smaller}
        elif isinstance(value, list) and value:
            for smaller in without(value[0]):
                yield [smaller]

    result = answer("web2")
    for smaller in without(result):
        report_of(merge({"web2": smaller}), "")


def test_joined_reports_show_what_one_report_shows(answer):
    registered = {name: answer("web1") for name in ("web10", "web2")}
    apart = [report_of(merge({name: result}), "") for name, result in registered.items()]

    joined, whole = join(apart), report_of(merge(registered), "")

    assert (joined.hosts, joined.ports) == (whole.hosts, whole.ports)


def test_the_same_input_gives_the_same_rows_in_any_order(answer):
    result = answer("web1")
    turned = {**result, "ports": result["ports"][::-1]}
    for port in turned["ports"]:
        for socket in port["sockets"]:
            socket["holders"].reverse()

    assert report_of(merge({"web1": turned}), "").ports == report_of(merge({"web1": answer("web1")}), "").ports


def test_a_risk_without_a_summary_still_shows(answer):
    result = answer("web1")
    result["ports"][0]["risks"] = [{"id": "exposed_wildcard"}]

    assert report_of(merge({"web1": result}), "").ports[0].risks == (RiskNote("exposed_wildcard", ""),)
