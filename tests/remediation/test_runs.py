# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The playbooks on a few hosts: what is refused beforehand, what ends a run between waves, what comes of each host."""

from __future__ import annotations

import contextlib
import json

import pytest

from .conftest import PORT, SHOP, Shops, until

pytestmark = pytest.mark.slow

THREE = ["web1", "web2", "web3"]
CLOSED = "00:00-00:01 Pacific/Kiritimati"
ONE_BY_ONE = [1]


@pytest.fixture
def three(shops: Shops, ends: contextlib.ExitStack) -> Shops:
    """Return three hosts on which the port is held by somebody else."""
    shops.open(ends, THREE)
    return shops


def test_a_plan_is_tried_and_applied(three: Shops):
    digest = three.make_plan()
    assert three.held() == set(THREE)
    assert three.trail("web1") == []

    checked = three.remediate(digest, "--check")
    assert checked.code == 0, checked.output
    assert three.held() == set(THREE)
    assert three.result()["check"] is True
    assert three.result()["summary"] == "Would be done on 3 of 3 hosts."

    run = three.remediate(digest)
    assert run.code == 0, run.output
    assert three.held() == set()
    assert three.outcomes() == {"done": 3}
    assert {line["event"] for line in three.trail("web2")} == {"begin", "act", "outcome", "end"}
    assert "Done on 3 of 3 hosts." in run.said


def test_a_mistake_in_a_declaration_ends_planning_before_any_host_is_asked(three: Shops):
    three.set_up({"web": THREE}, web={"portreeve_applications_web": [{**SHOP, "onwer": SHOP["owner"]}]})

    run = three.play("plan", portreeve_plan=str(three.plan))

    assert run.code == 2, run.output
    assert "entry 1 of portreeve_applications_web (shop) has the key 'onwer', which is not known" in run.said
    assert three.visited() == set()
    assert not three.plan.exists()


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.full)])
def test_what_was_not_approved_is_refused_before_any_host_is_contacted(three: Shops, whole: bool):
    digest = three.make_plan()
    for path in three.place.glob("*.visited"):
        path.unlink()
    few = [
        ("0" * 64, {}, "plan.json is not the plan that was approved"),
        (digest, {"portreeve_most_hosts": 2}, "The plan acts on 3 hosts, but most_hosts is 2. Nothing was done."),
    ]
    others = [
        ("", {}, f"No digest was given: accepted is that of the plan that was approved, for {three.plan} {digest}."),
        (digest, {"portreeve_plan": f"{three.place}/none"}, "none cannot be read: No such file or directory."),
        (
            digest,
            {"portreeve_most_owners_per_group": 2},
            "The plan acts on 3 owners in the group web, but most_owners_per_group is 2. Nothing was done.",
        ),
        (digest, {"portreeve_window": "22-04"}, "The maintenance window '22-04' cannot be read"),
        (
            digest,
            {"portreeve_health": [PORT, 9999]},
            "The health check asks for 9999, which is declared with an owner on no host of the run.",
        ),
        (
            digest,
            {"portreeve_health": "no/health.yml"},
            f"The health check {three.root}/no/health.yml is not there",
        ),
    ]

    for given, variables, sentence in others if whole else few:
        run = three.remediate(given, **variables)
        assert run.code == 2, run.output
        assert sentence in run.said
    assert three.visited() == set()
    assert three.held() == set(THREE)
    assert not three.records.exists()


def test_a_stop_file_ends_it_before_the_next_wave(three: Shops):
    digest = three.make_plan()
    stop = three.place / "stop"
    tasks = three.place / "health.yml"
    touching = {"ansible.builtin.file": {"path": str(stop), "state": "touch"}, "delegate_to": "localhost"}
    tasks.write_text(json.dumps([{"name": "Somebody has seen enough", **touching}]))

    run = three.remediate(
        digest, portreeve_waves=ONE_BY_ONE, portreeve_stop_file=str(stop), portreeve_health=str(tasks)
    )

    assert run.code == 2, run.output
    assert three.held() == {"web2", "web3"}
    assert three.outcomes() == {"done": 1, "not done": 2}
    assert three.result()["ended_because"] == f"the stop file {stop} is there"
    assert three.result()["hosts"]["web3"]["why"] == f"the stop file {stop} is there"
    assert three.result()["hosts"]["web1"]["healthy"] is True


