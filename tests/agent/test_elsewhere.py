# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The snapshot by way of psutil, as on systems that are not Linux, against real sockets."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.answers import answer_ports, owner_result
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.elsewhere import (
    Row,
    join_holders,
    take_snapshot_elsewhere,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import InvalidInput, NotSupported
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import (
    Endpoint,
    HeldSocket,
    PortAnswer,
    Snapshot,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.ports import PortRange
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.snapshot import take_snapshot
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.tables import Question


def port_of(one: socket.socket) -> int:
    return int(one.getsockname()[1])


def look(*ports: int, **question: Any) -> Snapshot:
    return take_snapshot_elsewhere(Question(ports=tuple(PortRange(port, port) for port in ports), **question))


def answer(port: int, protocol: str = "tcp") -> PortAnswer:
    asked = (PortRange(port, port),)
    (found,) = answer_ports(look(port, protocols=(protocol,)), asked, (protocol,))
    return found


@pytest.fixture(autouse=True)
def _only_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let psutil see the tests and their children only: it needs seconds for the processes of a busy machine."""

    def ours() -> list[int]:
        children = pathlib.Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
        return [os.getpid(), *map(int, children.split())]

    monkeypatch.setattr("psutil._pslinux.pids", ours)
    monkeypatch.setattr("psutil.pids", ours)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as one:
        yield one


def test_a_listener_and_its_one_holder(listener: socket.socket) -> None:
    (held,) = look(port_of(listener)).sockets
    assert (held.socket.state, held.socket.local) == ("LISTEN", Endpoint("127.0.0.1", port_of(listener)))
    (holder,) = held.holders
    assert (holder.pid, holder.fd, holder.via) == (os.getpid(), listener.fileno(), "descriptor")
    assert (holder.owner.kind, holder.owner.name) == ("process", holder.process.name)
    assert answer(port_of(listener)).verdict == "owned"


def test_the_process_is_the_one_linux_shows(listener: socket.socket) -> None:
    question = Question(ports=(PortRange(port_of(listener), port_of(listener)),), protocols=("tcp",))
    (linux,) = [held for held in take_snapshot(Host(), question).sockets if held.holders]
    (by_psutil,) = look(port_of(listener)).sockets
    expected, process = linux.holders[0].process, by_psutil.holders[0].process
    for name in ("pid", "name", "exe", "exe_deleted", "cmdline", "uid", "user", "ppid", "session", "threads"):
        assert getattr(process, name) == getattr(expected, name), name
    assert abs(process.started_at - expected.started_at) <= 1.0
    assert by_psutil.socket[:5] == linux.socket[:5]


def test_udp_with_and_without_a_peer() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as waiting, socket.socket(type=socket.SOCK_DGRAM) as connected:
        waiting.bind(("127.0.0.1", 0))
        connected.bind(("127.0.0.1", 0))
        connected.connect(waiting.getsockname())
        (held,) = look(port_of(waiting)).sockets
        assert (held.socket.protocol, held.socket.state, held.socket.remote) == ("udp", "UNCONNECTED", None)
        (held,) = look(port_of(connected)).sockets
        assert (held.socket.state, held.socket.remote) == ("ESTABLISHED", Endpoint("127.0.0.1", port_of(waiting)))


def test_connections_of_a_listener_are_counted(listener: socket.socket) -> None:
    with socket.create_connection(listener.getsockname()), listener.accept()[0]:
        assert answer(port_of(listener)).connections == {"ESTABLISHED": 1}
        assert len(look(port_of(listener), every_connection=True).sockets) == 2


def test_a_free_port_is_not_called_free(listener: socket.socket) -> None:
    port = port_of(listener)
    listener.close()
    assert answer(port).verdict == "unknown"
    assert {spot.what for spot in look(port).blind_spots} == {
        "TCP sockets that are bound but do not listen",
        "other network namespaces",
    }


def test_a_free_udp_port_is_called_free(listener: socket.socket) -> None:
    """All UDP sockets with a port are listed, and what other namespaces have is no matter of this one."""
    port = port_of(listener)
    found = {one.protocol: one.verdict for one in answer_ports(look(port), (PortRange(port, port),), ("udp",))}
    assert found["udp"] == "free"


def test_what_it_cannot_know_is_said(listener: socket.socket) -> None:
    snapshot = look(port_of(listener))
    assert not snapshot.complete
    assert (snapshot.agent.scanner, snapshot.host.system) == ("psutil", "Linux")
    assert [(spot.what, spot.count) for spot in snapshot.blind_spots] == [
        ("TCP sockets that are bound but do not listen", 1),
        ("other network namespaces", 1),
        ("other holders of sockets", 1),
        ("units, containers and queues of sockets", 1),
    ]


def test_the_stand_in_for_the_inode_is_the_same_in_every_scan(listener: socket.socket) -> None:
    (first,), (second,) = look(port_of(listener)).sockets, look(port_of(listener)).sockets
    assert first.socket == second.socket
    assert first.socket.inode < 0


def test_the_result_has_the_format_of_all_others(listener: socket.socket) -> None:
    question = Question(ports=(PortRange(port_of(listener), port_of(listener)),), protocols=("tcp",))

    def keys(snapshot: Snapshot) -> list[set[str]]:
        result = json.loads(json.dumps(owner_result(snapshot, answer_ports(snapshot, question.ports, ("tcp",)))))
        (port,) = result["ports"]
        (one,) = port["sockets"]
        (holder,) = one["holders"]
        parts = (result, result["agent"], result["host"], port, port["namespace"], one, one["backlog"], holder)
        return [set(part) for part in (*parts, holder["process"], holder["owner"])]

    assert keys(take_snapshot_elsewhere(question)) == keys(take_snapshot(Host(), question))


@contextlib.contextmanager
def listening(*arguments: str | bytes) -> Iterator[int]:
    """Run a process with further arguments that listens; yields its port."""
    code = "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); input()"
    command: list[str | bytes] = [sys.executable, "-c", code, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()


def test_secrets_are_masked_and_text_is_valid() -> None:
    with listening("--password=hunter2", b"\xff\xfe") as port:
        (held,) = look(port).sockets
        assert held.holders[0].process.cmdline[-2:] == ("--password=********", r"\xff\xfe")
        (held,) = look(port, show_secrets=True).sockets
        assert held.holders[0].process.cmdline[-2] == "--password=hunter2"


def test_process_by_process_where_the_whole_list_is_refused(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(kind: str) -> None:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil, "net_connections", refuse)
    with listening() as port:
        found = {held.socket.local.port: held for held in look(port, port_of(listener)).sockets}
        assert found[port_of(listener)].holders[0].fd == listener.fileno()
        assert len(found[port].holders) == 1


def test_a_refused_process_is_counted(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil, "net_connections", refuse)
    monkeypatch.setattr(psutil.Process, "net_connections", refuse)
    monkeypatch.setattr(psutil, "process_iter", lambda: [psutil.Process()] * 3)
    spots = look(port_of(listener)).blind_spots
    assert ("sockets of other users' processes", 3) in [(spot.what, spot.count) for spot in spots]


def test_no_psutil_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    with pytest.raises(NotSupported, match=r"does not have: install it$"):
        look(80)


def test_other_namespaces_cannot_be_asked_for() -> None:
    with pytest.raises(InvalidInput, match=r"accepted are all and host$"):
        look(80, namespaces="blue")


SERVER = Endpoint("127.0.0.1", 80)


def row(pid: int, fd: int, state: str = "LISTEN") -> Row:
    return Row("tcp", 4, state, SERVER, None, pid, fd)


def test_rows_that_differ_only_in_their_holder() -> None:
    """On Linux two sockets (SO_REUSEPORT); elsewhere one that was inherited."""
    rows = [row(7, 3), row(8, 3), row(8, 3)]
    (_one, first), (_two, second) = join_holders(rows, one_row_per_socket=True)
    assert (first, second) == (((7, 3),), ((8, 3),))
    ((_socket, seats),) = join_holders(rows, one_row_per_socket=False)
    assert seats == ((7, 3), (8, 3))


def test_nobody_holds_time_wait_and_somebody_unknown_the_rest() -> None:
    ((waiting, no_seats),) = join_holders([row(0, -1, "TIME_WAIT")], one_row_per_socket=True)
    assert (waiting.inode, no_seats) == (0, ())
    ((unknown, no_seats),) = join_holders([row(0, -1)], one_row_per_socket=True)
    assert (unknown.inode < 0, no_seats) == (True, ())


def test_a_process_that_ends_meanwhile_is_nobody_known(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(pid: int) -> None:
        raise psutil.NoSuchProcess(pid)

    monkeypatch.setattr(psutil, "Process", gone)
    (held,) = look(port_of(listener)).sockets
    assert held == HeldSocket(held.socket, (), None, None)
    assert answer(port_of(listener)).verdict == "unknown"


NOT_LINUX = """
import os, platform, socket, sys
import psutil
psutil.LINUX = False
platform.uname = lambda uname=platform.uname(): uname._replace(system="Windows")
for module, names in (
    (os, "O_CLOEXEC O_DIRECTORY fork geteuid getsid pidfd_open setns sysconf uname".split()),
    (socket, "AF_NETLINK AF_UNIX CMSG_SPACE SCM_RIGHTS SOCK_CLOEXEC SOCK_SEQPACKET".split()),
):
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
sys.path.insert(0, sys.argv[1])
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.snapshot import take_snapshot
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.tables import Question
snapshot = take_snapshot(Host(), Question())
print(snapshot.agent.scanner, snapshot.host.system, any(held.holders for held in snapshot.sockets))
"""


def test_nothing_of_linux_is_touched_elsewhere(listener: socket.socket, root: pathlib.Path) -> None:
    """What Python lacks on other systems is taken away before the agent is imported."""
    command = [sys.executable, "-c", NOT_LINUX, str(root / "collections")]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (shown.stdout, shown.stderr) == ("psutil Windows True\n", "")
