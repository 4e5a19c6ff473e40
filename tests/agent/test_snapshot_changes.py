# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Sockets that come, go and change hands while the agent looks: at chosen moments of a scan, by real processes.

Whatever happens, no process is named for a socket that it does not hold, and a port that is held is never called free.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import NotSupported
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.process_directory import ProcessDirectory

pytestmark = pytest.mark.needs("root")

Event = Callable[[], object]

#: Does as it is told: open, close, send the listener on to another process, or take it from there.
SERVER = """
path, port = sys.argv[1], int(sys.argv[2])
mail = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
mail.bind(path + str(os.getpid()))
one = None
ready()
for word, *rest in iter(lambda: told().split(), []):
    if word == "open":
        one = server(port, *rest)
    elif word == "close":
        one.close()
    elif word == "send":
        mail.connect(path + rest[0])
        hand_over(mail, one.fileno())
        one.close()
    elif word == "take":
        _data, (descriptor,), _flags, _address = socket.recv_fds(mail, 1, 1)
        one = socket.socket(fileno=descriptor)
    ready(inode=inode(one) if one.fileno() >= 0 else None, fd=one.fileno())
"""


@pytest.fixture
def serve(arena: Any, port: int, tmp_path: Any) -> Callable[..., Any]:
    """Return a function that starts a server for the test's port, which waits for its words."""

    def start(*words: str) -> Any:
        actor = arena.play(SERVER, tmp_path / "mail", port)
        for word in words:
            actor.facts = actor.tell(word)
        return actor

    return start


@pytest.fixture
def scan(stage_host: Any) -> Callable[..., Any]:
    """Return a function that makes a host on which events happen: as a walk starts, as the tables are read after it, or
    as one process is opened. ``scan(walk_1=…)`` is the first walk, ``tables_2`` what follows it, ``opening={pid: …}``.
    """

    class Scan(stage_host):
        def __init__(self, opening: dict[int, Event] | None = None, **events: Event) -> None:
            super().__init__()
            self._events = events
            self._opening = opening or {}
            self.phase = ("tables", 0)

        def _enter(self, kind: str, number: int) -> None:
            self.phase = (kind, number)
            self._events.pop(f"{kind}_{number}", lambda: None)()

        def netlink(self, protocol: int, namespace_path: str | None = None, *more: Any) -> Any:
            if self.phase[0] == "walk" or self.phase[1] == 0:
                self._enter("tables", self.phase[1] + 1)
            return super().netlink(protocol, namespace_path, *more)

        def births(self) -> list[tuple[int, int]]:
            if self.phase[0] == "tables" and self.phase[1]:
                self._enter("walk", self.phase[1])
            return super().births()

        def open_process(self, pid: int) -> ProcessDirectory:
            if self.phase[0] == "walk":
                self._opening.pop(pid, lambda: None)()
            return super().open_process(pid)

    return Scan


def found(snapshot: Any) -> list[tuple[int, list[tuple[int, int]]]]:
    """Return each socket's inode with the processes and descriptors that hold it."""
    return [(held.socket.inode, [(one.pid, one.fd) for one in held.holders]) for held in snapshot.sockets]


@pytest.fixture(params=["asked", "all"])
def look(arena: Any, port: int, request: pytest.FixtureRequest) -> Callable[[Any], list[tuple[Any, ...]]]:
    """Return a function that looks at the test's port: by asking for it, and among all others."""

    def seen(host: Any) -> list[tuple[Any, ...]]:
        snapshot = arena.look(*([port] if request.param == "asked" else []), host=host)
        mine = [held for held in snapshot.sockets if held.socket.local.port == port]
        assert snapshot.blind_spots == ()
        return [(held.socket.inode, [(one.pid, one.fd) for one in held.holders], held.in_kernel) for held in mine]

    return seen


def test_nothing_happens(serve: Any, scan: Any, look: Any) -> None:
    server = serve("open")
    assert look(scan()) == [(server["inode"], [(server.pid, server["fd"])], False)]


