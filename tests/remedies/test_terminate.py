# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Terminate: only the process that was meant, only while it holds the socket, and with SIGKILL only if asked."""

from __future__ import annotations

import errno
import os
import pathlib
import signal
import socket as sockets
import subprocess
from collections.abc import Callable, Iterator
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
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.process_handle import ProcessHandle
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.acts.terminate import (
    can_terminate,
    terminate,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.records import (
    ProcessMark,
    SocketMark,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.second_process import SecondProcess
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.writing import ActingHost

from tests.agent.conftest import NOBODY, PATIENCE, Actor
from tests.agent.programs.stage import fork_as
from tests.agent.test_holders_in_kernel import RING
from tests.reservations.world import World

from .scene import Scene, is_alive, mark_process, mark_socket, open_descriptors, until

pytestmark = pytest.mark.needs("root")

GRACE = 10.0
CLONE_NEWNS = 0x20000
OWN_NAME = pathlib.Path("/proc/self/comm").read_text().strip()  # who forks keeps it
FREE = ("ok", "ok")
SERVE = (
    "\nready(fd=one.fileno())\nwhile True:\n    with one.accept()[0] as peer:\n        peer.send(b'at your service')"
)
SERVED = b"at your service"
IGNORE = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"


def end(scene: Scene, pid: int, port: int, grace: float = GRACE, kill: bool = False) -> str:
    """Terminate a process as the holder of what is on a port now."""
    return terminate(scene.host, mark_process(pid), [mark_socket(scene.row(port))], grace, kill)


@pytest.fixture
def refused(scene: Scene) -> Callable[..., str]:
    """Return a function that has terminate refused, SIGKILL and all, as can_terminate refuses it; returns the words."""

    def ask(kind: type[PortreeveError], process: ProcessMark, *some: SocketMark) -> str:
        before = open_descriptors()
        with pytest.raises(kind) as told:
            terminate(scene.host, process, some, 0, True)
        with pytest.raises(kind) as foretold:
            can_terminate(scene.host, process, some)
        assert open_descriptors() == before
        assert str(told.value) == str(foretold.value)
        assert str(told.value).isprintable()
        return str(told.value)

    return ask


@pytest.fixture
def bystander(scene: Scene, port: int) -> Actor:
    """Return a program that serves the port; a test that asks for it wants it to go on with that."""
    return scene.play("one = server(port)" + SERVE, port=port)


@pytest.mark.parametrize("kill", [False, True])
def test_it_is_asked_to_end_and_does(scene: Scene, port: int, kill: bool) -> None:
    """SIGKILL is not sent to one that hears."""
    program = scene.play(
        "one = server(port)\ndef leave(*_):\n    ready(last='words'); os._exit(0)\n"
        "signal.signal(signal.SIGTERM, leave); ready(); hold()",
        port=port,
    )
    neighbour = scene.play("one = server(port + 1)" + SERVE, port=port)
    socket, before = mark_socket(scene.row(port)), open_descriptors()

    can_terminate(scene.host, mark_process(program.pid), [socket])
    assert is_alive(program.pid)
    assert terminate(scene.host, mark_process(program.pid), [socket], GRACE, kill) == "done"

    assert (program.hear(), scene.binds(port), open_descriptors()) == ({"last": "words"}, FREE, before)
    assert is_alive(neighbour.pid)
    assert scene.fetch(port + 1) == SERVED


@pytest.mark.parametrize("how", ["SIG_IGN", "SIG_BLOCK"])
def test_who_ignores_it_is_left_unless_sigkill_is_asked_for(scene: Scene, port: int, how: str) -> None:
    ignore = {"SIG_IGN": IGNORE, "SIG_BLOCK": "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\n"}[how]
    program = scene.play(ignore + "one = server(port)" + SERVE, port=port)
    process, socket = mark_process(program.pid), mark_socket(scene.row(port))

    with pytest.raises(NotApplied) as told:
        terminate(scene.host, process, [socket], 0.1, False)

    assert str(told.value) == f"python[{program.pid}] ignores SIGTERM and is still there after 0.1 s"
    assert scene.fetch(port) == SERVED
    assert terminate(scene.host, process, [socket], 0.1, True) == "killed"
    assert not is_alive(program.pid)
    assert "LISTEN" not in scene.states(port)


def test_who_takes_longer_is_told_from_who_ignores_it(scene: Scene, port: int) -> None:
    program = scene.play("signal.signal(signal.SIGTERM, lambda *_: None); one = server(port)" + SERVE, port=port)
    with pytest.raises(NotApplied, match=r"python\[\d+\] was sent SIGTERM and is still there after 0.1 s"):
        end(scene, program.pid, port, 0.1)


def test_not_even_sigkill_may_help(scene: Scene, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made up: a process in uninterruptible sleep, which is hard to come by."""
    program = scene.play(IGNORE + "one = server(port)" + SERVE, port=port)
    monkeypatch.setattr(ProcessHandle, "has_ended_within", lambda *_asked: False)
    with pytest.raises(NotApplied, match="was sent SIGKILL and has not ended for 10 s: the kernel is at work for it"):
        terminate(scene.host, mark_process(program.pid), [mark_socket(scene.row(port))], 0, True)


def test_who_is_stopped_is_let_go_on_to_hear_of_it(scene: Scene, port: int) -> None:
    program = scene.play("one = server(port); ready(); hold()", port=port)
    os.kill(program.pid, signal.SIGSTOP)
    until(lambda: " (python) T " in pathlib.Path(f"/proc/{program.pid}/stat").read_text())
    assert end(scene, program.pid, port) == "done"
    assert not is_alive(program.pid)


def test_who_has_ended_is_gone(scene: Scene, port: int, refused: Callable[..., str]) -> None:
    """Be it that nobody has waited for it yet; the socket may live on elsewhere."""
    keeper = scene.play(
        "one = server(port); child = os.fork() or hold()\nready(child=child)\n"
        "told(); os.waitpid(child, 0); ready(); hold()",
        port=port,
    )
    process, socket = mark_process(keeper["child"]), mark_socket(scene.row(port))
    os.kill(process.pid, signal.SIGKILL)
    until(lambda: not is_alive(process.pid))
    for _ in range(2):
        assert terminate(scene.host, process, [socket], GRACE, True) == "gone"
        with pytest.raises(Gone, match=rf"python\[{process.pid}\] has ended"):
            can_terminate(scene.host, process, [socket])
        keeper.say("wait for it")
        until(lambda: not os.path.exists(f"/proc/{process.pid}"))
    assert (scene.states(port), is_alive(keeper.pid)) == (["LISTEN"], True)


def test_who_has_closed_the_socket_meanwhile_is_left(scene: Scene, port: int, refused: Callable[..., str]) -> None:
    program = scene.play("one = server(port); ready(); told(); one.close(); ready(); hold()", port=port)
    process, socket = mark_process(program.pid), mark_socket(scene.row(port))
    program.tell("close it")

    assert refused(Moved, process, socket) == f"python[{process.pid}] does not hold 127.0.0.1:{port} any more"
    assert is_alive(program.pid)


def test_who_closes_the_socket_when_asked_to_end_is_not_killed(scene: Scene, port: int) -> None:
    program = scene.play(
        "one = server(port)\nsignal.signal(signal.SIGTERM, lambda *_: (one.close(), ready()))\nready()\n"
        "while told(): ready(alive=True)",
        port=port,
    )
    assert end(scene, program.pid, port, 0.2, kill=True) == "done"
    assert (program.hear(), program.tell("are you there?"), scene.binds(port)) == ({}, {"alive": True}, FREE)


def test_who_holds_another_socket_is_left(
    scene: Scene, port: int, bystander: Actor, refused: Callable[..., str]
) -> None:
    """Both sockets are named that it might hold."""
    scene.play("some = [server(port + 1), server(port + 2)]; ready(); hold()", port=port)
    others = [mark_socket(scene.row(port + 1)), mark_socket(scene.row(port + 2))]

    said = refused(Moved, mark_process(bystander.pid), *others)

    assert said.endswith(f" does not hold 127.0.0.1:{port + 1} or 127.0.0.1:{port + 2} any more")
    assert scene.fetch(port) == SERVED


THREADS = {
    "that share all": "threads = [thread(hold) for _ in '1234']; one = server(port); ready(); hold()",
    "of which one has a table of its own": (
        "def leave():\n    called(LIBC.unshare(CLONE_FILES)); one = server(port); ready(); hold()\n"
        "threads = [thread(hold) for _ in '12'] + [thread(leave)]"
    ),
    "whose first has ended": (
        "def stay():\n    until_leader_is_dead(); one = server(port); ready(); hold()\nthread(stay); end_leader()"
    ),
}


@pytest.mark.parametrize("kind", THREADS)
def test_a_process_of_several_threads_ends_as_a_whole(scene: Scene, port: int, kind: str) -> None:
    program = scene.play(THREADS[kind], port=port)
    assert end(scene, program.pid, port) == "done"
    assert scene.binds(port) == FREE


def test_who_has_the_socket_in_flight_only_holds_it(scene: Scene, port: int) -> None:
    program = scene.play(
        "one = server(port); left, right = socket.socketpair()\n"
        "hand_over(left, one.fileno()); one.close(); ready(); hold()",
        port=port,
    )
    assert end(scene, program.pid, port) == "done"
    until(lambda: scene.binds(port) == FREE)  # the kernel lets go of what is in flight somewhat later


def test_who_has_the_socket_in_a_ring_only_holds_it(scene: Scene, port: int) -> None:
    program = scene.play(
        RING + "with server(port) as one:\n    ring = ring_with(one.fileno())\nready(); hold()", port=port
    )
    if "refused" in program.facts:
        pytest.skip(f"the kernel refuses io_uring: {program['refused']}")
    assert end(scene, program.pid, port) == "done"
    until(lambda: scene.binds(port) == FREE)


def test_another_start_is_another_process(
    scene: Scene, port: int, bystander: Actor, refused: Callable[..., str]
) -> None:
    process = mark_process(bystander.pid)

    said = refused(
        Moved, replace(process, start_ticks=process.start_ticks - 1, name="x\x1b"), mark_socket(scene.row(port))
    )

    assert said == f"x\\x1b[{process.pid}] has ended, and its pid is that of another process now, python"
    assert scene.fetch(port) == SERVED


def test_who_runs_another_program_meanwhile_is_left(scene: Scene, port: int, refused: Callable[..., str]) -> None:
    """It was approved as what it was, and as what it is now it may be protected."""
    code = "one = server(port); one.set_inheritable(True); ready(); told(); os.execvp('sleep', ['sleep', '60'])"
    program = scene.play(code, port=port)
    python = os.readlink(f"/proc/{program.pid}/exe")
    process, socket = replace(mark_process(program.pid), exe=python), mark_socket(scene.row(port))
    can_terminate(scene.host, process, [socket])
    program.say("go on")
    until(lambda: os.readlink(f"/proc/{program.pid}/exe") != python)

    said = refused(Moved, process, socket)

    assert said == f"python[{process.pid}] runs another program now, {os.readlink(f'/proc/{program.pid}/exe')}"
    assert (is_alive(program.pid), scene.states(port)) == (True, ["LISTEN"])


def test_a_process_of_another_user_is_refused(
    scene: Scene, port: int, bystander: Actor, nobody: Callable[..., Any]
) -> None:
    process, socket = mark_process(bystander.pid), mark_socket(scene.row(port))

    def attempt() -> str:
        with pytest.raises(NotPermitted) as told:
            terminate(scene.host, process, [socket], 0, True)
        return str(told.value)

    assert "permission denied" in nobody(attempt)
    assert scene.fetch(port) == SERVED


@pytest.mark.parametrize("call", ["open_process_handle", "signal_through"])
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
    """Made up: as before Linux 5.3 and 5.1, or where a security module forbids it. Nothing else is tried then."""

    def refuse(*_arguments: int) -> int:
        raise OSError(why, os.strerror(why))

    process, socket = mark_process(bystander.pid), mark_socket(scene.row(port))
    monkeypatch.setattr(syscalls, call, refuse)
    said = refused(NotSupported if why == errno.ENOSYS else NotPermitted, process, socket)
    assert said.startswith(f"process {process.pid}")
    assert scene.fetch(port) == SERVED


NOT_A_SOCKET = SocketMark("tcp", "LISTEN", "127.0.0.1:1", None, 1, 1)


def test_nobody_ends_a_thread_of_the_kernel(refused: Callable[..., str]) -> None:
    pid = next(pid for pid in Host().pids() if not pathlib.Path(f"/proc/{pid}/cmdline").read_bytes() and pid > 1)
    process = mark_process(pid)
    assert (
        refused(NotPermitted, process, NOT_A_SOCKET) == f"{process.name}[{pid}] is a kernel thread: nobody may end it"
    )


def test_nobody_ends_what_the_task_runs_through() -> None:
    """Tried where it would do no harm: the parent is made for it, and holds a socket."""

    def parent() -> tuple[list[str], int]:
        with sockets.create_server(("127.0.0.1", 0)) as one:
            socket = replace(NOT_A_SOCKET, inode=os.fstat(one.fileno()).st_ino)
            return SecondProcess(partial(child, socket), PATIENCE).result(), os.getpid()

    def child(socket: SocketMark) -> list[str]:
        said = []
        for pid in (os.getppid(), os.getpid()):
            with pytest.raises(NotPermitted) as told:
                terminate(ActingHost(), replace(mark_process(pid), name="me"), [socket], 0, True)
            said.append(str(told.value))
        return said

    said, pid = SecondProcess(parent, PATIENCE).result()
    assert said[0] == f"me[{pid}] is what this very task runs through: nobody may end it"
    assert len(said) == 2


@pytest.fixture(scope="module")
def realm(needs: Callable[..., None]) -> Iterator[World]:
    """Return a PID namespace of its own."""
    needs("root", "setpriv", "unshare", "nsenter", "mount", "ip")
    with World() as one:
        yield one


def test_nobody_ends_the_first_process(realm: World) -> None:
    def attempt() -> str:
        with pytest.raises(NotPermitted) as told:
            terminate(ActingHost(), mark_process(1), [NOT_A_SOCKET], 0, True)
        return str(told.value)

    assert realm.run(attempt).endswith("[1] is the first process of all: nobody may end it")


def hold_in_child(one: sockets.socket) -> int:
    """Fork a child that holds a socket, with SIGTERM and SIGKILL as they are; returns its pid."""
    child = os.fork()
    if not child:
        signal.pause()
        os._exit(0)
    return child


def mark_own(one: sockets.socket) -> SocketMark:
    return replace(NOT_A_SOCKET, inode=os.fstat(one.fileno()).st_ino)


def test_a_pid_that_is_another_process_meanwhile(realm: World) -> None:
    """The kernel is made to give the next process the pid (ns_last_pid). That one even holds the very socket."""

    def attempt() -> tuple[str, bool, bool]:
        last_pid = "/proc/sys/kernel/ns_last_pid"
        subprocess.run(["mount", "--bind", last_pid, last_pid], check=True)
        subprocess.run(["mount", "-o", "remount,bind,rw", last_pid], check=True)
        with sockets.create_server(("127.0.0.1", 0)) as one:
            process = mark_process(hold_in_child(one))
            os.kill(process.pid, signal.SIGKILL)
            os.waitpid(process.pid, 0)
            ticks = os.sysconf("SC_CLK_TCK")
            until(lambda: float(pathlib.Path("/proc/uptime").read_text().split()[0]) * ticks > process.start_ticks + 1)
            pathlib.Path(last_pid).write_text(str(process.pid - 1))
            another = hold_in_child(one)
            with pytest.raises(Moved) as told:
                terminate(ActingHost(), process, [mark_own(one)], 0, True)
            alive = is_alive(another)
            os.kill(another, signal.SIGKILL)
            return str(told.value), another == process.pid, alive

    said, same, alive = realm.run(attempt)
    assert (same, alive) == (True, True)
    assert said.endswith("] has ended, and its pid is that of another process now, " + OWN_NAME)


def test_a_process_that_proc_hides_is_refused(realm: World) -> None:
    """Mounted with hidepid=2 (proc(5)): who may not look cannot be sure whom a handle is of."""

    def attempt() -> tuple[str, bool]:
        with sockets.create_server(("127.0.0.1", 0)) as one:
            process = mark_process(hold_in_child(one))
            socket = mark_own(one)
            subprocess.run(["mount", "-t", "proc", "-o", "hidepid=2", "proc", "/proc"], check=True)

            def as_nobody() -> str:
                os.setgroups([])
                os.setresgid(NOBODY, NOBODY, NOBODY)
                os.setresuid(NOBODY, NOBODY, NOBODY)
                with pytest.raises(NotPermitted) as told:
                    terminate(ActingHost(), process, [socket], 0, True)
                return str(told.value)

            try:
                said = SecondProcess(as_nobody, PATIENCE).result()
                return said, is_alive(process.pid)
            finally:
                subprocess.run(["umount", "/proc"], check=True)
                os.kill(process.pid, signal.SIGKILL)

    said, alive = realm.run(attempt)
    assert said.endswith("] is hidden from us in /proc: it may be another one by now")
    assert alive


@pytest.mark.parametrize("taken", [True, False], ids=["a pid that we have as well", "a pid of its own"])
def test_a_process_of_another_pid_namespace_is_refused(realm: World, scene: Scene, taken: bool) -> None:
    """/proc is of another PID namespace than who acts: its numbers mean others to the kernel, or nobody."""
    bystander = scene.play("ready(); hold()")
    unused = (pid for pid in range(32000, 1, -1) if not os.path.exists(f"/proc/{pid}"))
    pid = bystander.pid if taken else next(unused)

    def there() -> tuple[ProcessMark, SocketMark]:
        one = sockets.create_server(("127.0.0.1", 0))
        if not fork_as(pid):
            signal.pause()
        return mark_process(pid), mark_own(one)

    process, socket = realm.run(there)

    def attempt() -> str:
        with open(f"/proc/{realm.pid}/ns/mnt") as mounts:
            syscalls.enter_namespace(mounts.fileno(), CLONE_NEWNS)
        with pytest.raises(NotSupported) as told:
            terminate(ActingHost(), process, [socket], 0, True)
        return str(told.value)

    said = SecondProcess(attempt, PATIENCE).result()
    assert said == f"{OWN_NAME}[{pid}] is in a PID namespace that cannot be reached from here"
    assert realm.run(lambda: is_alive(pid))
    assert is_alive(bystander.pid)
