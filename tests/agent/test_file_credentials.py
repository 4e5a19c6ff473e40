# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Which process made a socket: real ones, after everything that processes do to sockets and to themselves."""

from __future__ import annotations

import ctypes
import errno
import os
import pathlib
import socket
import struct
import textwrap
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import NotPermitted, NotSupported
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.file_credentials import read_makers

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWPID = 0x00020000, 0x20000000
MS_REC, MS_PRIVATE = 1 << 14, 1 << 18
PER_LINUX32 = 0x0008  # personality(2): uname tells of the 32-bit architecture
LINK_CREATE, ITERATOR_CREATE = 28, 33
BPF_CALL = {"x86_64": 321, "aarch64": 280}

MADE = {
    "and did nothing else": "one = bound(0)",
    "by accepting": "listener = server(0); client = connected(listener.getsockname()[1]); one = listener.accept()[0]",
    "in a thread that lives on": """
        made = []
        thread(lambda: (made.append(bound(0)), hold()))
        until(lambda: made)
        one = made[0]
    """,
    "in a thread that has ended": """
        made = []
        thread(lambda: made.append(bound(0)))
        until(lambda: made)
        one = made[0]
    """,
    "after it dropped its privileges": "become(65534); one = bound(0)",
    "in a thread, after all threads dropped their privileges": """
        made = []
        changed = threading.Event()
        thread(lambda: (changed.wait(), made.append(bound(0)), hold()))
        LIBC.setuid(65534)
        changed.set()
        until(lambda: made)
        LIBC.prctl(4, 1, 0, 0, 0)
        one = made[0]
    """,
    "and gave up new privileges": "one = bound(0); called(LIBC.prctl(38, 1, 0, 0, 0))",
    "and entered another network namespace": "one = bound(0); own_network()",
    "and forked and executed": "one = bound(0); import subprocess; subprocess.run(['true'], check=True)",
    "and then its first thread ended": """
        one = bound(0)
        def go_on():
            until_leader_is_dead()
            ready(pid=os.getpid(), inode=inode(one))
            hold()
        thread(go_on)
        end_leader()
    """,
}

GOT = {
    "by fork": """
        one = bound(0)
        if os.fork():
            hold()
    """,
    "by two forks, from a process that is gone": """
        one = bound(0)
        if os.fork():
            os._exit(0)
        if os.fork():
            hold()
        until(lambda: os.getppid() != 1)
    """,
    "by executing a program": """
        if len(sys.argv) < 2:
            one = bound(0)
            one.set_inheritable(True)
            os.execv(sys.executable, [sys.executable, "-c", open("/proc/self/cmdline").read().split(chr(0))[2],
                     str(one.fileno())])
        one = socket.socket(fileno=int(sys.argv[1]))
    """,
    "over a UNIX socket": """
        sender, receiver = socket.socketpair(socket.AF_UNIX)
        if os.fork():
            with bound(0) as made:
                hand_over(sender, made.fileno())
            hold()
        one = socket.socket(fileno=socket.recv_fds(receiver, 1, 1)[1][0])
    """,
    "by fork in a thread": """
        one = bound(0)
        def fork():
            if not os.fork():
                ready(pid=os.getpid(), inode=inode(one))
                hold()
        thread(fork)
        hold()
    """,
}

UNDECIDED = {
    "became another user": "one = bound(0); become(65534)",
    "became another user for a while": "one = bound(0); os.seteuid(65534)",
    "changed its groups": "one = bound(0); os.setgroups([4711])",
    "named its groups once more": "one = bound(0); os.setgroups(os.getgroups())",
    "became another group": "one = bound(0); os.setegid(65534)",
    "gave up a capability": "one = bound(0); called(LIBC.prctl(24, 0, 0, 0, 0))",  # PR_CAPBSET_DROP, CAP_CHOWN
    "asked to keep its capabilities": "one = bound(0); called(LIBC.prctl(8, 1, 0, 0, 0))",
    "gave up a capability for a while": """
        one = bound(0)
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)
        sets = (ctypes.c_uint32 * 6)()
        called(LIBC.capget(header, sets))
        sets[0] &= ~1  # effective, CAP_CHOWN
        called(LIBC.capset(header, sets))
    """,
    "began a session of keys": "one = bound(0); keyctl(1, None)",
    "has keys of its own": "one = bound(0); keyctl(0, -2, 1)",
    "has a thread with keys of its own": "one = bound(0); keyctl(0, -1, 1)",
    "entered another user namespace": "one = bound(0); called(LIBC.unshare(0x10000000))",
    "was forked, with threads of different credentials": """
        one = bound(0)
        if os.fork():
            hold()
        thread(hold)
        os.setuid(os.getuid())
    """,
}

