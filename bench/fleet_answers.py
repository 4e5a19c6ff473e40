# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A fleet that is not there: what its hosts would have answered, as audits of real ones do, and what is declared.

Hosts come in kinds that run the same services, as real ones do; pids, start times, cookies and inodes differ on each.
One host in twenty breaks the policy in one way or another, one in fifty does not answer.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

LISTENERS = 60
TAKEN_AT = "2026-05-04T13:02:11Z"
EVERYWHERE = {
    22: ("ssh.service", "sshd", "/usr/sbin/sshd", "root"),
    25: ("postfix.service", "master", "/usr/lib/postfix/sbin/master", "root"),
    53: ("systemd-resolved.service", "systemd-resolve", "/usr/lib/systemd/systemd-resolved", "systemd-resolve"),
    111: ("rpcbind.socket", "rpcbind", "/usr/sbin/rpcbind", "_rpc"),
    161: ("snmpd.service", "snmpd", "/usr/sbin/snmpd", "Debian-snmp"),
    9100: ("prometheus-node-exporter.service", "prometheus-node", "/usr/bin/prometheus-node-exporter", "prometheus"),
}
KINDS = ("web", "db", "queue", "cache", "build")
STRANGER = ("session-7.scope", "java", "/usr/lib/jvm/java-17-openjdk-amd64/bin/java", "carol")


def names(hosts: int) -> list[str]:
    """The hosts' names, ``web1.example.com`` and on."""
    return [f"{KINDS[number % len(KINDS)]}{number // len(KINDS) + 1}.example.com" for number in range(hosts)]


def declared(name: str) -> list[dict[str, Any]]:
    """The applications of a host, as an inventory declares them."""
    entries = [
        {"name": unit.partition(".")[0], "ports": [port], "owner": {"unit": unit}}
        for port, (unit, *_process) in _services(name).items()
    ]
    return [*entries, {"name": "standby", "ports": [8999], "listen": "may"}]


def answers(hosts: int, seed: int = 2026) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Yield each host's name and what port_audit would have returned on it, None of one that did not answer."""
    dice = random.Random(seed)
    for number, name in enumerate(names(hosts)):
        yield name, None if number % 50 == 49 else _answer(name, dice, broken=number % 20 == 7)


def _services(name: str) -> dict[int, tuple[str, str, str, str]]:
    kind = next(one for one in KINDS if name.startswith(one))
    base = 8000 + 1000 * KINDS.index(kind)
    own = {
        base + index: (f"{kind}-{index}.service", f"{kind}d", f"/opt/{kind}/bin/{kind}d", kind)
        for index in range(LISTENERS - len(EVERYWHERE))
    }
    return {**EVERYWHERE, **own}


def _answer(name: str, dice: random.Random, broken: bool) -> dict[str, Any]:
    services = dict(_services(name))
    if broken:
        ports = sorted(set(services) - set(EVERYWHERE))
        services[dice.choice(ports)] = STRANGER  # the wrong owner
        services[dice.randrange(20000, 30000)] = STRANGER  # nobody declared it
        del services[dice.choice([port for port in ports if services[port] is not STRANGER])]
    return {
        "format": "portreeve.port_audit/1",
        "changed": False,
        "complete": True,
        "sockets_complete": True,
        "blind_spots": [],
        "agent": {"version": "0.1.0", "scanner": "sock_diag", "elapsed_ms": dice.randrange(20, 90)},
        "host": {
            "name": name,
            "system": "Linux",
            "kernel": "6.1.0-28-amd64",
            "boot_id": f"{dice.getrandbits(128):032x}",
        },
        "ports": [_port(port, service, dice) for port, service in sorted(services.items())],
        "declared": [str(port) for port in sorted(_services(name))],
        "namespaces": [{"id": 4026531840, "name": "host", "kind": "host", "path": "/proc/self/ns/net", "pid": 1}],
        "connections": [{"namespace": 4026531840, "protocol": "tcp", "states": {"ESTABLISHED": dice.randrange(900)}}],
        "ranges": {"automatic": [32768, 60999], "reserved": "", "unprivileged_start": 1024},
        "descriptors": {"used": dice.randrange(2000, 90000), "maximum": 9223372036854775807, "nearest": []},
        "risks": [],
    }


def _port(port: int, service: tuple[str, str, str, str], dice: random.Random) -> dict[str, Any]:
    unit, program, exe, user = service
    kind = "session" if unit.endswith(".scope") else "unit"
    first = dice.randrange(300, 4_000_000)
    holders = [_holder(first + worker, unit, kind, program, exe, user, dice) for worker in range(1 + (port % 3))]
    addresses = (("0.0.0.0", 4), ("::", 6)) if port % 2 else (("0.0.0.0", 4),)
    return {
        "port": port,
        "protocol": "tcp",
        "namespace": {"id": 4026531840, "name": "host", "kind": "host", "path": "/proc/self/ns/net", "pid": 1},
        "verdict": "shared_workers" if len(holders) > 1 else "owned",
        "summary": f"{port}/tcp is held by {unit} ({program}[{first}]).",
        "advice": f"To free it, stop {unit}.",
        "bind": None,
        "risks": [{"id": "exposed_wildcard", "summary": f"{port}/tcp can be reached on every address of the host."}],
        "connections": {"ESTABLISHED": dice.randrange(50)},
        "unaccepted": {},
        "sockets": [
            {
                "protocol": "tcp", "family": family, "state": "LISTEN", "local": {"address": address, "port": port},
                "remote": None, "inode": dice.randrange(10_000, 9_000_000), "cookie": dice.randrange(1 << 40),
                "namespace": 4026531840, "uid": 0, "device": None, "v6only": family == 6, "timer_ms": None,
                "cgroup_id": dice.randrange(9000), "in_kernel": False, "backlog": {"current": 0, "limit": 511},
                "creator": {"unit": unit, "container": None, "evidence": "cgroup", "pid": first, "alive": True},
                "holders": holders,
            }
            for address, family in addresses
        ],
    }  # fmt: skip


def _holder(pid: int, unit: str, kind: str, program: str, exe: str, user: str, dice: random.Random) -> dict[str, Any]:
    return {
        "pid": pid, "fd": 6, "via": "descriptor", "tid": None, "role": "worker", "serving": True, "cloexec": True,
        "evidence": "same program as the creator", "forked": True,
        "owner": {
            "kind": kind, "name": unit, "manager": "systemd", "id": None, "user": None, "detail": None,
            "evidence": "cgroup",
        },
        "process": {
            "pid": pid, "name": program, "exe": exe, "exe_deleted": False, "uid": 1000, "user": user, "ppid": 1,
            "cmdline": [exe, "--config", f"/etc/{program}/{program}.conf", "--daemon"], "session": pid, "state": "S",
            "threads": 4, "started_at": 1777000000.0 + dice.randrange(999999), "start_ticks": dice.randrange(1 << 32),
            "cgroup": f"/system.slice/{unit}",
            "descriptors": {"open": 14, "limit": 1024, "kinds": {"socket": 3, "file": 8, "pipe": 1, "anon_inode": 2}},
        },
    }  # fmt: skip
