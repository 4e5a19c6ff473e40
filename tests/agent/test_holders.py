# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Every holder of a socket that has a descriptor table: processes, threads with tables of their own, dead leaders."""

from __future__ import annotations

import os
import pathlib
import shutil
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import NotPermitted
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.process_directory import ProcessDirectory

pytestmark = pytest.mark.needs("root")

EXE = os.path.realpath(sys.executable)


def seats(held: Any) -> list[tuple[int, int, str, int | None]]:
    return [(holder.pid, holder.fd, holder.via, holder.tid) for holder in held.holders]


def test_one_process(arena: Any, port: int) -> None:
    actor = arena.play(f"one = server({port}); ready(fd=one.fileno()); hold()")
    held = arena.held(port)
    assert seats(held) == [(actor.pid, actor["fd"], "descriptor", None)]
    assert held.in_kernel is False
    process = held.holders[0].process
    assert (process.pid, process.exe, process.exe_deleted, process.uid) == (actor.pid, EXE, False, 0)
    assert process.cmdline[0] == sys.executable
    assert (process.ppid, process.threads, process.user) == (os.getpid(), 1, "root")


def test_a_descriptor_that_was_duplicated_is_a_second_seat(arena: Any, port: int) -> None:
    actor = arena.play(f"one = server({port}); ready(fds=[one.fileno(), os.dup(one.fileno())]); hold()")
    assert seats(arena.held(port)) == [(actor.pid, fd, "descriptor", None) for fd in sorted(actor["fds"])]


def test_all_children_that_inherited_it(arena: Any, port: int) -> None:
    actor = arena.play(f"""
one = server({port})
pids = []
for _ in range(12):
    pids.append(os.fork())
    if not pids[-1]:
        hold()
        os._exit(0)
ready(fd=one.fileno(), pids=pids)
hold()
""")
    expected = sorted([actor.pid, *actor["pids"]])
    held = arena.held(port)
    assert seats(held) == [(pid, actor["fd"], "descriptor", None) for pid in expected]
    assert {holder.pid: holder.role for holder in held.holders} == {
        actor.pid: "creator",
        **dict.fromkeys(actor["pids"], "heir"),
    }
    assert {holder.process.ppid for holder in held.holders} == {os.getpid(), actor.pid}


def test_the_child_alone_when_its_parent_is_gone(arena: Any, port: int) -> None:
    actor = arena.play(f"""
one = server({port})
child = os.fork()
if not child:
    hold()
    os._exit(0)
ready(fd=one.fileno(), child=child)
hold()
""")
    actor.kill()
    assert seats(arena.held(port)) == [(actor["child"], actor["fd"], "descriptor", None)]


def test_a_child_that_runs_another_program(arena: Any, port: int, needs: Any) -> None:
    needs("cat")
    actor = arena.play(f"""
one = server({port})
one.set_inheritable(True)
child = os.fork()
if not child:
    os.execlp("cat", "cat")
until(lambda: pathlib.Path(f"/proc/{{child}}/comm").read_text() == "cat\\n")
ready(fd=one.fileno(), child=child)
hold()
""")
    held = arena.held(port)
    assert seats(held) == [(pid, actor["fd"], "descriptor", None) for pid in sorted((actor.pid, actor["child"]))]
    by_pid = {holder.pid: holder for holder in held.holders}
    assert os.path.basename(by_pid[actor["child"]].process.exe) == os.path.basename(os.path.realpath("/bin/cat"))
    assert by_pid[actor["child"]].process.cmdline == ("cat",)
    assert {holder.pid: holder.role for holder in held.holders} == {actor.pid: "creator", actor["child"]: "heir"}


def test_a_child_that_does_not_inherit_it_holds_nothing(arena: Any, port: int, needs: Any) -> None:
    needs("cat")
    actor = arena.play(f"""
one = server({port})
child = os.fork()
if not child:
    os.execlp("cat", "cat")
until(lambda: pathlib.Path(f"/proc/{{child}}/comm").read_text() == "cat\\n")
ready(fd=one.fileno())
hold()
""")
    assert seats(arena.held(port)) == [(actor.pid, actor["fd"], "descriptor", None)]