def test_it_closes_before_it_is_looked_for(serve: Any, scan: Any, look: Any) -> None:
    server = serve("open")
    assert look(scan(walk_1=lambda: server.tell("close"))) == []


def test_it_closes_after_it_was_found(arena: Any, port: int, serve: Any, scan: Any) -> None:
    server = serve("open")
    host = scan(tables_2=lambda: server.tell("close"))
    answer = arena.answer(port, host=host)
    assert (answer.verdict, answer.sockets) == ("free", ())


def test_another_opens_while_it_is_looked_for(arena: Any, port: int, serve: Any, scan: Any) -> None:
    first, second = serve("open"), serve()
    host = scan(walk_1=lambda: second.facts.update(second.tell("open 127.0.0.2")))
    answer = arena.answer(port, host=host)
    expected = sorted((one["inode"], [(one.pid, one["fd"])]) for one in (first, second))
    assert (
        sorted((held.socket.inode, [(one.pid, one.fd) for one in held.holders]) for held in answer.sockets) == expected
    )


@pytest.mark.parametrize("moment", ["walk_1", "opening"])
def test_it_is_restarted(serve: Any, scan: Any, look: Any, moment: str) -> None:
    old, new = serve("open"), serve()

    def restart() -> None:
        old.tell("close")
        new.facts = new.tell("open")

    host = scan(opening={old.pid: restart}) if moment == "opening" else scan(walk_1=restart)
    assert look(host) == [(new["inode"], [(new.pid, new["fd"])], False)]


def test_it_is_restarted_again_and_again(arena: Any, port: int, serve: Any, scan: Any) -> None:
    one, other = serve("open"), serve()
    turns = [one, other]

    def restart() -> None:
        turns[0].tell("close")
        turns.reverse()
        turns[0].facts = turns[0].tell("open")

    host = scan(**{f"walk_{number}": restart for number in range(1, 9)})
    snapshot = arena.look(port, host=host)
    assert "sockets that changed during the scan" in {spot.what for spot in snapshot.blind_spots}
    for inode, holders in found(snapshot):
        assert (inode, holders) in [(turns[0]["inode"], [(turns[0].pid, turns[0]["fd"])]), (turns[0]["inode"], [])]
    answer = arena.answer(port, host=scan(**{f"walk_{number}": restart for number in range(1, 9)}))
    assert answer.verdict == "unknown"
    assert "changed during the scan" in answer.summary


def test_the_tables_cannot_be_read_a_second_time(arena: Any, port: int, serve: Any, scan: Any) -> None:
    """What they would have shown is not known, so nothing that was there is taken to be gone."""
    serve("open")

    class DeafHost(scan):
        def netlink(self, protocol: int, *where: Any) -> Any:
            netlink = super().netlink(protocol, *where)
            if self.phase[1] > 1 and where:
                netlink.close()
                raise NotSupported("nobody answers")
            return netlink

        def read(self, path: str) -> bytes:
            if self.phase[1] > 1 and "/net/" in path:
                raise NotSupported("nobody answers")
            return super().read(path)

    answer = arena.answer(port, host=DeafHost())
    assert answer.verdict == "unknown"
    assert "nobody answers" in answer.summary


def test_it_changes_hands_behind_the_walk(serve: Any, scan: Any, look: Any) -> None:
    """Passed on, before its holder is visited, to a process that already was."""
    visited, holder = sorted((serve(), serve()), key=lambda actor: actor.pid)
    holder.facts = holder.tell("open")

    def pass_on() -> None:
        holder.tell(f"send {visited.pid}")
        visited.facts = visited.tell("take")

    assert look(scan(opening={holder.pid: pass_on})) == [(holder["inode"], [(visited.pid, visited["fd"])], False)]


