# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Ports held on a container's behalf, led back to the container."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import Owner, Socket

WEB = "4f9ecc82b62652e0296e8cd864c94644eeb44c026af7d7f3ef3397328cd2689e"
DNS = "12d9db8a2c1abe7472de6a179b876f0e2e0f7d9f297eaa30dfff614377ca8e03"
ALICE = "/user.slice/user-1000.slice/user@1000.service"


def entry(container: str, name: str, networks: dict[str, tuple[str, str]], *ports: tuple[str, int, int, str]) -> Any:
    """One container as GET /containers/json tells it."""
    return {
        "Id": container,
        "Names": [f"/{name}"],
        "Image": "image",
        "Ports": [dict(zip(("IP", "PrivatePort", "PublicPort", "Type"), port, strict=True)) for port in ports],
        "NetworkSettings": {
            "Networks": {network: {"IPAddress": v4, "GlobalIPv6Address": v6} for network, (v4, v6) in networks.items()}
        },
    }


V4 = "a" * 64
V6 = "b" * 64
ENGINE = [
    entry(V4, "v4", {"bridge": ("172.17.0.4", "")}, ("0.0.0.0", 80, 7070, "tcp"), ("0.0.0.0", 80, 7071, "tcp")),
    entry(V6, "v6", {"bridge": ("172.17.0.5", "")}, ("::", 80, 7070, "tcp")),
    entry(
        WEB,
        "web",
        {"bridge": ("172.17.0.2", ""), "shop_default": ("172.18.0.2", "fd00::2")},
        ("0.0.0.0", 80, 8080, "tcp"),
        ("::", 80, 8080, "tcp"),
        ("127.0.0.1", 81, 8081, "tcp"),
    ),
    entry(DNS, "dns", {"bridge": ("172.17.0.3", "")}, ("198.18.0.1", 53, 53, "udp"), ("198.18.0.1", 53, 53, "tcp")),
]


def proxy(stage: Any, port: int, address: str, target: tuple[str, int], protocol: str = "tcp", uid: int = 0) -> Any:
    """Return a docker-proxy."""
    return stage.process(
        500, "docker-proxy", "/usr/bin/docker-proxy", "-proto", protocol, "-host-ip", address, "-host-port", str(port),
        "-container-ip", target[0], "-container-port", str(target[1]), "-use-listen-fd",
        ppid=0, cgroup="/system.slice/docker.service", uid=uid,
    )  # fmt: skip


PROXIES: list[tuple[str, int, str, tuple[str, int], str]] = [
    ("0.0.0.0", 8080, "tcp", ("172.17.0.2", 80), "web"),
    ("::", 8080, "tcp", ("fd00::2", 80), "web"),
    ("127.0.0.1", 8081, "tcp", ("172.18.0.2", 81), "web"),
    ("198.18.0.1", 53, "udp", ("172.17.0.3", 53), "dns"),
    ("0.0.0.0", 9999, "tcp", ("172.17.0.3", 99), "dns"),  # the API no longer lists the port, the address says it
    ("0.0.0.0", 8080, "tcp", ("10.9.9.9", 80), "web"),  # the address has changed, the published port says it
]


@pytest.mark.parametrize(("address", "port", "protocol", "target", "name"), PROXIES)
def test_a_proxy_leads_to_its_container(
    stage: Any,
    docker_api: Callable[..., list[str]],
    listener: Callable[..., Socket],
    address: str,
    port: int,
    protocol: str,
    target: tuple[str, int],
    name: str,
) -> None:
    docker_api(json.dumps(ENGINE).encode())

    owner = stage.owner(proxy(stage, port, address, target, protocol), listener(port, address, protocol))

    assert owner == Owner(
        kind="container",
        name=name,
        manager="docker",
        id={"web": WEB, "dns": DNS}[name],
        detail={"image": "image", "held_by": "docker-proxy"},
        evidence=f"docker-proxy to {target[0]}:{target[1]}; docker API",
    )


