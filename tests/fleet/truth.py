# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What ss, systemctl, loginctl, supervisorctl and docker say on a host: the truth that the agent is held against."""

from __future__ import annotations

import functools
import re

from .harness.host import Host

HOLDER = re.compile(r"pid=(\d+),fd=(\d+)")


@functools.cache
def _ss(host: Host, protocol: str) -> tuple[str, ...]:
    return tuple(host.run("ss", "-H", "-n", "-l", "-p", f"--{protocol}").splitlines())


def holders(host: Host, port: int, protocol: str) -> set[tuple[int, int]]:
    """Return the (pid, descriptor) of all that hold the port open for others, by ss(8)."""
    lines = [line for line in _ss(host, protocol) if line.split()[3].endswith(f":{port}")]
    return {(int(pid), int(descriptor)) for line in lines for pid, descriptor in HOLDER.findall(line)}


def all_holders(host: Host) -> set[tuple[int, int]]:
    """Return the (pid, descriptor) of all that hold any port open for others, by ss(8)."""
    lines = (*_ss(host, "tcp"), *_ss(host, "udp"))
    return {(int(pid), int(descriptor)) for line in lines for pid, descriptor in HOLDER.findall(line)}


@functools.cache
def main_process(host: Host, unit: str) -> int:
    """Return the main process of a system's unit."""
    return int(host.run("systemctl", "show", "--property=MainPID", "--value", unit))


@functools.cache
def processes(host: Host, kind: str, name: str, user: str | None) -> frozenset[int]:
    """Return the processes that an owner has according to whoever manages it."""
    if kind == "program":
        return frozenset({int(host.run("supervisorctl", "pid", name))})
    if kind == "socket_unit":
        return frozenset({1}) if host.run("systemctl", "is-active", name).strip() == "active" else frozenset()
    if kind == "session":
        sessions = host.run("loginctl", "list-sessions", "--no-legend").splitlines()
        assert any(line.split()[0::2][:2] == [name[len("session-") : -len(".scope")], user] for line in sessions)
    if kind == "unit" and user:
        group = host.run("systemctl", "--user", "show", "--property=ControlGroup", "--value", name, user=user)
    else:
        group = host.run("systemctl", "show", "--property=ControlGroup", "--value", name)
    assert group.strip(), f"{name} does not run on {host.name}"
    members = host.run("find", f"/sys/fs/cgroup{group.strip()}", "-name", "cgroup.procs", "-exec", "cat", "{}", "+")
    return frozenset(map(int, members.split()))


@functools.cache
def container(host: Host, name: str) -> tuple[str, int]:
    """Return the id and the first process of a container."""
    identity, process = host.run("docker", "inspect", "--format", "{{.Id}} {{.State.Pid}}", name).split()
    return identity, int(process)


@functools.cache
def publishes(host: Host, name: str) -> str:
    """Return what docker says a container publishes."""
    return host.run("docker", "port", name)
