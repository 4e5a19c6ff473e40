# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What the age of real sockets tells of their holders, and what it adds to the credentials they were made with."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import NotPermitted, NotSupported
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.btf import read_types
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.makers import who_made
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.socket_births import read_ages

pytestmark = pytest.mark.needs("root")

LINK_CREATE = 28  # bpf(2)
A_WHILE = 0.1  # seconds: more than two ticks of the slowest kernel

LATER = f"time.sleep({A_WHILE})  # what comes now is of another tick\n"
TELL = "ready(pid=os.getpid(), parent=os.getppid(), inode=inode(one))\nhold()\n"
IN_A_CHILD = "if os.fork(): hold()\n"
EXECUTED_ANEW = """
if len(sys.argv) < 2:
    one = {socket}
    one.set_inheritable(True)
    os.execv(sys.executable, [sys.executable, "-c", open("/proc/self/cmdline").read().split(chr(0))[2],
             str(one.fileno())])
one = socket.socket(fileno=int(sys.argv[1]))
"""
TCP, TCP6, UDP = "server(0)", "server(0, '::1')", "bound(0, kind=socket.SOCK_DGRAM)"


class OlderHost(Host):
    """A kernel that cannot iterate over one process: before Linux 6.1."""

    def bpf(self, command: int, layout: str, *fields: int | bytes | bytearray) -> int:
        if command == LINK_CREATE and any(isinstance(field, bytearray) for field in fields):
            raise NotSupported("bpf(2): Argument list too long")
        return super().bpf(command, layout, *fields)


def age(pid: int, inode: int) -> bool | None:
    """Return whether a process is older than its socket, as far as it is told."""
    host = Host()
    found = read_ages(host, read_types(host), [pid])
    assert {holder for holder, _inode in found} <= {pid}
    return found.get((pid, inode))


@pytest.mark.parametrize("made", [TCP, TCP6, "bound(0)", "socket.socket()"])
def test_a_maker_is_older_than_its_socket(made: str, play: Callable[..., Any]) -> None:
    program = play(LATER + f"one = {made}\n" + TELL)
    assert age(program["pid"], program["inode"]) is True


@pytest.mark.parametrize("change", ["", "become(65534)\n", "os.setsid()\n"], ids=["", "another user", "own session"])
def test_a_child_is_younger_than_the_socket(change: str, play: Callable[..., Any]) -> None:
    program = play(LATER + f"one = {TCP}\n" + LATER + IN_A_CHILD + change + TELL)
    assert age(program["pid"], program["inode"]) is False
    assert age(program["parent"], program["inode"]) is True


def test_a_thread_is_as_old_as_its_process(play: Callable[..., Any]) -> None:
    """One with a table of descriptors of its own is asked about too."""
    program = play(
        f"""
{LATER}
one = {TCP}
{LATER}
apart = threading.Event()
thread(lambda: (called(LIBC.unshare(CLONE_FILES)), apart.set(), hold()))
apart.wait()
"""
        + TELL
    )
    assert age(program["pid"], program["inode"]) is True


def test_a_child_of_the_same_moment_is_not_told_from_the_maker(play: Callable[..., Any]) -> None:
    """Were it told, a child born beside its socket could be taken for the maker."""
    program = play(LATER + f"one = {TCP}\n" + IN_A_CHILD + TELL)
    assert age(program["pid"], program["inode"]) in (None, False)


def test_accepted_connections_and_other_protocols_have_no_age() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket(socket.AF_UNIX) as local:
        for one in (udp, local):
            assert age(os.getpid(), os.fstat(one.fileno()).st_ino) is None


def test_all_sockets_of_the_processes_asked_for(play: Callable[..., Any]) -> None:
    first, second = (play(LATER + f"one = {TCP}\n" + TELL) for _each in range(2))
    host = Host()
    found = read_ages(host, read_types(host), [first.pid, second.pid])
    assert found == {(each.pid, each["inode"]): True for each in (first, second)}
    assert read_ages(host, read_types(host), []) == {}


