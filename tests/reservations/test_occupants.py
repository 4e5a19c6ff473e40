# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Who is on ports that are to be reserved, and how they are got off: with real sockets, in a namespace of their own."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import NotPermitted, NotSupported
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel import sock_destroy, sock_diag
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import Namespace
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.processes import own_ancestry
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations.eviction import evict
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations.occupancy import (
    Occupant,
    to_record,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations.occupants import (
    Occupants,
    look,
)

from tests.agent.conftest import PATIENCE, Arena, StageHost, new_arena

pytestmark = pytest.mark.needs("root")

OCCUPANTS = "ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations.occupants"
CLONE_NEWNET = 0x40000000
AUTOMATIC = (20000, 60999)  # as far as is told; the kernel itself keeps off the ports that the tests give out
STAYS = "\nready(port=c.getsockname()[1])\nwhile told(): ready(alive=True)\nhold()"
MEET = "one = server(0, {address!r}); c = connected(one.getsockname()[1], {address!r}); peer = one.accept()[0]\n"


class Scene:
    """A namespace with programs, and a place from which one looks at it: from within, or from outside."""

    def __init__(self, arena: Arena, within: bool) -> None:
        self.play = arena.play
        self.rows = arena.rows
        self._path = arena.path
        self._within = within
        self.namespace = Namespace(arena.id, "own", "host", "/proc/self/ns/net") if within else arena.namespace
        self.where = "" if within else f" in namespace {arena.namespace.name}"

    def look(self, *ports: int, host: Host | None = None, **more: Any) -> Occupants:
        more = {"automatic": AUTOMATIC, **more}
        return self._from_there(lambda: look(host or StageHost(), self.namespace, ports, **more))

    def evict(self, found: Occupants, protected: frozenset[int] = frozenset(), **more: Any) -> Occupants:
        return self._from_there(lambda: evict(StageHost(), self.namespace, found, protected, **more))

    def inside(self, act: Callable[[], Any]) -> Any:
        """Return what ``act`` returns in a process in the namespace."""

        def act_there() -> Any:
            with open(self._path, "rb") as there:
                assert ctypes.CDLL(None).setns(there.fileno(), CLONE_NEWNET) == 0
            return act()

        return Host().in_second_process(act_there, PATIENCE)()

    def _from_there(self, act: Callable[[], Any]) -> Any:
        return self.inside(act) if self._within else act()

    def bind(self, port: int, address: str = "127.0.0.1", kind: int = socket.SOCK_STREAM) -> str:
        """Return what bind(2) says of a port to somebody without any options."""

        def try_it() -> str:
            with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind) as one:
                try:
                    one.bind((address, port))
                except OSError as error:
                    return errno.errorcode[error.errno or 0]
                return "ok"

        return self.inside(try_it)


def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.002)


@pytest.fixture(scope="module")
def _arena() -> Iterator[Arena]:
    with new_arena() as arena:
        yield arena


@pytest.fixture(params=["within", "outside"])
def scene(_arena: Arena, request: pytest.FixtureRequest) -> Iterator[Scene]:
    yield Scene(_arena, request.param == "within")
    _arena.clear()


@pytest.fixture
def outside(_arena: Arena) -> Iterator[Scene]:
    yield Scene(_arena, within=False)
    _arena.clear()


@pytest.fixture(scope="module")
def _ports() -> Iterator[int]:
    return iter(range(20000, 32000, 10))


@pytest.fixture
def port(_ports: Iterator[int]) -> int:
    """Return a port that no other test uses, as are the next ones."""
    return next(_ports)


TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM
#: what a program does, the state its connection is in then, the address and kind that a bind is tried with
SQUATTERS = {
    "established": (MEET.format(address="127.0.0.1"), "ESTABLISHED", "127.0.0.1", TCP),
    "established over IPv6": (MEET.format(address="::1"), "ESTABLISHED", "::1", TCP),
    "established over a mapped address": (
        "one = server(0, '::'); c = socket.socket(socket.AF_INET6); to = one.getsockname()[1]\n"
        "c.connect(('::ffff:127.0.0.1', to))",
        "ESTABLISHED",
        "127.0.0.1",
        TCP,
    ),
    "established through an interface": (
        "one = server(0); c = socket.socket(); c.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b'lo')\n"
        "c.connect(one.getsockname())",
        "ESTABLISHED",
        "127.0.0.1",
        TCP,
    ),
    "closed by the peer": (
        MEET.format(address="127.0.0.1") + "peer.close(); until(lambda: tcp_state(c) == 8)",
        "CLOSE_WAIT",
        "127.0.0.1",
        TCP,
    ),
    "half closed, still read": (
        MEET.format(address="127.0.0.1") + "c.shutdown(1); until(lambda: tcp_state(c) == 5)",
        "FIN_WAIT2",
        "127.0.0.1",
        TCP,
    ),
    "still knocking": (
        "one = server(0, backlog=0); many = []\n"
        "def knock():\n"
        "    global c\n"
        "    c = socket.socket(); c.setblocking(False); c.connect_ex(one.getsockname()); many.append(c)\n"
        "    return len(many) > 2 and tcp_state(c) == 2\n"
        "until(knock)",
        "SYN_SENT",
        "127.0.0.1",
        TCP,
    ),
    "established from port 0": (
        "one = server(0); c = bound(0); c.connect(one.getsockname())",
        "ESTABLISHED",
        "127.0.0.1",
        TCP,
    ),
    "UDP from port 0": (
        "c = bound(0, kind=socket.SOCK_DGRAM); c.connect(('127.0.0.1', 9))",
        "ESTABLISHED",
        "127.0.0.1",
        UDP,
    ),
    "UDP": (
        "c = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); c.connect(('127.0.0.1', 9))",
        "ESTABLISHED",
        "127.0.0.1",
        UDP,
    ),
    "UDP over IPv6": (
        "c = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); c.connect(('::1', 9))",
        "ESTABLISHED",
        "::1",
        UDP,
    ),
    "UDP over a mapped address": (
        "c = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); c.connect(('::ffff:127.0.0.1', 9))",
        "ESTABLISHED",
        "127.0.0.1",
        UDP,
    ),
}


@pytest.mark.parametrize("what", SQUATTERS)
def test_a_squatter_is_seen_and_evicted_and_its_process_lives_on(scene: Scene, what: str) -> None:
    does, state, address, kind = SQUATTERS[what]
    actor = scene.play(does + STAYS)
    port = actor["port"]

    found = scene.look(port)

    [squatter] = found.squatters
    protocol = "tcp" if kind == TCP else "udp"
    record = to_record(squatter)
    assert (record["port"], record["protocol"], record["state"], record["evicted"]) == (port, protocol, state, False)
    assert [(one["pid"], one["name"], bool(one["exe"])) for one in record["holders"]] == [(actor.pid, "python", True)]
    assert record["summary"].startswith(f"{port}/{protocol}{scene.where} is the automatic local port of an outgoing ")
    assert f"connection of python[{actor.pid}] to " in record["summary"]
    assert record["summary"].endswith(f" ({state}); a reservation does not end it.")
    assert (found.lingering, found.unused([port]), found.blind_spots) == ((), True, ())
    assert scene.bind(port, address, kind) == "EADDRINUSE"

    [foreseen] = scene.evict(found, pretend=True).squatters
    assert (foreseen.evicted, foreseen.destroyed) == (True, True)
    assert foreseen.summary.endswith("; it would be destroyed.")
    assert scene.bind(port, address, kind) == "EADDRINUSE"

    [evicted] = scene.evict(found).squatters
    assert (evicted.evicted, evicted.destroyed) == (True, True)
    assert evicted.summary.endswith("; it is destroyed, no process was ended.")
    assert scene.bind(port, address, kind) == "ok"
    assert scene.look(port) == Occupants()
    assert actor.tell("are you there?") == {"alive": True}


LINGERING = {
    "TIME_WAIT": "port = c.getsockname()[1]; c.close(); peer.close()",
    "FIN_WAIT2": "port = c.getsockname()[1]; c.close()",
    "FIN_WAIT1": "port = c.getsockname()[1]; fill(c); c.close()",
    "LAST_ACK": "port = c.getsockname()[1]; peer.shutdown(1); until(lambda: tcp_state(c) == 8); fill(c); c.close()",
}


