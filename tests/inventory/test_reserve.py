# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The playbook on a fleet: what the inventory declares is reserved, wave by wave, and nothing on a mistake."""

from __future__ import annotations

import contextlib
import re

import pytest

from .conftest import Fleet

pytestmark = pytest.mark.slow


def application(name: str, *ports: object, **more: object) -> dict:
    return {"name": name, "ports": list(ports), **more}


@pytest.fixture
def levels(fleet: Fleet) -> Fleet:
    """Return a fleet whose applications are declared for all hosts, for a group and for a host."""
    fleet.set_up(
        {"web": ["web1", "web2"], "db": ["db1"]},
        all={
            "portreeve_applications": [application("monitoring", 9100, "{{ first }}-{{ first + 4 }}")],
            "first": 40000,
        },
        web={"portreeve_applications_web": [application("shop", "36601-36610", "53/udp")]},
        web2={
            "portreeve_applications_web2": [
                application("shop", 36611),
                application("wiki", 8081, reserve="always"),
                application("chat", 45000, reserve="never"),
            ]
        },
    )
    return fleet


EVERYWHERE = {"db1": "40000-40004", "web1": "36601-36610,40000-40004", "web2": "8081,36601-36611,40000-40004"}


def test_all_levels_are_merged_and_what_needs_it_is_reserved_once(levels: Fleet):
    checked = levels.play("reserve", "--check")
    assert checked.code == 0, checked.output
    assert levels.reserved() == {"db1": "", "web1": "", "web2": ""}
    assert [checked.recap(host)["changed"] for host in sorted(EVERYWHERE)] == [1, 1, 1]
    assert "36601-36610" in checked.output

    first = levels.play("reserve")
    assert first.code == 0, first.output
    assert levels.reserved() == EVERYWHERE

    second = levels.play("reserve")
    assert second.code == 0, second.output
    assert [second.recap(host)["changed"] for host in sorted(EVERYWHERE)] == [0, 0, 0]
    assert levels.reserved() == EVERYWHERE


def test_the_range_of_each_host_decides(levels: Fleet):
    levels.choose_from("web1", 9000, 9999)
    levels.choose_from("db1", 50000, 60000)

    run = levels.play("reserve", reserve_minimum_automatic=100)

    assert run.code == 0, run.output
    assert levels.reserved() == {**EVERYWHERE, "db1": "", "web1": "9100"}


def test_what_an_application_needs_no_more_is_given_back_and_what_others_reserved_stays(levels: Fleet):
    levels.reserve_by_hand("web2", "3200-3299,36601")
    levels.play("reserve")
    assert levels.reserved("web2") == {"web2": "3200-3299," + EVERYWHERE["web2"]}

    levels.set_up(
        {"web": ["web1", "web2"], "db": ["db1"]},
        web={"portreeve_applications_web": [application("shop", 36602)]},
        web2={"portreeve_applications_web2": [application("wiki", 8081), application("chat", 45000)]},
    )
    run = levels.play("reserve")

    assert run.code == 0, run.output
    assert levels.reserved() == {
        "db1": "40000-40004",
        "web1": "36602,40000-40004",
        "web2": "3200-3299,36601-36602,40000-40004,45000",
    }


def test_a_name_that_no_application_has_any_more_is_shown_and_with_prune_given_back(levels: Fleet):
    levels.play("reserve")
    levels.set_up({"web": ["web1", "web2"], "db": ["db1"]}, all={"portreeve_applications": []}, web={})
    levels.set_up({"web": ["web1", "web2"], "db": ["db1"]}, web2={})

    shown = levels.play("reserve")
    assert shown.code == 0, shown.output
    assert "shop keeps 36601-36611, as reserve_prune is false." in shown.output
    assert levels.reserved() == EVERYWHERE

    checked = levels.play("reserve", "--check", reserve_prune=True)
    assert levels.reserved() == EVERYWHERE
    pruned = levels.play("reserve", reserve_prune=True)
    for run in (checked, pruned):
        assert run.code == 0, run.output
        assert [run.recap(host)["changed"] for host in sorted(EVERYWHERE)] == [1, 1, 1]
    assert levels.reserved() == {"db1": "", "web1": "", "web2": ""}
    assert levels.play("reserve", reserve_prune=True).recap("web2")["changed"] == 0


def test_what_nobody_names_is_adopted_or_removed_only_when_asked(levels: Fleet):
    levels.reserve_by_hand("web1", "3200-3299,5000")

    adopted = levels.play("reserve", "--limit", "web1", reserve_adopt="shop")
    assert adopted.code == 0, adopted.output
    assert levels.reserved("web1") == {"web1": "3200-3299,5000," + EVERYWHERE["web1"]}
    assert levels.play("reserve", "--limit", "web1", reserve_adopt="shop").recap("web1")["changed"] == 0
    levels.play("reserve", "--limit", "web1")
    assert levels.reserved("web1") == {"web1": EVERYWHERE["web1"]}

    levels.reserve_by_hand("web1", "7000")  # wipes the rest, too
    removed = levels.play("reserve", "--limit", "web1", reserve_exclusive=True)
    assert removed.code == 0, removed.output
    assert levels.reserved("web1") == {"web1": EVERYWHERE["web1"]}