def test_a_program_that_was_removed(arena: Any, port: int, tmp_path: pathlib.Path, needs: Any) -> None:
    needs("cat")
    program = shutil.copy("/bin/cat", tmp_path / "server (x) y")
    actor = arena.play(
        f"""
one = server({port})
one.set_inheritable(True)
child = os.fork()
if not child:
    os.execl(sys.argv[1], "a name")
until(lambda: os.readlink(f"/proc/{{child}}/exe") == sys.argv[1])
os.unlink(sys.argv[1])
one.close()
ready(child=child)
hold()
""",
        program,
    )
    [holder] = arena.held(port).holders
    assert (holder.pid, holder.process.exe, holder.process.exe_deleted) == (actor["child"], str(program), True)
    assert (holder.process.name, holder.process.cmdline) == ("server (x) y", ("a name",))
    assert "deleted_executable" in [risk.id for risk in arena.answer(port).risks]


def test_a_zombie_holds_nothing(arena: Any, port: int) -> None:
    arena.play(f"""
child = os.fork()
if not child:
    one = server({port})
    os._exit(0)
os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
ready()
hold()
""")
    assert arena.look(port).sockets == ()


def test_a_process_shows_its_descriptors_by_kind(arena: Any, port: int) -> None:
    arena.play(f"""
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 128))
one = server({port})
os.closerange(4, 64)
keep = [os.dup(0), os.open("/dev/null", 0), os.eventfd(0), socket.socketpair()]
os.close(2)
ready()
hold()
""")
    [holder] = arena.held(port).holders
    use = holder.process.descriptors
    assert (use.open, use.limit) == (8, 64)
    assert use.kinds == {"anon_inode": 1, "file": 1, "pipe": 3, "socket": 3}


# --- how they are looked for -----------------------------------------------------------------------------------------


def test_among_all_processes_of_the_machine(arena: Any, port: int) -> None:
    actor = arena.play(f"one = server({port}); ready(fd=one.fileno()); hold()")
    [held] = arena.look(port, host=Host()).sockets
    assert seats(held) == [(actor.pid, actor["fd"], "descriptor", None)]


@pytest.mark.parametrize("second", ["works", "fails"])
def test_by_two_processes(arena: Any, port: int, stage_host: type[Host], second: str) -> None:
    """Where very many files are open the work is shared; one that fails leaves its share to the other."""
    used = []

    class BusyHost(stage_host):
        def processors(self) -> int:
            return 2

        def read(self, path: str) -> bytes:
            return b"1000000\t0\t2000000\n" if path == "/proc/sys/fs/file-nr" else super().read(path)

        def in_second_process(self, work: Callable[[], Any], seconds: float | None = None) -> Callable[[], Any]:
            used.append(second)
            return super().in_second_process(partial(os._exit, 3) if second == "fails" else work, seconds)

        def open_process(self, pid: int) -> ProcessDirectory:
            if pid in actor["secretive"]:
                raise NotPermitted("process %d" % pid)
            return super().open_process(pid)

    actor = arena.play(f"""
one = server({port})
pids = []
for _ in range(9):
    pids.append(os.fork())
    if not pids[-1]:
        hold()
        os._exit(0)
ready(pids=pids, secretive=pids[:2])
hold()
""")
    snapshot = arena.look(port, host=BusyHost())
    expected = sorted([actor.pid, *actor["pids"][2:]])
    assert [holder.pid for holder in snapshot.sockets[0].holders] == expected
    assert [(spot.what, spot.count) for spot in snapshot.blind_spots] == [("descriptors of other processes", 2)]
    assert set(used) == {second}


def test_a_path_too_long_to_tell_hides_nothing(arena: Any, port: int) -> None:
    """The kernel cannot say where a file below very many directories lies (readlink(2), ENAMETOOLONG)."""
    actor = arena.play(f"""
import tempfile
with tempfile.TemporaryDirectory() as top:
    os.chdir(top)
    for _ in range(30):
        os.mkdir("d" * 200)
        os.chdir("d" * 200)
    deep = open("file", "w")
    os.chdir(top)
one = server({port})
ready(fd=one.fileno())
hold()
""")
    snapshot = arena.look(port)
    assert [(holder.pid, holder.fd) for holder in snapshot.sockets[0].holders] == [(actor.pid, actor["fd"])]
    assert snapshot.complete


# --- threads ---------------------------------------------------------------------------------------------------------


def test_threads_that_share_the_table_are_one_holder(arena: Any, port: int) -> None:
    actor = arena.play(f"""
one = server({port})
tids = [thread(hold) for _ in range(4)]
ready(fd=one.fileno())
""")
    held = arena.held(port)
    assert seats(held) == [(actor.pid, actor["fd"], "descriptor", None)]
    assert held.holders[0].process.threads == 5