def test_two_containers_with_one_address_are_told_apart_by_the_published_port(
    stage: Any, docker_api: Callable[..., list[str]], listener: Callable[..., Socket]
) -> None:
    twin = entry(DNS, "twin", {"bridge": ("172.17.0.2", "")}, ("0.0.0.0", 80, 9090, "tcp"))
    docker_api(json.dumps([ENGINE[2], twin]).encode())

    owner = stage.owner(proxy(stage, 9090, "0.0.0.0", ("172.17.0.2", 80)), listener(9090))

    assert owner.name == "twin"


def test_an_orphaned_proxy_is_said_to_be_one(
    stage: Any, docker_api: Callable[..., list[str]], listener: Callable[..., Socket]
) -> None:
    docker_api(json.dumps(ENGINE).encode())

    owner = stage.owner(proxy(stage, 7000, "0.0.0.0", ("172.17.0.9", 70)), listener(7000))

    assert owner == Owner(
        kind="process",
        name="docker-proxy",
        manager="docker",
        detail={"orphaned": "yes", "target": "172.17.0.9:70"},
        evidence="docker-proxy to 172.17.0.9:70, but no running container has that address (docker API)",
    )


def test_a_proxy_of_an_engine_that_does_not_answer(stage: Any, listener: Callable[..., Socket]) -> None:
    owner = stage.owner(proxy(stage, 8080, "0.0.0.0", ("172.17.0.2", 80)), listener(8080))

    assert (owner.kind, owner.name, owner.manager, owner.id) == ("container", "172.17.0.2:80", "docker", None)
    assert owner.evidence.startswith("docker-proxy to 172.17.0.2:80; docker could not be asked: ")


def test_a_proxy_by_the_engines_files(stage: Any, listener: Callable[..., Socket]) -> None:
    for container, name, running in ((WEB, "web", True), (DNS, "old", False)):
        config = {
            "State": {"Running": running},
            "ID": container,
            "Name": f"/{name}",
            "NetworkSettings": {"Networks": {"shop": {"IPAddress": "172.18.0.2"}, "empty": None}},
        }
        stage.file(f"/var/lib/docker/containers/{container}/config.v2.json", json.dumps(config))
    stage.file("/var/lib/docker/containers/broken/config.v2.json", "{")

    owner = stage.owner(proxy(stage, 8080, "0.0.0.0", ("172.18.0.2", 80)), listener(8080))

    assert (owner.name, owner.evidence) == ("web", "docker-proxy to 172.18.0.2:80; /var/lib/docker/containers")


def test_a_program_that_only_calls_itself_docker_proxy(
    stage: Any, docker_api: Callable[..., list[str]], listener: Callable[..., Socket]
) -> None:
    requests = docker_api(json.dumps(ENGINE).encode())
    process = stage.process(
        500, "docker-proxy", "docker-proxy", "-container-ip", "172.17.0.2", ppid=0, exe="/home/alice/a.out", uid=1000
    )

    assert stage.owner(process, listener(8080)).kind == "process"
    assert requests == []


def test_an_engine_inside_a_container_is_not_the_hosts(
    stage: Any, docker_api: Callable[..., list[str]], listener: Callable[..., Socket]
) -> None:
    """Both hand out addresses from the same ranges."""
    requests = docker_api(json.dumps(ENGINE).encode())
    process = stage.process(
        501, "docker-proxy", "/usr/bin/docker-proxy", "-container-ip", "172.17.0.2", ppid=0, cgroup="/lxc/build"
    )

    assert stage.owner(process, listener(8080)).name == "build"
    assert requests == []


def dockerd(stage: Any, name: str = "dockerd", uid: int = 0, cgroup: str = "/system.slice/docker.service") -> Any:
    """Return the engine's own process."""
    return stage.process(400, name, f"/usr/bin/{name}", "-H", "fd://", ppid=0, cgroup=cgroup, uid=uid)


