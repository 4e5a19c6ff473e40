# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""port_reservation as Ansible runs it: one playbook in a world of its own; the tests look at what its tasks say."""

from __future__ import annotations

import json
import os
import pathlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.agent.conftest import Actor
from tests.reservations.world import OWN_FILE, RESERVED, RUN, World

pytestmark = pytest.mark.slow

BIN = pathlib.Path(sys.executable).parent
MODULE = "portreeve.fleet.port_reservation"
ADDED = {"failed", "invocation", "warnings", "deprecations"}  # by Ansible, to every result
FOREIGN = "3200-3299"

BILLING = {"name": "billing", "ports": [36601, "37601-37610"]}
FOREVER = {"name": "shop", "ports": "36601, 45000"}

#: What is asked one after the other, each in check mode first.
ASKED: dict[str, dict[str, Any]] = {
    "first": BILLING,
    "second": BILLING,
    "as_text": {"name": "billing", "ports": "37606-37610,36601,37601-37605"},
    "of_another": FOREVER,
    "shorter": {"name": "billing", "ports": 36601},
    "outside": {"name": "wiki", "ports": "{{ 8080 | int }}-{{ 8080 | int + 2 }}"},
    "from_a_list": {"name": "wiki", "ports": "{{ [45001, '45002-45003'] }}"},
    "only_now": {"name": "migration", "ports": "50000-50001", "persistent": False},
    "only_after_a_boot": {"name": "later", "ports": "51000/tcp", "runtime": False},
    "absent": {"name": "billing", "state": "absent"},
    "absent_again": {"name": "billing", "state": "absent", "ports": 36601},
    "adopt": {"name": "legacy", "adopt": True},
    "adopt_again": {"name": "legacy", "adopt": True},
    "exclusive": {"name": "legacy", "state": "absent", "exclusive": True},
    "evict": {"name": "busy", "ports": "{{ squatted }}", "evict": True},
    "evict_again": {"name": "busy", "ports": "{{ squatted }}", "evict": True},
}

#: What is given, and a part of the one sentence that refuses it.
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "yes": ({"ports": True}, "'True' is not a port: accepted are"),
    "yes_in_a_list": ({"ports": [True]}, "True is not a port: accepted are"),
    "fraction": ({"ports": [36601.5]}, "36601.5 is not a port: accepted are"),
    "reversed": ({"ports": "37610-37601"}, "'37610-37601' is reversed: accepted are"),
    "too_high": ({"ports": 70000}, "'70000' is out of range: accepted are ports from 1 to 65535"),
    "zero": ({"ports": [0]}, "0 is out of range: accepted are ports from 1 to 65535"),
    "word": ({"ports": "http"}, "'http' is not a port: accepted are"),
    "mapping": ({"ports": [{"from": 1}]}, "a value of type dict is not a port: accepted are"),
    "empty": ({"ports": []}, "no port was given: accepted are"),
    "empty_text": ({"ports": ""}, "no port was given: accepted are"),
    "no_ports": ({}, "no port was given: accepted are"),
    "slash": ({"name": "a/b", "ports": 36601}, "'a/b' is not the name of a reservation: accepted are"),
    "no_name": ({"name": "", "ports": 36601}, "'' is not the name of a reservation: accepted are"),
    "neither": ({"ports": 36601, "persistent": False, "runtime": False}, "nothing is to be done: accepted are"),
    "boot_elsewhere": (
        {"ports": 36601, "persistent": True, "namespace": "{{ elsewhere }}"},
        "no boot concerns a namespace other than the host's own: accepted is persistent=false there",
    ),
    "no_namespace": ({"ports": 36601, "namespace": "attic"}, "namespace 'attic' is not on this host; accepted are"),
    "floor": ({"ports": "32768-60999"}, "only 0 of the 28232 automatic ports (32768-60999) would be left"),
    "unknown_option": ({"ports": 36601, "colour": "blue"}, "colour"),
    "unknown_state": ({"ports": 36601, "state": "query"}, "query"),
}


def _task(name: str, options: dict[str, Any], **settings: Any) -> dict[str, Any]:
    return {"name": name, MODULE: options, "register": f"asked_{name}", "ignore_errors": True, **settings}


_TASKS = [
    *(
        task
        for name, options in ASKED.items()
        for task in (
            _task(f"{name}_foretold", options, check_mode=True, diff=True),
            _task(name, options, diff=True),
        )
    ),
    _task("without_diff", BILLING, diff=False, check_mode=True),
    *(_task(name, {"name": "bad", **options}) for name, (options, _said) in REFUSED.items()),
    _task("elsewhere", {**BILLING, "namespace": "{{ elsewhere }}"}),
    _task("elsewhere_again", {**BILLING, "namespace": "{{ elsewhere }}"}),
]
REGISTERED = [task["name"] for task in _TASKS]
_HAND_OVER = {
    "ansible.builtin.copy": {
        "content": "{{ {" + ", ".join(f"'{name}': asked_{name}" for name in REGISTERED) + "} | to_json }}",
        "dest": "{{ results }}",
        "mode": "0600",
    },
}
PLAYBOOK = [{"hosts": "localhost", "gather_facts": False, "tasks": [*_TASKS, _HAND_OVER]}]