def test_it_changes_hands_after_every_walk(arena: Any, port: int, serve: Any, scan: Any) -> None:
    """Whoever was found has let go of it by the time of the answer: nobody is named, and the kernel is not either."""
    giver, taker = serve("open"), serve()
    hands = [giver, taker]

    def pass_on() -> None:
        hands[0].tell(f"send {hands[1].pid}")
        hands[1].tell("take")
        hands.reverse()

    answer = arena.answer(port, host=scan(**{f"tables_{number}": pass_on for number in range(2, 20)}))
    assert answer.verdict == "unknown"
    assert [(held.holders, held.in_kernel) for held in answer.sockets] == [((), None)]
    assert "they change hands faster than the scan" in answer.summary


def test_a_holders_number_goes_to_another_after_the_walk(arena: Any, port: int, scan: Any) -> None:
    """It even has the socket under the same number, but is not the process that was described."""
    actor = arena.play(f"""
one = server({port})
born = time.monotonic()
child = os.fork()
if not child:
    hold()
    os._exit(0)
ready(child=child)
told()
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)
until(lambda: time.monotonic() > born + 0.03)  # start times are told in hundredths of a second
again = fork_as(child)
if not again:
    LIBC.prctl(15, b"another")
    hold()
    os._exit(0)
ready(child=again, why=os.strerror(ctypes.get_errno()))
hold()
""")
    answers = []
    snapshot = arena.look(port, host=scan(tables_2=lambda: answers.append(actor.tell("reuse"))))
    if answers[0]["child"] < 0:
        pytest.skip(f"the kernel does not give a chosen process id: {answers[0]['why']}")
    assert [[one.pid for one in held.holders] for held in snapshot.sockets] == [[actor.pid]]


def test_one_of_two_holders_lets_go(arena: Any, port: int, scan: Any) -> None:
    actor = arena.play(f"""
one = server({port})
child = os.fork()
if not child:
    hold()
    os._exit(0)
ready(child=child)
told()
one.close()
ready()
hold()
""")
    snapshot = arena.look(port, host=scan(tables_2=lambda: actor.tell("close")))
    assert [[one.pid for one in held.holders] for held in snapshot.sockets] == [[actor["child"]]]


@pytest.mark.needs("cat")
def test_a_holder_turns_into_another_program(arena: Any, port: int, stage_host: Any, look: Any) -> None:
    """Between its descriptors and its name: the new program, which did not inherit the socket, must not be named."""
    actor = arena.play(f"""
one = server({port})
child = os.fork()
if not child:
    told()
    os.execlp("cat", "cat")
ready(child=child, fd=one.fileno(), inode=inode(one))
hold()
""")
    child = f"/proc/{actor['child']}"
    comm = pathlib.Path(child, "comm")

    class Turning(ProcessDirectory):
        def read(self, name: str) -> bytes:
            if (name, self._path) == ("stat", child) and comm.read_text() != "cat\n":
                actor.say("turn")
                while comm.read_text() != "cat\n":
                    os.sched_yield()
            return super().read(name)

    class HostWithATurn(stage_host):
        def open_process(self, pid: int) -> ProcessDirectory:
            directory = super().open_process(pid)
            directory.__class__ = Turning
            return directory

    assert look(HostWithATurn()) == [(actor["inode"], [(actor.pid, actor["fd"])], False)]


def test_a_number_that_was_visited_goes_to_a_new_holder(arena: Any, port: int, scan: Any, look: Any) -> None:
    program = """
ready()
one = server(int(told()))
ready(inode=inode(one), fd=one.fileno())
child = fork_as(int(told()))
if not child:
    hold()
    os._exit(0)
one.close()
ready(pid=child, why=os.strerror(ctypes.get_errno()))
hold()
"""
    visited, actor = sorted((arena.play(program), arena.play(program)), key=lambda actor: actor.pid)
    actor.facts = actor.tell(str(port))
    answers = []

    def reuse() -> None:
        visited.kill()
        answers.append(actor.tell(str(visited.pid)))

    host = scan(opening={actor.pid: reuse})
    seen = look(host)
    if answers[0]["pid"] < 0:
        pytest.skip(f"the kernel does not give a chosen process id: {answers[0]['why']}")
    assert seen == [(actor["inode"], [(visited.pid, actor["fd"])], False)]
    assert host.phase[1] <= 2  # by the first walk