@pytest.mark.full
def test_a_stop_file_holds_up_the_hosts_of_a_wave_that_are_not_begun(three: Shops):
    digest = three.make_plan()
    stop = three.place / "stop"

    with three.remediating(digest, "--forks=1", portreeve_waves=["100%"], portreeve_stop_file=str(stop)) as run:
        until(lambda: [line for line in three.journal() if line["event"] == "end"])
        stop.touch()
        code = run.wait()

    assert code == 2
    assert {"web3"} <= three.held() <= {"web2", "web3"}
    assert three.result()["ended_because"] == f"the stop file {stop} is there"
    assert three.result()["hosts"]["web3"]["outcome"] == "not done"
    assert three.trail("web3") == []


@pytest.mark.full
def test_a_closed_window_ends_it(three: Shops):
    digest = three.make_plan()

    run = three.remediate(digest, portreeve_window=CLOSED)

    assert run.code == 2, run.output
    assert three.held() == set(THREE)
    assert f"The run ends here, because the maintenance window {CLOSED} is closed." in run.said
    assert three.outcomes() == {"not done": 3}


@pytest.mark.parametrize("unreachable", [False, pytest.param(True, marks=pytest.mark.full)])
def test_a_health_check_that_is_not_passed_ends_it_before_the_next_wave(three: Shops, unreachable: bool):
    digest = three.make_plan()
    tasks = three.place / "health.yml"
    lost = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    sick = {"ansible.builtin.set_fact": lost} if unreachable else {"ansible.builtin.fail": {"msg": "It is slow."}}
    tasks.write_text(json.dumps([{"name": "See", **sick}]))

    run = three.remediate(digest, portreeve_waves=ONE_BY_ONE, portreeve_health=str(tasks))

    assert run.code == 2, run.output
    assert three.held() == {"web2", "web3"}
    assert three.result()["ended_because"] == "the health check has not been passed by web1"
    assert three.outcomes() == {"done": 1, "not done": 2}


@pytest.mark.full
def test_declared_ports_can_be_the_health_check(three: Shops):
    """Nobody serves the port then, as no service is declared, so that the first wave is not well."""
    digest = three.make_plan()

    run = three.remediate(digest, portreeve_waves=ONE_BY_ONE, portreeve_health=[PORT])

    assert run.code == 2, run.output
    assert three.result()["ended_because"] == "the health check has not been passed by web1"


@pytest.mark.full
def test_a_wave_that_cannot_be_reached_at_all_ends_it_and_is_told(three: Shops):
    digest = three.make_plan()
    three.lose(unreachable=["web1"])

    run = three.remediate(digest, portreeve_waves=ONE_BY_ONE)

    assert run.code == 2, run.output
    assert three.held() == set(THREE)
    assert three.outcomes() == {"failed": 1, "not done": 2}
    assert three.result()["hosts"]["web1"]["why"].startswith("unreachable: ")
    assert three.result()["ended_because"] == "1 host has failed (web1), but most_failed is 0"
    assert three.trail("web2") == []


def test_hosts_that_have_moved_on_are_refused_and_nothing_is_touched(shops: Shops, ends: contextlib.ExitStack):
    with contextlib.ExitStack() as before:
        shops.open(before, ["web1"])
        shops.set_up({"web": THREE}, web={"portreeve_applications_web": [SHOP]})
        shops.hold(ends, "web2", f"s = socket.create_server(('0.0.0.0', {PORT}))")
        digest = shops.make_plan()
    shops.open(ends, ["web1"])  # by another process
    shops.set_up({"web": THREE}, web={"portreeve_applications_web": [SHOP]})

    run = shops.remediate(digest)

    assert run.code == 2, run.output
    assert shops.held() == {"web1"}
    assert shops.outcomes() == {"refused": 1, "done": 1}
    assert "python" in shops.result()["hosts"]["web1"]["why"]
    assert [line for line in shops.trail("web1") if line["event"] == "act"] == []


