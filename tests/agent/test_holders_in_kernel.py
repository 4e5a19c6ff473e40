# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Sockets that the kernel keeps for someone: registered with an io_uring, or its own."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import NotPermitted
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.process_directory import ProcessDirectory

pytestmark = pytest.mark.needs("root")

RING = """
import errno
SETUP, REGISTER, REGISTER_FILES = 425, 427, 2
def ring_with(*descriptors):
    ring = LIBC.syscall(SETUP, 4, ctypes.create_string_buffer(120))
    if ring < 0:
        ready(refused=os.strerror(ctypes.get_errno()))
        sys.exit()
    files = (ctypes.c_int * len(descriptors))(*descriptors)
    called(LIBC.syscall(REGISTER, ring, REGISTER_FILES, files, len(descriptors)))
    return ring
"""


def play_ring(arena: Any, program: str) -> Any:
    actor = arena.play(RING + program)
    if "refused" in actor.facts:
        pytest.skip(f"the kernel refuses io_uring: {actor['refused']}")
    return actor


def seats(held: Any) -> list[tuple[int, int, str, int | None]]:
    return [(holder.pid, holder.fd, holder.via, holder.tid) for holder in held.holders]


def test_a_file_registered_with_a_ring(arena: Any, port: int) -> None:
    actor = play_ring(
        arena,
        f"""
with server({port}) as one:
    ring = ring_with(0, -1, one.fileno())
ready(ring=ring)
hold()
""",
    )
    held = arena.held(port)
    assert seats(held) == [(actor.pid, actor["ring"], "io_uring", None)]
    assert held.in_kernel is False
    assert arena.answer(port).verdict == "owned"


def test_a_file_registered_with_a_ring_that_children_share(arena: Any, port: int) -> None:
    actor = play_ring(
        arena,
        f"""
with server({port}) as one:
    ring = ring_with(one.fileno())
child = os.fork()
if not child:
    hold()
    os._exit(0)
ready(ring=ring, child=child)
hold()
""",
    )
    expected = [(pid, actor["ring"], "io_uring", None) for pid in sorted((actor.pid, actor["child"]))]
    assert seats(arena.held(port)) == expected


def test_a_ring_of_a_thread_with_a_table_of_its_own(arena: Any, port: int) -> None:
    actor = play_ring(
        arena,
        f"""
def separate():
    called(LIBC.unshare(CLONE_FILES))
    with server({port}) as one:
        ring = ring_with(one.fileno())
    ready(ring=ring, tid=threading.get_native_id())
    hold()
thread(separate)
hold()
""",
    )
    assert seats(arena.held(port)) == [(actor.pid, actor["ring"], "io_uring", actor["tid"])]


class BusyRings(ProcessDirectory):
    """While a ring is at work the kernel leaves its registered files out of fdinfo (io_uring/fdinfo.c)."""

    def read(self, name: str) -> bytes:
        content = super().read(name)
        return content.split(b"UserFiles:")[0] if "fdinfo/" in name else content


def test_a_ring_too_busy_to_tell_is_a_blind_spot(arena: Any, port: int, stage_host: type[Host]) -> None:
    class HostWithBusyRings(stage_host):
        def open_process(self, pid: int) -> ProcessDirectory:
            directory = super().open_process(pid)
            directory.__class__ = BusyRings
            return directory

    play_ring(
        arena,
        f"""
with server({port}) as one:
    ring = ring_with(one.fileno())
ready()
hold()
""",
    )
    snapshot = arena.look(port, host=HostWithBusyRings())
    [held] = snapshot.sockets
    assert (held.holders, held.in_kernel) == ((), None)
    assert "files registered with io_uring" in {spot.what for spot in snapshot.blind_spots}
    assert arena.answer(port, host=HostWithBusyRings()).verdict == "unknown"


@pytest.mark.needs("ip")
def test_a_tunnel_is_the_kernels_own(arena: Any, port: int) -> None:
    actor = arena.play(f"""
import subprocess
for line in ("add tunnel{port} type vxlan id 42 dev lo dstport {port}", "set tunnel{port} up"):
    done = subprocess.run(["ip", "link", *line.split()], capture_output=True, text=True)
    if done.returncode:
        break
ready(refused=done.stderr.strip())
hold()
""")
    if actor["refused"]:
        pytest.skip(f"the kernel refuses a vxlan tunnel: {actor['refused']}")
    answer = arena.answer(port, "udp")
    assert answer.verdict == "kernel_held"
    assert {(held.holders, held.in_kernel) for held in answer.sockets} == {((), True)}
    assert all(held.socket.inode for held in answer.sockets)
    assert "held by the kernel itself" in answer.summary


class Secretive(ProcessDirectory):
    """A process with more capabilities than the agent has."""

    def descriptor_links(self, table: str = "fd") -> tuple[list[str], list[str]]:
        raise NotPermitted("%s: permission denied" % table)

    def readlink(self, name: str) -> str:
        raise NotPermitted("%s: permission denied" % name)


def test_not_while_a_process_keeps_its_descriptors_to_itself(arena: Any, port: int, stage_host: type[Host]) -> None:
    actor = arena.play(f"one = server({port}); ready(); hold()")

    class HostWithASecret(stage_host):
        def open_process(self, pid: int) -> ProcessDirectory:
            directory = super().open_process(pid)
            if pid == actor.pid:
                directory.__class__ = Secretive
            return directory

    snapshot = arena.look(port, host=HostWithASecret())
    [held] = snapshot.sockets
    assert (held.holders, held.in_kernel) == ((), None)
    assert [spot.what for spot in snapshot.blind_spots] == [f"descriptors of process {actor.pid}"]
    answer = arena.answer(port, host=HostWithASecret())
    assert answer.verdict == "unknown"
    assert f"descriptors of process {actor.pid}" in answer.summary
