# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What a question about one port on a small host makes Python import: most of the time until its answer (ADR 0009)."""

from __future__ import annotations

import sys

import pytest

from .stage import ROOT, TOOLS, stage

pytestmark = pytest.mark.needs(*TOOLS)

#: On a host with few open files, however many this machine has: a server that waits in accept(); one whose worker does,
#: and whose main process does not; and what is left of a third.
SERVED = """
server = listening(8080)
if os.fork() == 0:
    server.accept()
server.close()
shared = listening(8082)
if os.fork() == 0:
    if os.fork() == 0:
        shared.accept()
    signal.pause()
shared.close()
heirloom = listening(8083)
if os.fork() == 0:
    signal.pause()
heirloom.close()
with open("/srv/few", "w") as few:
    few.write("948\\t0\\t99999\\n")
assert ctypes.CDLL(None).mount(b"/srv/few", b"/proc/sys/fs/file-nr", None, 4096, None) == 0  # MS_BIND
ready()
"""
IMPORTED = """
import sys

before = set(sys.modules)
sys.path.insert(0, "agent/module_utils")
from portreeve_agent.cli import main

code = main(sys.argv[1:])
print(*sorted(set(sys.modules) - before), file=sys.stderr)
sys.exit(code)
"""
#: Of Python itself, what a look cannot do without; more than this would be the larger part of its time.
OF_PYTHON = {
    "__future__", "_collections", "_collections_abc", "_functools", "_operator", "_socket", "_stat", "_struct", "errno",
    "gc", "genericpath", "itertools", "math", "os", "os.path", "posixpath", "pwd", "stat", "struct",
}  # fmt: skip
#: Whether SO_REUSEADDR is set only the listener tells, by a call that Python does not have (pidfd_getfd(2)).
FOR_A_LISTENER = {"_ctypes", "ctypes", "ctypes._endian", "types"}
MOST_ROOMS, MOST_FOR_NOTHING = 112, 69  # of the agent: each takes a tenth of a millisecond
ON_OCCASION = {
    "kernel.bpf",
    "kernel.btf",
    "kernel.file_scan",
    "kernel.makers",
    "elsewhere",
    "second_process",
    "scanned",
}


@pytest.fixture(scope="module")
def small_host():
    with stage(SERVED) as served:
        yield served


@pytest.mark.parametrize(
    ("port", "verdict", "of_python", "most_rooms"),
    [
        ("8080/tcp", "owned", OF_PYTHON | FOR_A_LISTENER, MOST_ROOMS),
        ("8081/tcp", "free", OF_PYTHON, MOST_FOR_NOTHING),
        ("8082/tcp", "shared_workers", OF_PYTHON | FOR_A_LISTENER, MOST_ROOMS),
    ],
    ids=["owned", "free", "shared"],
)
def test_a_question_imports_what_it_needs(small_host, port, verdict, of_python, most_rooms):
    done = small_host.run(sys.executable, "-I", "-S", "-c", IMPORTED, "owner", port, cwd=ROOT)
    imported = set(done.stderr.split())
    rooms = {name.partition(".")[2] for name in imported if name.startswith("portreeve_agent")}

    assert done.stdout.startswith(f"{port}: {verdict}\n")
    assert {name for name in imported if not name.startswith("portreeve_agent")} <= of_python
    assert len(rooms) <= most_rooms
    assert rooms.isdisjoint(ON_OCCASION)
    assert not {room.partition(".")[0] for room in rooms} & {"watch", "recording", "remedies", "reservations"}


def test_who_made_a_socket_is_asked_where_a_verdict_turns_on_it(small_host):
    done = small_host.run(sys.executable, "-I", "-S", "-c", IMPORTED, "owner", "8083/tcp", cwd=ROOT)

    assert done.stdout.startswith("8083/tcp: orphaned_listener\n")
    assert "portreeve_agent.kernel.makers" in done.stderr.split()