Returned = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def world(needs: Callable[..., None]) -> Iterator[World]:
    """Return a host of its own with a file of somebody else's, whose ports are reserved."""
    needs("root", "unshare", "nsenter", "mount", "ip")
    one = World()

    def set_up() -> None:
        pathlib.Path("/etc/sysctl.d/50-sap.conf").write_text(f"net.ipv4.ip_local_reserved_ports = {FOREIGN}\n")
        RESERVED.write_text(FOREIGN)

    one.run(set_up)
    yield one
    one.end()


@pytest.fixture(scope="module")
def squatter(world: World) -> Iterator[Actor]:
    """Return a program in the world that has an outgoing connection."""
    code = """
from stage import *
one = server(0); c = connected(one.getsockname()[1]); peer = one.accept()[0]
ready(port=c.getsockname()[1])
while told(): ready(alive=True)
"""
    actor = Actor(code, prefix=tuple(world.prefix))
    yield actor
    actor.end()


@pytest.fixture(scope="module")
def elsewhere(world: World) -> Iterator[Actor]:
    """Return a program in the world that has a network namespace of its own."""
    code = "from stage import *; own_network(); ready(number=os.stat('/proc/thread-self/ns/net').st_ino); hold()"
    actor = Actor(code, prefix=tuple(world.prefix))
    yield actor
    actor.end()