def made(program: Any, *pids: int, host: Host | None = None) -> dict[int, bool]:
    """Return by pid who made the socket of a program."""
    found = who_made(host or Host(), {pid: [program["inode"]] for pid in pids})
    return {pid: by_it for (pid, _inode), by_it in found.items()}


def test_one_that_executed_itself_anew_is_not_said_to_have_inherited_it(play: Callable[..., Any]) -> None:
    program = play(LATER + EXECUTED_ANEW.format(socket=TCP) + TELL)
    assert made(program, program.pid) == {}


def test_a_younger_one_that_became_another_user_has_inherited_it(play: Callable[..., Any]) -> None:
    """By its credentials alone it might have made it before it changed them."""
    program = play(LATER + f"one = {TCP}\nbecome(65534)\n" + LATER + IN_A_CHILD + "os.setuid(65534)\n" + TELL)
    child, parent = program["pid"], program["parent"]
    assert made(program, child, parent) == {child: False}
    assert made(program, child, parent, host=OlderHost()) == {}


def test_what_one_is_proven_to_have_made_no_older_one_did(play: Callable[..., Any]) -> None:
    """The child hands its socket to its parent, which is older than it."""
    program = play(f"""
sender, receiver = socket.socketpair(socket.AF_UNIX)
child = os.fork()
if not child:
    {LATER}
    one = {TCP}
    hand_over(sender, one.fileno())
    hold()
one = socket.socket(fileno=socket.recv_fds(receiver, 1, 1)[1][0])
ready(child=child, inode=inode(one))
hold()
""")
    child, parent = program["child"], program.pid
    assert age(parent, program["inode"]) is True
    assert made(program, child, parent) == {child: True, parent: False}


@pytest.mark.parametrize("host", [Host(), OlderHost()], ids=["of today", "before Linux 6.1"])
def test_a_maker_and_its_child_by_credentials_alone(host: Host, play: Callable[..., Any]) -> None:
    """UDP sockets have no age, and older kernels do not tell it."""
    for kind in (UDP, TCP) if isinstance(host, OlderHost) else (UDP,):
        program = play(LATER + f"one = {kind}\n" + LATER + IN_A_CHILD + TELL)
        child, parent = program["pid"], program["parent"]
        assert made(program, child, parent, host=host) == {child: False, parent: True}


@pytest.mark.parametrize(("kind", "host"), [(UDP, Host()), (TCP, OlderHost())], ids=["UDP", "before Linux 6.1"])
def test_credentials_alone_take_one_that_executed_itself_anew_for_an_heir(
    kind: str, host: Host, play: Callable[..., Any]
) -> None:
    program = play(LATER + EXECUTED_ANEW.format(socket=kind) + TELL)
    assert made(program, program.pid, host=host) == {program.pid: False}


def test_only_what_was_asked_for_is_told(play: Callable[..., Any]) -> None:
    program = play(LATER + f"one, other = {TCP}, {TCP}\n" + LATER + IN_A_CHILD + TELL)
    child, inode = program["pid"], program["inode"]
    assert who_made(Host(), {child: [inode]}) == {(child, inode): False}


def test_without_privileges(nobody: int) -> None:
    def attempt() -> tuple[str, str]:
        os.setresuid(nobody, nobody, nobody)
        host = Host()
        try:
            return repr(read_ages(host, read_types(host), [os.getpid()])), ""
        except NotPermitted:
            pass
        try:
            return "", repr(who_made(host, {os.getpid(): [1]}))
        except NotPermitted:
            return "NotPermitted", "NotPermitted"

    assert Host().in_second_process(attempt, 30)() == ("NotPermitted", "NotPermitted")


def test_no_descriptor_stays_open() -> None:
    host = Host()
    types = read_types(host)
    read_ages(host, types, [os.getpid()])
    before = os.listdir("/proc/self/fd")
    read_ages(host, types, [os.getpid()])
    with pytest.raises(NotSupported):
        read_ages(OlderHost(), types, [os.getpid()])
    assert os.listdir("/proc/self/fd") == before
