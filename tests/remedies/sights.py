# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What may be seen of a port, in records: who there is on a host, and sights made of them."""

from __future__ import annotations

from typing import Any

from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.endpoint import Endpoint
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import (
    HeldSocket,
    Holder,
    Namespace,
    Owner,
    PortAnswer,
    Process,
    Socket,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.records import (
    Condition,
    OwnerMark,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.sight import Sight
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.verdicts.case import identity

PORT = 8080
HOST = Namespace(4026531840, "host", "host", "/proc/self/ns/net", 1)
BARE = Owner("process", "app")


def process(pid: int, exe: str | None = "/usr/bin/app", **more: Any) -> Process:
    """Return a process that started at tick 1000 + pid; one without ``exe`` is a thread of the kernel."""
    name = exe.rpartition("/")[2] if exe else "kworker/0:1"
    given = {"session": pid, "cmdline": (name,), **({} if exe else {"session": 0, "cmdline": ()}), **more}
    return Process(
        pid=pid, name=name, exe=exe, exe_deleted=False, uid=given.pop("uid", 0), user="root", ppid=1, state="S",
        threads=1, started_at=0.0, start_ticks=given.pop("ticks", 1000 + pid), cgroup=None, descriptors=None, **given,
    )  # fmt: skip


INIT = process(1, "/usr/lib/systemd/systemd")
KTHREAD = process(2, None)
OWN = process(3, "/usr/bin/python3")
SSHD = process(4, "/usr/sbin/sshd")
ONE, TWO, THREE = process(11), process(12), process(13, "/usr/bin/helper")
SHOP_MAIN, SHOP_CHILD = process(21, "/usr/bin/shop"), process(22, "/usr/bin/shop")
WEB_MAIN = process(31, "/usr/sbin/httpd")
QUEUE_MAIN = process(41, "/usr/bin/queue")
LOGIN_MAIN = process(51, "/usr/bin/nc")
TUNNEL = process(61, "/usr/bin/tunnel")

SHOP = Owner("unit", "shop.service", "systemd")
OWN_UNIT = Owner("unit", "runner.service", "systemd")
ACTIVATED = Owner("socket_unit", "shop.socket", "systemd", detail={"triggers": "shop.service"})
WEB = Owner("container", "web", "docker", "c0ffee" * 10)
QUEUE = Owner("program", "queue", "supervisord")
LOGIN = Owner("session", "3", "logind", user="ann")
POD = Owner("container", "pod-a", "kubernetes", "beef" * 16)


def condition(owner: Owner, *members: Process, **more: Any) -> Condition:
    given = {"birth": "run-1", **more}
    mark = OwnerMark(owner.kind, owner.name, owner.manager, owner.id, owner.user, given.pop("birth"))
    return Condition(mark, active=True, members=members, **given)


CONDITIONS = (
    (SHOP, condition(SHOP, SHOP_MAIN, SHOP_CHILD)),
    (OWN_UNIT, condition(OWN_UNIT, OWN, process(71, "/usr/bin/runner"))),
    (ACTIVATED, condition(ACTIVATED, triggered=("shop.service",))),
    (WEB, condition(WEB, WEB_MAIN)),
    (QUEUE, condition(QUEUE, QUEUE_MAIN)),
    (LOGIN, condition(LOGIN, birth=None, obstacle="nobody starts a login session again")),
    (POD, condition(POD, birth=None, obstacle="nobody here can act on it")),
    (BARE, condition(BARE, birth=None, obstacle="no manager knows of it")),
)
HOLDERS = {
    "one": (ONE, BARE), "two": (TWO, BARE), "three": (THREE, BARE), "init": (INIT, ACTIVATED),
    "kernel": (KTHREAD, BARE),
    "own": (OWN, OWN_UNIT), "sshd": (SSHD, BARE), "shop": (SHOP_MAIN, SHOP), "shop child": (SHOP_CHILD, SHOP),
    "stray": (process(81, "/usr/bin/stray"), SHOP), "web": (WEB_MAIN, WEB), "queue": (QUEUE_MAIN, QUEUE),
    "login": (LOGIN_MAIN, LOGIN), "pod": (process(91, "/usr/bin/pod"), POD), "tunnel": (TUNNEL, BARE),
}  # fmt: skip


def holder(who: str, role: str = "creator", fd: int = 3, forked: bool | None = False) -> Holder:
    there, owner = HOLDERS[who]
    return Holder(there.pid, fd, "descriptor", None, role, None, there, owner, forked=forked)


def held(
    *holders: Holder,
    state: str = "LISTEN",
    inode: int = 700,
    protocol: str = "tcp",
    local: str = "0.0.0.0",
    **more: Any,
) -> HeldSocket:
    """Return a socket on the port; ``inode`` is its cookie as well, if it has no other one."""
    remote = Endpoint("198.51.100.7", 40000 + inode % 1000) if state not in ("LISTEN", "BOUND", "UNCONNECTED") else None
    socket = Socket(
        protocol, 6 if ":" in local else 4, state, Endpoint(local, PORT), remote, inode,
        more.get("cookie", 9000 + inode), HOST.id, 0, None, None, None, None, None, None,
    )  # fmt: skip
    return HeldSocket(socket, holders, more.get("in_kernel"), None)


def left(state: str = "TIME_WAIT", **more: Any) -> HeldSocket:
    """Return what is left of a connection."""
    return held(state=state, inode=0, cookie=more.pop("cookie", 9999), in_kernel=False, **more)


def connection(*holders: Holder, state: str = "ESTABLISHED", **more: Any) -> HeldSocket:
    return held(*holders, state=state, **more)


def sight(*sockets: HeldSocket, verdict: str = "owned", protocol: str = "tcp", **known: Any) -> Sight:
    """Return a sight of the port with all conditions there are and the run itself where it always is."""
    answer = PortAnswer(
        PORT, protocol, HOST, verdict, "It is as it is.", "Leave it.", (), known.pop("connections", {}), None, sockets
    )
    given: dict[str, Any] = {
        "conditions": {identity(owner): known_as for owner, known_as in CONDITIONS},
        "own": frozenset((OWN.pid,)),
        "free_now": not sockets,
        **known,
    }
    return Sight(answer, "boot-1", **given)
