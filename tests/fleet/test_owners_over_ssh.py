# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Every real service of the test hosts is found with its owner and all holders, over SSH, on every interpreter."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from typing import Any

import pytest

from . import truth
from .conftest import Ask
from .harness.fleet import HOSTS
from .harness.host import Host
from .harness.interpreters import pyenv_prefix

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Service:
    """A port of every host: what it should be called, and the owners by kind and pattern of their name."""

    port: int
    protocol: str
    verdict: str
    owners: tuple[tuple[str, str], ...]


SERVICES = {
    "ssh": Service(22, "tcp", "owned", (("unit", "ssh.service"),)),
    "nginx": Service(8080, "tcp", "shared_workers", (("unit", "nginx.service"),)),
    "haproxy": Service(8081, "tcp", "owned", (("unit", "haproxy.service"),)),
    "dnsmasq over tcp": Service(53, "tcp", "owned", (("unit", "dnsmasq.service"),)),
    "dnsmasq over udp": Service(53, "udp", "owned", (("unit", "dnsmasq.service"),)),
    "socket unit before its service": Service(8201, "tcp", "socket_activated", (("socket_unit", "sleeping.socket"),)),
    "socket unit and its service": Service(
        8202, "tcp", "socket_activated", (("socket_unit", "woken.socket"), ("unit", "woken.service"))
    ),
    "template unit": Service(8301, "tcp", "owned", (("unit", "thing@8301.service"),)),
    "unit of a user": Service(8401, "tcp", "owned", (("unit", "notes.service"),)),
    "supervised program": Service(8501, "tcp", "owned", (("program", "queue"),)),
    "login session": Service(8601, "tcp", "owned", (("session", "session-*.scope"),)),
    "reuseport group": Service(
        8701, "tcp", "reuseport_group", tuple(("unit", f"shard@{member}.service") for member in (1, 2, 3))
    ),
    "bound, not listening": Service(8801, "tcp", "bound_not_listening", (("unit", "claimed.service"),)),
    "container on every address": Service(8088, "tcp", "container_published", (("container", "web"),)),
    "container on loopback": Service(8090, "tcp", "container_published", (("container", "api"),)),
    "container on the host's network": Service(8092, "tcp", "container_published", (("container", "exporter"),)),
    "container over udp": Service(5353, "udp", "container_published", (("container", "api"),)),
}

every_service = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
every_host = pytest.mark.parametrize("name", [host.name for host in HOSTS])


def answer_in(result: dict[str, Any], service: Service) -> dict[str, Any]:
    """Return the one answer for the service's port in the host's own network namespace."""
    assert "ports" in result, result
    wanted = (service.port, service.protocol, "host")
    (found,) = [one for one in result["ports"] if (one["port"], one["protocol"], one["namespace"]["kind"]) == wanted]
    return found


def check(answer: dict[str, Any], service: Service, host: Host) -> None:
    """Hold an answer against the table above and against what the host's own tools say."""
    assert answer["verdict"] == service.verdict
    held = [holder for socket in answer["sockets"] for holder in socket["holders"]]
    assert {(one["pid"], one["fd"]) for one in held} == expected_holders(service, host)
    named = sorted({(one["owner"]["kind"], one["owner"]["name"]) for one in held})
    assert len(named) == len(service.owners), named
    for (kind, name), (wanted_kind, pattern) in zip(named, sorted(service.owners), strict=True):
        assert kind == wanted_kind
        assert fnmatch.fnmatchcase(name, pattern)
    if service.verdict == "shared_workers":
        master = truth.main_process(host, service.owners[0][1])
        assert all(one["role"] == ("creator" if one["pid"] == master else "worker") for one in held)
    for one in held:
        check_owner(one["owner"], one["pid"], service, host)


def expected_holders(service: Service, host: Host) -> set[tuple[int, int]]:
    """Return who holds the port; ss shows nobody of a port that is only bound, so there it is the unit's process."""
    if service.verdict == "bound_not_listening":
        assert truth.holders(host, service.port, service.protocol) == set()
        return {(truth.main_process(host, service.owners[0][1]), 3)}
    found = truth.holders(host, service.port, service.protocol)
    assert found
    return found


