# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What each act really does to a port: the kernel's own doing, each time with the bind tried again afterwards."""

from __future__ import annotations

import ctypes
import errno
import os
import socket

import pytest

from .scene import LOOPBACKS, TCP, UDP, Scene, is_alive, until

pytestmark = pytest.mark.needs("root")

FREE, TAKEN, FOR_REUSERS = ("ok", "ok"), ("EADDRINUSE", "EADDRINUSE"), ("EADDRINUSE", "ok")
STAYS = "\nready(port=port, pids=pids)\nwhile told(): ready(alive=True)\nhold()"
MEET = "pids = []\none = server(port, address, reuseaddr=reuse)\nc = connected(port, address); peer = one.accept()[0]\n"

#: what is left of a connection that a server accepted and no process has any more; the client lives on
REMAINS = {
    "TIME_WAIT": "peer.close(); c.close(); one.close()",
    "FIN_WAIT1": "fill(peer); peer.close(); one.close()",
    "FIN_WAIT2": "peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2, 100); peer.close(); one.close()",
    "LAST_ACK": "c.shutdown(1); until(lambda: tcp_state(peer) == 8); fill(peer); peer.close(); one.close()",
}


@pytest.mark.parametrize("address", LOOPBACKS)
@pytest.mark.parametrize("reuse", [0, 1], ids=["plain", "reuseaddr"])
@pytest.mark.parametrize("state", REMAINS)
def test_what_is_left_of_a_connection_is_destroyed_and_frees_the_port(
    scene: Scene, port: int, state: str, reuse: int, address: str
) -> None:
    scene.play(MEET + REMAINS[state] + STAYS, port=port, address=address, reuse=reuse)
    until(lambda: scene.states(port) == [state])
    row = scene.row(port)
    assert row.inode == 0
    assert scene.binds(port, address) == (FOR_REUSERS if reuse else TAKEN)

    assert scene.destroy_row(row)

    assert (scene.rows(port), scene.binds(port, address)) == ([], FREE)
    assert not scene.destroy_row(row)


#: connections whose local port the kernel chose, with their descriptor still open: protocol, the program
OUTGOING = {
    "TCP": (TCP, "one = server(0, address); c = connected(one.getsockname()[1], address); peer = one.accept()[0]"),
    "TCP, bound to port 0": (TCP, "one = server(0, address); c = bound(0, address); c.connect(one.getsockname())"),
    "UDP": (UDP, "c = socket.socket(family, socket.SOCK_DGRAM); c.connect((address, 9))"),
    "UDP, bound to port 0": (UDP, "c = bound(0, address, socket.SOCK_DGRAM); c.connect((address, 9))"),
}
_FAMILY = "pids = []; family = socket.AF_INET6 if ':' in address else socket.AF_INET\n"


@pytest.mark.parametrize("address", LOOPBACKS)
@pytest.mark.parametrize("what", OUTGOING)
def test_a_connection_from_an_automatic_port_is_destroyed_and_frees_it_and_nobody_dies(
    scene: Scene, what: str, address: str
) -> None:
    kind, code = OUTGOING[what]
    protocol = "tcp" if kind == TCP else "udp"
    squatter = scene.play(_FAMILY + code + "\nport = c.getsockname()[1]" + STAYS, address=address)
    port = squatter["port"]
    assert scene.states(port, protocol) == ["ESTABLISHED"]
    assert scene.binds(port, address, kind) == TAKEN

    assert scene.destroy_row(scene.row(port, protocol))

    assert (scene.rows(port, protocol), scene.binds(port, address, kind)) == ([], FREE)
    assert squatter.tell("are you there?") == {"alive": True}


#: an heir has the descriptor of a connection that its peer closed; whether the port is free once that is destroyed
LEAKED = {
    "accepted": (MEET + "mine = peer", FREE),
    "from a port that the kernel chose": (
        "other = server(0, address); mine = connected(other.getsockname()[1], address); c = other.accept()[0]\n"
        "one = server(0, address); port = mine.getsockname()[1]",
        FREE,
    ),
    "from a port that the program chose": (
        "other = server(0, address); mine = bound(port, address); mine.connect(other.getsockname())\n"
        "c = other.accept()[0]; one = server(0, address)",
        TAKEN,
    ),
}
_LEAK = """
pids = [os.fork()]
if not pids[0]:
    c.close(); one.close(); hold()
c.close(); until(lambda: tcp_state(mine) == 8); mine.close(); one.close()
"""


