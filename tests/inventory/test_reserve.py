# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The playbook on a fleet: what the inventory declares is reserved, wave by wave, and nothing on a mistake."""

from __future__ import annotations

import contextlib
import json
import re

import pytest

from .conftest import Fleet, Run

pytestmark = pytest.mark.slow


def application(name: str, *ports: object, **more: object) -> dict:
    return {"name": name, "ports": list(ports), **more}


def items(run: Run) -> list[tuple[str, str]]:
    """Return on which host what was run for which application."""
    return re.findall(r"^(?:ok|changed|failed): \[(\w+)\] => \(item=(.+)\)", run.output, re.MULTILINE)


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
    assert items(second) == []
    assert "web1 reserves 36601-36610,40000-40004, now and after a boot; automatic ports left: 28217" in second.said


@pytest.mark.parametrize("check", [(), pytest.param(("--check",), marks=pytest.mark.full)], ids=["run", "check"])
def test_only_what_does_not_stand_as_it_is_needed_is_run(levels: Fleet, check: tuple[str, ...]):
    levels.play("reserve")
    levels.set_up(
        {"web": ["web1", "web2"], "db": ["db1"]},
        web={"portreeve_applications_web": [application("shop", "36601-36609", "53/udp")]},
        web2={"portreeve_applications_web2": [application("chat", 45000)]},
    )

    run = levels.play("reserve", *check)

    assert run.code == 0, run.output
    assert sorted(items(run)) == [("web1", "shop"), ("web2", "chat"), ("web2", "shop")]
    assert {host: run.recap(host)["changed"] for host in EVERYWHERE} == {"db1": 0, "web1": 1, "web2": 1}
    expected = {**EVERYWHERE, "web1": "36601-36609,40000-40004", "web2": "8081,36601-36609,40000-40004,45000"}
    assert levels.reserved() == (EVERYWHERE if check else expected)
    assert "wiki keeps 8081, which nobody serves now, as reserve_prune is false." in run.said


@pytest.mark.full
def test_a_list_that_somebody_has_set_meanwhile_is_brought_back(levels: Fleet):
    levels.play("reserve")
    levels.reserve_by_hand("web1", "7000")

    checked = levels.play("reserve", "--check")
    assert {host: checked.recap(host)["changed"] for host in EVERYWHERE} == {"db1": 0, "web1": 1, "web2": 0}
    assert levels.reserved("web1") == {"web1": "7000"}

    run = levels.play("reserve")
    assert {host: run.recap(host)["changed"] for host in EVERYWHERE} == {"db1": 0, "web1": 1, "web2": 0}
    assert levels.reserved("web1") == {"web1": "7000," + EVERYWHERE["web1"]}
    assert items(checked) == items(run) == []


def test_what_another_file_sets_meanwhile_is_kept_though_all_applications_stand(levels: Fleet):
    levels.play("reserve", "--limit", "db1")
    setting = "net.ipv4.ip_local_reserved_ports = 3200-3299"
    levels.worlds["db1"].command("sh", "-c", f"echo '{setting}' > /etc/sysctl.d/50-sap.conf")

    run = levels.play("reserve", "--limit", "db1")

    assert run.recap("db1")["changed"] == 1
    own_file = "/etc/sysctl.d/zz-portreeve-reserved-ports.conf"
    assert "= 3200-3299,40000-40004" in levels.worlds["db1"].command("cat", own_file).stdout


@pytest.mark.full
def test_variables_on_the_command_line_are_texts(levels: Fleet):
    levels.reserve_by_hand("web1", "5000")
    limit = ("--limit", "web1", "-e", "reserve_evict=false reserve_prune=false reserve_exclusive=false")
    levels.play("reserve", *limit)
    levels.set_up({"web": ["web1", "web2"], "db": ["db1"]}, web={})

    kept = levels.play("reserve", *limit)
    assert kept.code == 0, kept.output
    assert levels.reserved("web1") == {"web1": "5000," + EVERYWHERE["web1"]}

    gone = levels.play("reserve", *limit[:2], "-e", "reserve_prune=true reserve_exclusive=true reserve_evict=true")
    assert gone.code == 0, gone.output
    assert levels.reserved("web1") == {"web1": "40000-40004"}


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


