# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Nothing that runs on the test hosts is called a leak, nor what a real service manager activates by a socket."""

from __future__ import annotations

import contextlib
import io
import json
import pathlib
import shlex
import tarfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.fleet.harness.command import FleetError
from tests.fleet.harness.fleet import COMMANDS, borrowed
from tests.fleet.harness.host import INTERPRETER, Host

from .conftest import until

PORT = 8996
#: The ports of the services that each host has (tests/fleet/README.md).
SERVICES = {22, 53, 80, 5353, 8080, 8081, 8088, 8090, 8092, 8201, 8202, 8301, 8401, 8501, 8601, 8701, 8801}
UNIT = "leakless"
AGENT = "plugins/module_utils/portreeve_agent"
ASK = "import sys; sys.path.insert(0, {place!r}); from portreeve_agent.cli import main; sys.exit(main())"
LEAKS = {"leaked_to_heirs", "orphaned_listener"}

#: A pre-fork server that the service manager gives its listener (sd_listen_fds(3)).
POOL = """
import os, socket
one = socket.socket(fileno=3)
for _ in range(3):
    if not os.fork():
        while True:
            peer = one.accept()[0]
            peer.sendall(b"here")
            peer.recv(1)
os.wait()
"""
#: One that never accepts what woke it, as on a long way to readiness.
SLOW = "__import__('time').sleep(1000)"
VISIT = f"import socket; socket.create_connection(('127.0.0.1', {PORT}), 10).recv({{expected}})"

pytestmark = pytest.mark.slow
Ask = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def hosts(needs: Callable[..., None]) -> Iterator[list[Host]]:
    """Hosts with systemd, sshd, docker, and services."""
    needs("root", *COMMANDS)
    with borrowed() as hosts:
        yield hosts


@pytest.fixture(scope="module")
def ask(hosts: list[Host], collection: pathlib.Path) -> Iterator[Ask]:
    """Return a function that returns the ports the agent lists on a host."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(collection / AGENT, arcname="portreeve_agent")
    places = {}
    for host in hosts:
        places[host.name] = host.run("mktemp", "-d").strip()
        host.run("tar", "x", "-C", places[host.name], given=packed.getvalue())

    def ask(host: Host, *arguments: str) -> list[dict[str, Any]]:
        command = (f"/{INTERPRETER}", "-B", "-c", ASK.format(place=places[host.name]), *arguments, "--json")
        tolerant = f"{shlex.join(command)} || [ $? = 3 ]"  # others may send descriptors around: then not all was seen
        ports: list[dict[str, Any]] = json.loads(host.run("sh", "-c", tolerant))["ports"]
        return ports

    yield ask
    for host in hosts:
        host.run("rm", "-r", places[host.name])


@pytest.fixture
def socket_unit(hosts: list[Host]) -> Iterator[Callable[..., None]]:
    """Return a function that makes a socket unit for a Python program; it ends with the test."""

    def make(program: str) -> None:
        listen = f"--socket-property=ListenStream=127.0.0.1:{PORT}"
        hosts[0].run("systemd-run", "--quiet", f"--unit={UNIT}", listen, "/usr/bin/python3", "-c", program)

    yield make
    for kind in ("socket", "service"):
        with contextlib.suppress(FleetError):  # the service may never have run
            hosts[0].run("systemctl", "stop", f"{UNIT}.{kind}")


def wrong(ports: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [
        (port["port"], port["verdict"], holder["process"]["name"], holder["role"], holder["evidence"])
        for port in ports
        for socket in port["sockets"]
        for holder in socket["holders"]
        if port["verdict"] in LEAKS or holder["role"] == "heir"
    ]


def test_no_service_of_the_hosts(hosts: list[Host], ask: Ask) -> None:
    for host in hosts:
        ports = [port for port in ask(host, "list") if port["port"] in SERVICES]
        assert {port["port"] for port in ports} == SERVICES
        assert wrong(ports) == []


@pytest.mark.parametrize(("program", "answers"), [(POOL, True), (SLOW, False)], ids=["pool", "slow to start"])
def test_socket_activation(
    hosts: list[Host], ask: Ask, socket_unit: Callable[..., None], program: str, answers: bool
) -> None:
    socket_unit(program)
    [sleeping] = ask(hosts[0], "owner", f"{PORT}/tcp")
    assert (sleeping["verdict"], wrong([sleeping])) == ("socket_activated", [])
    hosts[0].run("/usr/bin/python3", "-c", VISIT.format(expected=4 if answers else 0))
    holders = 5 if answers else 2  # the manager, the service, its workers

    def stands() -> bool:
        [woken] = ask(hosts[0], "owner", f"{PORT}/tcp")
        assert wrong([woken]) == []
        return len({holder["pid"] for holder in woken["sockets"][0]["holders"]}) == holders

    until(stands, "the service")
    assert stands()
