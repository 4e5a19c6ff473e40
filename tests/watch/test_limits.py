# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A watch with fewer descriptors than it would like to have."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import resource
import select
import signal
import subprocess
from collections.abc import Iterator

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.endpoint import Endpoint
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import Holder, Owner, Socket
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.processes import read_process
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.watch.handles import Handles
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.watch.sight import Sight


def pids(holders: list[dict]) -> list[int]:
    """Return the processes among holders, in order."""
    return [holder["pid"] for holder in holders]


def test_more_holders_than_descriptors_are_looked_at_all_the_same(watch, actor):
    server = actor()
    server.do("door = listening(8080); heirs = [child(lambda: None) for _one in range(100)]; result = heirs[-1]")
    last = int(server.do("result = heirs[-1]")[2])
    seen = watch("8080/tcp", descriptors=64)
    said = seen.until("blind_spot", lambda line: "holders end" in line["summary"])

    server.do(f"os.kill({last}, signal.SIGKILL)")
    left = seen.until("holder_left")
    seen.end()

    assert "more of them than descriptors" in said["summary"]
    assert pids(left["holders"]) == [last]
    assert set(seen.kinds()) <= {"watching", "blind_spot", "holder_left", "standing", "ended"}
    assert len([line for line in seen.lines if "holders end" in line["summary"]]) == 1


def test_what_is_out_of_sight_for_a_while_has_not_vanished(watch, actor):
    old, new = actor(), actor()
    old.do("door = listening(8080)")
    seen = watch("8080/tcp")
    limits = resource.prlimit(seen.pid, resource.RLIMIT_NOFILE)
    opened = min(len(os.listdir(f"/proc/{seen.pid}/fd")) for _again in range(50))  # without those of one look

    resource.prlimit(seen.pid, resource.RLIMIT_NOFILE, (opened - 1, limits[1]))  # poll(2) wants as many as it waits for
    seen.until("blind_spot", lambda line: "for a while" in line["summary"])
    resource.prlimit(seen.pid, resource.RLIMIT_NOFILE, limits)
    new.do("other = listening(8080, address='127.0.0.2')")
    came = seen.until("socket_appeared")
    seen.end()

    assert pids(came["holders"]) == [new.pid]
    assert not {"socket_vanished", "handed_over", "holder_left"} & set(seen.kinds())


UNANSWERED = pathlib.Path(__file__).with_name("unanswered.py")


def test_memory_that_never_answers_does_not_stop_the_watch(watch, actor, tmp_path):
    server, late = actor(), actor()
    server.do("door = listening(8080)")
    (tmp_path / "point").touch()
    late.do(f"os.environ['UNANSWERED'] = '{tmp_path / 'point'}'")
    late.do(f"exec({UNANSWERED.read_text(encoding='ascii')!r})")
    answering = late.do("result = answering")[2]
    seen = watch("8080/tcp")
    if any("failed starts" in line["summary"] for line in seen.lines):
        pytest.skip("the kernel does not tell of refused calls here")

    os.kill(seen.pid, signal.SIGSTOP)
    assert late.do("result = refused()")[2] == "-1"
    late.do("forget()")
    os.kill(seen.pid, signal.SIGCONT)
    try:
        refused = seen.until("bind_refused")
        server.do("door.close()")
        seen.until("socket_vanished")
    finally:
        server.do(f"os.kill({answering}, signal.SIGKILL)")  # whoever reads that memory goes on

    assert (refused["refusal"]["pid"], refused["refusal"]["port"]) == (late.pid, None)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen]:
    """Yield a process that does nothing."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


def holder(pid: int, later: int = 0) -> Holder:
    """Return a process as a holder, as if it had been born some ticks later."""
    process = read_process(Host(), pid)
    process = dataclasses.replace(process, start_ticks=process.start_ticks + later)
    return Holder(pid, 3, "descriptor", None, "unknown", None, process, Owner("process", "sleep"))


def test_a_later_process_with_the_same_number_is_not_followed(sleeper):
    handles = Handles(Host(), select.poll(), 0)

    assert not handles.follow([holder(sleeper.pid, later=-1)])
    sleeper.kill()
    sleeper.wait()
    assert handles.take_ended() == []


def test_the_end_of_a_process_is_heard(sleeper):
    handles = Handles(Host(), select.poll(), 0)

    assert handles.follow([holder(sleeper.pid)])
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert handles.take_ended() == [sleeper.pid]


def row(cookie: int | None, state: str = "LISTEN") -> Socket:
    """Return a socket of one namespace."""
    here = Endpoint("127.0.0.1", 8080)
    return Socket(
        protocol="tcp", family=4, state=state, local=here, remote=None, inode=77, cookie=cookie, namespace=1, uid=0,
        device=None, v6only=None, queue=0, queue_limit=None, timer_ms=None, cgroup_id=None,
    )  # fmt: skip


def test_a_table_read_by_less_than_at_first_shows_nothing():
    sight = Sight()

    assert sight.learn({(1, "tcp"): "sock_diag", (1, "udp"): "procnet"})
    assert not sight.learn({(1, "tcp"): "procnet", (1, "udp"): "procnet"})
    assert not sight.learn({(1, "tcp"): "sock_diag", (1, "udp"): "none"})
    assert sight.learn({(1, "tcp"): "sock_diag", (1, "udp"): "sock_diag", (2, "tcp"): "procnet"})
    assert sight.learn({(1, "udp"): "procnet"})  # a namespace that went


def test_a_table_read_by_more_than_at_first_shows_no_more():
    poor, rich = Sight(), Sight()
    poor.learn({(1, "tcp"): "procnet"})
    rich.learn({(1, "tcp"): "sock_diag"})

    assert poor.rows([row(9), row(8, "BOUND")]) == [row(None)]
    assert rich.rows([row(9), row(8, "BOUND")]) == [row(9), row(8, "BOUND")]