@pytest.mark.parametrize("state", LINGERING)
def test_what_lingers_is_seen_and_evicted(scene: Scene, state: str) -> None:
    actor = scene.play(MEET.format(address="127.0.0.1") + LINGERING[state] + "\nready(port=port); hold()")
    port = actor["port"]
    until(lambda: [row.state for row in scene.rows("tcp", port)] == [state])

    found = scene.look(port)

    [left] = found.lingering
    assert (found.squatters, left.holders, left.socket.state) == ((), (), state)
    timed = state in ("TIME_WAIT", "FIN_WAIT2")
    assert (left.socket.timer_ms is not None) == timed
    assert left.summary.startswith(f"{port}/tcp{scene.where} is kept by what is left of a connection to 127.0.0.1:")
    assert (" s more)." in left.summary) == timed
    assert scene.bind(port) == "EADDRINUSE"

    [gone] = scene.evict(found).lingering
    assert gone.evicted
    assert gone.summary.endswith("; it is destroyed.")
    assert scene.bind(port) == "ok"


SERVERS = {
    "one that listens": "",
    "one that listens to every address": "one.close(); one = server(port, '0.0.0.0', reuseaddr=1)",
    "one that listens to IPv6 as well": "one.close(); one = server(port, '::', reuseaddr=1)",
    "one that listens no more": "one.close()",
    "one that listens no more, and has talked": (
        "c.sendall(b'x' * 5000); peer.recv(9999); peer.sendall(b'y' * 777); one.close()"
    ),
    "one that listens no more, whose client has closed": (
        "c.shutdown(1); until(lambda: tcp_state(peer) == 8); one.close()"
    ),
    "one that only is bound": "one.close(); one = bound(port, reuseaddr=1)",
}


@pytest.mark.parametrize("server", SERVERS)
def test_what_a_server_accepted_is_no_squatter(outside: Scene, port: int, server: str) -> None:
    actor = outside.play(
        f"port = {port}; one = server(port, reuseaddr=1); c = connected(port); peer = one.accept()[0]\n"
        f"{SERVERS[server]}\n"
        "ready(); told(); peer.send(b'.'); c.settimeout(5); ready(heard=c.recv(999).decode()[-1]); hold()"
    )
    for known in (AUTOMATIC, None):
        found = outside.look(port, automatic=known)
        assert (found.squatters, found.lingering, found.unused([port])) == ((), (), False)
    outside.evict(outside.look(port))
    assert actor.tell("go on")["heard"] in (".", "y")


def test_a_udp_server_that_connects_to_its_clients_is_no_squatter(outside: Scene, port: int) -> None:
    outside.play(
        f"one = bound({port}, '0.0.0.0', socket.SOCK_DGRAM, reuseaddr=1)\n"
        f"c = bound({port}, '127.0.0.1', socket.SOCK_DGRAM, reuseaddr=1); c.connect(('127.0.0.1', 50000))\n"
        "ready(); hold()"
    )
    found = outside.look(port)
    assert (found.squatters, found.unused([port]), found.unused([port + 1])) == ((), False, True)


