# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Sockets kept alive by a message that nobody has read yet, in flight in UNIX sockets (unix(7), SCM_RIGHTS).

What cannot be seen there is a blind spot, and the socket is then never called the kernel's own.
"""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent import host as host_module
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent import message_queue

pytestmark = pytest.mark.needs("root")

KINDS = ["SOCK_STREAM", "SOCK_DGRAM", "SOCK_SEQPACKET"]


def seats(held: Any) -> list[tuple[int, int, str, int | None]]:
    return [(holder.pid, holder.fd, holder.via, holder.tid) for holder in held.holders]


def assert_hidden(arena: Any, port: int) -> None:
    """What is out of sight is said to be, and nothing else is concluded from its absence."""
    snapshot = arena.look(port)
    [held] = snapshot.sockets
    assert (held.holders, held.in_kernel) == ((), None)
    assert "descriptors in flight" in {spot.what for spot in snapshot.blind_spots}
    answer = arena.answer(port)
    assert answer.verdict == "unknown"
    assert "in flight" in answer.summary


def assert_found_or_hidden(arena: Any, port: int, seat: tuple[int, int, str, int | None]) -> None:
    if arena.held(port).holders:
        assert seats(arena.held(port)) == [seat]
    else:
        assert_hidden(arena, port)


@pytest.mark.parametrize("kind", KINDS)
def test_within_one_process(arena: Any, port: int, kind: str) -> None:
    actor = arena.play(f"""
sender, receiver = socket.socketpair(socket.AF_UNIX, socket.{kind})
with server({port}) as one:
    hand_over(sender, one.fileno())
ready(fd=receiver.fileno())
hold()
""")
    held = arena.held(port)
    assert seats(held) == [(actor.pid, actor["fd"], "in_flight", None)]
    assert held.in_kernel is False


@pytest.mark.parametrize("kind", KINDS)
def test_the_sender_is_gone(arena: Any, port: int, kind: str) -> None:
    actor = arena.play(f"""
sender, receiver = socket.socketpair(socket.AF_UNIX, socket.{kind})
child = os.fork()
if not child:
    receiver.close()
    one = server({port})
    hand_over(sender, one.fileno())
    os._exit(0)
os.waitpid(child, 0)
sender.close()
ready(fd=receiver.fileno())
hold()
""")
    assert seats(arena.held(port)) == [(actor.pid, actor["fd"], "in_flight", None)]


def test_a_bound_address_of_the_receiver(arena: Any, port: int, tmp_path: Any) -> None:
    actor = arena.play(f"""
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind({str(tmp_path / "receiver")!r})
with server({port}) as one, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
    sender.connect(receiver.getsockname())
    hand_over(sender, one.fileno())
ready(fd=receiver.fileno())
hold()
""")
    assert seats(arena.held(port)) == [(actor.pid, actor["fd"], "in_flight", None)]


def test_beside_holders_that_have_it_open(arena: Any, port: int) -> None:
    actor = arena.play(f"""
sender, receiver = socket.socketpair()
one = server({port})
hand_over(sender, one.fileno())
ready(fd=one.fileno(), receiver=receiver.fileno())
hold()
""")
    expected = [(actor.pid, actor["fd"], "descriptor", None), (actor.pid, actor["receiver"], "in_flight", None)]
    assert seats(arena.held(port)) == sorted(expected, key=lambda seat: seat[1])


@pytest.mark.parametrize("kind", KINDS)
def test_many_in_one_message(arena: Any, kind: str) -> None:
    actor = arena.play(f"""
sender, receiver = socket.socketpair(socket.AF_UNIX, socket.{kind})
many = [server(port) for port in range(10000, 10253)]
hand_over(sender, *[one.fileno() for one in many])
for one in many:
    one.close()
ready(fd=receiver.fileno())
hold()
""")
    found = [held for held in arena.look().sockets if 10000 <= held.socket.local.port < 10253]
    assert [held.socket.local.port for held in found] == list(range(10000, 10253))
    assert {seat for held in found for seat in seats(held)} == {(actor.pid, actor["fd"], "in_flight", None)}


def test_behind_ordinary_data_of_a_stream(arena: Any, port: int) -> None:
    actor = arena.play(f"""
sender, receiver = socket.socketpair()
sender.send(b"first")
sender.send(b"second")
with server({port}) as one:
    hand_over(sender, one.fileno())
ready(fd=receiver.fileno())
hold()
""")
    assert seats(arena.held(port)) == [(actor.pid, actor["fd"], "in_flight", None)]


@pytest.mark.parametrize("kind", KINDS)
def test_behind_another_message_with_descriptors(arena: Any, port: int, kind: str) -> None:
    arena.play(f"""
sender, receiver = socket.socketpair(socket.AF_UNIX, socket.{kind})
hand_over(sender, 0)
with server({port}) as one:
    hand_over(sender, one.fileno())
ready()
hold()
""")
    assert_hidden(arena, port)


@pytest.mark.parametrize("kind", KINDS[1:])
def test_behind_a_message_without_descriptors(arena: Any, port: int, kind: str) -> None:
    arena.play(f"""
sender, receiver = socket.socketpair(socket.AF_UNIX, socket.{kind})
sender.send(b"first")
with server({port}) as one:
    hand_over(sender, one.fileno())