@pytest.mark.parametrize("address", LOOPBACKS)
@pytest.mark.parametrize("what", LEAKED)
def test_a_leaked_connection_that_its_peer_has_closed(scene: Scene, port: int, what: str, address: str) -> None:
    code, afterwards = LEAKED[what]
    creator = scene.play(code + _LEAK + STAYS, port=port, address=address, reuse=0)
    port = creator["port"]
    row = scene.row(port)
    assert (row.state, row.inode != 0, scene.binds(port, address)) == ("CLOSE_WAIT", True, TAKEN)

    assert scene.destroy_row(row)

    assert scene.binds(port, address) == afterwards
    assert scene.states(port) == ([] if afterwards == FREE else ["BOUND"])
    assert is_alive(creator["pids"][0])


@pytest.mark.parametrize("address", [*LOOPBACKS, "::"])
@pytest.mark.parametrize("reuse", [0, 1], ids=["plain", "reuseaddr"])
def test_a_listener_is_destroyed_and_keeps_the_port(scene: Scene, port: int, reuse: int, address: str) -> None:
    """Only where both old and new one set SO_REUSEADDR it is no obstacle, as no bound socket is then."""
    server = scene.play(
        "pids = []; one = server(port, address, reuseaddr=reuse)" + STAYS, port=port, address=address, reuse=reuse
    )
    assert scene.binds(port, address) == TAKEN

    assert scene.destroy_row(scene.row(port))

    assert scene.states(port) == ["BOUND"]
    assert scene.binds(port, address) == (FOR_REUSERS if reuse else TAKEN)
    assert server.tell("are you there?") == {"alive": True}


@pytest.mark.parametrize("address", LOOPBACKS)
def test_a_socket_that_only_is_bound_is_not_found(scene: Scene, port: int, address: str) -> None:
    scene.play("pids = []; one = bound(port, address)" + STAYS, port=port, address=address)

    assert not scene.destroy_row(scene.row(port))

    assert (scene.states(port), scene.binds(port, address)) == (["BOUND"], TAKEN)


@pytest.mark.parametrize("address", LOOPBACKS)
def test_of_a_group_that_shares_a_port_not_all_are_found(scene: Scene, port: int, address: str) -> None:
    """The kernel picks one of them by a hash, and finds only then that it is not the one that was meant."""
    code = "pids = []; groups = [[server(one, address, reuseport=1) for _ in range(4)] for one in (port, port + 1)]"
    scene.play(code + STAYS, port=port, address=address)
    found = []
    for one, backwards in ((port, False), (port + 1, True)):  # in one order it may pick the right ones by chance
        group = sorted(scene.rows(one), key=lambda row: row.cookie or 0, reverse=backwards)
        assert [row.state for row in group] == ["LISTEN"] * 4

        done = [scene.destroy_row(row) for row in group].count(True)

        assert done >= 1
        assert scene.states(one) == ["BOUND"] * done + ["LISTEN"] * (4 - done)
        assert scene.binds(one, address) == TAKEN
        found.append(done)
    assert found != [4, 4]


@pytest.mark.parametrize("address", LOOPBACKS)
@pytest.mark.parametrize("peer", [False, True], ids=["server", "with a peer"])
def test_an_udp_socket_on_a_port_of_its_choice_is_destroyed_and_keeps_it(
    scene: Scene, port: int, peer: bool, address: str
) -> None:
    code = "pids = []; one = bound(port, address, socket.SOCK_DGRAM)\nif peer: one.connect((address, 9))"
    server = scene.play(code + STAYS, port=port, address=address, peer=peer)

    assert scene.destroy_row(scene.row(port, "udp"))

    assert scene.states(port, "udp") == ["UNCONNECTED"]
    assert scene.binds(port, address, UDP) == TAKEN
    assert server.tell("are you there?") == {"alive": True}


