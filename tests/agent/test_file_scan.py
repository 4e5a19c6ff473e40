# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Descriptors looked at inside the kernel: the same picture as by reading each, or one sentence why not."""

from __future__ import annotations

import os
import pathlib
import select
import socket
import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent import scanned
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import NotPermitted, NotSupported
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel import file_scan
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.bpf import (
    R0,
    R3,
    Step,
    Value,
    assemble,
    jump_if_low_half_equals,
    leave,
    loaded,
    move,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.file_scan import (
    Row,
    Rows,
    scan_files,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.kept_types import known_types
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.socket_iteration import (
    SOCKET,
    copy,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import HeldSocket, Snapshot
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.process_directory import ProcessDirectory

pytestmark = pytest.mark.needs("root", "bpf")

CREATE_ITERATOR = 33  # bpf(2)
MANY, FEW = 70, 3  # sockets of one process: so many that not each is looked at twice, or fewer


@pytest.fixture
def means() -> str:
    """Return the scanner, where a test does not name one."""
    return "bpf"


def rows_by_process() -> tuple[dict[int, list[Row]], frozenset[int]]:
    """Return what a scan tells, to be changed."""
    rows, seen = scan_files(Host(), None)
    return {pid: list(rows.get(pid)) for pid in seen}, seen


EVERY_KIND = """
import resource, select, shutil, tempfile
resource.setrlimit(resource.RLIMIT_NOFILE, (2000, 4000))
many = [server(port) for port in range(20000, 20300)]
place = tempfile.mkdtemp()
named = socket.socket(socket.AF_UNIX)
named.bind(place + "/named")
keep = [
    os.pipe(), os.eventfd(0), select.epoll(), select.epoll(), os.memfd_create("some memory"),
    os.pidfd_open(os.getpid()), os.open("/proc/self/ns/net", 0), os.open("/proc/self/ns/pid", 0),
    os.open(place, os.O_DIRECTORY),
    os.open(place + "/named", os.O_PATH), os.open("/dev/null", 2), os.open("/proc/self/stat", 0), socket.socketpair(),
    tempfile.TemporaryFile(), socket.socket(socket.AF_NETLINK, socket.SOCK_RAW), os.dup(many[7].fileno()),
    os.openpty(), os.open("/proc/self/ns", os.O_DIRECTORY), os.open(sys.executable, os.O_PATH),
]
os.mkfifo(place + "/fifo")
keep.append(os.open(place + "/fifo", os.O_RDWR))
keep[2].register(many[0])
child = os.fork()
if not child:
    os.close(many[1].fileno())
    hold()
    os._exit(0)
shutil.rmtree(place)
ready(child=child)
hold()
"""
OWN_TABLE = """
def separate():
    called(LIBC.unshare(CLONE_FILES))
    mine = server(20400)
    ready()
    hold()
thread(separate)
hold()
"""
DEAD_LEADER = """
one = server(20401)
def survive():
    until_leader_is_dead()
    ready()
    hold()
thread(survive)
end_leader()
"""
DEAD_LEADER_WITHOUT_SOCKETS = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
keep = [os.open("/dev/null", 0) for _ in range(40)]
def survive():
    until_leader_is_dead()
    ready()
    hold()
thread(survive)
end_leader()
"""
IN_FLIGHT = """
sender, receiver = socket.socketpair()
with server(20402) as one:
    hand_over(sender, one.fileno())
ready()
hold()
"""
ZOMBIE = """
child = os.fork()
if not child:
    os._exit(0)
os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
ready()
hold()
"""
RING = """
import errno
one = server(20403)
ring = LIBC.syscall(425, 4, ctypes.create_string_buffer(120))
if ring >= 0:
    called(LIBC.syscall(427, ring, 2, (ctypes.c_int * 1)(one.fileno()), 1))
    one.close()
ready(ring=ring)
hold()
"""


@pytest.fixture(scope="module")
def crowd(crowded_arena: Any) -> Any:
    """Return a namespace in which descriptors lead to everything they can lead to."""
    for code in (EVERY_KIND, OWN_TABLE, DEAD_LEADER, DEAD_LEADER_WITHOUT_SOCKETS, IN_FLIGHT, ZOMBIE):
        crowded_arena.play(code)
    crowded_arena.has_ring = crowded_arena.play(RING)["ring"] >= 0
    return crowded_arena


def picture(arena: Any, scanner: str, *ports: int, **question: Any) -> Snapshot:
    snapshot = arena.look(*ports, scanner=scanner, **question)
    assert snapshot.agent.scanner == "sock_diag+" + scanner
    return replace(snapshot, agent=None)


@pytest.mark.parametrize("host_picture", [True, False])
def test_the_same_picture_of_a_whole_host(crowd: Any, host_picture: bool) -> None:
    by_walk, by_scan = (picture(crowd, scanner, host_picture=host_picture) for scanner in ("walk", "bpf"))
    assert len(by_walk.sockets) > 300
    assert by_scan.sockets == by_walk.sockets
    if host_picture:
        assert by_scan.descriptors.nearest == by_walk.descriptors.nearest
        assert by_scan.descriptors.nearest[0]["limit"] == 64  # of a process whose leader is dead
    assert by_scan.blind_spots == by_walk.blind_spots


@pytest.mark.parametrize("port", [20000, 20001, 20007, 20400, 20401, 20402])
def test_the_same_picture_of_one_port(crowd: Any, port: int) -> None:
    by_walk, by_scan = (picture(crowd, scanner, port) for scanner in ("walk", "bpf"))
    assert by_scan == by_walk
    assert by_walk.sockets


def test_the_same_picture_of_a_port_in_a_ring(crowd: Any) -> None:
    if not crowd.has_ring:
        pytest.skip("the kernel refuses io_uring")
    by_walk, by_scan = (picture(crowd, scanner, 20403) for scanner in ("walk", "bpf"))
    assert by_scan == by_walk
    assert [via for _pid, _fd, via in seats(by_walk)] == ["io_uring"]


# --- when it is used -------------------------------------------------------------------------------------------------


@pytest.fixture
def busy(stage_host: type[Host]) -> Callable[..., Host]:
    """Return a function that makes a host with so many open files, on which bpf(2) may be out of reach."""

    class BusyHost(stage_host):
        open_files = 0
        refusal: Exception | None = None
        asked = 0

        def read(self, path: str) -> bytes:
            return b"%d\t0\t2000000\n" % self.open_files if path == "/proc/sys/fs/file-nr" else super().read(path)

        def bpf(self, command: int, layout: str, *fields: Any) -> int:
            self.asked += 1
            if self.refusal:
                raise self.refusal
            return super().bpf(command, layout, *fields)

    def make(open_files: int, refusal: Exception | None = None) -> Host:
        host = BusyHost()
        host.open_files, host.refusal = open_files, refusal
        return host

    return make


def seats(snapshot: Snapshot) -> list[tuple[int, int, str]]:
    [held] = snapshot.sockets
    return [(holder.pid, holder.fd, holder.via) for holder in held.holders]


def test_where_very_many_files_are_open(arena: Any, port: int, busy: Callable[..., Host]) -> None:
    actor = arena.play(f"one = server({port}); ready(fd=one.fileno()); hold()")
    snapshot = arena.look(port, host=busy(20_000), scanner="auto")
    assert snapshot.agent.scanner == "sock_diag+bpf"
    assert seats(snapshot) == [(actor.pid, actor["fd"], "descriptor")]


def test_where_few_files_are_open_nothing_of_it_is_touched(arena: Any, port: int, busy: Callable[..., Host]) -> None:
    actor = arena.play(f"one = server({port}); ready(fd=one.fileno()); one.accept()")
    snapshot = arena.look(port, host=busy(1000, AssertionError("bpf(2)")), scanner="auto")
    assert snapshot.agent.scanner == "sock_diag"
    assert seats(snapshot) == [(actor.pid, actor["fd"], "descriptor")]


def test_where_few_files_are_open_nothing_of_it_is_imported(root: pathlib.Path, tmp_path: pathlib.Path) -> None:
    code = """
import sys
sys.path.insert(0, sys.argv[1])
from portreeve_agent.host import Host
from portreeve_agent.walking import walk
class QuietHost(Host):
    def read(self, path):
        return b"1000 0 2000000" if path == "/proc/sys/fs/file-nr" else super().read(path)
walk(QuietHost(), {1, 2, 3})
print(sorted(name for name in sys.modules if name.rpartition(".")[2] in sys.argv[2:]))
"""
    package = root / "collections/ansible_collections/portreeve/fleet/plugins/module_utils"
    unwanted = ["scanned", "file_scan", "kept_types", "bpf", "btf", "zlib"]
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, package, *unwanted], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_where_it_is_refused_the_walk_says_why(arena: Any, port: int, busy: Callable[..., Host]) -> None:
    actor = arena.play(f"one = server({port}); ready(fd=one.fileno()); hold()")
    host = busy(20_000, NotPermitted("bpf(2): permission denied"))
    snapshot = arena.look(port, host=host, scanner="auto")
    assert snapshot.agent.scanner == "sock_diag+walk: bpf(2): permission denied"
    assert seats(snapshot) == [(actor.pid, actor["fd"], "descriptor")]
    with pytest.raises(NotSupported, match=r"^descriptors cannot be scanned by bpf here: bpf\(2\): permission denied$"):
        arena.look(port, host=host, scanner="bpf")


def test_a_refusal_is_told_once(
    arena: Any, port: int, busy: Callable[..., Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket that nobody seems to have is looked for in several walks."""
    actor = arena.play(f"one = server({port}); ready(); hold()")
    host = busy(20_000, NotPermitted("bpf(2): permission denied"))
    monkeypatch.setattr(host, "births", lambda: [one for one in busy(0).births() if one[0] != actor.pid])
    snapshot = arena.look(port, host=host, scanner="auto")
    assert snapshot.agent.scanner == "sock_diag+walk: bpf(2): permission denied"
    assert host.asked == 2  # for the program, and for what the verifier says of it


def test_what_ends_while_it_is_read_ends_in_a_walk(arena: Any, port: int, busy: Callable[..., Host]) -> None:
    class Unreadable(type(busy(0))):  # type: ignore[misc]
        def bpf(self, command: int, layout: str, *fields: Any) -> int:
            return os.open("/", os.O_RDONLY) if command == CREATE_ITERATOR else super().bpf(command, layout, *fields)

    actor = arena.play(f"one = server({port}); ready(fd=one.fileno()); hold()")
    host = Unreadable()
    host.open_files = 20_000
    snapshot = arena.look(port, host=host, scanner="auto")
    assert snapshot.agent.scanner == "sock_diag+walk: bpf(2): Is a directory"
    assert seats(snapshot) == [(actor.pid, actor["fd"], "descriptor")]


def test_a_kernel_that_does_not_tell_names(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(place: int, size: int, failed: str) -> Iterator[Step]:
        yield move(R3, Value(0))  # nobody may read there either
        yield from copy(place, size, failed)

    monkeypatch.setattr(file_scan, "copy", refused)
    with select.epoll():
        for sockets in (None, {1}):
            with pytest.raises(NotSupported, match="the kernel does not tell the names of anonymous files"):
                scan_files(Host(), sockets)


@pytest.mark.parametrize("question", [("owner", "1/tcp"), ("list",)])
def test_who_may_not_is_told_in_one_sentence(run_as_nobody: Any, question: tuple[str, ...]) -> None:
    """Also where nothing has the port."""
    done = run_as_nobody("agent", *question, "--scanner", "bpf")
    assert (done.returncode, done.stdout) == (4, "")
    assert "neither CAP_SYS_ADMIN nor CAP_BPF with CAP_PERFMON" in done.stderr
    assert done.stderr.count("\n") == 1


def test_in_another_pid_namespace_it_is_told_in_one_sentence(root: pathlib.Path, needs: Any) -> None:
    needs("unshare")
    apart = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, root / "agent", "list", "--scanner", "bpf"]
    done = subprocess.run(apart, capture_output=True, text=True, check=False)
    assert "not those of the kernel's first PID namespace" in done.stderr
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (4, "", 1)


# --- what it must not be misled by -----------------------------------------------------------------------------------


def test_a_process_that_the_kernel_keeps_from_sight(arena: Any, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    actor = arena.play(f"one = server({port}); ready(fd=one.fileno()); hold()")
    monkeypatch.setattr(scanned, "scan_files", lambda *_: ({}, frozenset()))
    assert seats(arena.look(port, scanner="bpf")) == [(actor.pid, actor["fd"], "descriptor")]


@pytest.mark.parametrize("count", [FEW, MANY])
def test_a_process_id_that_has_gone_to_another(arena: Any, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """What the kernel said of a process id is held against the process that has it now."""
    code = f"keep = [server(port) for port in range(FIRST, FIRST + {count})]; ready(); hold()"
    one = arena.play(code.replace("FIRST", "21000"))
    other = arena.play(code.replace("FIRST", "22000"))
    swaps = [(one.pid, other.pid), (other.pid, one.pid)]
    rows, seen = rows_by_process()
    assert sum(row[4] == SOCKET for row in rows[one.pid]) >= count
    swapped = {pid: [(row[0], pid, pid, *row[3:]) for row in rows[of]] for pid, of in swaps}
    monkeypatch.setattr(scanned, "scan_files", lambda *_: ({**rows, **swapped}, seen))
    found = arena.look(scanner="bpf", host_picture=True).sockets
    assert holders_by_port(found, 21000, count) == {one.pid}
    assert holders_by_port(found, 22000, count) == {other.pid}


def holders_by_port(found: tuple[HeldSocket, ...], first: int, count: int) -> set[int]:
    ports = range(first, first + count)
    return {holder.pid for held in found if held.socket.local.port in ports for holder in held.holders}


def test_a_row_of_long_ago(arena: Any, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    actor = arena.play(f"""
one = server({port})
ready(inode=inode(one), fd=one.fileno())
hold()
""")
    bystander = arena.play("ready(); hold()")
    rows, seen = rows_by_process()
    stale = {bystander.pid: [(actor["inode"], bystander.pid, bystander.pid, actor["fd"], SOCKET)]}
    monkeypatch.setattr(scanned, "scan_files", lambda *_: ({**rows, **stale}, seen))
    assert seats(arena.look(port, scanner="bpf")) == [(actor.pid, actor["fd"], "descriptor")]


@pytest.fixture
def after_the_scan(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Return a function that has a program go on between the scan and what follows from it."""

    def go_on(actor: Any) -> None:
        waiting = [actor]

        def scan(*asked: Any) -> Any:
            told = scan_files(*asked)
            while waiting:
                waiting.pop().tell("go on")
            return told

        monkeypatch.setattr(scanned, "scan_files", scan)

    return go_on


@pytest.mark.parametrize("count", [FEW, MANY])
def test_descriptors_that_moved(arena: Any, after_the_scan: Callable[[Any], None], count: int) -> None:
    actor = arena.play(f"""
keep = [server(port) for port in range(23000, 23000 + {count})]
child = os.fork()  # another holder, so that none is missed
if not child:
    hold()
    os._exit(0)
ready(child=child)
told()
for one in keep:
    os.dup2(one.fileno(), 200 + one.fileno())
    one.close()
ready()
hold()
""")
    after_the_scan(actor)
    found = arena.look(host_picture=True).sockets
    assert holders_by_port(found, 23000, count) == {actor.pid, actor["child"]}
    assert all(holder.fd > 200 for held in found for holder in held.holders if holder.pid == actor.pid)


def test_descriptors_that_were_opened(arena: Any, after_the_scan: Callable[[Any], None]) -> None:
    """A process that leaks sockets leaks sockets."""
    actor = arena.play(
        "one = server(23000); ready(); told(); keep = [socket.socket() for _ in range(20)]; ready(); hold()"
    )
    after_the_scan(actor)
    by_scan, by_walk = (arena.look(scanner=scanner, host_picture=True).sockets for scanner in ("bpf", "walk"))
    assert by_scan == by_walk
    [holder] = by_scan[0].holders
    assert holder.process.descriptors.kinds["socket"] == 21


def test_a_ring_that_was_closed(arena: Any, after_the_scan: Callable[[Any], None]) -> None:
    actor = arena.play("""
one = server(23000)
ring = LIBC.syscall(425, 4, ctypes.create_string_buffer(120))
ready(ring=ring)
told()
os.close(ring)
os.dup(0)  # as many as before
ready()
hold()
""")
    if actor["ring"] < 0:
        pytest.skip("the kernel refuses io_uring")
    after_the_scan(actor)
    assert arena.look(host_picture=True).blind_spots == ()


def test_before_linux_6_2(arena: Any, stage_host: type[Host], monkeypatch: pytest.MonkeyPatch) -> None:
    """How many descriptors there are, a listing says where stat(2) does not."""
    actor = arena.play("one = server(23000); ready(); hold()")
    monkeypatch.setattr(ProcessDirectory, "descriptor_count", lambda directory: len(directory.list("fd")))
    [holder] = arena.look(host_picture=True).sockets[0].holders
    assert (holder.pid, holder.process.descriptors.open) == (actor.pid, len(os.listdir(f"/proc/{actor.pid}/fd")))


def test_rows_take_no_more_than_what_the_kernel_wrote() -> None:
    """Of a million connections there is a row each."""
    data = b"".join(struct.pack("=QIIII", number, number // 300, number // 300, 7, SOCKET) for number in range(30_000))
    tracemalloc.start()
    try:
        rows = Rows(data)
        assert tracemalloc.get_traced_memory()[0] < len(data) / 10
    finally:
        tracemalloc.stop()
    assert list(rows.get(99))[-1] == (29_999, 99, 99, 7, SOCKET)


def test_where_few_are_chosen_others_have_no_row() -> None:
    with socket.socket() as one, socket.socket(), select.epoll():
        inode = os.fstat(one.fileno()).st_ino
        rows, _seen = scan_files(Host(), {inode})
        assert list(rows.get(os.getpid())) == [(inode, os.getpid(), os.getpid(), one.fileno(), SOCKET)]


# --- programs --------------------------------------------------------------------------------------------------------


def test_what_the_verifier_has_against_a_program_is_told() -> None:
    with known_types(Host()) as types:
        function = types.function("bpf_iter_task_file")
    with (
        pytest.raises((NotSupported, NotPermitted), match=r"the verifier said: .*R0"),
        loaded(Host(), function, [leave()]),
    ):
        pass


def test_inodes_are_compared_without_a_sign() -> None:
    code = assemble([jump_if_low_half_equals(R0, 0xFFFFFFFE, ""), leave()])
    assert code[:8] == b"\x16\0\0\0\xfe\xff\xff\xff"


def test_no_descriptor_stays_open() -> None:
    scan_files(Host(), None)
    before = os.listdir("/proc/self/fd")
    scan_files(Host(), {1})
    assert os.listdir("/proc/self/fd") == before
