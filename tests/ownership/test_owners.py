# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Who owns what a process holds, where the process alone decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import Namespace, Owner, Socket
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.ownership import registry
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.verdicts.case import identity

ID = "4f9ecc82b62652e0296e8cd864c94644eeb44c026af7d7f3ef3397328cd2689e"
ALICE = "/user.slice/user-1000.slice"

UNITS: list[tuple[str, dict[str, Any]]] = [
    ("/system.slice/nginx.service", {"name": "nginx.service"}),
    (
        "/system.slice/system-postgresql.slice/postgresql@15-main.service",
        {"name": "postgresql@15-main.service"},
    ),
    (r"/system.slice/web@eu\x2d1.service", {"name": "web@eu-1.service", "id": r"web@eu\x2d1.service"}),
    (f"{ALICE}/user@1000.service/app.slice/sync.service", {"name": "sync.service", "user": "alice"}),
    (
        "/user.slice/user-1234.slice/user@1234.service/app.slice/sync.service",
        {"name": "sync.service", "user": "1234"},
    ),
    (f"{ALICE}/user@1000.service/init.scope", {"name": "user@1000.service"}),
    (f"{ALICE}/user@1000.service", {"name": "user@1000.service"}),
    ("/init.scope", {"name": "init.scope"}),
    (f"{ALICE}/session-3.scope/run-r1.scope", {"name": "run-r1.scope"}),
    ("/machine.slice/systemd-nspawn@box.service/supervisor", {"name": "systemd-nspawn@box.service"}),
]


@pytest.mark.parametrize(("path", "expected"), UNITS)
def test_a_unit(stage: Any, path: str, expected: dict[str, Any]) -> None:
    process = stage.process(900, "server", "/usr/bin/server", ppid=0, cgroup=path)

    assert stage.owner(process) == Owner(kind="unit", manager="systemd", evidence="cgroup " + path, **expected)


def test_a_session_with_its_terminal_and_where_it_came_from(stage: Any) -> None:
    scope = f"{ALICE}/session-3.scope"
    stage.process(1, "systemd", "/sbin/init", ppid=0, cgroup="/init.scope")
    stage.process(70, "sshd", "/usr/sbin/sshd", "-D", cgroup="/system.slice/ssh.service")
    stage.process(80, "sshd", "sshd: alice [priv]", ppid=70, cgroup=scope, exe="/usr/sbin/sshd")
    stage.process(81, "sshd", "sshd: alice@pts/0", ppid=80, cgroup=scope, uid=1000, exe="/usr/sbin/sshd")
    shell = {"SSH_CONNECTION": "198.18.0.1 50000 198.18.0.2 22"}
    stage.process(82, "bash", "-bash", ppid=81, cgroup=scope, uid=1000, environ=shell)
    process = stage.process(90, "python3", "/usr/bin/python3", ppid=82, cgroup=scope, uid=1000)

    assert stage.owner(process) == Owner(
        kind="session",
        name="session-3.scope",
        manager="logind",
        id="3",
        user="alice",
        detail={"tty": "pts/0", "from": "198.18.0.1"},
        evidence="cgroup " + scope,
    )


def test_a_session_whose_login_has_gone(stage: Any) -> None:
    stage.process(1, "systemd", "/sbin/init", ppid=0, cgroup="/init.scope")
    process = stage.process(90, "python3", "/usr/bin/python3", cgroup=f"{ALICE}/session-3.scope", uid=1000)

    owner = stage.owner(process)

    assert (owner.kind, owner.name, owner.user, owner.detail) == ("session", "session-3.scope", "alice", None)


SSHD_TITLES: list[tuple[str, str, tuple[str | None, ...] | None]] = [
    ("sshd", "sshd: alice@pts/0", ("alice@pts/0", "alice", "pts/0")),
    ("sshd-session", "sshd-session: alice@notty", ("alice@notty", "alice", None)),
    ("sshd", "sshd: alice", ("alice@notty", "alice", None)),
    (
        "sshd",
        "sshd: alice@corp.example@pts/1,pts/2",
        ("alice@corp.example@pts/1,pts/2", "alice@corp.example", "pts/1,pts/2"),
    ),
    ("sshd", "sshd: alice@corp.example", ("alice@corp.example@notty", "alice@corp.example", None)),
    ("sshd", "sshd: alice [priv]", None),
    ("sshd", "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups", None),
    ("sshd", "sshd: [accepted]", None),
    ("sshd", "sshd: ", None),
    ("bash", "sshd: root@pts/0", None),
]


@pytest.mark.parametrize(("name", "title", "expected"), SSHD_TITLES)
def test_a_session_without_logind(stage: Any, name: str, title: str, expected: tuple[str | None, ...] | None) -> None:
    """A forwarded port is held by the session's sshd itself, in sshd's own unit where pam_systemd is not used."""
    unit = "/system.slice/ssh.service"
    process = stage.process(81, name, title, ppid=0, cgroup=unit, uid=1000, exe=f"/usr/sbin/{name}")

    owner = stage.owner(process)

    if expected is None:
        assert (owner.kind, owner.name) == ("unit", "ssh.service")
    else:
        tty = owner.detail["tty"] if owner.detail else None
        assert (owner.kind, owner.manager, owner.name, owner.user, tty) == ("session", "sshd", *expected)