def disconnect(one: socket.socket) -> None:
    """Dissolve an association: connect(2) to an address of the family AF_UNSPEC."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.connect(one.fileno(), bytes(16), 16):
        raise OSError(ctypes.get_errno(), "connect")


def shut(one: socket.socket) -> None:
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError as error:
        assert error.errno == errno.ENOTCONN  # an UDP socket without a peer


@pytest.mark.parametrize("address", LOOPBACKS)
@pytest.mark.parametrize("act", [shut, disconnect])
@pytest.mark.parametrize("kind", [TCP, UDP], ids=["tcp", "udp"])
def test_to_shut_or_disconnect_a_copy_frees_nothing(scene: Scene, port: int, kind: int, act, address: str) -> None:  # type: ignore[no-untyped-def]
    code = "pids = []; one = server(port, address) if tcp else bound(port, address, socket.SOCK_DGRAM)"
    holder = scene.play(code + "\nready(fd=one.fileno()); hold()", port=port, address=address, tcp=kind == TCP)

    with scene.copy(holder, holder["fd"]) as copy:
        act(copy)

    assert scene.states(port, "tcp" if kind == TCP else "udp") == ["BOUND" if kind == TCP else "UNCONNECTED"]
    assert scene.binds(port, address, kind) == TAKEN


@pytest.mark.parametrize("address", [*LOOPBACKS, "::"])
def test_so_reuseaddr_on_a_copy_and_then_shutdown_free_the_port_for_who_sets_it_too(
    scene: Scene, port: int, address: str
) -> None:
    heir = scene.play(
        "one = server(port, address); other = server(port + 1, address)\n"
        "ready(fd=one.fileno()); told(); peer = other.accept()[0]; peer.send(b'still here'); ready(); hold()",
        port=port,
        address=address,
    )
    with scene.copy(heir, heir["fd"]) as copy:
        copy.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        assert scene.binds(port, address) == TAKEN
        copy.shutdown(socket.SHUT_RDWR)

    assert (scene.states(port), scene.binds(port, address)) == (["BOUND"], FOR_REUSERS)
    assert scene.bind(port, "127.0.0.1" if address == "::" else address, reuseaddr=True) == "ok"
    assert is_alive(heir.pid)
    heir.say("serve")
    assert scene.fetch(port + 1, "::1" if address == "::" else address) == b"still here"


WAIT = """
waiting = connected(port, address)
ready(fd=one.fileno())
told()
try:
    waiting.recv(1)
except ConnectionResetError:
    peer.send(b'.'); ready(heard=c.recv(1).decode()); hold()
"""


@pytest.mark.parametrize("address", LOOPBACKS)
@pytest.mark.parametrize("reuse", [0, 1], ids=["plain", "reuseaddr"])
def test_connections_that_a_detached_listener_accepted_keep_the_port_as_it_would_have(
    scene: Scene, port: int, reuse: int, address: str
) -> None:
    """They have its options, and nobody sets those anew; who waits for its accept() is reset."""
    heir = scene.play(MEET + WAIT, port=port, address=address, reuse=reuse)

    with scene.copy(heir, heir["fd"]) as copy:
        copy.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        copy.shutdown(socket.SHUT_RDWR)

    assert scene.states(port) == ["BOUND", "ESTABLISHED"]
    assert scene.binds(port, address) == (FOR_REUSERS if reuse else TAKEN)
    assert heir.tell("talk") == {"heard": "."}


@pytest.mark.parametrize("address", LOOPBACKS)
@pytest.mark.parametrize("kind", [TCP, UDP], ids=["tcp", "udp"])
def test_the_end_of_the_last_holder_frees_the_port(scene: Scene, port: int, kind: int, address: str) -> None:
    code = "one = server(port, address) if tcp else bound(port, address, socket.SOCK_DGRAM)\npids = [os.fork()]\n"
    creator = scene.play(code + "if not pids[0]: hold()" + STAYS, port=port, address=address, tcp=kind == TCP)
    [heir] = creator["pids"]

    creator.kill()
    assert scene.binds(port, address, kind) == TAKEN
    os.kill(heir, 9)
    until(lambda: not is_alive(heir))

    assert scene.binds(port, address, kind) == FREE
