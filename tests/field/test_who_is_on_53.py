# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Field case 5, who is on 53? A container's published port collides with the resolver, or the resolver with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ..fleet.harness.command import FleetError, wait_for
from ..fleet.harness.containers import IMAGE
from ..fleet.harness.host import Host
from . import truth
from .conftest import Stage
from .page import shown
from .scene import Scene

CONTAINER = "field-resolver"
IN_USE = r"(?i)address already in use"

pytestmark = pytest.mark.slow

Answer = Callable[..., dict[str, Any]]


def publish(scene: Scene, *ports: str) -> None:
    """Run a container that publishes the ports; FleetError when the engine cannot."""
    scene.undo(lambda: scene.host.run("docker", "rm", "--force", CONTAINER))
    # What is the first process in its namespace, and has no handler, ignores SIGTERM.
    options = ["--stop-signal=SIGKILL", *(f"--publish={port}" for port in ports)]
    scene.host.run("docker", "run", "--detach", f"--name={CONTAINER}", *options, IMAGE, "/bin/busybox", "sleep", "600")


@pytest.fixture
def without_dnsmasq(stage: Stage) -> Iterator[Callable[[str], Scene]]:
    """Return a function that stops the host's own resolver until the test is over."""

    def on(name: str) -> Scene:
        scene = stage(name)
        scene.undo(lambda: scene.host.run("systemctl", "start", "dnsmasq"))
        scene.host.run("systemctl", "stop", "dnsmasq")
        return scene

    yield on


def owners(answer: dict[str, Any]) -> dict[str, set[tuple[str, str]]]:
    """Return the kind and name of the owners by address."""
    return {
        socket["local"]["address"]: {(one["owner"]["kind"], one["owner"]["name"]) for one in socket["holders"]}
        for socket in answer["sockets"]
        if socket["state"] in ("LISTEN", "UNCONNECTED")
    }


def addresses(host: Host, protocol: str) -> set[str]:
    """Return the addresses on which 53 is held, by ss(8)."""
    locals_ = {row.local.rpartition(":")[0].partition("%")[0] for row in truth.rows(host, 53, protocol)}
    return {{"*": "::"}.get(address, address).strip("[]") for address in locals_}


@pytest.mark.parametrize(("name", "protocol"), [("alder", "udp"), ("alder", "tcp"), ("birch", "udp")])
def test_dnsmasq_is_in_the_way(stage: Stage, answer: Answer, name: str, protocol: str) -> None:
    """Docker can publish 53 only where nothing else has it: on alder by docker-proxy, on birch by dockerd."""
    scene = stage(name)
    with pytest.raises(FleetError, match=IN_USE):
        publish(scene, f"53:53/{protocol}")

    found = answer(scene.host, 53, protocol)

    assert truth.pairs(found) == truth.holders(scene.host, 53, protocol)
    dnsmasq = {("unit", "dnsmasq.service")}
    assert set(owners(found)) == addresses(scene.host, protocol) >= {"127.0.0.1", scene.host.address}
    assert all(owner == dnsmasq for owner in owners(found).values())
    assert found["verdict"] == "owned"
    pid = scene.main_process("dnsmasq")
    assert f"dnsmasq[{pid}]" in found["summary"]
    assert "127.0.0.1" in found["summary"]
    assert "dnsmasq.service" in found["advice"]
    # Loopback and the host's own address are told apart, and from an address that is free.
    for address in ("127.0.0.1", scene.host.address):
        assert owners(answer(scene.host, 53, protocol, address=address)) == {address: dnsmasq}
    kind = {"udp": "SOCK_DGRAM", "tcp": "SOCK_STREAM"}[protocol]
    assert truth.binds(scene.host, 53, "127.0.0.2", kind) == ("ok", "ok")
    assert answer(scene.host, 53, protocol, address="127.0.0.2")["verdict"] == "free"
    assert truth.binds(scene.host, 53, "0.0.0.0", kind)[0] == "EADDRINUSE"


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
def test_systemd_resolved_is_in_the_way(without_dnsmasq: Callable[[str], Scene], answer: Answer, protocol: str) -> None:
    scene = without_dnsmasq("alder")
    scene.undo(lambda: scene.host.run("systemctl", "stop", "systemd-resolved"))
    scene.host.run("systemctl", "start", "systemd-resolved")
    wait_for(lambda: truth.holders(scene.host, 53, protocol), "the resolver is there")
    with pytest.raises(FleetError, match=IN_USE):
        publish(scene, f"53:53/{protocol}")

    found = answer(scene.host, 53, protocol)

    resolved = {("unit", "systemd-resolved.service")}
    assert found["verdict"] == "owned"
    assert truth.pairs(found) == truth.holders(scene.host, 53, protocol)
    assert owners(found) == {"127.0.0.53": resolved, "127.0.0.54": resolved}
    assert "systemd-resolved.service" in found["advice"]
    assert shown(found) if protocol == "udp" else True
    # It is on loopback only: on the host's own address the port is free, and can be published there.
    assert answer(scene.host, 53, protocol, address=scene.host.address)["verdict"] == "free"
    scene.host.run("docker", "rm", "--force", CONTAINER)
    publish(scene, f"{scene.host.address}:53:53/{protocol}")
    both = answer(scene.host, 53, protocol)
    assert truth.pairs(both) == truth.holders(scene.host, 53, protocol)
    container = {("container", CONTAINER)}
    assert owners(both) == {"127.0.0.53": resolved, "127.0.0.54": resolved, scene.host.address: container}
    for word in ("systemd-resolved.service", CONTAINER):
        assert word in both["summary"]
        assert word in both["advice"]


@pytest.mark.parametrize("name", ["alder", "birch"])
def test_a_container_is_in_the_resolvers_way(
    without_dnsmasq: Callable[[str], Scene], answer: Answer, name: str
) -> None:
    scene = without_dnsmasq(name)
    publish(scene, "53:53/udp", "53:53/tcp")
    scene.host.run("sh", "-c", "! systemctl start dnsmasq")

    for protocol in ("udp", "tcp"):
        found = answer(scene.host, 53, protocol)
        assert found["verdict"] == "container_published"
        assert truth.pairs(found) == truth.holders(scene.host, 53, protocol)
        assert set(owners(found)) == addresses(scene.host, protocol) >= {"0.0.0.0"}
        assert all(owner == {("container", CONTAINER)} for owner in owners(found).values())
        assert {one["process"]["name"] for one in truth.held(found)} == {
            "docker-proxy" if scene.host.userland_proxy else "dockerd"
        }
        assert CONTAINER in found["summary"]
        assert "container" in found["advice"]
        if name == "alder" and protocol == "udp":
            assert shown(found)
    scene.host.run("docker", "rm", "--force", CONTAINER)
    scene.host.run("systemctl", "reset-failed", "dnsmasq")
    scene.host.run("systemctl", "start", "dnsmasq")
    assert owners(answer(scene.host, 53, "udp"))["127.0.0.1"] == {("unit", "dnsmasq.service")}
