# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What real processes wait for, in every call by which a server waits for its clients, and in others."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import signal
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.attention import Attention
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import NotSupported
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.waiting import Waiting, read_waiting
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.walking import walk

pytestmark = pytest.mark.needs("root")

LISTENER = "one = server(0)\n"
RECEIVER = "one = bound(0, kind=socket.SOCK_DGRAM)\n"
TELL = "ready(fd=one.fileno(), inode=inode(one))\n"


def waiting_of(pid: int) -> Waiting:
    host = Host()
    with host.open_process(pid) as directory:
        return read_waiting(directory, host.machine(), host.clock())


@pytest.fixture
def blocked(eventually: Callable[..., Any]) -> Callable[..., Waiting]:
    """Return a function that awaits that all threads of a process are blocked in certain calls, of any of the names
    that different machines have for them, and returns what it waits for then."""

    def wait(pid: int, *calls: tuple[str, ...]) -> Waiting:
        seen: list[Waiting] = []

        def in_these() -> bool:
            seen.append(waiting_of(pid))
            found = seen[-1].calls
            return found <= {name for names in calls for name in names} and all(found & set(each) for each in calls)

        assert eventually(in_these, True), f"it is in {sorted(seen[-1].calls)}"
        return seen[-1]

    return wait


POLL, SELECT, EPOLL_WAIT = ("poll", "ppoll"), ("select", "pselect6"), ("epoll_wait", "epoll_pwait", "epoll_pwait2")

WAYS = {
    "accept": (LISTENER, "one.accept()", ("accept4", "accept")),
    "poll": (LISTENER, "poll = select.poll(); poll.register(one, select.POLLIN); poll.poll()", POLL),
    "poll of many": (
        LISTENER + "poll = select.poll()\nfor fd in range(100, 400): poll.register(os.dup2(0, fd), 0)\n",
        "poll.register(one, select.POLLIN); poll.poll()",
        POLL,
    ),
    "select": (LISTENER, "select.select([one], [], [])", SELECT),
    "select of a high number": (
        LISTENER + "one = socket.socket(fileno=os.dup2(one.detach(), 203))\n",
        "select.select([one], [], [])",
        SELECT,
    ),
    "select of a multiple of eight": (
        LISTENER + "one = socket.socket(fileno=os.dup2(one.detach(), 200))\n",
        "select.select([one], [], [])",
        SELECT,
    ),
    "recvfrom": (RECEIVER, "one.recvfrom(1)", ("recvfrom",)),
    "recvmsg": (RECEIVER, "one.recvmsg(1)", ("recvmsg",)),
    "read": (RECEIVER, "os.read(one.fileno(), 1)", ("read",)),
    "readv": (RECEIVER, "os.readv(one.fileno(), [bytearray(1)])", ("readv",)),
}


@pytest.mark.parametrize(("stage", "wait", "names"), WAYS.values(), ids=WAYS)
def test_the_descriptor_it_waits_on(
    stage: str, wait: str, names: tuple[str, ...], play: Callable[..., Any], blocked: Callable[..., Waiting]
) -> None:
    program = play(stage + TELL + wait)
    found = blocked(program.pid, names)
    assert found.descriptors.keys() == {program["fd"]}
    assert set(found.descriptors.values()) == set(found.calls)
    assert (found.epolls, found.in_turn, found.naps, found.told) == (frozenset(), False, False, True)


IN_VAIN = {
    "poll for nothing": ("hold()", POLL),
    "poll for writing": ("poll = select.poll(); poll.register(one, select.POLLOUT); poll.poll()", POLL),
    "select for writing": ("select.select([], [one], [])", SELECT),
    "a lock of its threads": ("lock = threading.Lock(); lock.acquire(); lock.acquire()", ("futex",)),
    "a child": ("os.fork() or hold(); os.wait()", ("another",)),
    "a signal": ("signal.pause()", ("another",)),
}


@pytest.mark.parametrize(("wait", "names"), IN_VAIN.values(), ids=IN_VAIN)
def test_one_that_waits_for_no_client(
    wait: str, names: tuple[str, ...], play: Callable[..., Any], blocked: Callable[..., Waiting]
) -> None:
    found = blocked(play(LISTENER + TELL + wait).pid, names)
    assert (found.descriptors, found.epolls, found.in_turn, found.naps) == ({}, frozenset(), False, False)
    assert found.told


