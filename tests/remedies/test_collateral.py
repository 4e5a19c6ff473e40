# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Who fell between two looks: told once, in one sentence, expected or not, and never for what comes and goes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.collateral import (
    Keeper,
    Server,
    fallen,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.records import (
    OwnerMark,
    ProcessMark,
)

NGINX = OwnerMark("unit", "nginx.service", "systemd")


def keeper(pid: int, program: str = "nginx", owner: OwnerMark = NGINX, ticks: int = 100, **more: Any) -> Keeper:
    return Keeper(ProcessMark(pid, ticks, program, "/usr/sbin/" + program), owner, **more)


def server(*keepers: Keeper, **more: Any) -> Server:
    given = {"protocol": "tcp", "state": "LISTEN", "port": 80, "namespace": "host", "namespace_id": 1, **more}
    return Server(local="0.0.0.0:%d" % given["port"], keepers=keepers, **given)


def bare(pid: int, program: str = "app", **more: Any) -> Keeper:
    return keeper(pid, program, OwnerMark("process", program), **more)


def container(pid: int, name: str = "web", **more: Any) -> Keeper:
    return keeper(pid, "httpd", OwnerMark("container", name, "docker"), **more)


WEB = server(keeper(1), keeper(2))
DNS = server(bare(9, "dnsd"), port=53)
UDP = {"protocol": "udp", "state": "UNCONNECTED"}


@pytest.mark.parametrize(
    ("before", "after", "summary"),
    [
        (WEB, [], "0.0.0.0:80/tcp is served no more; it was by nginx.service (nginx[1] and nginx[2])."),
        (server(), [], "0.0.0.0:80/tcp is served no more; it was by somebody unseen."),
        (WEB, [replace(WEB, namespace_id=2, namespace="blue")],
         "0.0.0.0:80/tcp is served no more; it was by nginx.service (nginx[1] and nginx[2])."),
        (WEB, [replace(WEB, state="BOUND")],
         "0.0.0.0:80/tcp is bound, but listens no more; it was served by nginx.service (nginx[1] and nginx[2])."),
        (WEB, [server(bare(3))],
         "0.0.0.0:80/tcp is held by app[3] now; it was by nginx.service (nginx[1] and nginx[2])."),
        (server(bare(3)), [server(bare(3, ticks=101))], "0.0.0.0:80/tcp is held by app[3] now; it was by app[3]."),
        (server(keeper(1), bare(3, heir=True)), [server(bare(3))],
         "0.0.0.0:80/tcp is held by app[3] now; it was by nginx.service (nginx[1])."),
        (WEB, [server(keeper(1))], "0.0.0.0:80/tcp is served without nginx.service (nginx[2]) now."),
        (server(bare(7), port=53, **UDP), [], "0.0.0.0:53/udp is served no more; it was by app[7]."),
        (server(bare(7), port=53, **UDP), [server(bare(8), port=53, **UDP)],
         "0.0.0.0:53/udp is held by app[8] now; it was by app[7]."),
        (server(bare(7), state="BOUND"), [], "0.0.0.0:80/tcp is served no more; it was by app[7]."),
        (server(bare(7, "a\x1bb\n")), [], r"0.0.0.0:80/tcp is served no more; it was by a\x1bb\n[7]."),
        (server(container(5), namespace="web", namespace_id=7), [],
         "0.0.0.0:80/tcp in namespace web is served no more; it was by container web (docker) (httpd[5])."),
    ],
)  # fmt: skip
def test_who_fell_is_told(before: Server, after: list[Server], summary: str) -> None:
    [found] = fallen([before, DNS], [*after, DNS], ())
    assert (found.summary, found.expected) == (summary, False)
    assert (found.port, found.protocol, found.local, found.namespace) == (
        before.port,
        before.protocol,
        before.local,
        before.namespace,
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (WEB, [WEB]),
        (DNS, [DNS, WEB]),
        (WEB, [server(keeper(1), keeper(3))]),
        (server(keeper(1), bare(3, newborn=True)), [server(keeper(1))]),
        (server(keeper(1), bare(3, heir=True)), [server(keeper(1))]),
        (server(keeper(1), bare(3)), [server(keeper(1)), server(bare(3), port=81)]),
        (WEB, [server()]),
        (server(bare(7), port=40000, automatic=True, **UDP), []),
        (server(bare(7), port=40000, automatic=True, state="BOUND"), []),
        (server(bare(9, "dnsd"), port=5000, **UDP), []),
        (server(bare(7), namespace="web", namespace_id=7), [server(bare(7), namespace="web", namespace_id=8)]),
        (server(bare(7), namespace="pid 7", namespace_id=7), [server(bare(7), namespace="pid 8", namespace_id=7)]),
    ],
    ids=[
        "all is as it was",
        "one more",
        "a worker in place of another",
        "a child that was about to be something else",
        "an heir",
        "one that lives on",
        "nobody can be seen",
        "an UDP client",
        "a TCP client to be",
        "an UDP socket that its process has closed",
        "a namespace that was made anew",
        "a namespace that lost the one it was named after",
    ],
)
def test_what_comes_and_goes_is_not(before: Server, after: list[Server]) -> None:
    assert fallen([before, DNS], [*after, DNS], ()) == ()


@pytest.mark.parametrize(
    ("touched", "expected"),
    [
        ([NGINX], True),
        ([replace(NGINX, birth="another run")], True),
        ([OwnerMark("socket_unit", "nginx.service", "systemd")], True),
        ([1, 2], True),
        ([1], False),
        ([3], False),
        ([replace(NGINX, user="alice")], False),
        ([replace(NGINX, name="apache2.service")], False),
        ([replace(NGINX, kind="container")], False),
        ([], False),
    ],
)
def test_who_was_acted_upon_was_expected_to_fall(touched: list[Any], expected: bool) -> None:
    assert [one.expected for one in fallen([WEB], [], touched)] == [expected]


def test_a_program_of_the_same_name_is_another_one() -> None:
    assert [one.expected for one in fallen([server(bare(7))], [], [OwnerMark("process", "app")])] == [False]


def test_who_inherited_a_listener_need_not_have_been_meant() -> None:
    lost = server(keeper(1), bare(3, heir=True))
    assert [one.expected for one in fallen([lost], [], [1])] == [True]
    assert [one.expected for one in fallen([lost], [], [3])] == [False]


def test_what_an_engine_serves_in_a_container_goes_with_it() -> None:
    there = {"namespace": "web", "namespace_id": 7}
    names = server(keeper(4, "dockerd", OwnerMark("unit", "docker.service", "systemd")), port=41111, **there)
    web = server(container(5), **there)
    published = server(keeper(4, "dockerd", OwnerMark("unit", "docker.service", "systemd")), port=2375)
    beside = server(container(6, "sidecar"), port=90, **there)
    found = fallen([web, names, beside, published], [], [OwnerMark("container", "web", "docker")])
    assert {one.port: one.expected for one in found} == {80: True, 41111: True, 90: False, 2375: False}


def test_they_are_told_in_order() -> None:
    servers = [WEB, DNS, server(bare(1), namespace="blue", namespace_id=3), server(bare(2), port=53, **UDP)]
    assert [(one.namespace, one.port, one.protocol) for one in fallen(servers, [], ())] == [
        ("blue", 80, "tcp"),
        ("host", 53, "tcp"),
        ("host", 53, "udp"),
        ("host", 80, "tcp"),
    ]
