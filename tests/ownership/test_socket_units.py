# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Sockets that a service manager holds, told from those of its services."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.endpoint import Endpoint
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import Owner, Socket
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.ownership.socket_listing import (
    SocketUnit,
    parse_socket_units,
)

ALICE = "/user.slice/user-1000.slice/user@1000.service"

# systemctl show '*.socket' --property=Id,Listen,Triggers,ActiveState (systemd 252), shortened
LISTING = r"""Listen=[::]:9090 (Stream)
Id=cockpit.socket
ActiveState=active
Triggers=cockpit.service

Listen=0.0.0.0:111 (Stream)
Listen=0.0.0.0:111 (Datagram)
Listen=[::]:111 (Stream)
Listen=[::]:111 (Datagram)
Listen=/run/rpcbind.sock (Stream)
Id=rpcbind.socket
ActiveState=active
Triggers=rpcbind.service

Listen=/run/docker.sock (Stream)
Listen=audit 1 (Netlink)
Listen=/run/initctl (FIFO)
Listen=vsock:3:22 (Stream)
Listen=@abstract:7 (Stream)
Id=odd.socket
ActiveState=active

Listen=127.0.0.1:7000 (Stream)
Listen=[fe80::1%eth0]:7001 (Stream)
Id=web-eu\x2d1.socket
ActiveState=active
Triggers="web-eu\\x2d1.service"

Listen=[::]:9090 (Stream)
Id=old.socket
ActiveState=inactive
Triggers=old.service

Id=
"""


def test_reading_the_listing() -> None:
    units = parse_socket_units(LISTING)

    assert [unit.id for unit in units] == [
        "cockpit.socket", "rpcbind.socket", "odd.socket", r"web-eu\x2d1.socket", "old.socket",
    ]  # fmt: skip
    assert units[0] == SocketUnit("cockpit.socket", (("tcp", Endpoint("::", 9090)),), "cockpit.service", True)
    assert units[1].listens[1] == ("udp", Endpoint("0.0.0.0", 111))
    assert (units[2].listens, units[2].triggers) == ((), None)
    assert units[3].listens[1] == ("tcp", Endpoint("fe80::1", 7001))
    assert not units[4].active


def systemd(stage: Any) -> Any:
    """PID 1."""
    return stage.process(1, "systemd", "/sbin/init", ppid=0, cgroup="/init.scope")


LISTED: list[tuple[str, int, str, str, str]] = [
    ("::", 9090, "tcp", "cockpit.socket", "cockpit.service"),
    ("0.0.0.0", 9090, "tcp", "cockpit.socket", "cockpit.service"),
    ("0.0.0.0", 111, "udp", "rpcbind.socket", "rpcbind.service"),
    ("fe80::1", 7001, "tcp", "web-eu-1.socket", "web-eu-1.service"),
]


@pytest.mark.parametrize(("address", "port", "protocol", "name", "triggers"), LISTED)
def test_a_socket_by_the_listing(
    stage: Any, listener: Callable[..., Socket], address: str, port: int, protocol: str, name: str, triggers: str
) -> None:
    stage.host.answers[("systemctl", "show", "*.socket")] = LISTING

    owner = stage.owner(systemd(stage), listener(port, address, protocol))

    assert (owner.kind, owner.name, owner.manager, owner.user) == ("socket_unit", name, "systemd", None)
    assert owner.detail == {"triggers": triggers}
    assert owner.id == (None if "-eu" not in name else r"web-eu\x2d1.socket")


UNLISTED: list[tuple[str, int, str]] = [
    ("127.0.0.1", 9090, "tcp"),
    ("0.0.0.0", 7000, "tcp"),
    ("127.0.0.1", 7000, "udp"),
    ("127.0.0.1", 7, "tcp"),
]


@pytest.mark.parametrize(("address", "port", "protocol"), UNLISTED)
def test_a_socket_that_no_unit_names(
    stage: Any, listener: Callable[..., Socket], address: str, port: int, protocol: str
) -> None:
    stage.host.answers[("systemctl", "show", "*.socket")] = LISTING

    owner = stage.owner(systemd(stage), listener(port, address, protocol))

    assert owner == Owner(
        kind="unit",
        name="init.scope",
        manager="systemd",
        evidence=f"cgroup /init.scope; no .socket unit listens on {address} port {port}",
    )


def test_the_listing_is_read_once_and_only_for_the_manager(stage: Any, listener: Callable[..., Socket]) -> None:
    stage.host.answers[("systemctl",)] = LISTING
    manager = systemd(stage)
    service = stage.process(70, "cockpit-tls", "/usr/lib/cockpit-tls", cgroup="/system.slice/cockpit.service")

    names = [stage.owner(holder, listener(9090, "::")).name for holder in (service, manager, manager)]

    assert names == ["cockpit.service", "cockpit.socket", "cockpit.socket"]
    assert len(stage.host.ran) == 1