PEER = "one, other = pair(0); one.setblocking(True)\n"
BUSY = {
    "connect": (
        "crowded = server(0, backlog=0); port = crowded.getsockname()[1]; first = connected(port)",
        "socket.socket().connect(('127.0.0.1', port))",
        ("connect",),
    ),
    "send": (PEER + "fill(one); one.setblocking(True)", "one.send(b'x')", ("sendto",)),
    "sendmsg": (PEER + "fill(one); one.setblocking(True)", "one.sendmsg([b'x'])", ("sendmsg",)),
    "recv": (PEER, "one.recv(1)", ("recvfrom",)),
    "recvmsg": (PEER, "one.recvmsg(1)", ("recvmsg",)),
    "read": (PEER, "os.read(one.fileno(), 1)", ("read",)),
    "poll": (PEER + "poll = select.poll(); poll.register(one, select.POLLIN)", "poll.poll()", POLL),
    "select": (PEER, "select.select([one], [], [])", SELECT),
}


@pytest.mark.parametrize(("stage", "wait", "names"), BUSY.values(), ids=BUSY)
def test_one_that_is_busy_with_a_peer(
    stage: str, wait: str, names: tuple[str, ...], play: Callable[..., Any], blocked: Callable[..., Waiting]
) -> None:
    found = blocked(play(f"{stage}\nready()\n{wait}").pid, names)
    assert (found.busy, found.told) == (True, True)


IDLE = {
    "accept": (LISTENER, "one.accept()", ("accept4", "accept")),
    "read of a pipe": ("ends = os.pipe()", "os.read(ends[0], 1)", ("read",)),
    "poll of a pipe": ("poll = select.poll(); poll.register(os.pipe()[0], select.POLLIN)", "poll.poll()", POLL),
}


@pytest.mark.parametrize(("stage", "wait", "names"), IDLE.values(), ids=IDLE)
def test_one_that_is_not_busy(
    stage: str, wait: str, names: tuple[str, ...], play: Callable[..., Any], blocked: Callable[..., Waiting]
) -> None:
    found = blocked(play(f"{stage}\nready()\n{wait}").pid, names)
    assert (found.busy, found.told) == (False, True)


def test_an_epoll_set(play: Callable[..., Any], blocked: Callable[..., Waiting]) -> None:
    program = play("epoll = select.epoll(); ready(fd=epoll.fileno()); epoll.poll()")
    found = blocked(program.pid, EPOLL_WAIT)
    assert found.epolls == {program["fd"]}
    assert found.descriptors == {}


LOCKS = {
    "flock": "fcntl.flock(first, fcntl.LOCK_EX); ready(); fcntl.flock(second, fcntl.LOCK_EX)",
    "fcntl": """
if not os.fork():
    fcntl.lockf(first, fcntl.LOCK_EX)
    ready()
    hold()
told()
fcntl.lockf(first, fcntl.LOCK_EX)
""",
}


@pytest.mark.parametrize(("call", "code"), LOCKS.items(), ids=LOCKS)
def test_one_that_waits_its_turn(
    call: str, code: str, tmp_path: pathlib.Path, play: Callable[..., Any], blocked: Callable[..., Waiting]
) -> None:
    program = play("first, second = (open(sys.argv[1], 'w') for _each in range(2))\n" + code, tmp_path / "lock")
    program.say("go")
    found = blocked(program.pid, (call,))
    assert (found.in_turn, found.descriptors) == (True, {})


RAW_SLEEP = "LIBC.syscall({'x86_64': 35, 'aarch64': 101}[os.uname().machine], struct.pack('qq', %d, %d), None)"
UNTIL = "LIBC.clock_nanosleep(%d, 1, struct.pack('qq', %s, 0), None)"  # TIMER_ABSTIME
SLEEPS = {
    "for a moment": ("while True: LIBC.usleep(500_000)", ("clock_nanosleep", "nanosleep"), True),
    "for long": ("LIBC.sleep(3600)", ("clock_nanosleep", "nanosleep"), False),
    "for a moment, by the older call": ("while True: " + RAW_SLEEP % (0, 500_000_000), ("nanosleep",), True),
    "for long, by the older call": (RAW_SLEEP % (3600, 0), ("nanosleep",), False),
    "until a moment from now": (
        "while True: " + UNTIL % (1, "int(time.monotonic()) + 1"),
        ("clock_nanosleep",),
        True,
    ),
    "until long from now": (UNTIL % (1, "int(time.monotonic()) + 3600"), ("clock_nanosleep",), False),
    "until a time of day, which may be a moment from now": (
        UNTIL % (0, "int(time.time()) + 3600"),
        ("clock_nanosleep",),
        True,
    ),
}