def test_connections_of_several_clients_are_no_squatters_where_the_kernel_tells_no_figures(
    outside: Scene, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux before 4.19. A single one is taken for outgoing, as in the verdicts."""
    monkeypatch.setattr(OCCUPANTS + ".opened_here", lambda _netlink, _row: None)
    actor = outside.play(
        f"one = server({port}); callers = [connected({port}) for _ in range(2)]\n"
        "peers = [one.accept()[0] for _ in range(2)]; one.close(); ready(); hold()"
    )
    assert outside.look(port).squatters == ()
    with Host().netlink(4, outside.namespace.path, outside.namespace.id) as netlink:
        [accepted, _other] = (row for row in outside.rows("tcp", port) if row.remote)
        assert sock_destroy.destroy_socket(netlink, accepted)
    found = outside.look(port)
    assert [one.holders[0].pid for one in found.squatters] == [actor.pid]
    [left] = outside.evict(found).squatters
    assert not left.evicted
    assert left.summary.endswith("; it is left alone: a server may have accepted it.")


def test_a_connection_outside_of_the_automatic_range_is_no_squatter(outside: Scene) -> None:
    outside.play("one = server(0); c = connected(one.getsockname()[1], source=9000)\nready(); hold()")
    found = outside.look(9000)
    assert (found.squatters, found.unused([9000])) == ((), False)


STAYS_THERE = {True: "would still be there", False: "is still there"}  # by whether a run only pretends
TALKS = "\nready(port=c.getsockname()[1])\nwhile told(): c.send(b'.'); ready(heard=peer.recv(9).decode())\nhold()"


#: what a program does that chose its port, the address and kind that a bind is tried with
CHOSEN = {
    "a connection": ("one = server(0); c = connected(one.getsockname()[1], source=port)", "127.0.0.1", TCP),
    "a connection over IPv6": (
        "one = server(0, '::1'); c = bound(port, '::1'); c.connect(one.getsockname())",
        "::1",
        TCP,
    ),
    "a connection that listeners may share the port with": (
        "one = server(0); c = bound(port, '0.0.0.0', reuseaddr=1); c.connect(one.getsockname())",
        "127.0.0.1",
        TCP,
    ),
    "a connection that the peer has closed": (
        "one = server(0); c = connected(one.getsockname()[1], source=port); one.accept()[0].close()\n"
        "until(lambda: tcp_state(c) == 8)",
        "127.0.0.1",
        TCP,
    ),
    "one that still knocks": (
        "one = server(0, backlog=0); many = []\n"
        "def knock():\n"
        "    global c\n"
        "    c = bound(port + len(many)); c.setblocking(False); c.connect_ex(one.getsockname()); many.append(c)\n"
        "    return len(many) > 2 and tcp_state(c) == 2\n"
        "until(knock)",
        "127.0.0.1",
        TCP,
    ),
    "UDP": ("c = bound(port, kind=socket.SOCK_DGRAM); c.connect(('127.0.0.1', 9))", "127.0.0.1", UDP),
    "UDP at any address": (
        "c = bound(port, '0.0.0.0', socket.SOCK_DGRAM); c.connect(('127.0.0.1', 9))",
        "127.0.0.1",
        UDP,
    ),
    "UDP over IPv6": ("c = bound(port, '::1', socket.SOCK_DGRAM); c.connect(('::1', 9))", "::1", UDP),
}


@pytest.mark.parametrize("what", CHOSEN)
def test_a_connection_from_a_port_that_its_program_chose_is_its_own(scene: Scene, port: int, what: str) -> None:
    does, address, kind = CHOSEN[what]
    actor = scene.play(f"port = {port}\n{does}{STAYS}")
    before = _ends(scene, actor["port"])

    for known in (AUTOMATIC, None):
        found = scene.look(actor["port"], automatic=known)
        assert (found.squatters, found.lingering, found.unused([actor["port"]])) == ((), (), False)
    scene.evict(scene.look(actor["port"]))

    assert _ends(scene, actor["port"]) == before
    assert scene.bind(actor["port"], address, kind) == "EADDRINUSE"
    assert actor.tell("are you there?") == {"alive": True}


def test_who_may_look_at_no_process_sees_as_well_who_chose_the_port(outside: Scene, port: int) -> None:
    actor = outside.play(f"one = server(0); c = connected(one.getsockname()[1], source={port})" + STAYS)
    within = Namespace(outside.namespace.id, "own", "host", "/proc/self/ns/net")

    def as_nobody() -> Occupants:
        os.setgroups([]), os.setresgid(65534, 65534, 65534), os.setresuid(65534, 65534, 65534)
        return look(Host(), within, [actor["port"]], AUTOMATIC)

    assert outside.inside(as_nobody).unused([port]) is False


def test_what_is_left_beside_an_own_connection_is_its_own(outside: Scene, port: int) -> None:
    """It is not evicted at each run again, where a program comes back from its own port."""
    outside.play(
        f"one, other = server(0), server(0)\n"
        f"c = bound({port}, reuseaddr=1); c.connect(one.getsockname()); peer = one.accept()[0]\n"
        "c.close(); peer.close()\n"
        f"c = bound({port}, reuseaddr=1); c.connect(other.getsockname())\nready(); hold()"
    )
    until(lambda: sorted(row.state for row in outside.rows("tcp", port)) == ["ESTABLISHED", "TIME_WAIT"])
    assert outside.look(port).lingering == ()


def test_where_it_is_not_known_who_chose_the_port_a_connection_is_left(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_told(*_asked: Any) -> Any:
        raise NotSupported("no such filter")

    monkeypatch.setattr(OCCUPANTS + ".bound_on_purpose", not_told)
    for does in (SQUATTERS["established"][0], SQUATTERS["UDP"][0]):
        actor = scene.play(does + STAYS)
        found = scene.look(actor["port"])
        [left] = found.squatters
        assert " is the local port of what looks like an outgoing connection of python[" in left.summary
        before = _ends(scene, actor["port"])
        for pretend in (True, False):
            [left] = scene.evict(found, pretend=pretend).squatters
            assert (left.evicted, left.destroyed) == (False, False)
            assert left.summary.endswith(
                "; it is left alone: whether its program bound the port on purpose is not known."
            )
        assert _ends(scene, actor["port"]) == before


def test_a_connection_that_keeps_its_port_is_not_evicted_though_destroyed(outside: Scene, port: int) -> None:
    """What the kernel was asked for is not taken for done."""
    outside.play(f"one = server(0); c = connected(one.getsockname()[1], source={port}); ready(); hold()")
    [row] = outside.rows("tcp", port)
    [left] = outside.evict(Occupants(squatters=(Occupant(row, (), ""),))).squatters
    assert (left.evicted, left.destroyed) == (False, True)
    assert left.summary.endswith("; its connection was destroyed, but it keeps the port.")
    assert outside.bind(port) == "EADDRINUSE"


#: how an accepted connection comes into a state in which no process has it, while its server listens no more
LEFT_BY_SERVERS = {
    "FIN_WAIT1": "fill(peer)\nclose()",
    "LAST_ACK": "c.shutdown(1); until(lambda: tcp_state(peer) == 8); fill(peer)\nclose()",
    "CLOSING": "fill(peer)\nclose()\nc.shutdown(1)",
    "FIN_WAIT2": "peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2, 100)\nclose()",
}
SERVE_ONE = """
one = server({port}); c = connected({port}); peer = one.accept()[0]; c.settimeout(10)
def close():
    peer.close(); one.close()
{does}
ready(); told(); heard = 0
while True:
    try:
        some = len(c.recv(1 << 20))
    except OSError as error:
        ready(heard=heard, error=str(error)); break
    heard += some
    if not some:
        ready(heard=heard); break
hold()
"""


@pytest.mark.parametrize("state", LEFT_BY_SERVERS)
def test_what_a_server_has_yet_to_say_is_left(scene: Scene, port: int, state: str) -> None:
    actor = scene.play(SERVE_ONE.format(port=port, does=LEFT_BY_SERVERS[state]))
    until(lambda: [row.state for row in scene.rows("tcp", port)] == [state])
    found = scene.look(port)
    for pretend in (True, False):
        [left] = scene.evict(found, pretend=pretend).lingering
        assert (left.evicted, left.destroyed, left.socket.state) == (False, False, state)
        assert left.summary.endswith("; it is left alone: a server accepted it.")
    heard = actor.tell("go on")
    assert heard.keys() == {"heard"}
    assert (heard["heard"] > 0) == (state != "FIN_WAIT2")


def test_what_is_left_of_nobody_knows_whom_is_left(outside: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux before 4.19 tells no figures: it may be a server's as well."""
    monkeypatch.setattr(OCCUPANTS + ".opened_here", lambda _netlink, _row: None)
    actor = outside.play(MEET.format(address="127.0.0.1") + LINGERING["FIN_WAIT1"] + "\nready(port=port); hold()")
    until(lambda: [row.state for row in outside.rows("tcp", actor["port"])] == ["FIN_WAIT1"])
    [left] = outside.evict(outside.look(actor["port"])).lingering
    assert not left.evicted
    assert left.summary.endswith("; it is left alone: a server may have accepted it.")


def test_what_a_program_has_yet_to_say_from_its_own_port_is_left(outside: Scene, port: int) -> None:
    outside.play(
        f"one = server(0); c = connected(one.getsockname()[1], source={port}); peer = one.accept()[0]\n"
        "fill(c); c.close(); ready(); hold()"
    )
    [left] = outside.evict(outside.look(port)).lingering
    assert not left.evicted
    assert left.summary.endswith("; it is left alone: its program had bound the port on purpose.")


def test_a_connection_of_an_ancestor_is_left(scene: Scene) -> None:
    actor = scene.play(MEET.format(address="127.0.0.1") + TALKS)
    found = scene.look(actor["port"])
    for pretend in (True, False):
        [left] = scene.evict(found, frozenset([1, actor.pid]), pretend=pretend).squatters
        assert not left.evicted
        assert left.summary.endswith(
            f"; it is left alone: process {actor.pid}, through which this task runs, holds it."
        )
    assert actor.tell("go on") == {"heard": "."}


#: how two ends meet whose address is {address}, and how sshd(8) writes that address
SSH_ADDRESSES = {
    "127.0.0.1": (MEET, "127.0.0.1"),
    "::1": (MEET, "::1"),
    "::ffff:127.0.0.1": (MEET, "127.0.0.1"),
    "fe80::1": (
        "import subprocess\n"
        "subprocess.run(['ip', 'address', 'replace', {address!r} + '/64', 'dev', 'lo', 'nodad'], check=True)\n"
        "at = ({address!r}, 0, 0, socket.if_nametoindex('lo'))\n"
        "one, c = socket.socket(socket.AF_INET6), socket.socket(socket.AF_INET6)\n"
        "one.bind(at); one.listen(); c.connect(one.getsockname()); peer = one.accept()[0]\n",
        "fe80::1%lo",
    ),
}


@pytest.mark.needs("ip")
@pytest.mark.parametrize("address", SSH_ADDRESSES)
@pytest.mark.parametrize("end", ["server", "client"])
def test_the_ssh_connection_in_use_is_left(
    outside: Scene, monkeypatch: pytest.MonkeyPatch, end: str, address: str
) -> None:
    """Its client's end is on this host as well where somebody comes through a tunnel."""
    meet, written = SSH_ADDRESSES[address]
    actor = outside.play(meet.format(address=address) + TALKS)
    other = outside.play(meet.format(address=address) + TALKS)
    [row] = [row for row in outside.rows("tcp", actor["port"]) if row.remote]
    assert row.remote
    server, client = (row.local, row.remote) if end == "server" else (row.remote, row.local)
    monkeypatch.setenv("SSH_CONNECTION", f"{written} {client.port} {written} {server.port}")
    shell = outside.play("ready(); hold()")
    found = outside.look(actor["port"], other["port"])
    fates = {one.socket.local.port: one for one in outside.evict(found, frozenset([shell.pid])).squatters}
    assert not fates[actor["port"]].evicted
    assert fates[actor["port"]].summary.endswith("; it is left alone: this task came over it by SSH.")
    assert fates[other["port"]].evicted
    assert actor.tell("go on") == {"heard": "."}


@pytest.mark.needs("ssh")
def test_a_connection_of_ssh_is_left(scene: Scene) -> None:
    """It may be the tunnel through which the host is reached."""
    actor = scene.play(
        "import subprocess\n"
        "one = server(0)\n"
        "ssh = subprocess.Popen(['ssh', '-F', 'none', '-p', str(one.getsockname()[1]), '127.0.0.1'])\n"
        "peer, (_, port) = one.accept()\n"
        "ready(port=port, pid=ssh.pid); told(); peer.send(b'.'); ready(alive=ssh.poll() is None); hold()"
    )
    found = scene.look(actor["port"])
    for pretend in (True, False):
        [left] = scene.evict(found, pretend=pretend).squatters
        assert (left.evicted, left.destroyed) == (False, False)
        assert left.summary.endswith(
            f"; it is left alone: process {actor['pid']}, which holds it, is a program of SSH, perhaps the way in."
        )
    assert actor.tell("go on") == {"alive": True}


def test_who_only_calls_itself_ssh_is_evicted(outside: Scene) -> None:
    actor = outside.play(MEET.format(address="127.0.0.1") + "pathlib.Path('/proc/self/comm').write_text('ssh')" + STAYS)
    [gone] = outside.evict(outside.look(actor["port"])).squatters
    assert ([one.name for one in gone.holders], gone.evicted) == (["ssh"], True)


def test_what_is_protected_are_this_process_and_its_ancestors() -> None:
    found = own_ancestry(Host())
    assert {os.getpid(), os.getppid()} <= found
    assert 0 not in found


def test_a_connection_whose_holder_cannot_be_seen_is_left(outside: Scene) -> None:
    class Blind(StageHost):
        def births(self) -> list[tuple[int, int]]:
            return []

    actor = outside.play(MEET.format(address="127.0.0.1") + TALKS)
    found = outside.look(actor["port"], host=Blind())
    assert " of no process that could be seen to " in found.squatters[0].summary
    [left] = outside.evict(found).squatters
    assert not left.evicted
    assert left.summary.endswith("; it is left alone: no process that holds it could be seen.")
    assert actor.tell("go on") == {"heard": "."}


def test_processes_that_may_not_be_looked_into_are_a_blind_spot(outside: Scene) -> None:
    class Refused(StageHost):
        def open_process(self, pid: int) -> Any:
            raise NotPermitted("/proc/%d" % pid)

    actor = outside.play(MEET.format(address="127.0.0.1") + TALKS)
    found = outside.look(actor["port"], host=Refused())
    assert [one.what for one in found.blind_spots] == ["descriptors of other processes"]
    assert found.unused([actor["port"]])


def test_everybody_who_holds_a_squatter_is_named(outside: Scene) -> None:
    share = """
heard, tell = os.pipe()
pids = []
for name in (b"a\\n\\x1b", b"two"):
    pids.append(os.fork())
    if not pids[-1]:
        pathlib.Path("/proc/self/comm").write_bytes(name)
        os.write(tell, b".")
        hold()
    os.read(heard, 1)
ready(port=c.getsockname()[1], pids=pids)
hold()
"""
    actor = outside.play(MEET.format(address="127.0.0.1") + share)
    pids = [actor.pid, *actor["pids"]]
    [squatter] = outside.look(actor["port"]).squatters
    assert [one.pid for one in squatter.holders] == sorted(pids)
    for pid, name in zip(pids, ["python", "a\\n\\x1b", "two"], strict=True):
        assert f"{name}[{pid}]" in squatter.summary
    assert squatter.summary.isprintable()


def test_a_later_connection_on_the_port_is_not_evicted(outside: Scene) -> None:
    """Between the look and the act the connection ended, and another one came."""
    actor = outside.play(MEET.format(address="127.0.0.1") + TALKS)
    found = outside.look(actor["port"])
    [before] = found.squatters
    assert before.socket.cookie is not None
    earlier = replace(before, socket=before.socket._replace(cookie=before.socket.cookie - 1))
    [gone] = outside.evict(replace(found, squatters=(earlier,))).squatters
    assert (gone.evicted, gone.destroyed) == (True, False)
    assert gone.summary.endswith("; it has ended by itself meanwhile.")
    assert actor.tell("go on") == {"heard": "."}


@pytest.mark.parametrize("pretend", [True, False])
def test_without_privilege_nothing_happens_and_the_sentence_says_so(outside: Scene, pretend: bool) -> None:
    actor = outside.play(MEET.format(address="127.0.0.1") + TALKS)
    found = outside.look(actor["port"])
    within = Namespace(outside.namespace.id, "own", "host", "/proc/self/ns/net")

    def as_nobody() -> Occupants:
        os.setgroups([]), os.setresgid(65534, 65534, 65534), os.setresuid(65534, 65534, 65534)
        return evict(Host(), within, found, (), pretend)

    [left] = outside.inside(as_nobody).squatters
    assert (left.evicted, left.destroyed) == (False, False)
    assert left.summary.endswith(
        f"; it {STAYS_THERE[pretend]}: to destroy a socket needs CAP_NET_ADMIN in the network namespace."
    )
    assert actor.tell("go on") == {"heard": "."}


@pytest.mark.parametrize("pretend", [True, False])
def test_a_kernel_that_cannot_destroy_is_named(outside: Scene, monkeypatch: pytest.MonkeyPatch, pretend: bool) -> None:
    monkeypatch.setattr(sock_destroy, "_SOCK_DESTROY", 22)
    actor = outside.play(MEET.format(address="127.0.0.1") + TALKS)
    [left] = outside.evict(outside.look(actor["port"]), pretend=pretend).squatters
    assert (left.evicted, left.destroyed) == (False, False)
    assert left.summary.endswith(f"; it {STAYS_THERE[pretend]}: to destroy a socket is nothing that this kernel does.")
    assert actor.tell("go on") == {"heard": "."}


@pytest.mark.parametrize("pretend", [True, False])
def test_what_the_table_tells_from_no_later_one_is_left(
    outside: Scene, monkeypatch: pytest.MonkeyPatch, pretend: bool
) -> None:
    """/proc/net has no cookies."""

    def no_table(*_asked: Any, **_besides: Any) -> Any:
        raise NotSupported("no such table")

    actor = outside.play(MEET.format(address="127.0.0.1") + LINGERING["TIME_WAIT"] + "\nready(port=port); hold()")
    before = _ends(outside, actor["port"])
    with monkeypatch.context() as patch:
        patch.setattr(sock_diag, "read_sockets", no_table)
        [left] = outside.evict(outside.look(actor["port"]), pretend=pretend).lingering
    assert (left.evicted, left.destroyed) == (False, False)
    assert left.summary.endswith("; it is left alone: the table that was read does not tell it from a later one.")
    assert _ends(outside, actor["port"]) == before


def test_without_sock_diag_squatters_are_told_and_left(outside: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """/proc/net has no cookies, and what could be another connection by then is not destroyed."""

    def no_table(*_asked: Any, **_besides: Any) -> Any:
        raise NotSupported("no such table")

    monkeypatch.setattr(sock_diag, "read_sockets", no_table)
    actor = outside.play(MEET.format(address="127.0.0.1") + TALKS)
    found = outside.look(actor["port"])
    [left] = outside.evict(found).squatters
    assert [one.pid for one in left.holders] == [actor.pid]
    assert not left.evicted
    assert left.summary.endswith("; it is left alone: whether its program bound the port on purpose is not known.")
    assert "TCP sockets that are bound but do not listen" in [one.what for one in found.blind_spots]
    assert found.unused([actor["port"]]) is None
    assert actor.tell("go on") == {"heard": "."}


def test_without_squatters_no_process_is_looked_at(outside: Scene, port: int) -> None:
    class Busy(StageHost):
        def births(self) -> list[tuple[int, int]]:
            raise AssertionError("processes were looked for")

    outside.play(f"one = server({port}); c = connected({port}); ready(); hold()")
    assert outside.look(*range(10000, 32768), host=Busy()).unused([port]) is False


@pytest.mark.parametrize("step", [1, 2, 100, 700])
def test_many_ports_are_answered_like_one(scene: Scene, step: int) -> None:
    actor = scene.play(MEET.format(address="127.0.0.1") + STAYS)
    port = actor["port"]
    many = {*range(port % step or step, 65536, step)}
    few, found = scene.look(port), scene.look(*many)
    assert found.squatters == few.squatters != ()
    assert found.unused(many - {row.local.port for row in scene.rows("tcp")})


@pytest.mark.parametrize(
    "serves", ["server(port)", "bound(port)", "bound(port, '::1', socket.SOCK_DGRAM)", "server(port, '::')"]
)
def test_whoever_listens_or_is_bound_uses_a_port(scene: Scene, port: int, serves: str) -> None:
    scene.play(f"port = {port}; one = {serves}; ready(); hold()")
    found = scene.look(*range(port - 1, port + 5))
    assert [found.unused([one]) for one in (port - 1, port, port + 1)] == [True, False, True]
    assert found.unused([port - 1, port]) is False


def test_whether_a_port_is_used_is_not_known_where_bound_sockets_are_not_listed(
    outside: Scene, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux before 6.8."""
    monkeypatch.setattr(sock_diag, "surely_lists_bound_sockets", lambda _host: False)
    monkeypatch.setattr(sock_diag, "lists_bound_sockets", lambda _host: False)
    outside.play(f"one = server({port}); ready(); hold()")
    found = outside.look(port, port + 1)
    assert [found.unused([one]) for one in (port, port + 1)] == [False, None]
    assert [one.what for one in found.blind_spots] == ["TCP sockets that are bound but do not listen"]


def test_an_udp_socket_that_is_connected_to_no_port_can_be_spoken_of(outside: Scene) -> None:
    """getaddrinfo(3) connects such ones to learn which address of this host it would use."""
    actor = outside.play("c = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); c.connect(('127.0.0.1', 0))" + STAYS)
    [squatter] = outside.evict(outside.look(actor["port"])).squatters
    assert " to no port (ESTABLISHED); it is " in squatter.summary


def test_no_ports_have_no_occupants(outside: Scene) -> None:
    assert outside.look() == Occupants()


def _ends(scene: Scene, port: int) -> list[Any]:
    """Return the connections that the kernel has on a port, by what destroying one would change."""
    return sorted(
        (row.protocol, row.state, row.local, row.remote, row.cookie)
        for protocol in ("tcp", "udp")
        for row in scene.rows(protocol, port)
    )
