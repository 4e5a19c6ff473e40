# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What port_release refuses to be asked, as Ansible hands it over, each in one sentence; and what a wish becomes."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.binding import BindWish
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import InvalidInput
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.expectations import Expectation
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.approved import (
    PLAN_FORMAT,
    parse_approved,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.records import (
    OwnerMark,
    Plan,
    ProcessMark,
    SocketMark,
    Step,
    Then,
    Wish,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.wishes import (
    checked_wish,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.wire import to_wire

BIN = pathlib.Path(sys.executable).parent
MODULE = "portreeve.fleet.port_release"

PLAN = Plan(
    boot_id="0d8b7c5e-58a5-4f0b-9a26-4ed2f0a2c0c1",
    namespace=4026531840,
    port=7766,
    protocol="tcp",
    address=None,
    verdict="orphaned_listener",
    steps=(
        Step(
            act="detach",
            sockets=(SocketMark("tcp", "LISTEN", "0.0.0.0:7766", None, 4711, 2**63),),
            processes=(ProcessMark(812, 99, "sleep", "/usr/bin/sleep"), ProcessMark(813, 99, "tail")),
            why="it does not serve it",
        ),
        Step(
            act="stop",
            owner=OwnerMark("unit", "web.service", "systemd", birth="ab"),
            if_still_held=True,
            others=("web.socket",),
        ),
    ),
    then=Then("start", "billing.service", ("exim.service",), "exim.service stops."),
    terms=("grace 10",),
    withheld=("sshd[1] is protected",),
    digest="0" * 64,
)
WIRE = {"format": PLAN_FORMAT, **to_wire(PLAN)}


def changed(**fields: Any) -> dict[str, Any]:
    return {**WIRE, **fields}


def with_step(**fields: Any) -> dict[str, Any]:
    return changed(steps=[{**WIRE["steps"][0], **fields}])


#: What is given, and a part of the one sentence that refuses it.
REFUSED: dict[str, tuple[Mapping[str, Any], str]] = {
    "no_port": ({}, "port"),
    "zero": ({"port": 0}, "0 is not one port: accepted is a number from 1 to 65535 such as 7766"),
    "too_high": ({"port": 70000}, "70000 is not one port: accepted is"),
    "negative": ({"port": -1}, "-1 is not one port: accepted is"),
    "word": ({"port": "abc"}, "'abc' is not one port: accepted is"),
    "empty_port": ({"port": ""}, "'' is not one port: accepted is"),
    "yes": ({"port": True}, "True is not one port: accepted is"),
    "fraction": ({"port": 7766.5}, "7766.5 is not one port: accepted is"),
    "range": ({"port": "7766-7767"}, "'7766-7767' is not one port: accepted is"),
    "two": ({"port": "7766,7768"}, "'7766,7768' is not one port: accepted is"),
    "list": ({"port": [7766]}, "a value of type list is not one port: accepted is"),
    "mapping": ({"port": {"from": 1}}, "a value of type dict is not one port: accepted is"),
    "protocol": ({"protocol": "sctp"}, "sctp"),
    "two_protocols": (
        {"port": "53/udp", "protocol": "tcp"},
        "'53/udp' does not go with protocol tcp: accepted is one protocol",
    ),
    "address": ({"address": "localhost"}, "'localhost' is not an address: accepted is"),
    "empty_address": ({"address": ""}, "'' is not an address: accepted is"),
    "no_namespace": ({"namespace": ""}, "namespace '' is not one namespace: accepted are"),
    "all_namespaces": ({"namespace": "all"}, "namespace 'all' is not one namespace: accepted are"),
    "empty_unit": ({"expect": {"unit": ""}}, "the expected unit is empty: accepted is"),
    "empty_container": ({"expect": {"container": ""}}, "the expected container is empty: accepted is"),
    "expect_free": ({"expect": {"free": True}}, "free"),
    "strategy": ({"strategy": "reboot"}, "reboot"),
    "kill": ({"strategy": "kill"}, "kill"),
    "at_most": ({"at_most": "reboot"}, "reboot"),
    "below": (
        {"strategy": "restart", "at_most": "detach"},
        "at_most detach does not go as far as strategy restart: accepted are restart, stop, terminate and kill",
    ),
    "negative_grace": ({"grace": -1}, "grace '-1' is not accepted: accepted are seconds, or a time such as 30s or 5m"),
    "absurd_grace": ({"grace": 86400}, "grace '86400' is not accepted: accepted are"),
    "too_long_grace": ({"grace": "2h"}, "grace '2h' is not accepted: accepted are"),
    "no_grace": ({"grace": "nan"}, "grace 'nan' is not accepted: accepted are"),
    "word_for_grace": ({"grace": "long"}, "grace 'long' is not accepted: accepted are"),
    "list_for_grace": ({"grace": [10]}, "grace '[10]' is not accepted: accepted are"),
    "empty_name": ({"protect": ["web", " "]}, "protect has an empty name: accepted are owners, programs and pids"),
    "empty_override": ({"override_protection": [""]}, "override_protection has an empty name: accepted are"),
    "pid_1": ({"override_protection": ["1"]}, "nothing is done to PID 1, whatever override_protection names"),
    "pid": (
        {"override_protection": ["4711"]},
        "override_protection names the pid 4711, which may be another process by",
    ),
    "init_scope": ({"override_protection": ["init.scope"]}, "nothing is done to the unit of PID 1, whatever"),
    "both": (
        {"protect": ["sshd", "web"], "override_protection": ["sshd"]},
        "'sshd' is both protected and not: accepted is one of them",
    ),
    "then_both": (
        {"then": {"start": "a", "restart": "b"}},
        "then says start and restart: accepted is start or restart, one of them",
    ),
    "then_neither": ({"then": {}}, "then says nothing: accepted is start or restart, one of them"),
    "then_nobody": ({"then": {"start": ""}}, "'' is not a unit of systemd: accepted is a name such as nginx.service"),
    "then_option": ({"then": {"start": "--force"}}, "'--force' is not a unit of systemd: accepted is"),
    "then_two": ({"then": {"start": "a b"}}, "'a b' is not a unit of systemd: accepted is"),
    "then_many": ({"then": {"restart": "*"}}, "'*' is not a unit of systemd: accepted is"),
    "then_stop": ({"then": {"stop": "web"}}, "stop"),
    "bind_address": ({"bind": {"address": "here"}}, "'here' is not an address: accepted is"),
    "bind_device": ({"bind": {"device": "e" * 16}}, "is no network device: accepted is"),
    "bind_v6only": ({"bind": {"address": "0.0.0.0", "v6only": True}}, "v6only does not go with 0.0.0.0: accepted is"),
    "family": (
        {"address": "127.0.0.1", "bind": {"address": "::1"}},
        "a bind to ::1 does not meet address 127.0.0.1: accepted are addresses of which one covers the other",
    ),
    "family_of_v6only": (
        {"address": "127.0.0.1", "bind": {"v6only": True}},
        "a bind to :: with v6only does not meet address 127.0.0.1: accepted are",
    ),
    "other_address": (
        {"address": "192.0.2.1", "bind": {"address": "127.0.0.1"}},
        "a bind to 127.0.0.1 does not meet address 192.0.2.1: accepted are",
    ),
    "run": ({"run": "../trail"}, "'../trail' cannot name a run: accepted are up to 64 letters, digits"),
    "empty_run": ({"run": ""}, "'' cannot name a run: accepted are"),
    "long_run": ({"run": "a" * 65}, "cannot name a run: accepted are"),
    "empty_reason": ({"reason": " "}, "' ' is no reason: accepted are 1 to 500 characters"),
    "long_reason": ({"reason": "a" * 501}, "is no reason: accepted are 1 to 500 characters"),
    "unknown_option": ({"colour": "blue"}, "colour"),
    "no_plan": ({"approved": {}}, "approved is not a plan of port_release: accepted is a plan of format portreeve"),
    "other_format": ({"approved": changed(format="portreeve.plan/1")}, "approved is not a plan of port_release"),
    "whole_result": (
        {"approved": {"format": "portreeve.port_release/1", "plan": WIRE}},
        "approved is a whole result: accepted is the plan in it, as result.plan",
    ),
    "foreign_key": ({"approved": changed(colour="blue")}, "in the plan ('colour'): accepted is the plan of a run in"),
    "missing_key": (
        {"approved": {name: value for name, value in WIRE.items() if name != "boot_id"}},
        "in the plan ('boot_id'): accepted is",
    ),
    "wrong_type": ({"approved": changed(namespace="host")}, "in the plan ('namespace'): accepted is"),
    "no_number": ({"approved": changed(namespace=True)}, "in the plan ('namespace'): accepted is"),
    "steps_missing": ({"approved": changed(steps=None)}, "in the plan ('steps'): accepted is"),
    "text_for_a_step": ({"approved": changed(steps=["stop"])}, "in step 1: accepted is"),
    "unknown_act": ({"approved": with_step(act="reboot")}, "in step 1: accepted is"),
    "number_for_a_unit": ({"approved": with_step(others=[1])}, "in step 1: accepted is"),
    "text_for_an_owner": ({"approved": with_step(owner="web")}, "in step 1 ('owner'): accepted is"),
    "owner_in_part": ({"approved": with_step(owner={"kind": "unit"})}, "in step 1 ('birth, id, manager, name, user')"),
    "text_for_a_pid": (
        {"approved": with_step(processes=[{**WIRE["steps"][0]["processes"][0], "pid": "812"}])},
        "in step 1 ('pid'): accepted is",
    ),
    "text_for_a_socket": ({"approved": with_step(sockets=[None])}, "in step 1: accepted is"),
    "then_in_part": ({"approved": changed(then={"verb": "start"})}, "in then ('harm, others, unit'): accepted is"),
    "then_other": ({"approved": changed(then={**WIRE["then"], "verb": "stop"})}, "in then: accepted is"),
    "then_others": ({"approved": changed(then={**WIRE["then"], "others": [1]})}, "in then: accepted is"),
    "terms": ({"approved": changed(terms=[1])}, "in the plan: accepted is"),
    "withheld": ({"approved": changed(withheld=[1])}, "in the plan: accepted is"),
}

#: Always asked, one of each kind; the others when everything is.
SAMPLE = {
    "no_port",
    "two_protocols",
    "strategy",
    "word_for_grace",
    "then_both",
    "family",
    "unknown_option",
    "owner_in_part",
}
assert REFUSED.keys() >= SAMPLE


def task(name: str) -> dict[str, Any]:
    return {
        "name": name,
        MODULE: {**({} if name == "no_port" else {"port": 7766}), **REFUSED[name][0]},
        "check_mode": True,
        "ignore_errors": True,
        "register": f"asked_{name}",
    }


def playbook(names: Iterable[str]) -> list[dict[str, Any]]:
    """Return what asks each of these and hands over what came back."""
    answers = ", ".join(f"'{name}': asked_{name}" for name in names)
    hand_over = {"content": f"{{{{ {{{answers}}} | to_json }}}}", "dest": "{{ results }}", "mode": "0600"}
    tasks = [*map(task, names), {"ansible.builtin.copy": hand_over}]
    return [{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]


@pytest.fixture(scope="module")
def refused(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, root: pathlib.Path
) -> dict[str, dict[str, Any]]:
    """Return what every task of a playbook returned, by its name; only those are asked that a test is to look at."""
    mine = [item for item in request.session.items if item.path == request.path and hasattr(item, "callspec")]
    wanted = {item.callspec.params.get("name") for item in mine}
    place = tmp_path_factory.mktemp("release")
    results = place / "results.json"
    asked = playbook([name for name in REFUSED if name in wanted])
    (place / "playbook.json").write_text(json.dumps(asked), encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    done = subprocess.run(
        [
            *(sys.executable, BIN / "ansible-playbook", "-i", "localhost,", "-c", "local"),
            *("-e", f"results={results}", "-e", f"ansible_python_interpreter={sys.executable}"),
            place / "playbook.json",
        ],
        env={
            **kept,
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_STDOUT_CALLBACK": "minimal",
            "ANSIBLE_CONFIG": str(root / "ansible.cfg"),
        },
        cwd=root,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answers: dict[str, dict[str, Any]] = json.loads(results.read_text(encoding="utf-8"))
    return answers


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=[] if one in SAMPLE else pytest.mark.full) for one in REFUSED]
)
def test_what_cannot_be_asked_is_refused_in_one_sentence(refused: dict[str, dict[str, Any]], name: str) -> None:
    result = refused[name]
    assert result["failed"] is True
    assert REFUSED[name][1] in result["msg"]
    assert result["msg"].isprintable()
    assert "fault" not in result["msg"]
    assert "Traceback" not in json.dumps(result)


def wish(**options: Any) -> Wish:
    return checked_wish({"port": 7766, **options})


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (wish(), Wish(7766)),
        (wish(port="7766"), Wish(7766)),
        (wish(port="53/udp"), Wish(53, "udp")),
        (wish(port="53/udp", protocol="udp", address=None), Wish(53, "udp")),
        (wish(address="[0:0::1]"), Wish(7766, address="::1")),
        (wish(expect={"unit": "web", "exe": None}), Wish(7766, expect=Expectation(unit="web"))),
        (wish(at_most="kill"), Wish(7766, at_most="kill")),
        (wish(at_most="destroy"), Wish(7766, at_most="destroy")),
        (wish(strategy="stop"), Wish(7766, strategy="stop", at_most="stop")),
        (wish(strategy="terminate", at_most="kill"), Wish(7766, strategy="terminate", at_most="kill")),
        (wish(grace=0), Wish(7766, grace=0.0)),
        (wish(grace=2.5), Wish(7766, grace=2.5)),
        (wish(grace="30"), Wish(7766, grace=30.0)),
        (wish(grace="1h"), Wish(7766, grace=3600.0)),
        (wish(protect=["web", "db", "web"]), Wish(7766, protect=("db", "web"))),
        (wish(override_protection=["sshd "]), Wish(7766, override=("sshd",))),
        (wish(then={"start": "web", "restart": None}), Wish(7766, then=Then("start", "web.service"))),
        (wish(then={"restart": "web@1.socket"}), Wish(7766, then=Then("restart", "web@1.socket"))),
        (wish(then={"start": "web.api"}), Wish(7766, then=Then("start", "web.api.service"))),
        (
            wish(address="127.0.0.1", bind={"address": "::"}),
            Wish(7766, address="127.0.0.1", bind=BindWish(address="::")),
        ),
        (wish(undo=False), Wish(7766, undo=False)),
    ],
)
def test_a_wish_is_as_it_is_asked_for(made: Wish, expected: Wish) -> None:
    assert made == expected


def test_what_only_a_command_line_can_ask_is_refused_as_well() -> None:
    for options, said in (
        ({"protocol": "sctp"}, "protocol 'sctp' is not known: accepted are tcp and udp"),
        ({"strategy": "kill"}, "strategy 'kill' is not known: accepted are auto, destroy"),
        ({"at_most": "auto"}, "at_most 'auto' is not known: accepted are destroy, detach"),
        ({"grace": True}, "grace True is not accepted"),
        ({"grace": "soon"}, "grace 'soon' is not accepted"),
        ({"protect": "sshd"}, "protect is no list of names"),
        ({"port": "53/udp", "protocol": "tcp"}, "does not go with protocol tcp"),
        ({"bind": {"protocol": "udp"}}, "the bind is one of udp, the port of tcp: accepted is the same"),
    ):
        with pytest.raises(InvalidInput, match=said.replace("/", ".")):
            wish(**options)


def test_a_plan_comes_back_as_it_went() -> None:
    assert parse_approved(WIRE) == PLAN
    assert parse_approved(json.loads(json.dumps(WIRE))) == PLAN
