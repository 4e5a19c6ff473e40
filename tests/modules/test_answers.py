# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""port_owner and port_audit as Ansible runs them: what they return, and that they change nothing."""

from __future__ import annotations

import json
import sys

import pytest

from .questions import CONTAINER, EXPECTED, REFUSED, REGISTERED

#: What Ansible adds to every result, and what moves from run to run.
ADDED = {"failed", "invocation", "warnings", "deprecations"}
MOVING = {"agent", "descriptors"}
LOOKING = sorted(set(REGISTERED) - {"said"})


def answered(result: dict) -> dict:
    """Return a result without what Ansible adds and what moves from run to run."""
    return {name: value for name, value in result.items() if name not in ADDED | MOVING}


def verdicts(result: dict) -> dict[str, str]:
    """Return the verdicts of a result by port."""
    return {f"{one['port']}/{one['protocol']}": one["verdict"] for one in result["ports"]}


def holders(result: dict) -> list[list[int]]:
    """Return who holds each socket of a result."""
    return [[holder["pid"] for holder in one["holders"]] for port in result["ports"] for one in port["sockets"]]


def owners(result: dict) -> list[tuple[str, str, str | None]]:
    """Return kind, name and manager of the first holder's owner of each held port."""
    held = [port["sockets"][0]["holders"][0]["owner"] for port in result["ports"] if port["sockets"]]
    return [(owner["kind"], owner["name"], owner["manager"]) for owner in held]


def test_one_port_with_all_its_holders(returned, quarter):
    result = returned["one"]

    assert verdicts(result) == {"8080/tcp": "shared_workers", "8080/udp": "free"}
    assert holders(result) == [[quarter.facts["web"], quarter.facts["web"] + 1, quarter.facts["web"] + 3]]
    assert owners(result) == [("unit", "web.service", "systemd")]
    assert (result["complete"], result["blind_spots"], result["format"]) == (True, [], "portreeve.port_owner/1")


def test_several_ports_of_several_kinds(returned):
    assert verdicts(returned["several"]) == {
        "5353/udp": "container_published",
        "5354/udp": "free",
        "8080/tcp": "shared_workers",
        "8080/udp": "free",
        "9090/tcp": "bound_not_listening",
    }


def test_every_held_port_when_none_is_asked_for(returned):
    assert verdicts(returned["all"]) == {
        "5353/tcp": "container_published",
        "5353/udp": "container_published",
        "7300/tcp": "owned",
        "8080/tcp": "shared_workers",
        "8125/udp": "owned",
        "9090/tcp": "bound_not_listening",
    }


def test_the_owners_are_units_containers_and_processes(returned):
    assert {kind for kind, _name, _manager in owners(returned["all"])} == {"unit", "container", "process"}
    assert ("container", CONTAINER[:12], "docker") in owners(returned["all"])


def test_what_would_come_of_a_bind(returned, quarter):
    [asked] = returned["bind"]["ports"]
    plain = {f"{one['port']}/{one['protocol']}": one["bind"] for one in returned["one"]["ports"]}

    assert asked["bind"]["address"] == "127.0.0.9"
    assert asked["bind"]["options"] == {
        "reuseaddr": True, "reuseport": False, "v6only": False, "device": None, "user": "nobody"
    }  # fmt: skip
    assert (asked["bind"]["result"], asked["bind"]["listen"], asked["bind"]["tried"]) == ("EADDRINUSE", None, False)
    [reason] = asked["bind"]["because"]
    assert reason["rule"] == "it listens, against which SO_REUSEADDR does not help"
    assert reason["socket"]["state"] == "LISTEN"
    assert quarter.facts["web"] in reason["socket"]["pids"]
    assert {port: bind["result"] for port, bind in plain.items()} == {"8080/tcp": "EADDRINUSE", "8080/udp": "ok"}
    assert {one["bind"] for one in returned["all"]["ports"]} == {None}


def test_an_address_meets_the_wildcard(returned):
    assert verdicts(returned["address"]) == {"8080/tcp": "shared_workers"}


def test_a_poorer_source_says_what_it_misses(returned):
    result = returned["procnet"]

    assert (result["complete"], result["agent"]["scanner"]) == (False, "procnet")
    assert {"tcp", "udp"} <= {word for spot in result["blind_spots"] for word in spot["what"].split()}
    assert verdicts(result)["8080/tcp"] == "shared_workers"


def test_the_audit_is_every_port_and_the_host(returned):
    audit = returned["audit"]

    assert audit["ports"] == returned["all"]["ports"]
    assert audit["format"] == "portreeve.port_audit/1"
    assert set(audit) - set(returned["all"]) == {
        "connections", "declared", "descriptors", "namespaces", "ranges", "risks", "sockets_complete",
    }  # fmt: skip
    assert [one["kind"] for one in audit["namespaces"]] == ["host"]
    assert 0 < audit["descriptors"]["used"] < audit["descriptors"]["maximum"]
    assert audit["ranges"]["automatic"][0] < audit["ranges"]["automatic"][1]