@pytest.mark.full
def test_what_the_plan_refuses_is_told_and_no_failure_and_the_rest_is_found_done_the_second_time(
    shops: Shops, ends: contextlib.ExitStack
):
    careful = {"name": "wiki", "ports": [8081], "owner": {"exe": "wikid"}}  # at_most is detach
    shops.set_up({"web": ["web1", "gone1"]}, web={"portreeve_applications_web": [SHOP, careful]})
    for port in (PORT, 8081):
        shops.hold(ends, "web1", f"s = socket.create_server(('0.0.0.0', {port}))")
    digest = shops.make_plan()
    assert shops.make_plan() == digest
    planned = shops.said_last
    assert "fatal: [web1]" not in planned
    assert "Origin:" not in planned  # nor a page about who is unreachable
    assert "Something is to be done on 1 of 2 hosts. Unreachable: gone1." in planned
    assert "Refused for wiki on web1: 8081/tcp is not freed: " in planned
    assert "portreeve.fleet.remediate" in planned
    assert "Nobody will serve 8080/tcp afterwards" in shops.plan.with_suffix(".md").read_text()

    for changed in (1, 0):
        run = shops.remediate(digest)
        assert run.code == 0, run.output
        assert run.recap("web1")["changed"] == changed
        assert "Done on 0 of 1 host. Done in part: 1 (web1). Left out: 1 (gone1)." in run.said
        assert shops.held() == set()
        assert shops.held(8081) == {"web1"}
    assert [port["outcome"] for port in shops.result()["hosts"]["web1"]["ports"]] == ["done", "left"]


def test_a_squatted_port_is_reserved_first_and_the_process_lives_on(shops: Shops, ends: contextlib.ExitStack):
    shop = {"name": "shop", "ports": [41000], "owner": {"exe": "shopd"}}
    shops.set_up({"web": ["web1", "web2"]}, web={"portreeve_applications_web": [shop]})
    shops.choose_from("web1", 41000, 41000)
    connecting = "s = socket.create_server(('127.0.0.1', 5000)); c = socket.create_connection(('127.0.0.1', 5000))"
    shops.hold(ends, "web1", connecting)
    shops.choose_from("web1", 32768, 60999)
    digest = shops.make_plan()
    assert "- **reserve** the port for `shop`" in shops.plan.with_suffix(".md").read_text()

    run = shops.remediate(digest)

    assert run.code == 0, run.output
    assert shops.reserved() == {"web1": "41000", "web2": ""}
    assert shops.held(5000) == {"web1"}
    assert shops.outcomes() == {"done": 1}
    (port,) = shops.result()["hosts"]["web1"]["ports"]
    assert [act["act"] for act in port["done"] if act["result"] == "done"] == ["destroy"]


@pytest.mark.full
def test_a_plan_without_anything_to_do_is_recorded_as_well(shops: Shops):
    shops.set_up({"web": ["web1"]}, web={"portreeve_applications_web": [SHOP]})
    digest = shops.make_plan()

    run = shops.remediate(digest)

    assert run.code == 0, run.output
    assert shops.result()["summary"] == "Done on 0 of 0 hosts."


def test_hosts_that_were_not_seen_are_named_in_the_plan_and_left_out(three: Shops):
    three.lose(unreachable=["web2"], broken=["web3"])

    digest = three.make_plan()

    plan = json.loads(three.plan.read_text())
    assert {name: host["status"] for name, host in plan["hosts"].items()} == {
        "web1": "to do", "web2": "unreachable", "web3": "failed"
    }  # fmt: skip
    page = three.plan.with_suffix(".md").read_text()
    assert "- Not known: 2 hosts, of which 1 could not be reached." in page
    three.find("web2", "web3")
    run = three.remediate(digest)
    assert run.code == 0, run.output
    assert three.held() == {"web2", "web3"}
    assert set(three.result()["left_out"]) == {"web2", "web3"}
    assert "Done on 1 of 1 host. Left out: 2 (web2, web3)." in run.said


@pytest.mark.full
def test_the_role_does_what_it_finds_without_a_plan(shops: Shops, ends: contextlib.ExitStack):
    shops.open(ends, ["web1"])
    play = {"hosts": "all", "gather_facts": False, "roles": [{"role": "portreeve.fleet.remediate"}]}
    (shops.place / "own.yml").write_text(json.dumps([play]))

    first = shops.play_own("own.yml")
    assert first.code == 0, first.output
    assert shops.held() == set()

    second = shops.play_own("own.yml")
    assert second.code == 0, second.output
    assert second.recap("web1")["changed"] == 0