KEYS = """
def keyctl(*arguments):
    called(LIBC.syscall({"x86_64": 250, "aarch64": 219}[os.uname().machine], *arguments))
"""

# A new object of the same content: nothing tells these from a fork.
SAME_AGAIN = {
    "became who it was": "one = bound(0); os.setuid(0)",
    "set its capabilities to what they were": "one = bound(0); called(LIBC.prctl(47, 4, 0, 0, 0))",  # ambient: none
    "gave up a capability that it had given up": """
        called(LIBC.prctl(24, 0, 0, 0, 0))
        one = bound(0)
        called(LIBC.prctl(24, 0, 0, 0, 0))
    """,
}

TELL = "\nready(pid=os.getpid(), inode=inode(one))\nhold()"


@pytest.fixture
def made_by_it(play: Callable[..., Any], needs: Callable[..., None]) -> Callable[..., bool | None]:
    """Return a function that starts a program and returns whether it made its socket, as far as is known."""
    needs("root")

    def ask(code: str, host: Host | None = None) -> bool | None:
        program = play(KEYS + textwrap.dedent(code) + ("" if "ready(" in code else TELL))
        pair = program["pid"], program["inode"]
        found = read_makers(host or Host(), {pair[0]: [pair[1]]})
        assert found.keys() <= {pair}
        return found.get(pair)

    return ask


@pytest.mark.parametrize("code", MADE.values(), ids=MADE)
def test_a_process_made_its_socket(code: str, made_by_it: Callable[..., bool | None]) -> None:
    assert made_by_it(code) is True


@pytest.mark.parametrize("code", GOT.values(), ids=GOT)
def test_a_process_got_its_socket(code: str, made_by_it: Callable[..., bool | None]) -> None:
    assert made_by_it(code) is False


@pytest.mark.parametrize("code", UNDECIDED.values(), ids=UNDECIDED)
def test_nothing_is_said_of_a_process_that(code: str, made_by_it: Callable[..., bool | None]) -> None:
    assert made_by_it(code) is None


@pytest.mark.parametrize("code", SAME_AGAIN.values(), ids=SAME_AGAIN)
def test_a_process_is_mistaken_for_its_own_child_if_it(code: str, made_by_it: Callable[..., bool | None]) -> None:
    assert made_by_it(code) is False


@pytest.mark.needs("root")
def test_what_one_made_no_other_did(play: Callable[..., Any]) -> None:
    program = play(
        textwrap.dedent("""
            one = bound(0)
            child = os.fork()
            if not child:
                os.setuid(65534)
                ready(parent=os.getppid(), child=os.getpid(), inode=inode(one))
            hold()
        """)
    )
    parent, child, inode = program["parent"], program["child"], program["inode"]
    assert read_makers(Host(), {child: [inode]}) == {}
    assert read_makers(Host(), {parent: [inode], child: [inode]}) == {(parent, inode): True, (child, inode): False}


class OlderHost(Host):
    """A kernel that cannot iterate over one process: before Linux 6.1."""

    def bpf(self, command: int, layout: str, *fields: int | bytes | bytearray) -> int:
        if command == LINK_CREATE and any(isinstance(field, bytearray) for field in fields):
            raise NotSupported("bpf(2): Argument list too long")
        return super().bpf(command, layout, *fields)


class WithoutIterators(Host):
    def bpf(self, command: int, layout: str, *fields: int | bytes | bytearray) -> int:
        if command == ITERATOR_CREATE:
            raise NotSupported("bpf(2): Invalid argument")
        return super().bpf(command, layout, *fields)


@pytest.mark.parametrize(("code", "expected"), [(MADE["and did nothing else"], True), (GOT["by fork"], False)])
def test_an_older_kernel_is_asked_about_all_processes(
    code: str, expected: bool, made_by_it: Callable[..., bool | None]
) -> None:
    assert made_by_it(code, OlderHost()) is expected


@pytest.mark.needs("root")
def test_only_what_was_asked_for_is_answered() -> None:
    with socket.socket() as one, socket.socket() as other:
        inodes = [os.fstat(each.fileno()).st_ino for each in (one, other)]
        for host in (Host(), OlderHost()):
            assert read_makers(host, {os.getpid(): inodes[:1]}) == {(os.getpid(), inodes[0]): True}
        assert read_makers(Host(), {os.getpid(): inodes}).keys() == {(os.getpid(), inode) for inode in inodes}
        assert read_makers(Host(), {}) == {}


@pytest.mark.needs("root")
def test_a_file_that_is_no_socket_is_not_answered_for(tmp_path: pathlib.Path) -> None:
    with (tmp_path / "file").open("w") as file:
        assert read_makers(Host(), {os.getpid(): [os.fstat(file.fileno()).st_ino]}) == {}