@pytest.fixture(scope="module")
def returned(
    world: World, squatter: Actor, elsewhere: Actor, tmp_path_factory: pytest.TempPathFactory, root: pathlib.Path
) -> Returned:
    """Return what every task of the playbook returned, by its name."""
    place = tmp_path_factory.mktemp("reservations")
    results = place / "results.json"
    (place / "playbook.json").write_text(json.dumps(PLAYBOOK), encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    done = world.command(
        *(sys.executable, str(BIN / "ansible-playbook"), "-i", "localhost,", "-c", "local"),
        *("-e", f"results={results}", "-e", f"ansible_python_interpreter={sys.executable}"),
        *("-e", f"squatted={squatter['port']}", "-e", f"elsewhere={elsewhere['number']}"),
        str(place / "playbook.json"),
        env={
            **kept,
            "NO_COLOR": "1",
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_CONFIG": str(root / "ansible.cfg"),
        },
        check=False,
        seconds=300.0,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answers: Returned = json.loads(results.read_text(encoding="utf-8"))
    assert set(answers) == set(REGISTERED)
    return answers


def told(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result without what Ansible adds and what goes by."""
    assert not result["failed"], result
    return {name: value for name, value in result.items() if name not in ADDED}


def spoken(result: dict[str, Any]) -> list[str]:
    """Return the warnings, each of which is one sentence on one line."""
    warnings: list[str] = result.get("warnings", [])
    assert all(one.isprintable() and one.endswith(".") for one in warnings)
    return warnings


def test_the_first_run_reserves(returned: Returned) -> None:
    result = told(returned["first"])
    assert result["diff"]["before"].count("\n") < result["diff"]["after"].count("\n")
    assert "  37601-37610\n" in result["diff"]["after"]
    assert (result["changed"], result["complete"], result["blind_spots"]) == (True, True, [])
    assert (result["format"], result["name"], result["state"]) == ("portreeve.port_reservation/1", "billing", "present")
    everything = f"{FOREIGN},36601,37601-37610"
    assert result["reserved"] == {"runtime": everything, "after_boot": everything}
    assert result["foreign"]["runtime"] == FOREIGN
    assert result["foreign"]["files"] == [{"path": "/etc/sysctl.d/50-sap.conf", "ports": FOREIGN}]
    [own] = result["reservations"]
    where = {"runtime": True, "persistent": True, "only_now": "", "only_after_boot": ""}
    assert own == {"name": "billing", "ports": "36601,37601-37610", **where, "unused": True}
    assert result["summary"].startswith("billing reserves 36601,37601-37610, now and after a boot")
    assert (result["overlooked"], result["still_reserved"]) == ("", "")
    assert result["removed"] == result["dropped"] == {"runtime": "", "file": ""}
    assert result["automatic"] == {"low": 32768, "high": 60999, "left": 28232 - 11, "floor": 1024}
    assert spoken(returned["first"]) == []


def test_the_second_run_changes_nothing_however_the_ports_are_written(returned: Returned) -> None:
    for name in ("second", "as_text", "absent_again", "adopt_again", "evict_again"):
        result = told(returned[name])
        assert (name, result["changed"]) == (name, False)
        assert result["diff"]["before"] == result["diff"]["after"]
    assert returned["second"]["ports"] == returned["as_text"]["ports"] == "36601,37601-37610"


@pytest.mark.parametrize("name", ASKED)
def test_check_mode_foretells_the_run(returned: Returned, name: str) -> None:
    foretold, came = told(returned[f"{name}_foretold"]), told(returned[name])
    would = str(foretold["squatters"]).replace("it would be destroyed", "it is destroyed, no process was ended")
    assert would == str(came["squatters"])
    assert foretold["summary"].replace(" would reserve ", " reserves ", 1) == came["summary"] != foretold["summary"]
    said = {"squatters": None, "summary": None}
    assert {**foretold, **said} == {**came, **said}


def test_only_what_nobody_else_reserves_is_given_back(returned: Returned) -> None:
    shorter, absent = told(returned["shorter"]), told(returned["absent"])
    assert shorter["given_back"] == {"runtime": "37601-37610", "file": "37601-37610"}
    assert (shorter["ports"], absent["ports"]) == ("36601", "")
    assert absent["given_back"] == {"runtime": "", "file": ""}
    assert (shorter["still_reserved"], absent["still_reserved"]) == ("", "36601")
    assert absent["changed"]
    assert [one["ports"] for one in absent["reservations"] if one["name"] == "shop"] == ["36601,45000"]


def test_what_yaml_makes_of_ports_is_understood(returned: Returned) -> None:
    assert told(returned["from_a_list"])["ports"] == "45001-45003"
    assert told(returned["outside"])["ports"] == told(returned["outside"])["outside"] == "8080-8082"
    [sentence] = spoken(returned["outside"])
    assert sentence.startswith("The kernel chooses ports from 32768 to 60999 only, ")


def test_a_reservation_may_be_for_now_or_for_the_next_boot(returned: Returned) -> None:
    kept = {one["name"]: one for one in told(returned["only_after_a_boot"])["reservations"]}
    assert [(kept[name]["runtime"], kept[name]["persistent"]) for name in ("migration", "later")] == [
        (True, False),
        (False, True),
    ]
    reserved = returned["only_after_a_boot"]["reserved"]
    assert ("50000-50001" in reserved["runtime"], "50000-50001" in reserved["after_boot"]) == (True, False)
    assert ("51000" in reserved["runtime"], "51000" in reserved["after_boot"]) == (False, True)


def test_what_others_reserve_is_adopted_and_removed_only_when_asked(returned: Returned) -> None:
    adopted, exclusive = told(returned["adopt"]), told(returned["exclusive"])
    assert (adopted["ports"], adopted["foreign"]["runtime"]) == (FOREIGN, "")
    assert FOREIGN not in exclusive["reserved"]["runtime"] + exclusive["reserved"]["after_boot"]
    assert exclusive["left_out"] == FOREIGN
    assert exclusive["given_back"] == {"runtime": FOREIGN, "file": FOREIGN}


def test_a_squatter_is_evicted_and_its_process_lives(returned: Returned, squatter: Actor) -> None:
    [evicted] = told(returned["evict"])["squatters"]
    assert (evicted["port"], evicted["protocol"], evicted["evicted"]) == (squatter["port"], "tcp", True)
    assert [one["name"] for one in evicted["holders"]] == ["python"]
    assert evicted["summary"] in spoken(returned["evict"])
    told_in_diff = f"connection of tcp from 127.0.0.1 port {squatter['port']} to 127.0.0.1 port "
    assert told_in_diff in returned["evict"]["diff"]["before"]
    assert told_in_diff not in returned["evict"]["diff"]["after"]
    assert told(returned["evict_again"])["squatters"] == []
    assert squatter.tell("are you there?") == {"alive": True}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_done_is_refused_in_one_sentence(returned: Returned, name: str) -> None:
    result = returned[name]
    assert (result["failed"], result["changed"]) == (True, False)
    assert REFUSED[name][1] in result["msg"]
    assert result["msg"].isprintable()
    assert "Traceback" not in str(result)


def test_another_namespace_has_a_list_of_its_own(returned: Returned, elsewhere: Actor) -> None:
    first, second = told(returned["elsewhere"]), told(returned["elsewhere_again"])
    assert (first["changed"], second["changed"]) == (True, False)
    assert first["namespace"]["id"] == elsewhere["number"]
    assert first["reserved"] == {"runtime": "36601,37601-37610", "after_boot": None}
    assert [(one["name"], one["persistent"]) for one in first["reservations"]] == [("billing", False)]


def test_a_difference_comes_in_diff_mode_only(returned: Returned) -> None:
    assert "diff" not in told(returned["without_diff"])


def test_what_is_in_the_world_is_what_was_said(returned: Returned, world: World) -> None:
    last = told(returned["evict_again"])["reserved"]
    kernel, own_file, ledger = world.run(
        lambda: (RESERVED.read_text(), OWN_FILE.read_text(), sorted(one.name for one in RUN.iterdir()))
    )
    assert kernel.strip() == last["runtime"]
    assert own_file.endswith(f"= {last['after_boot']}\n")
    assert ledger == ["reserved-ports.json", "reserved-ports.lock"]
    assert not OWN_FILE.exists()
