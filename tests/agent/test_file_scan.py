# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Descriptors looked at inside the kernel: the same picture as by reading each, or one sentence why not."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent import scanned
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import NotPermitted, NotSupported
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.bpf import (
    R0,
    assemble,
    jump_if_low_half_equals,
    leave,
    loaded,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.file_scan import (
    SOCKET,
    scan_files,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.kept_types import known_types
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import HeldSocket, Snapshot

pytestmark = pytest.mark.needs("root")

MANY, FEW = 70, 3  # sockets of one process: so many that not each is looked at twice, or fewer


@pytest.fixture(autouse=True)
def _able() -> None:
    try:
        scan_files(Host(), ())
    except (NotPermitted, NotSupported) as error:
        pytest.skip(str(error))


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
ready()
hold()
"""


@pytest.fixture(scope="module")
def crowd(crowded_arena: Any) -> Any:
    """Return a namespace in which descriptors lead to everything they can lead to."""
    for code in (EVERY_KIND, OWN_TABLE, DEAD_LEADER, DEAD_LEADER_WITHOUT_SOCKETS, IN_FLIGHT, ZOMBIE, RING):
        crowded_arena.play(code)
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


@pytest.mark.parametrize("port", [20000, 20001, 20007, 20400, 20401, 20402, 20403])
def test_the_same_picture_of_one_port(crowd: Any, port: int) -> None:
    by_walk, by_scan = (picture(crowd, scanner, port) for scanner in ("walk", "bpf"))
    assert by_scan == by_walk
    assert by_walk.sockets


# --- when it is used -------------------------------------------------------------------------------------------------


@pytest.fixture
def busy(stage_host: type[Host]) -> Callable[..., Host]:
    """Return a function that makes a host with so many open files, on which bpf(2) may be out of reach."""

    class BusyHost(stage_host):
        open_files = 0
        refusal: Exception | None = None

        def read(self, path: str) -> bytes:
            return b"%d\t0\t2000000\n" % self.open_files if path == "/proc/sys/fs/file-nr" else super().read(path)

        def bpf(self, command: int, layout: str, *fields: Any) -> int:
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


def test_who_may_not_is_told_in_one_sentence(run_as_nobody: Any) -> None:
    done = run_as_nobody("agent", "list", "--scanner", "bpf")
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
    rows, seen = scan_files(Host(), None)
    assert sum(row[4] == SOCKET for row in rows[one.pid]) >= count
    swapped = {pid: [(row[0], pid, pid, *row[3:]) for row in rows[of]] for pid, of in swaps}
    monkeypatch.setattr(scanned, "scan_files", lambda *_: ({**rows, **swapped}, seen))
    found = arena.look(scanner="bpf", host_picture=True).sockets
    assert holders_by_port(found, 21000, count) <= {one.pid}
    assert holders_by_port(found, 22000, count) <= {other.pid}


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
    rows, seen = scan_files(Host(), None)
    stale = {bystander.pid: [(actor["inode"], bystander.pid, bystander.pid, actor["fd"], SOCKET)]}
    monkeypatch.setattr(scanned, "scan_files", lambda *_: ({**rows, **stale}, seen))
    assert seats(arena.look(port, scanner="bpf")) == [(actor.pid, actor["fd"], "descriptor")]


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