ENGINE_SOCKETS: list[tuple[str, int, str, str]] = [
    ("0.0.0.0", 8080, "tcp", "web"),
    ("::", 8080, "tcp", "web"),
    ("127.0.0.1", 8081, "tcp", "web"),
    ("198.18.0.1", 53, "udp", "dns"),
    ("0.0.0.0", 7070, "tcp", "v4"),
    ("::", 7070, "tcp", "v6"),
    ("::", 7071, "tcp", "v4"),  # older engines bind both families by one socket
    ("0.0.0.0", 2375, "tcp", "docker.service"),
    ("127.0.0.1", 8080, "tcp", "docker.service"),
    ("0.0.0.0", 8081, "tcp", "docker.service"),
    ("0.0.0.0", 8080, "udp", "docker.service"),
]


@pytest.mark.parametrize(("address", "port", "protocol", "name"), ENGINE_SOCKETS)
def test_a_port_the_engine_holds_itself(
    stage: Any,
    docker_api: Callable[..., list[str]],
    listener: Callable[..., Socket],
    address: str,
    port: int,
    protocol: str,
    name: str,
) -> None:
    docker_api(json.dumps(ENGINE).encode())

    owner = stage.owner(dockerd(stage), listener(port, address, protocol))

    assert owner.name == name
    assert owner.kind == ("unit" if name == "docker.service" else "container")


def test_the_same_engine_holds_ports_of_several_owners(
    stage: Any, docker_api: Callable[..., list[str]], listener: Callable[..., Socket]
) -> None:
    requests = docker_api(json.dumps(ENGINE).encode())
    engine = dockerd(stage)

    names = [stage.owner(engine, listener(*where)).name for where in ((2375,), (8080,), (53, "198.18.0.1", "udp"))]

    assert (names, requests) == (["docker.service", "web", "dns"], ["/containers/json"])


def test_an_engine_that_does_not_answer_leaves_its_unit(stage: Any, listener: Callable[..., Socket]) -> None:
    owner = stage.owner(dockerd(stage), listener(8080))

    assert (owner.kind, owner.name) == ("unit", "docker.service")
    assert "docker could not be asked" in owner.evidence


def test_a_users_own_engine(stage: Any, docker_api: Callable[..., list[str]], listener: Callable[..., Socket]) -> None:
    docker_api(json.dumps(ENGINE).encode(), path="/run/user/1000/docker.sock")
    engine = dockerd(stage, "rootlesskit", 1000, f"{ALICE}/app.slice/docker.service")

    owner = stage.owner(engine, listener(8080))

    assert (owner.name, owner.user) == ("web", "alice")


def monitor(
    stage: Any,
    pid: int,
    container: str,
    name: str,
    links: tuple[str, ...] = (),
    children: tuple[int, ...] = (),
    uid: int = 1000,
) -> Any:
    """Return a conmon."""
    return stage.process(
        pid, "conmon", "/usr/bin/conmon", "--api-version", "1", "-c", container, "-u", container, "-n", name,
        ppid=0, cgroup=f"{ALICE}/user.slice/libpod-conmon-{container}.scope", uid=uid, links=links, children=children,
    )  # fmt: skip


def test_a_port_that_conmon_keeps(stage: Any, listener: Callable[..., Socket]) -> None:
    process = monitor(stage, 300, WEB, "web", uid=0)

    assert stage.owner(process, listener(8080)) == Owner(
        kind="container",
        name="web",
        manager="podman",
        id=WEB,
        detail={"held_by": "conmon"},
        evidence="arguments of conmon(300); conmon(300)",
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("rootlessport", ("rootlessport",)),
        ("exe", ("containers-rootlessport",)),
        ("slirp4netns", ("/usr/bin/slirp4netns", "-c", "-r", "3", "-e", "4", "--netns-type=path", "/run/x", "tap0")),
    ],
)
def test_a_forwarder_shares_a_pipe_with_the_monitor_of_its_container(
    stage: Any, listener: Callable[..., Socket], name: str, words: tuple[str, ...]
) -> None:
    monitor(stage, 300, DNS, "dns", links=("pipe:[10]", "/dev/null"))
    monitor(stage, 301, WEB, "web", links=("pipe:[20]", "/dev/null", "socket:[5]"))
    process = stage.process(
        302, name, *words, ppid=0, cgroup=f"{ALICE}/user.slice/a.scope", uid=1000,
        exe="/usr/bin/podman" if name == "exe" else f"/usr/bin/{name}", links=("/dev/null", "socket:[5]", "pipe:[20]"),
    )  # fmt: skip

    owner = stage.owner(process, listener(8080))

    assert (owner.kind, owner.name, owner.manager, owner.id) == ("container", "web", "podman", WEB)
    assert owner.evidence == "pipe shared with conmon(301); conmon(301)"