def test_a_unit_started_from_a_session_is_no_part_of_it(stage: Any) -> None:
    stage.process(81, "sshd", "sshd: root@pts/0", ppid=0, cgroup="/system.slice/ssh.service", exe="/usr/sbin/sshd")
    process = stage.process(90, "server", "/usr/bin/server", ppid=81, cgroup="/system.slice/run-r7.scope")

    assert stage.owner(process).name == "run-r7.scope"


def test_a_unit_that_is_only_called_like_sshs(stage: Any) -> None:
    stage.process(81, "sshd", "sshd: root@pts/0", ppid=0, cgroup="/system.slice/ssh.service", exe="/usr/sbin/sshd")
    process = stage.process(90, "sshguard", "/usr/sbin/sshguard", ppid=81, cgroup="/system.slice/sshguard.service")

    assert (stage.owner(process).kind, stage.owner(process).name) == ("unit", "sshguard.service")


def test_a_program_that_only_calls_itself_sshd(stage: Any) -> None:
    process = stage.process(81, "sshd", "sshd: root@pts/0", ppid=0, uid=1000, exe="/home/alice/a.out")

    assert stage.owner(process).kind == "process"


def test_a_bare_process_with_its_ancestry(stage: Any) -> None:
    stage.process(1, "init", "/sbin/init", ppid=0)
    stage.process(50, "cron", "/usr/sbin/cron")
    stage.process(60, "a) b", "sh", ppid=50)
    process = stage.process(61, "server", "/usr/bin/server", ppid=60)

    assert stage.owner(process) == Owner(
        kind="process",
        name="server",
        detail={"ancestry": "a) b(60) < cron(50) < init(1)"},
        evidence="cgroup / names neither unit nor container",
    )


def test_bare_processes_that_merely_have_one_name_are_two_owners(stage: Any) -> None:
    stage.process(1, "init", "/sbin/init", ppid=0, session=1)
    stage.process(50, "bash", "bash", session=50)
    one = stage.process(60, "python3", "python3", "a.py", ppid=50, session=50)
    other = stage.process(61, "python3", "python3", "b.py", session=61)
    neighbour = stage.process(62, "nginx", "nginx", ppid=50, session=50)

    assert len({identity(stage.owner(process)) for process in (one, other, neighbour)}) == 3


def test_bare_workers_are_one_owner_though_they_change_user_lose_their_parent_or_lead_a_session(stage: Any) -> None:
    stage.process(1, "init", "/sbin/init", ppid=0, session=1)
    first = stage.process(60, "nginx", "nginx", session=60)
    worker = stage.process(61, "nginx", "nginx", ppid=60, session=60, uid=33)
    orphan = stage.process(62, "nginx", "nginx", session=60, uid=33)
    leader = stage.process(63, "nginx", "nginx", ppid=61, session=63)

    assert len({identity(stage.owner(process)) for process in (first, worker, orphan, leader)}) == 1


def test_a_process_cannot_call_itself_by_a_containers_id(stage: Any) -> None:
    owner = stage.owner(stage.process(61, ID[:12], "server", ppid=0, session=61))

    assert owner.id == f"session 61: {ID[:12]}"


def test_a_parent_younger_than_its_child_is_another_process_with_that_pid(stage: Any) -> None:
    stage.process(1, "init", "/sbin/init", ppid=0)
    process = stage.process(61, "server", "/usr/bin/server", ppid=60)
    stage.process(60, "stranger", "/usr/bin/stranger")

    assert stage.owner(process).detail is None


def test_a_circle_of_parents_ends(stage: Any) -> None:
    process = stage.process(61, "server", "/usr/bin/server", ppid=61)

    assert stage.owner(process).kind == "process"


def test_a_path_from_outside_the_own_cgroup_namespace_is_said_to_be_one(stage: Any) -> None:
    process = stage.process(61, "server", "/usr/bin/server", ppid=0, cgroup="/../workers")

    assert stage.owner(process).evidence == "cgroup /../workers, seen from inside another cgroup namespace"


def test_an_unreadable_cgroup_is_said_to_be_one(stage: Any) -> None:
    process = stage.process(61, "server", "/usr/bin/server", ppid=0, cgroup="")

    assert stage.owner(process).evidence == "its cgroup could not be read"


SYSTEM_CONTAINERS: list[tuple[str, str, str, dict[str, str] | None]] = [
    ("/lxc/web", "lxc", "web", None),
    ("/lxc.payload.web/system.slice/a.service", "lxc", "web", {"unit": "a.service"}),
    (
        r"/machine.slice/systemd-nspawn@my\x2dbox.service/payload/system.slice/a.service",
        "nspawn",
        "my-box",
        {"unit": "a.service", "run_by": "systemd-nspawn@my-box.service"},
    ),
]