def test_two_active_units_on_one_port_are_both_named(stage: Any, listener: Callable[..., Socket]) -> None:
    stage.host.answers[("systemctl",)] = LISTING.replace("ActiveState=inactive", "ActiveState=active")

    owner = stage.owner(systemd(stage), listener(9090, "::"))

    assert (owner.name, owner.evidence) == ("cockpit.socket", "systemctl show: Listen; also old.socket")


def test_a_socket_by_its_cgroup(stage: Any, listener: Callable[..., Socket]) -> None:
    made_in = stage.cgroup("/system.slice/cockpit.socket")

    owner = stage.owner(systemd(stage), listener(9090, "::", cgroup_id=made_in))

    assert owner == Owner(
        kind="socket_unit",
        name="cockpit.socket",
        manager="systemd",
        evidence=f"cgroup id {made_in} = /system.slice/cockpit.socket",
    )
    assert stage.host.ran == [], "no command is needed"


def test_a_socket_in_the_descriptor_store(stage: Any, listener: Callable[..., Socket]) -> None:
    """A service may leave its sockets with the manager over a restart (FileDescriptorStoreMax=)."""
    made_in = stage.cgroup("/system.slice/web.service")

    owner = stage.owner(systemd(stage), listener(9090, "::", cgroup_id=made_in))

    assert (owner.kind, owner.name) == ("unit", "web.service")
    assert owner.evidence == f"cgroup id {made_in} = /system.slice/web.service; kept in the manager's descriptor store"


def test_a_socket_made_by_the_manager_itself(stage: Any, listener: Callable[..., Socket]) -> None:
    """Where the kernel cannot filter by cgroup, PID 1 makes it in its own."""
    stage.host.answers[("systemctl",)] = LISTING

    owner = stage.owner(systemd(stage), listener(9090, "::", cgroup_id=stage.cgroup("/init.scope")))

    assert (owner.name, owner.evidence) == ("cockpit.socket", "systemctl show: Listen")


def test_a_users_socket(stage: Any, listener: Callable[..., Socket]) -> None:
    stage.host.answers[("systemctl", "--user", "--machine=1000@.host")] = LISTING
    manager = stage.process(
        800, "systemd", "/usr/lib/systemd/systemd", "--user", cgroup=f"{ALICE}/init.scope", uid=1000
    )

    owner = stage.owner(manager, listener(9090, "::"))

    assert (owner.kind, owner.name, owner.user) == ("socket_unit", "cockpit.socket", "alice")


def test_a_users_manager_that_does_not_answer(stage: Any, listener: Callable[..., Socket]) -> None:
    manager = stage.process(
        800, "systemd", "/usr/lib/systemd/systemd", "--user", cgroup=f"{ALICE}/init.scope", uid=1000
    )

    owner = stage.owner(manager, listener(9090, "::"))

    assert (owner.kind, owner.name) == ("unit", "user@1000.service")
    assert owner.evidence.endswith("; its .socket unit could not be asked for: systemctl: not staged")


def test_the_manager_in_a_container_that_the_agent_runs_in(stage: Any, listener: Callable[..., Socket]) -> None:
    """Without a cgroup namespace of its own the container shows in the path."""
    stage.host.answers[("systemctl",)] = LISTING
    manager = stage.process(1, "systemd", "/sbin/init", ppid=0, cgroup="/lxc/web/init.scope")

    assert stage.owner(manager, listener(9090, "::")).name == "cockpit.socket"


def test_a_users_socket_made_by_the_manager_itself(stage: Any, listener: Callable[..., Socket]) -> None:
    stage.host.answers[("systemctl", "--user", "--machine=1000@.host")] = LISTING
    scope = f"{ALICE}/init.scope"
    manager = stage.process(800, "systemd", "/usr/lib/systemd/systemd", "--user", cgroup=scope, uid=1000)

    owner = stage.owner(manager, listener(9090, "::", cgroup_id=stage.cgroup(scope)))

    assert (owner.kind, owner.name, owner.user) == ("socket_unit", "cockpit.socket", "alice")


OTHERS: list[tuple[int, str, str, str]] = [
    (1, "runit", "/", "LISTEN"),
    (77, "systemd", "/system.slice/fake.service", "LISTEN"),
    (77, "systemd", "/lxc/web/init.scope", "LISTEN"),
    (1, "systemd", "/init.scope", "ESTABLISHED"),
]


@pytest.mark.parametrize(("pid", "name", "cgroup", "state"), OTHERS)
def test_no_socket_activation(
    stage: Any, listener: Callable[..., Socket], pid: int, name: str, cgroup: str, state: str
) -> None:
    process = stage.process(pid, name, f"/sbin/{name}", ppid=0, cgroup=cgroup)

    assert stage.owner(process, listener(9090, "::", state=state)).kind != "socket_unit"
    assert stage.host.ran == []