@pytest.mark.full
def test_a_name_that_no_application_has_any_more_is_shown_and_with_prune_given_back(levels: Fleet):
    levels.play("reserve")
    levels.set_up({"web": ["web1", "web2"], "db": ["db1"]}, all={"portreeve_applications": []}, web={})
    levels.set_up({"web": ["web1", "web2"], "db": ["db1"]}, web2={})

    shown = levels.play("reserve")
    assert shown.code == 0, shown.output
    assert "shop keeps 36601-36611, which nobody serves now, as reserve_prune is false." in shown.output
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
    assert (
        "shop has taken over 3200-3299,5000: declare these ports for it, with reserve: always if they are outside of"
        " the automatic range, or the next run gives them back."
    ) in adopted.said
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

        told_again = fleet.play("reserve", reserve_minimum_automatic=0)
        assert items(told_again) == []
        assert told_again.recap("web1")["changed"] == 0
        assert re.search(r"WARNING.*\b3660[12]\b", told_again.said)

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


@pytest.mark.full
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
    assert "web2: " + sentence in run.said
    assert "Traceback" not in run.output
    assert levels.visited() == set()


def test_each_mistake_is_told_once_for_all_hosts_that_have_it(levels: Fleet):
    levels.set_up(
        {"web": ["web1", "web2"], "db": ["db1"]},
        web={"portreeve_applications_web": [application("shop", 70000)]},
        web1={"portreeve_applications_web1": [application("chat", "{{ nothing }}")]},
        db1={"portreeve_applications_db1": [application("wiki", 80, reserve=True), application("x y", 80)]},
    )

    run = levels.play("reserve")

    assert run.code != 0
    mistakes = json.loads(re.search(r"^fatal: .*?=> (.*)$", run.output, re.MULTILINE).group(1))["msg"]
    assert sorted(one.split(":")[0] for one in mistakes) == ["db1", "db1", "web1", "web1, web2"]
    assert sum("70000 is out of range" in one for one in mistakes) == 1
    assert sum("'nothing' is undefined" in one for one in mistakes) == 1
    assert all(line.count("is out of range") <= 1 for line in run.output.splitlines())


def test_what_looks_like_a_declaration_and_counts_for_nothing_is_told(fleet: Fleet):
    shop, wiki = [application("shop", 36601)], [application("wiki", 36602)]
    fleet.set_up(
        {"web": ["web1"], "db": ["web1"]},
        web={"portreeve_applications": shop},
        db={"portreeve_applications": wiki, "portreeve_application_db": wiki},
    )

    run = fleet.play("reserve")

    assert run.code == 0, run.output
    assert "The variable portreeve_application_db declares nothing: accepted are portreeve_applications" in run.said
    assert (
        "portreeve_applications of group db counts for nothing where that of group web hides it: give it a name of its"
        " own, such as portreeve_applications_db."
    ) in run.said
    assert run.output.count("counts for nothing") == run.output.count("declares nothing") == 1
    assert fleet.reserved() == {"web1": "36601"}


def test_a_reservation_stays_for_the_next_boot_or_for_now_as_asked(levels: Fleet):
    levels.play("reserve", "--limit", "db1", reserve_runtime=False)
    assert levels.reserved("db1") == {"db1": ""}
    own_file = "/etc/sysctl.d/zz-portreeve-reserved-ports.conf"
    assert "40000-40004" in levels.worlds["db1"].command("cat", own_file).stdout

    levels.play("reserve", "--limit", "web1", reserve_persistent=False)
    assert levels.reserved("web1") == {"web1": EVERYWHERE["web1"]}
    assert levels.worlds["web1"].command("cat", own_file, check=False).returncode == 1
