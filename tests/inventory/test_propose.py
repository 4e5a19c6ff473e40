# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The playbook that names free ports, on a fleet on which some are held, declared, reserved or out of sight."""

from __future__ import annotations

import contextlib
import socket
import subprocess

import pytest

from .conftest import Fleet

PROPOSED = "outside of every automatic range: "


@pytest.fixture
def hosts(fleet: Fleet) -> Fleet:
    """Return a fleet of three hosts."""
    fleet.set_up({"web": ["web1", "web2"], "db": ["db1"]}, db={"portreeve_applications": []})
    return fleet


def test_what_is_held_declared_or_reserved_anywhere_is_not_proposed(hosts: Fleet):
    hosts.set_up(
        {"web": ["web1", "web2"], "db": ["db1"]},
        web={"portreeve_applications_web": [{"name": "shop", "ports": ["20000-20099"]}]},
        db1={"portreeve_declared_ports": "21000"},
    )
    hosts.reserve_by_hand("web2", "22000-22010")
    hosts.choose_from("db1", 23005, 23999)
    with contextlib.ExitStack() as ends:
        hosts.hold(ends, "db1", "s = socket.create_server(('127.0.0.1', 24009))")
        hosts.hold(
            *(ends, "web1"),
            "a = socket.create_server(('127.0.0.1', 7000)); c = socket.socket(); c.bind(('127.0.0.1', 25003));"
            "c.connect(('127.0.0.1', 7000)); u = socket.socket(type=socket.SOCK_DGRAM); u.bind(('127.0.0.1', 26000))",
        )
        run = hosts.play("propose", portreeve_count=10)

    assert run.code == 0, run.output
    assert f"10 ports free on all 3 hosts, {PROPOSED}27000-27009" in run.output
    assert hosts.reserved() == {"db1": "", "web1": "", "web2": "22000-22010"}


def test_every_proposed_port_can_be_bound_on_every_host(hosts: Fleet):
    run = hosts.play("propose", portreeve_count=50)
    low, high = map(int, run.said.partition(PROPOSED)[2].split('"')[0].split("-"))

    def bind() -> int:
        made = []
        for port in range(low, high + 1):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                made.append(socket.socket(type=kind))
                made[-1].bind(("0.0.0.0", port))
        return len(made)

    assert [world.run(bind) for world in hosts.worlds.values()] == [100] * 3


def test_hosts_that_cannot_be_asked_are_named(fleet: Fleet):
    fleet.set_up(
        {"web": ["web1", "gone2", "web3"]},
        web3={"portreeve_applications": [{"name": "shop"}]},
        web1={"portreeve_applications": "{{ applications }}", "applications": [{"name": "shop", "ports": "20000"}]},
    )

    run = fleet.play("propose", portreeve_count=2)

    assert run.code == 0, run.output
    where = "the only host seen in full, unknown on 2 (gone2, web3)"
    assert f"2 ports free on {where}, {PROPOSED}21000-21001" in run.output
    assert "entry 1 of portreeve_applications (shop) has no ports" in run.output


@pytest.mark.parametrize(
    ("count", "sentence"),
    [
        (70000, "is no number of ports: accepted are numbers from 1 to 65535"),
        (60000, "60000 ports wanted, but only 36280 are free on the only host, outside of every automatic range"),
    ],
)
def test_there_is_no_proposal_where_there_are_no_ports(fleet: Fleet, count: int, sentence: str):
    fleet.set_up({"web": ["web1"]})

    run = fleet.play("propose", portreeve_count=count)

    assert run.code == 2
    assert sentence in run.said


@pytest.mark.parametrize("verb", ["reserve", "propose"])
def test_the_verbs_run_the_playbooks(root, verb):
    planned = subprocess.run(
        ["make", "--dry-run", verb, "COUNT=20", "LIMIT=web", "ARGS=--check"],
        cwd=root, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip

    (line,) = [line for line in planned.splitlines() if "ansible-playbook" in line]
    assert line.split("ansible-playbook ")[1].split() == [
        *("-i", "'inventory.example'", "--limit", "'web'", f"playbooks/{verb}.yml"),
        *(("-e", "'portreeve_count=20'") if verb == "propose" else ()),
        "--check",
    ]


@pytest.mark.parametrize("verb", ["reserve", "propose"])
def test_the_verbs_refuse_an_inventory_that_is_not_there(root, verb):
    done = subprocess.run(
        ["make", verb, "INVENTORY=nowhere.ini"], cwd=root, capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert "INVENTORY='nowhere.ini' is not there: accepted are" in done.stderr