ready()
hold()
""")
    assert_hidden(arena, port)


def test_behind_more_data_than_is_looked_at(arena: Any, port: int) -> None:
    actor = arena.play(f"""
sender, receiver = socket.socketpair()
sender.sendall(b"x" * 100_000)
with server({port}) as one:
    hand_over(sender, one.fileno())
ready(fd=receiver.fileno())
hold()
""")
    assert_found_or_hidden(arena, port, (actor.pid, actor["fd"], "in_flight", None))


def test_in_a_connection_that_waits_for_accept(arena: Any, port: int, tmp_path: Any) -> None:
    arena.play(f"""
listener = socket.socket(socket.AF_UNIX)
listener.bind({str(tmp_path / "listener")!r})
listener.listen()
with server({port}) as one, socket.socket(socket.AF_UNIX) as sender:
    sender.connect(listener.getsockname())
    hand_over(sender, one.fileno())
ready()
hold()
""")
    assert_hidden(arena, port)


def test_in_a_socket_that_is_in_flight_itself(arena: Any, port: int) -> None:
    arena.play(f"""
sender, receiver = socket.socketpair()
with server({port}) as one:
    hand_over(sender, one.fileno())
outer_sender, outer_receiver = socket.socketpair()
hand_over(outer_sender, receiver.fileno())
receiver.close()
ready()
hold()
""")
    assert_hidden(arena, port)


def test_in_a_thread_with_a_table_of_its_own(arena: Any, port: int) -> None:
    """The leader has another receiver under the same number: what waits there must not be taken for the thread's."""
    actor = arena.play(f"""
def separate():
    called(LIBC.unshare(CLONE_FILES))
    mine.set()
    yours.wait()
    sender, receiver = socket.socketpair()
    with server({port}) as one:
        hand_over(sender, one.fileno())
    ready(fd=receiver.fileno(), decoy=decoy.fileno(), tid=threading.get_native_id())
    hold()

mine, yours = threading.Event(), threading.Event()
tid = thread(separate)
mine.wait()
other_sender, decoy = socket.socketpair()
with socket.create_server(("127.0.0.1", 0)) as other:
    hand_over(other_sender, other.fileno())
yours.set()
hold()
""")
    assert actor["fd"] == actor["decoy"]
    assert_found_or_hidden(arena, port, (actor.pid, actor["fd"], "in_flight", actor["tid"]))


def test_in_a_socket_of_another_namespace(arena: Any, port: int, play: Any) -> None:
    actor = play(f"""
sender, receiver = socket.socketpair()
enter({arena.path!r})
with server({port}) as one:
    hand_over(sender, one.fileno())
enter("/proc/{os.getpid()}/ns/net")
ready(fd=receiver.fileno())
hold()
""")
    assert seats(arena.held(port)) == [(actor.pid, actor["fd"], "in_flight", None)]


# --- looking changes nothing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_receiver_gets_all_of_it_afterwards(arena: Any, port: int, kind: str) -> None:
    actor = arena.play(f"""
sender, receiver = socket.socketpair(socket.AF_UNIX, socket.{kind})
with server({port}) as one:
    expected = inode(one)
    hand_over(sender, one.fileno(), data=b"take this")
ready(fd=receiver.fileno())
told()
data, descriptors, flags, _address = socket.recv_fds(receiver, 100, 9)
ready(data=data.decode(), same=[os.fstat(one).st_ino == expected for one in descriptors], fd=descriptors[0])
hold()
""")
    assert seats(arena.held(port)) == [(actor.pid, actor["fd"], "in_flight", None)]
    received = actor.tell("receive")
    assert (received["data"], received["same"]) == ("take this", [True])
    assert seats(arena.held(port)) == [(actor.pid, received["fd"], "descriptor", None)]


def test_a_receiver_that_peeks_in_steps_is_left_alone(arena: Any, port: int) -> None:
    """With SO_PEEK_OFF a look would move the place from which the receiver itself peeks next."""
    actor = arena.play(f"""
sender, receiver = socket.socketpair()
receiver.setsockopt(socket.SOL_SOCKET, SO_PEEK_OFF, 0)
with server({port}) as one:
    hand_over(sender, one.fileno(), data=b"take this")
ready()
told()
ready(offset=receiver.getsockopt(socket.SOL_SOCKET, SO_PEEK_OFF), data=receiver.recv(4, socket.MSG_PEEK).decode())
hold()
""")
    assert_hidden(arena, port)
    assert actor.tell("peek") == {"offset": 0, "data": "take"}


def test_other_things_in_flight_are_no_blind_spot(arena: Any, port: int) -> None:
    actor = arena.play(f"""
sender, receiver = socket.socketpair()
hand_over(sender, 0, 1, 2)
one = server({port})
ready(fd=one.fileno())
hold()
""")
    snapshot = arena.look(port)
    assert seats(snapshot.sockets[0]) == [(actor.pid, actor["fd"], "descriptor", None)]
    assert snapshot.blind_spots == ()


def test_a_look_that_never_ends_is_given_up(arena: Any, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file received from a queue may lie in a filesystem that never lets go of it."""
    monkeypatch.setattr(message_queue, "peek_descriptors", lambda *_: signal.pause())
    monkeypatch.setattr(host_module, "_PEEK_SECONDS", 0.2)
    arena.play(f"""
sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
with server({port}) as one:
    hand_over(sender, one.fileno())
ready()
hold()
""")
    assert_hidden(arena, port)