@pytest.mark.parametrize(("code", "names", "naps"), SLEEPS.values(), ids=SLEEPS)
def test_one_that_sleeps(
    code: str, names: tuple[str, ...], naps: bool, play: Callable[..., Any], blocked: Callable[..., Waiting]
) -> None:
    found = blocked(play("ready()\n" + code).pid, names)
    assert (found.naps, found.descriptors, found.in_turn) == (naps, {}, False)


def test_several_threads(play: Callable[..., Any], blocked: Callable[..., Waiting]) -> None:
    program = play("""
one, other = server(0), bound(0, kind=socket.SOCK_DGRAM)
epoll = select.epoll()
thread(one.accept)
thread(epoll.poll)
thread(lambda: other.recv(1))
ready(accepts=one.fileno(), receives=other.fileno(), epoll=epoll.fileno())
hold()
""")
    accept, receive = ("accept4", "accept"), ("recvfrom",)
    found = blocked(program.pid, accept, receive, EPOLL_WAIT, POLL)
    assert found.descriptors.keys() == {program["accepts"], program["receives"]}
    assert found.descriptors[program["accepts"]] in accept
    assert found.epolls == {program["epoll"]}
    assert len(found.marks) == 4


def test_on_a_machine_whose_calls_have_no_names_here(play: Callable[..., Any], blocked: Callable[..., Waiting]) -> None:
    program = play("ready(); hold()")
    blocked(program.pid, POLL)
    with Host().open_process(program.pid) as directory:
        found = read_waiting(directory, "sparc64", 0.0)
    assert found.calls == {""}
    assert found.busy


INTO_MEMORY = {
    "poll": ("poll = select.poll(); poll.register(one, select.POLLIN); poll.poll()", POLL, True),
    "select": ("select.select([one], [], [])", SELECT, True),
    "sleep": ("LIBC.sleep(3600)", ("clock_nanosleep", "nanosleep"), True),
    "accept": ("one.accept()", ("accept4", "accept"), False),
}


class Stuck(Host):
    """A machine on which a second process does not come back, as some memory takes for ever to read."""

    def in_second_process(self, work: Callable[[], Any], seconds: float | None = None) -> Callable[[], Any]:
        def answer() -> Any:
            raise NotSupported("it does not come back")

        return answer


@pytest.mark.parametrize(("wait", "names", "needed"), INTO_MEMORY.values(), ids=INTO_MEMORY)
def test_what_is_not_told_where_memory_cannot_be_read(
    wait: str, names: tuple[str, ...], needed: bool, play: Callable[..., Any], blocked: Callable[..., Waiting]
) -> None:
    program = play(LISTENER + TELL + wait)
    assert blocked(program.pid, names).told
    found = Attention(Stuck(), walk(Host(), [program["inode"]])).of([program.pid])[program.pid]
    assert found is not None
    assert found.told is not needed
    assert set(found.descriptors) == (set() if needed else {program["fd"]})


def test_the_marks_change_once_it_has_run(play: Callable[..., Any], blocked: Callable[..., Waiting]) -> None:
    program = play("ready()\nwhile told(): ready()")
    before = blocked(program.pid, ("read",))
    assert blocked(program.pid, ("read",)).marks == before.marks
    program.tell("run")
    assert blocked(program.pid, ("read",)).marks != before.marks