def test_who_has_a_port_by_chance_is_told_of_and_with_evict_ended(fleet: Fleet):
    fleet.set_up({"web": ["web1"]}, web={"portreeve_applications": [application("shop", "36601-36602")]})
    fleet.choose_from("web1", 36601, 36602)
    script = "s = socket.create_server(('127.0.0.1', 7000)); c = socket.create_connection(('127.0.0.1', 7000))"

    def outgoing() -> str:
        listed = fleet.worlds["web1"].command("ss", "-tanH", "state", "established", "sport >= 36601").stdout
        return listed.strip()

    with contextlib.ExitStack() as ends:
        fleet.hold(ends, "web1", script)
        told = fleet.play("reserve", reserve_minimum_automatic=0)
        assert told.code == 0, told.output
        assert re.search(r"WARNING.*\b3660[12]\b", told.said)
        assert outgoing()

        evicted = fleet.play("reserve", reserve_minimum_automatic=0, reserve_evict=True)
        assert evicted.recap("web1")["changed"] == 1
        assert not outgoing()


def test_an_application_to_adopt_for_must_be_declared(levels: Fleet):
    run = levels.play("reserve", reserve_adopt="shop")

    assert run.code != 0
    assert "reserve_adopt is shop, which is no declared application: accepted are monitoring" in run.said
    assert levels.reserved()["db1"] == ""


@pytest.mark.parametrize(
    ("name", "outcome", "reserved"),
    [
        ("gone3", "unreachable", {"web1", "web2"}),  # before web4, of the same wave, is touched
        ("web3", "failed", {"web1", "web2", "web4"}),  # while web4 is
    ],
)
def test_a_host_that_fails_or_is_gone_ends_the_waves(fleet: Fleet, name: str, outcome: str, reserved: set[str]):
    hosts = ["web1", "web2", name, "web4", "web5", "web6"]
    fleet.set_up({"web": hosts}, web={"portreeve_applications": [application("shop", "36601-36610")]})
    if name in fleet.worlds:
        fleet.choose_from(name, 36601, 36611)  # one port would be left

    stopped = fleet.play("reserve", portreeve_waves=[1, 1, 2, 2])

    assert stopped.code != 0
    assert {host for host, ports in fleet.reserved().items() if ports} == reserved
    assert not {"web5", "web6"} & fleet.visited()
    assert stopped.recap(name)[outcome] == 1


def test_the_first_wave_is_one_host_and_the_last_is_all_the_rest(fleet: Fleet):
    hosts = [f"web{number}" for number in range(1, 9)]
    fleet.set_up({"web": hosts}, web={"portreeve_applications": [application("shop", 36601)]})
    fleet.choose_from("web1", 36601, 36602)

    stopped = fleet.play("reserve")
    assert stopped.code != 0
    assert fleet.visited() == {"web1"}

    fleet.choose_from("web1", 32768, 60999)
    run = fleet.play("reserve")
    assert run.code == 0, run.output
    assert run.output.count("PLAY [Reserve the ports of the applications, wave by wave]") == 4  # 1, 1, 2 and 4 hosts
    assert set(fleet.reserved().values()) == {"36601"}


@pytest.mark.parametrize("check", [(), ("--check",)], ids=["run", "check"])
def test_a_mistake_in_the_inventory_is_told_before_any_host_is_contacted(levels: Fleet, check: tuple[str, ...]):
    levels.set_up(
        {"web": ["web1", "web2"], "db": ["db1"]},
        web2={"portreeve_applications_web2": [application("shop", 36611), {"name": "wiki", "port": 8081}]},
    )

    run = levels.play("reserve", *check)

    assert run.code != 0
    sentence = "entry 2 of portreeve_applications_web2 (wiki) has the key 'port', which is not known: accepted are"
    assert sentence in run.said
    assert "Traceback" not in run.output
    assert levels.visited() == set()


def test_a_reservation_stays_for_the_next_boot_or_for_now_as_asked(levels: Fleet):
    levels.play("reserve", "--limit", "db1", reserve_runtime=False)
    assert levels.reserved("db1") == {"db1": ""}
    own_file = "/etc/sysctl.d/zz-portreeve-reserved-ports.conf"
    assert "40000-40004" in levels.worlds["db1"].command("cat", own_file).stdout

    levels.play("reserve", "--limit", "web1", reserve_persistent=False)
    assert levels.reserved("web1") == {"web1": EVERYWHERE["web1"]}
    assert levels.worlds["web1"].command("cat", own_file, check=False).returncode == 1