def check_owner(owner: dict[str, Any], pid: int, service: Service, host: Host) -> None:
    """The owner's manager must agree that the process, or the port that is published for it, is the owner's."""
    if owner["kind"] == "container":
        identity, process = truth.container(host, owner["name"])
        assert (owner["manager"], owner["id"]) == ("docker", identity)
        assert pid == process or f":{service.port}\n" in truth.publishes(host, owner["name"])
    else:
        assert pid in truth.processes(host, owner["kind"], owner["name"], owner["user"])


@every_host
@every_service
def test_the_owner_of_one_port(ask: Ask, fleet: dict[str, Host], service: Service, name: str) -> None:
    result = ask("port_owner", f"port={service.port}/{service.protocol}")[name]
    check(answer_in(result, service), service, fleet[name])
    # On a busy host a walk may be outrun, or meet a message on its way, and says so; nothing else may be unseen.
    lasting = [
        spot
        for spot in result["blind_spots"]
        if "faster than the scan" not in spot["why"] and spot["what"] != "descriptors in flight"
    ]
    assert lasting == []


@every_host
@every_service
def test_the_owner_among_all_ports(ask: Ask, fleet: dict[str, Host], service: Service, name: str) -> None:
    check(answer_in(ask("port_owner")[name], service), service, fleet[name])


@every_host
@every_service
def test_the_owner_in_an_audit(ask: Ask, fleet: dict[str, Host], service: Service, name: str) -> None:
    check(answer_in(ask("port_audit")[name], service), service, fleet[name])


@every_host
def test_nothing_that_listens_is_missing_from_an_audit(ask: Ask, fleet: dict[str, Host], name: str) -> None:
    audited = {
        (holder["pid"], holder["fd"])
        for answer in ask("port_audit")[name]["ports"]
        if answer["namespace"]["kind"] == "host"
        for socket in answer["sockets"]
        if socket["state"] in ("LISTEN", "UNCONNECTED")
        for holder in socket["holders"]
    }
    assert audited == truth.all_holders(fleet[name])


@every_host
@pytest.mark.parametrize("container", ["web", "api"])
def test_the_listener_inside_a_container(ask: Ask, fleet: dict[str, Host], name: str, container: str) -> None:
    identity, process = truth.container(fleet[name], container)
    answers = ask("port_owner", "port=80/tcp")[name]["ports"]
    (answer,) = [one for one in answers if one["namespace"]["name"] == container]
    holders = [holder for socket in answer["sockets"] for holder in socket["holders"]]
    assert [(one["pid"], one["owner"]["id"]) for one in holders] == [(process, identity)]


@every_host
def test_a_listener_of_another_host_is_not_found(ask: Ask, name: str) -> None:
    free = Service(8999, "tcp", "free", ())
    assert answer_in(ask("port_owner", "port=8999/tcp")[name], free)["verdict"] == "free"


@every_host
def test_without_root_what_is_not_seen_is_said(ask: Ask, name: str) -> None:
    result = ask("port_owner", "port=8080/tcp", "-e", "ansible_user=mara")[name]
    assert result["complete"] is False
    assert "descriptors of other processes" in {spot["what"] for spot in result["blind_spots"]}
    assert answer_in(result, SERVICES["nginx"])["verdict"] == "unknown"


@every_host
def test_without_root_ones_own_ports_are_seen(ask: Ask, fleet: dict[str, Host], name: str) -> None:
    result = ask("port_owner", "port=8401/tcp", "-e", "ansible_user=mara")[name]
    check(answer_in(result, SERVICES["unit of a user"]), SERVICES["unit of a user"], fleet[name])


def test_each_host_answers_with_its_own_python(ask: Ask) -> None:
    facts = ask("setup", "filter=ansible_python_version")
    releases = {
        name: result["ansible_facts"]["ansible_python_version"].rpartition(".")[0] for name, result in facts.items()
    }
    borrowed = {host.name: host.borrowed_python for host in HOSTS}
    assert releases == {
        name: release if release and pyenv_prefix(release) else "3.11" for name, release in borrowed.items()
    }