EPOLL = LISTENER + "inner = select.epoll(); inner.register(one, select.EPOLLIN)\n"
TELL_BOTH = "ready(fd=one.fileno(), inode=inode(one), inner=inner.fileno())\n"
IN_A_SET = "waits in an epoll set with it (descriptor {inner})"
HOW = {
    "by itself": (LISTENER + TELL + "one.accept()", ("accept4", "accept"), "waits in {call}"),
    "by one of two descriptors": (
        LISTENER + "other = one.dup()\n" + TELL + "other.accept()",
        ("accept4", "accept"),
        "waits in {call}",
    ),
    "in an epoll set": (EPOLL + TELL_BOTH + "inner.poll()", EPOLL_WAIT, IN_A_SET),
    "in an epoll set in another": (
        EPOLL + "outer = select.epoll(); outer.register(inner, select.EPOLLIN)\n" + TELL_BOTH + "outer.poll()",
        EPOLL_WAIT,
        IN_A_SET,
    ),
    "in an epoll set that it polls": (
        EPOLL + "poll = select.poll(); poll.register(inner, select.POLLIN)\n" + TELL_BOTH + "poll.poll()",
        POLL,
        IN_A_SET,
    ),
    "in an epoll set in another that it polls": (
        EPOLL
        + "outer = select.epoll(); outer.register(inner, select.EPOLLIN)\n"
        + TELL_BOTH
        + "select.select([outer], [], [])",
        SELECT,
        IN_A_SET,
    ),
    "not in an epoll set that it does not wait in": (EPOLL + TELL_BOTH + "hold()", POLL, None),
    "not in an epoll set without it": (
        EPOLL + "other = select.epoll()\n" + TELL_BOTH + "other.poll()",
        EPOLL_WAIT,
        None,
    ),
    "not in accept of another": (
        LISTENER + "other = server(0)\n" + TELL + "other.accept()",
        ("accept4", "accept"),
        None,
    ),
    "not by a number under which another has it": (
        LISTENER + "other = server(0)\nif not os.fork():\n    os.dup2(one.fileno(), other.fileno())\n    "
        "ready(inode=inode(one))\n    hold()\nother.accept()",
        ("accept4", "accept"),
        None,
    ),
    "not in a child": (LISTENER + TELL + "os.fork() or one.accept(); hold()", POLL, None),
}


@pytest.mark.parametrize(("code", "names", "how"), HOW.values(), ids=HOW)
def test_how_it_waits_on_a_socket(
    code: str,
    names: tuple[str, ...],
    how: str | None,
    play: Callable[..., Any],
    blocked: Callable[..., Waiting],
    stage_host: type[Host],
) -> None:
    program = play(code)
    [call] = blocked(program.pid, names).calls
    host = stage_host()
    attention = Attention(host, walk(host, [program["inode"]]))
    waiting = attention.of([program.pid])[program.pid]
    assert waiting is not None
    expected = how and how.format(call=call, **program.facts)
    assert attention.how_it_waits(program["inode"], program.pid, waiting) == expected
    assert attention.gone == set()


def test_one_that_is_stopped_beside_its_epoll_set(
    play: Callable[..., Any], eventually: Callable[..., Any], stage_host: type[Host]
) -> None:
    program = play(EPOLL + TELL_BOTH + "hold()")
    os.kill(program.pid, signal.SIGSTOP)
    stat = pathlib.Path(f"/proc/{program.pid}/stat")
    assert eventually(lambda: stat.read_text().rpartition(")")[2].split()[0], "T") == "T"
    host = stage_host()
    attention = Attention(host, walk(host, [program["inode"]]))
    waiting = attention.of([program.pid])[program.pid]
    assert waiting is not None
    said = f"has it in an epoll set (descriptor {program['inner']}), but is stopped"
    assert attention.how_it_waits(program["inode"], program.pid, waiting) == said


def test_one_that_has_ended(play: Callable[..., Any], stage_host: type[Host]) -> None:
    program = play(LISTENER + TELL + "one.accept()")
    host = stage_host()
    attention = Attention(host, walk(host, [program["inode"]]))
    program.kill()
    assert attention.of([program.pid])[program.pid] is None
    assert attention.gone == {program.pid}


def test_another_process_of_the_same_number(play: Callable[..., Any], stage_host: type[Host]) -> None:
    program = play(LISTENER + TELL + "one.accept()")
    host = stage_host()
    found = walk(host, [program["inode"]])
    found.processes[program.pid] = dataclasses.replace(found.processes[program.pid], start_ticks=1)
    attention = Attention(host, found)
    assert attention.of([program.pid]) == {program.pid: None}
    assert attention.gone == {program.pid}
