# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Detach: the port of an orphan is free for who sets SO_REUSEADDR, heirs live on, and nobody else is ever touched."""

from __future__ import annotations

import errno
import os
import pathlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent import syscalls
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import (
    Gone,
    Moved,
    NotApplied,
    NotPermitted,
    NotSupported,
    PortreeveError,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.acts import detach as module
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.acts.detach import (
    can_detach,
    detach,
)

from tests.agent.conftest import Actor

from .scene import LOOPBACKS, Scene, is_alive, mark_process, mark_socket, open_descriptors, until

pytestmark = pytest.mark.needs("root")

FREE_FOR_REUSERS, TAKEN = ("EADDRINUSE", "ok"), ("EADDRINUSE", "EADDRINUSE")
#: serves whoever calls on any of several sockets that others may serve too
SERVE = """
def serve(*listeners):
    poll = select.poll()
    by_fd = {one.fileno(): one for one in listeners}
    for fd, one in by_fd.items():
        one.setblocking(False)
        poll.register(fd, select.POLLIN)
    while True:
        for fd, event in poll.poll():
            if event & select.POLLHUP:
                poll.unregister(fd)
                continue
            try:
                with by_fd[fd].accept()[0] as peer:
                    peer.send(b"at your service")
            except BlockingIOError:
                pass
"""
BYSTANDER = SERVE + "one = server(port); ready(fd=one.fileno()); serve(one)"
SERVED = b"at your service"


def refusals(act: Callable[[], Any]) -> PortreeveError:
    """Return the error with which an act is refused, which leaves no descriptor behind."""
    before = open_descriptors()
    with pytest.raises(PortreeveError) as caught:
        act()
    assert open_descriptors() == before
    assert str(caught.value).isprintable()
    return caught.value


@pytest.fixture
def refused(scene: Scene) -> Callable[..., str]:
    """Return a function that has detach refused, as can_detach refuses it, and returns what is said."""

    def ask(kind: type[PortreeveError], *arguments: Any) -> str:
        told = [refusals(partial(act, scene.host, *arguments)) for act in (can_detach, detach)]
        assert {type(one) for one in told} == {kind}
        assert str(told[0]) == str(told[1])
        return str(told[0])

    return ask


@pytest.mark.parametrize("address", [*LOOPBACKS, "::"])
def test_once_is_enough_for_all_heirs_and_they_live_on(scene: Scene, port: int, address: str) -> None:
    creator = scene.play(
        SERVE + "one = server(port, address); other = server(port + 1)\n"
        "pids = [os.fork() or serve(one, other) for _ in '123']\nready(pids=pids, fd=one.fileno()); hold()",
        port=port,
        address=address,
    )
    creator.kill()
    heirs = [mark_process(pid) for pid in creator["pids"]]
    socket = mark_socket(scene.row(port))
    before = open_descriptors()
    assert scene.binds(port, address) == TAKEN

    can_detach(scene.host, heirs[1], creator["fd"], socket)
    assert (scene.states(port), scene.binds(port, address)) == (["LISTEN"], TAKEN)

    detach(scene.host, heirs[1], creator["fd"], socket)

    assert open_descriptors() == before
    assert [mark_process(one.pid) for one in heirs] == heirs
    assert all(map(is_alive, creator["pids"]))
    assert scene.fetch(port + 1) == SERVED
    assert (scene.states(port), scene.binds(port, address)) == (["BOUND"], FREE_FOR_REUSERS)


def test_what_only_is_bound_is_detached_as_well(scene: Scene, port: int) -> None:
    holder = scene.play("one = bound(port); ready(fd=one.fileno()); hold()", port=port)

    detach(scene.host, mark_process(holder.pid), holder["fd"], mark_socket(scene.row(port)))

    assert (scene.states(port), scene.binds(port)) == (["BOUND"], FREE_FOR_REUSERS)
    assert is_alive(holder.pid)


def test_of_a_group_that_shares_a_port_each_is_detached_for_itself(scene: Scene, port: int) -> None:
    heir = scene.play(
        "group = [server(port, reuseport=1) for _ in range(3)]\n"
        "ready(descriptors={inode(one): one.fileno() for one in group}); hold()",
        port=port,
    )
    for row in scene.rows(port):
        assert scene.binds(port) == TAKEN
        detach(scene.host, mark_process(heir.pid), heir["descriptors"][str(row.inode)], mark_socket(row))

    assert (scene.states(port), scene.binds(port)) == (["BOUND"] * 3, FREE_FOR_REUSERS)
    assert is_alive(heir.pid)


@pytest.fixture
def bystander(scene: Scene, port: int) -> Actor:
    """Return a program that serves the port; a test that asks for it wants it to go on with that."""
    return scene.play(BYSTANDER, port=port)


def test_another_start_is_another_process(
    scene: Scene, port: int, bystander: Actor, refused: Callable[..., str]
) -> None:
    holder, socket = mark_process(bystander.pid), mark_socket(scene.row(port))

    said = refused(Moved, replace(holder, start_ticks=holder.start_ticks - 1, name="a\nb"), bystander["fd"], socket)

    assert said == f"a\\nb[{holder.pid}] has ended, and its pid is that of another process now, python"
    assert scene.fetch(port) == SERVED


def test_another_cookie_is_another_socket(
    scene: Scene, port: int, bystander: Actor, refused: Callable[..., str]
) -> None:
    """Though its inode number is the same, as it may be after a wrap."""
    holder, socket = mark_process(bystander.pid), mark_socket(scene.row(port))
    assert socket.cookie

    said = refused(Moved, holder, bystander["fd"], replace(socket, cookie=socket.cookie - 1))

    fd = bystander["fd"]
    assert said == f"descriptor {fd} of python[{holder.pid}] does not lead to the socket on 127.0.0.1:{port} any more"
    assert scene.fetch(port) == SERVED


def serve_after(act: str) -> str:
    """Return a program that serves a port, or another, with another socket once it is told to."""
    return SERVE + f"one = server(port); fd = one.fileno(); ready(fd=fd); told()\n{act}\nready(); serve(one)"


@pytest.mark.parametrize("where", ["the same port", "another port"])
def test_a_descriptor_that_leads_to_another_socket_meanwhile(
    scene: Scene, port: int, where: str, refused: Callable[..., str]
) -> None:
    there = port if where == "the same port" else port + 1
    again = "one.close(); one = server(there); assert one.fileno() == fd"
    program = scene.play(serve_after(again), port=port, there=there)
    holder, socket = mark_process(program.pid), mark_socket(scene.row(port))
    program.tell("do something else with it")

    said = refused(Moved, holder, program["fd"], socket)

    assert said.endswith(f" does not lead to the socket on 127.0.0.1:{port} any more")
    assert scene.fetch(there) == SERVED


def test_a_descriptor_that_is_closed_meanwhile(scene: Scene, port: int, refused: Callable[..., str]) -> None:
    program = scene.play(serve_after("os.dup2(fd, 99); one.close(); one = socket.socket(fileno=99)"), port=port)
    holder, socket = mark_process(program.pid), mark_socket(scene.row(port))
    program.tell("close it")

    assert "does not lead to the socket" in refused(Moved, holder, program["fd"], socket)
    assert scene.fetch(port) == SERVED


def test_a_descriptor_that_changes_between_the_look_and_the_copy(
    scene: Scene, port: int, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was copied is looked at itself. The copy is of another descriptor here, as if it had just changed."""
    program = scene.play(
        SERVE + "one = server(port); other = server(port + 1)\n"
        "ready(fd=one.fileno(), other=other.fileno()); serve(one, other)",
        port=port,
    )
    holder, socket = mark_process(program.pid), mark_socket(scene.row(port))
    copied = syscalls.duplicate_through
    for another in (program["other"], 0, 199):  # a socket, a pipe, none
        monkeypatch.setattr(syscalls, "duplicate_through", lambda handle, _fd, other=another: copied(handle, other))
        assert "does not lead to the socket" in refused(Moved, holder, program["fd"], socket)
    monkeypatch.undo()
    assert scene.fetch(port) == scene.fetch(port + 1) == SERVED


def test_a_bound_socket_that_has_become_a_connection(scene: Scene, port: int, refused: Callable[..., str]) -> None:
    client = scene.play(
        "one = server(0); c = bound(port); ready(fd=c.fileno()); told(); c.connect(one.getsockname())\n"
        "ready(); told(); peer = one.accept()[0]; peer.send(b'.'); ready(heard=c.recv(1).decode()); hold()",
        port=port,
    )
    holder, socket = mark_process(client.pid), mark_socket(scene.row(port))
    client.tell("connect")

    assert refused(Moved, holder, client["fd"], socket) == f"127.0.0.1:{port} has become a connection"
    assert client.tell("talk") == {"heard": "."}


def test_a_pid_that_is_another_process_meanwhile(scene: Scene, port: int, refused: Callable[..., str]) -> None:
    """It even has the very socket, by the same descriptor: it is not the one that was seen, so it is left alone."""
    keeper = scene.play(
        SERVE
        + "one = server(port); fd = one.fileno()\nchild = os.fork() or hold()\nready(child=child, fd=fd)\n"
        + "told(); os.kill(child, 9); os.waitpid(child, 0)\nagain = fork_as(child)\n"
        + "if not again: serve(one)\nready(again=again); hold()",
        port=port,
    )
    holder, socket = mark_process(keeper["child"]), mark_socket(scene.row(port))
    until(lambda: ticks_now() > holder.start_ticks + 1)
    assert keeper.tell("let another one have the pid") == {"again": holder.pid}

    said = refused(Moved, holder, keeper["fd"], socket)

    assert said == f"python[{holder.pid}] has ended, and its pid is that of another process now, python"
    assert scene.fetch(port) == SERVED


def ticks_now() -> float:
    return float(pathlib.Path("/proc/uptime").read_text().split()[0]) * os.sysconf("SC_CLK_TCK")


def test_a_holder_that_has_ended(scene: Scene, port: int, refused: Callable[..., str]) -> None:
    """Be it that nobody has waited for it yet."""
    keeper = scene.play(
        "one = server(port); child = os.fork() or hold()\nready(child=child, fd=one.fileno())\n"
        "told(); os.waitpid(child, 0); ready(); hold()",
        port=port,
    )
    holder, socket = mark_process(keeper["child"]), mark_socket(scene.row(port))
    os.kill(holder.pid, 9)
    until(lambda: not is_alive(holder.pid))
    assert refused(Gone, holder, keeper["fd"], socket) == f"python[{holder.pid}] has ended"
    keeper.tell("wait for it")
    assert refused(Gone, holder, keeper["fd"], socket) == f"python[{holder.pid}] has ended"
    assert scene.states(port) == ["LISTEN"]


def test_a_descriptor_of_a_thread_alone_is_out_of_reach(scene: Scene, port: int, refused: Callable[..., str]) -> None:
    program = scene.play(
        SERVE + "def leave():\n    called(LIBC.unshare(CLONE_FILES))\n    one = server(port)\n"
        "    ready(fd=one.fileno(), tid=threading.get_native_id()); serve(one)\nthread(leave)",
        port=port,
    )
    holder, socket = mark_process(program.pid), mark_socket(scene.row(port))

    said = refused(NotSupported, holder, program["fd"], socket)

    fd, tid = program["fd"], program["tid"]
    assert said == f"descriptor {fd} of python[{holder.pid}] is in a table of thread {tid} alone, out of reach"
    assert scene.fetch(port) == SERVED


@pytest.mark.parametrize(
    "change", [{"protocol": "udp", "state": "UNCONNECTED"}, {"state": "ESTABLISHED"}, {"cookie": None}], ids=str
)
def test_what_is_no_server_of_tcp_or_has_no_identity_is_not_detached(
    scene: Scene, port: int, bystander: Actor, refused: Callable[..., str], change: dict[str, Any]
) -> None:
    holder, socket = mark_process(bystander.pid), mark_socket(scene.row(port))
    refused(NotSupported, holder, bystander["fd"], replace(socket, **change))
    assert scene.fetch(port) == SERVED


def test_who_has_no_privilege_is_refused(scene: Scene, port: int, bystander: Actor, nobody: Callable[..., Any]) -> None:
    holder, socket = mark_process(bystander.pid), mark_socket(scene.row(port))

    def attempt() -> tuple[str, str]:
        error = refusals(lambda: detach(scene.host, holder, bystander["fd"], socket))
        return type(error).__name__, str(error)

    kind, said = nobody(attempt)
    assert kind == "NotPermitted"
    assert "permission denied" in said
    assert scene.fetch(port) == SERVED


@pytest.mark.parametrize("call", ["open_process_handle", "duplicate_through"])
@pytest.mark.parametrize("why", [errno.ENOSYS, errno.EPERM], ids=["ENOSYS", "EPERM"])
def test_kernels_without_the_call(
    scene: Scene,
    port: int,
    bystander: Actor,
    refused: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    why: int,
) -> None:
    """Made up: as before Linux 5.3 and 5.6, or where a security module forbids it."""

    def refuse(*_arguments: int) -> int:
        raise OSError(why, os.strerror(why))

    holder, socket = mark_process(bystander.pid), mark_socket(scene.row(port))
    monkeypatch.setattr(syscalls, call, refuse)
    said = refused(NotSupported if why == errno.ENOSYS else NotPermitted, holder, bystander["fd"], socket)
    assert said.startswith(f"process {holder.pid}")
    assert scene.fetch(port) == SERVED


def test_a_listener_that_listens_again_at_once_is_told(
    scene: Scene, port: int, bystander: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made up: its program would have to be as quick as the kernel."""
    monkeypatch.setattr(module, "_state", lambda _one: module._LISTENING)
    with pytest.raises(NotApplied, match=f"127.0.0.1:{port} listens again since it was shut"):
        detach(scene.host, mark_process(bystander.pid), bystander["fd"], mark_socket(scene.row(port)))