@pytest.mark.parametrize(("path", "manager", "name", "detail"), SYSTEM_CONTAINERS)
def test_a_system_container(stage: Any, path: str, manager: str, name: str, detail: dict[str, str] | None) -> None:
    process = stage.process(61, "server", "/usr/bin/server", ppid=0, cgroup=path)

    assert stage.owner(process) == Owner("container", name, manager, name, None, detail, "cgroup " + path)


def test_each_process_is_resolved_once(stage: Any) -> None:
    stage.process(1, "systemd", "/sbin/init", ppid=0, cgroup="/init.scope")
    process = stage.process(61, "server", "/usr/bin/server", cgroup="/system.slice/a.service")
    first = stage.owner(process)
    stage.host.read_paths.clear()

    assert stage.owner(process) is first
    assert stage.host.read_paths == []


def test_no_engine_and_no_command_is_asked_without_need(stage: Any, docker_api: Callable[..., list[str]]) -> None:
    requests = docker_api(b"[]")
    for pid, path in enumerate(
        ["/", "/init.scope", "/system.slice/a.service", f"{ALICE}/session-3.scope", "/lxc/web"], start=61
    ):
        stage.owner(stage.process(pid, "server", "/usr/bin/server", ppid=0, cgroup=path))

    assert (requests, stage.host.ran) == ([], [])


def test_a_failing_resolver_leaves_a_lower_grade_and_says_so(
    stage: Any, monkeypatch: pytest.MonkeyPatch, listener: Callable[..., Socket]
) -> None:
    def fail(case: Any) -> None:
        raise RuntimeError("no luck with %s" % case.process.name)

    monkeypatch.setattr(
        "ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.ownership.registry.PROCESS_RESOLVERS",
        (fail, *registry.PROCESS_RESOLVERS),
    )
    process = stage.process(61, "server", "/usr/bin/server", ppid=0, cgroup="/system.slice/a.service")

    owner = stage.owner(process)

    assert owner.name == "a.service"
    assert owner.evidence == "cgroup /system.slice/a.service; test_owners: no luck with server"


NAMESPACES: list[tuple[Namespace, str]] = [
    (Namespace(1, "host", "host", "/proc/1/ns/net", 70), "host"),
    (Namespace(2, "blue", "named", "/run/netns/blue", None), "blue"),
    (Namespace(2, "blue", "named", "/run/netns/blue", 71), "blue"),
    (Namespace(3, "pid 70", "process", "/proc/70/ns/net", 70), "box"),
    (Namespace(3, "pid 69", "process", "/proc/69/ns/net", 69), "pid 69"),
    (Namespace(4, "cni-1f", "named", "/run/netns/cni-1f", 72), "shop/web-0"),
]


@pytest.mark.parametrize(("namespace", "name"), NAMESPACES)
def test_a_namespace_is_called_after_its_container_or_pod(stage: Any, namespace: Namespace, name: str) -> None:
    pod = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
    stage.file(f"/var/log/containers/web-0_shop_nginx-{ID}.log", "")
    stage.process(70, "server", "/usr/bin/server", cgroup="/lxc/box")
    stage.process(71, "server", "/usr/bin/server", cgroup="/system.slice/a.service")
    stage.process(72, "server", "/usr/bin/server", cgroup=f"/kubepods/pod{pod}/{ID}")

    assert stage.owners.namespace_name(namespace) == name


SENSELESS = [
    pytest.param(b"[" * 200_000, id="deep"),
    pytest.param(f'[{{"Id": "{ID}", "Ports": [{{"PublicPort": 1e999}}]}}]'.encode(), id="infinite"),
    pytest.param(b'[{"Id": "' + ID.encode() + b'", "Names": 1}]', id="no list"),
    pytest.param(b"[1" + b"0" * 5000 + b"]", id="long number"),
]


@pytest.mark.parametrize("answer", SENSELESS)
def test_whatever_an_engine_answers_the_scan_goes_on(
    stage: Any, docker_api: Callable[..., list[str]], answer: bytes, listener: Callable[..., Socket]
) -> None:
    docker_api(answer)
    inside = stage.process(70, "server", "/usr/bin/server", ppid=0, cgroup=f"/docker/{ID}")

    assert stage.owners.namespace_name(Namespace(3, "pid 70", "process", "/proc/70/ns/net", 70)) == ID[:12]
    assert (stage.owner(inside).kind, stage.owner(inside).name) == ("container", ID[:12])
    made = stage.owners.creator_of(listener(80, cgroup_id=stage.cgroup(f"/docker/{ID}")))
    assert (made.unit, made.container) == (None, ID[:12])


def test_a_namespace_keeps_its_own_name_when_its_process_cannot_be_made_sense_of(stage: Any) -> None:
    stage.process(70, "server", "/usr/bin/server", ppid=0, cgroup="/lxc/box")
    stage.file("/proc/70/stat", "70 (server) S")

    assert stage.owners.namespace_name(Namespace(3, "pid 70", "process", "/proc/70/ns/net", 70)) == "pid 70"