OWN_TABLE = """
opened = threading.Event()
facts = {{}}
def serve():
    called(LIBC.unshare(CLONE_FILES))
    one = server({port})
    facts.update(fd=one.fileno(), tid=threading.get_native_id())
    opened.set()
    hold()
thread(serve)
opened.wait()
"""


def test_a_thread_with_a_table_of_its_own(arena: Any, port: int) -> None:
    actor = arena.play(OWN_TABLE.format(port=port) + "ready(**facts)\nhold()")
    assert not pathlib.Path(f"/proc/{actor.pid}/fd/{actor['fd']}").exists()
    assert seats(arena.held(port)) == [(actor.pid, actor["fd"], "thread", actor["tid"])]


def test_several_threads_with_tables_of_their_own(arena: Any, port: int) -> None:
    actor = arena.play(f"""
one = server({port})
tids = []
copied = threading.Barrier(4)
def separate():
    called(LIBC.unshare(CLONE_FILES))
    copied.wait()
    hold()
tids = [thread(separate) for _ in range(3)]
copied.wait()
fd = one.fileno()
one.close()
more = [thread(hold) for _ in range(3)]
ready(fd=fd, tids=tids)
""")
    held = arena.held(port)
    assert {(holder.pid, holder.fd, holder.via) for holder in held.holders} == {(actor.pid, actor["fd"], "thread")}
    assert {holder.tid for holder in held.holders} <= set(actor["tids"])


def test_the_leader_and_a_thread_with_a_table_of_its_own_are_two_seats(arena: Any, port: int) -> None:
    actor = arena.play(f"""
one = server({port})
copied = threading.Event()
def separate():
    called(LIBC.unshare(CLONE_FILES))
    copied.set()
    hold()
tid = thread(separate)
copied.wait()
ready(fd=one.fileno(), tid=tid)
""")
    fd, tid = actor["fd"], actor["tid"]
    assert seats(arena.held(port)) == [(actor.pid, fd, "descriptor", None), (actor.pid, fd, "thread", tid)]


def test_a_process_whose_first_thread_is_dead(arena: Any, port: int) -> None:
    actor = arena.play(f"""
one = server({port})
def survive():
    until_leader_is_dead()
    ready(fd=one.fileno(), tid=threading.get_native_id())
    hold()
thread(survive)
end_leader()
""")
    held = arena.held(port)
    assert seats(held) == [(actor.pid, actor["fd"], "thread", actor["tid"])]
    process = held.holders[0].process
    assert (process.state, process.exe, process.cmdline[:2]) == ("Z", EXE, (sys.executable, "-c"))
    assert process.descriptors is not None
    assert process.descriptors.open > 3


# --- namespaces ------------------------------------------------------------------------------------------------------


def test_a_process_that_has_left_the_namespace_of_its_socket(arena: Any, port: int) -> None:
    actor = arena.play(f"one = server({port}); enter('/proc/{os.getpid()}/ns/net'); ready(fd=one.fileno()); hold()")
    assert os.stat(f"/proc/{actor.pid}/ns/net").st_ino == os.stat("/proc/self/ns/net").st_ino
    assert seats(arena.held(port)) == [(actor.pid, actor["fd"], "descriptor", None)]


def test_a_single_thread_in_a_namespace(arena: Any, port: int, play: Any) -> None:
    actor = play(f"""
listening = threading.Event()
facts = {{}}
def serve():
    enter({arena.path!r})
    facts.update(one=server({port}), fd=facts.get("fd"))
    listening.set()
    hold()
thread(serve)
listening.wait()
ready(fd=facts["one"].fileno())
hold()
""")
    assert seats(arena.held(port)) == [(actor.pid, actor["fd"], "descriptor", None)]


# --- nobody ----------------------------------------------------------------------------------------------------------


def test_connections_that_wait_for_accept_have_no_holder_and_need_none(arena: Any, port: int) -> None:
    actor = arena.play(f"listener = server({port}); client = connected({port}); ready(fd=listener.fileno()); hold()")
    held = {one.socket.state: one for one in arena.look(port, every_connection=True).sockets}
    assert seats(held["LISTEN"]) == [(actor.pid, actor["fd"], "descriptor", None)]
    assert (held["ESTABLISHED"].holders, held["ESTABLISHED"].in_kernel) == ((), False)