NO_PIPES: list[tuple[tuple[str, ...], str]] = [
    (("pipe:[77]",), "no container monitor shares a pipe with it"),
    (("pipe:[9]",), "more than one container monitor shares a pipe with it"),
]


@pytest.mark.parametrize(("links", "why"), NO_PIPES)
def test_a_forwarder_without_a_monitor_of_its_own(
    stage: Any, listener: Callable[..., Socket], links: tuple[str, ...], why: str
) -> None:
    monitor(stage, 300, DNS, "dns", links=("pipe:[9]",))
    monitor(stage, 301, WEB, "web", links=("pipe:[9]",))
    process = stage.process(
        302, "rootlessport", "rootlessport", ppid=0, cgroup=f"{ALICE}/app.slice/a.service", uid=1000, links=links
    )

    owner = stage.owner(process, listener(8080))

    assert (owner.kind, owner.name, owner.user) == ("unit", "a.service", "alice")
    assert owner.evidence.endswith("; " + why)


def pasta(stage: Any, path: str) -> Any:
    """Return a pasta as podman 5 starts it."""
    return stage.process(
        302, "pasta.avx2", "/usr/bin/pasta", "--config-net", "-t", "8080-8080:80-80", "--dns-forward", "169.254.1.1",
        "-u", "none", "-T", "none", "-U", "none", "--no-map-gw", "--quiet", "--netns", path,
        ppid=0, cgroup=f"{ALICE}/app.slice/a.service", uid=1000, exe="/usr/bin/pasta.avx2",
    )  # fmt: skip


def test_pasta_leads_to_the_container_in_its_network_namespace(stage: Any, listener: Callable[..., Socket]) -> None:
    path = "/run/user/1000/netns/netns-eeaeb5d8"
    for pid, container, name in ((300, DNS, "dns"), (303, WEB, "web")):
        monitor(stage, pid, container, name, children=(pid + 1,))
        stage.file(f"/proc/{pid}/root{path}", "")
    # the monitors see one mount; its inode is the number of the namespace
    network = stage.host.inode(f"/proc/303/root{path}")
    stage.process(301, "dnsmasq", "/usr/sbin/dnsmasq", ppid=300, network=1)
    stage.process(304, "nginx", "/usr/sbin/nginx", ppid=303, network=network)

    owner = stage.owner(pasta(stage, path), listener(8080))

    assert (owner.kind, owner.name, owner.manager, owner.id) == ("container", "web", "podman", WEB)
    assert owner.detail == {"held_by": "pasta.avx2"}
    assert owner.evidence == f"network namespace {path}; conmon(303)"


@pytest.mark.parametrize("path", ["/run/user/1000/netns/netns-00", "/srv/nfs/dead", "/run/../srv/nfs/dead", ""])
def test_pasta_without_a_container(stage: Any, listener: Callable[..., Socket], path: str) -> None:
    """Only what lies where podman puts it is looked at: the path comes from a command line, and a file may hang."""
    monitor(stage, 300, WEB, "web", children=(301,))
    if path and not path.endswith("-00"):
        stage.file("/proc/300/root/run/x", "")
        stage.file("/proc/300/root/srv/nfs/dead", "")
        stage.process(
            301, "nginx", "/usr/sbin/nginx", ppid=300, network=stage.host.inode("/proc/300/root/srv/nfs/dead")
        )

    assert stage.owner(pasta(stage, path), listener(8080)).name == "a.service"