@pytest.mark.needs("root")
def test_the_file_of_a_unix_socket_is_not_answered_for(tmp_path: pathlib.Path) -> None:
    """Its inode number, which its filesystem gave it, may be that of a socket."""
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "named"))
        file = os.open(tmp_path / "named", os.O_PATH)
        try:
            assert read_makers(Host(), {os.getpid(): [os.fstat(file).st_ino]}) == {}
        finally:
            os.close(file)


@pytest.mark.needs("root")
def test_a_process_that_is_gone_or_holds_no_such_socket_is_not_answered_for() -> None:
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    assert read_makers(Host(), {child: [1], os.getpid(): [1]}) == {}


@pytest.mark.needs("root")
def test_no_descriptor_stays_open(tmp_path: pathlib.Path) -> None:
    read_makers(Host(), {os.getpid(): [1]})
    before = os.listdir("/proc/self/fd")
    read_makers(Host(), {os.getpid(): [1]})
    with pytest.raises(NotSupported):
        read_makers(WithoutIterators(), {os.getpid(): [1]})
    assert os.listdir("/proc/self/fd") == before


def test_a_kernel_that_does_not_describe_its_types(tmp_path: pathlib.Path) -> None:
    with pytest.raises(NotSupported, match="does not describe its types"):
        read_makers(Host(root=str(tmp_path)), {1: [1]})


def refusal(prepare: Callable[[], object]) -> tuple[str, str]:
    """Return the kind and the message of what is raised in a second process that is prepared for it."""

    def attempt() -> tuple[str, str]:
        prepare()
        try:
            return "nothing", repr(read_makers(Host(), {os.getpid(): [1]}))
        except (NotPermitted, NotSupported) as error:
            return type(error).__name__, str(error)

    return Host().in_second_process(attempt, 30)()


@pytest.mark.needs("root")
def test_without_privileges(nobody: int) -> None:
    assert refusal(lambda: os.setresuid(nobody, nobody, nobody)) == ("NotPermitted", "bpf(2): permission denied")


@pytest.mark.needs("root")
def test_on_an_architecture_that_is_not_known() -> None:
    kind, message = refusal(lambda: LIBC.personality(PER_LINUX32))
    assert kind == "NotSupported"
    assert message.startswith("bpf(2) is not known for ")


@pytest.mark.needs("root")
@pytest.mark.parametrize(
    ("code", "kind"), [(errno.EPERM, "NotPermitted"), (errno.EACCES, "NotPermitted"), (errno.ENOSYS, "NotSupported")]
)
def test_where_a_filter_stops_the_call(code: int, kind: str) -> None:
    def forbid() -> None:
        """Have seccomp(2) answer bpf(2) with an error; the filter is classic BPF."""
        allow, answer, load_number, equal = 0x7FFF0000, 0x00050000 | code, 0x20, 0x15
        steps = [
            (load_number, 0, 0, 0),
            (equal, 0, 1, BPF_CALL[os.uname().machine]),
            (6, 0, 0, answer),
            (6, 0, 0, allow),
        ]
        program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
        assert LIBC.prctl(22, 2, struct.pack("@HP", len(steps), ctypes.addressof(program)), 0, 0) == 0

    found, message = refusal(forbid)
    assert found == kind
    assert message.startswith("bpf(2)")


@pytest.mark.needs("root")
def test_process_ids_of_another_namespace_are_not_confused() -> None:
    def enter_and_attempt() -> tuple[str, str]:
        assert LIBC.unshare(CLONE_NEWPID) == 0  # children will be in it
        return refusal(lambda: None)

    kind, message = Host().in_second_process(enter_and_attempt, 30)()
    assert kind == "NotSupported"
    assert "another PID namespace" in message


@pytest.mark.needs("root")
@pytest.mark.parametrize(("host", "expected"), [(Host(), True), (OlderHost(), None)], ids=["of today", "older"])
def test_in_a_pid_namespace_of_its_own(host: Host, expected: bool | None) -> None:
    """It is asked with the numbers of that namespace; an older kernel answers with those of the first."""

    def look() -> bool | None:
        assert LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) == 0
        assert LIBC.mount(b"proc", b"/proc", b"proc", 0, None) == 0
        with socket.socket() as one:
            pair = os.getpid(), os.fstat(one.fileno()).st_ino
            try:
                return read_makers(host, {pair[0]: [pair[1]]})[pair]
            except NotSupported:
                return None

    def enter_and_look() -> bool | None:
        assert LIBC.unshare(CLONE_NEWPID | CLONE_NEWNS) == 0
        return Host().in_second_process(look, 30)()

    assert Host().in_second_process(enter_and_look, 30)() is expected