def test_an_audit_answers_for_what_is_declared(returned):
    result = returned["declared"]

    assert result["declared"] == ["7300/tcp", "36601-36602/tcp"]
    assert {name: verdict for name, verdict in verdicts(result).items() if name.startswith("366")} == {
        "36601/tcp": "free",
        "36602/tcp": "free",
    }
    assert [
        one["port"] for one in result["ports"] for risk in one["risks"] if risk["id"] == "ephemeral_unreserved"
    ] == [
        36601,
        36602,
    ]


def test_an_audit_of_one_protocol(returned):
    assert set(verdicts(returned["audit_udp"])) == {"5353/udp", "8125/udp"}


@pytest.mark.parametrize("question", LOOKING)
def test_nothing_is_ever_changed(returned, question):
    assert returned[question]["changed"] is False
    assert "diff" not in returned[question]
    assert "Traceback" not in json.dumps(returned[question])


def test_check_mode_answers_the_same(returned):
    assert answered(returned["one_in_check_mode"]) == answered(returned["one"])
    assert answered(returned["audit_in_check_mode"]) == answered(returned["audit"])


def test_the_command_line_prints_the_same(returned, quarter):
    assert answered(quarter.answer("owner", "8080")) == answered(returned["one"])
    assert answered(quarter.answer("list")) == answered(returned["all"])
    assert answered(quarter.answer("snapshot")) == answered(returned["audit"])


def test_expectations_decide_over_the_task(returned):
    held, other = returned["held_as_expected"], returned["not_as_expected"]

    assert (held["failed"], answered(held)) == (False, answered(returned["one"]))
    assert other["failed"] is True
    assert other["msg"].startswith(
        "8080/tcp should be free or held by unit nginx, but: 8080/tcp on 0.0.0.0 is held by web"
    )
    assert other["ports"] == returned["one"]["ports"]


@pytest.mark.parametrize("name", EXPECTED)
def test_expectations(ask, name):
    port, expect, holds = EXPECTED[name]

    result = ask({"port": port, "expect": expect})

    assert result.get("failed", False) is not holds
    assert ("msg" in result) is not holds
    assert result["ports"]
    if not holds:
        assert " should be " in result["msg"]
        assert result["msg"].isprintable()


def test_a_question_that_cannot_be_asked_fails_the_task(returned):
    for name in ("refused", "audit_refused", "declared_refused", "by_group"):
        assert returned[name]["failed"] is True
        assert ": accepted are " in returned[name]["msg"].replace("; accepted are ", ": accepted are ")
        assert "ports" not in returned[name]


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_asked_gets_one_sentence(ask, name):
    options, named = REFUSED[name]

    result = ask(options)

    assert result["failed"] is True
    assert named in result["msg"]
    assert result["msg"].isprintable()
    assert set(result) <= {"failed", "msg", "invocation", "changed", "exception"}


def test_without_root_the_answer_says_what_it_misses(returned):
    result = returned["nobody"]

    assert verdicts(result) == {
        "8080/tcp": "unknown",
        "8080/udp": "free",
        "8081/tcp": "free",
        "8081/udp": "free",
        "8125/udp": "owned",
    }
    assert result["complete"] is False
    assert "permission denied (not root)" in [spot["why"] for spot in result["blind_spots"]]
    assert "could not be seen" in result["ports"][0]["summary"]


def test_without_root_the_audit_says_what_it_misses(returned):
    audit = returned["nobody_audit"]

    assert (audit["failed"], audit["complete"], audit["sockets_complete"]) == (False, False, True)
    assert set(verdicts(audit)) == set(verdicts(returned["audit"]))
    assert verdicts(audit)["8125/udp"] == "owned"


def test_hostile_names_are_data(returned):
    (answer,) = returned["hostile"]["ports"]

    assert answer["sockets"][0]["holders"][0]["process"]["name"] == "{{7*7}}\x1b\\xff\n<b>"
    assert returned["said"]["msg"] == answer["summary"]
    assert r"{{7*7}}\x1b\xff\n<b>[" in answer["summary"]


@pytest.mark.parametrize("module", ["port_owner", "portreeve.fleet.port_owner", "port_audit"])
def test_by_hand_from_the_checkout(ansible, quarter, module):
    options = ["-a", "port=8080 protocol=tcp"] if module.endswith("owner") else []

    python = ("-e", f"ansible_python_interpreter={sys.executable}")
    printed = ansible("ansible", "localhost", "-i", "localhost,", "-c", "local", *python, "-m", module, *options)

    result = json.loads(printed.partition("=> ")[2])
    assert quarter.facts["web"] in {pid for pids in holders(result) for pid in pids}
