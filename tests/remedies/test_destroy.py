# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Destroy: connections and what is left of them, by their cookies, and never a socket that would keep its port."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import (
    NotApplied,
    NotPermitted,
    NotSupported,
    PortreeveError,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel import sock_destroy
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import Namespace, Socket
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.acts import destroy as module
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.acts.destroy import (
    can_destroy,
    destroy,
)

from tests.agent.conftest import new_arena

from .scene import LOOPBACKS, TCP, UDP, Scene, is_alive, open_descriptors, until

pytestmark = pytest.mark.needs("root")

FREE, TAKEN = ("ok", "ok"), ("EADDRINUSE", "EADDRINUSE")
#: an outgoing connection from a port of the kernel's choice, whose ends talk when they are told to
TALKS = """
one = server(0, address); c = connected(one.getsockname()[1], address); peer = one.accept()[0]
ready(port=c.getsockname()[1])
while told():
    try:
        c.send(b"."); ready(heard=peer.recv(9).decode())
    except OSError as error:
        ready(error=type(error).__name__)
hold()
"""
HEARD = {"heard": "."}


@pytest.fixture
def refused(scene: Scene) -> Callable[..., str]:
    """Return a function that has destroy refused, as can_destroy refuses it; returns the words."""

    def ask(kind: type[PortreeveError], *rows: Socket) -> str:
        before = open_descriptors()
        with pytest.raises(kind) as told:
            destroy(scene.host, scene.namespace, rows)
        with pytest.raises(kind) as foretold:
            can_destroy(scene.host, scene.namespace, rows[-1])
        assert open_descriptors() == before
        assert str(told.value) == str(foretold.value)
        return str(told.value)

    return ask


@pytest.mark.parametrize("address", LOOPBACKS)
def test_a_squatter_loses_its_connection_and_nobody_dies(scene: Scene, address: str) -> None:
    squatter, neighbour = (scene.play(TALKS, address=address) for _ in "12")
    port = squatter["port"]
    row, before = scene.row(port), open_descriptors()

    can_destroy(scene.host, scene.namespace, row)
    assert squatter.tell("talk") == HEARD
    assert destroy(scene.host, scene.namespace, [row]) == ((row, "done"),)

    assert (scene.rows(port), scene.binds(port, address), open_descriptors()) == ([], FREE, before)
    assert squatter.tell("talk") == {"error": "ConnectionAbortedError"}
    assert neighbour.tell("talk") == HEARD
    assert destroy(scene.host, scene.namespace, [row]) == ((row, "gone"),)


def test_all_that_is_left_of_a_server_goes_at_once_in_order(scene: Scene, port: int) -> None:
    """Of both protocols and families, some of it gone by then."""
    program = scene.play(
        "for address, number in (('127.0.0.1', port), ('::1', port + 1)):\n"
        "    one = server(number, address)\n"
        "    for _ in '123':\n"
        "        c = connected(number, address); one.accept()[0].close(); c.close()\n"
        "    one.close()\n"
        "udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.connect(('127.0.0.1', 9))\n"
        "ready(udp=udp.getsockname()[1]); hold()",
        port=port,
    )
    until(lambda: scene.states(port) == scene.states(port + 1) == ["TIME_WAIT"] * 3)
    rows = [*scene.rows(port), scene.row(program["udp"], "udp"), *scene.rows(port + 1)]
    assert scene.destroy_row(rows[1])

    fates = destroy(scene.host, scene.namespace, rows)

    assert fates == tuple(zip(rows, ["done", "gone", *["done"] * 5], strict=True))
    assert (scene.binds(port), scene.binds(port + 1, "::1")) == (FREE, FREE)
    assert scene.binds(program["udp"], kind=UDP) == FREE
    assert is_alive(program.pid)
    assert destroy(scene.host, scene.namespace, []) == ()


def test_a_later_connection_between_the_same_ends_is_left(scene: Scene, port: int) -> None:
    program = scene.play(
        "def meet():\n    global c, peer\n"
        "    c = bound(0, reuseaddr=1) if not again else bound(again, reuseaddr=1)\n"
        "    c.connect(one.getsockname()); peer = one.accept()[0]; return c.getsockname()[1]\n"
        "one, again = server(port, reuseaddr=1), 0; again = meet(); ready(port=again); told()\n"
        "c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); c.close(); peer.close()\n"
        "ready(port=meet()); told(); c.send(b'.'); ready(heard=peer.recv(9).decode()); hold()",
        port=port,
    )
    before = scene.row(program["port"])
    assert program.tell("meet again") == {"port": program["port"]}
    after = scene.row(program["port"])
    assert (before.local, before.remote) == (after.local, after.remote)

    assert destroy(scene.host, scene.namespace, [before]) == ((before, "gone"),)

    assert program.tell("talk") == HEARD


KEEPERS = {
    "LISTEN": ("one = server(port)", "tcp", "127.0.0.1:{}/tcp"),
    "LISTEN on a port of the kernel's choice": ("one = server(0); port = one.getsockname()[1]", "tcp", None),
    "BOUND": ("one = bound(port, '::1')", "tcp", "[::1]:{}/tcp"),
    "ESTABLISHED": (
        "other = server(0); one = connected(other.getsockname()[1], source=port)",
        "tcp",
        None,
    ),
    "UDP": ("one = bound(port, kind=socket.SOCK_DGRAM)", "udp", "127.0.0.1:{}/udp"),
    "UDP with a peer": ("one = bound(port, kind=socket.SOCK_DGRAM); one.connect(('127.0.0.1', 9))", "udp", None),
}


@pytest.mark.parametrize("what", KEEPERS)
def test_what_would_keep_its_port_is_left_and_all_else_with_it(
    scene: Scene, port: int, what: str, refused: Callable[..., str]
) -> None:
    code, protocol, name = KEEPERS[what]
    port = scene.play(code + "\nready(port=port); hold()", port=port)["port"]
    squatter = scene.play(TALKS, address="127.0.0.1")
    row = scene.row(port, protocol)

    said = refused(NotSupported, scene.row(squatter["port"]), row)

    assert said.endswith(f" ({row.state}) would keep its port if it were destroyed: that is its program's choice")
    assert name is None or said.startswith(name.format(port) + " (")
    assert scene.row(port, protocol) == row
    assert squatter.tell("talk") == HEARD


def test_what_its_table_does_not_tell_from_a_later_one_is_left(scene: Scene, refused: Callable[..., str]) -> None:
    """As in /proc/net/tcp."""
    squatter = scene.play(TALKS, address="::1")
    said = refused(NotSupported, scene.row(squatter["port"])._replace(cookie=None))
    assert said.startswith(f"[::1]:{squatter['port']}/tcp to [::1]:")
    assert said.endswith(": the table that was read does not tell it from a later one")
    assert squatter.tell("talk") == HEARD


def test_who_has_no_privilege_is_refused(scene: Scene, nobody: Callable[..., Any]) -> None:
    squatter = scene.play(TALKS, address="127.0.0.1")
    row = scene.row(squatter["port"])

    def attempt() -> list[str]:
        said = []
        for act in (can_destroy, lambda host, there, one: destroy(host, there, [one])):
            with pytest.raises(NotPermitted) as told:
                act(scene.host, scene.namespace, row)
            said.append(str(told.value))
        return said

    assert "permission denied" in nobody(attempt)[0]
    assert squatter.tell("talk") == HEARD


@pytest.mark.parametrize("end", ["client", "server"])
def test_the_ssh_connection_in_use_is_left_and_all_else_with_it(
    scene: Scene, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """A shell stands for the one through which one came."""
    squatter, way_in = (scene.play(TALKS, address="127.0.0.1") for _ in "12")
    row = scene.row(way_in["port"])
    assert row.remote
    client, server = (row.local, row.remote) if end == "client" else (row.remote, row.local)
    monkeypatch.setenv("SSH_CONNECTION", f"127.0.0.1 {client.port} 127.0.0.1 {server.port}")
    shell = scene.play("ready(); hold()")
    monkeypatch.setattr(module, "own_ancestry", lambda _host: frozenset([shell.pid]))

    said = refused(NotPermitted, scene.row(squatter["port"]), row)

    assert said.startswith(f"127.0.0.1:{way_in['port']}/tcp to 127.0.0.1:")
    assert said.endswith(" carries this very task: nobody may cut it")
    assert way_in.tell("talk") == squatter.tell("talk") == HEARD


@pytest.mark.parametrize("why", [errno.EOPNOTSUPP, errno.EPERM], ids=["EOPNOTSUPP", "EPERM"])
def test_kernels_that_do_not_destroy(
    scene: Scene, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch, why: int
) -> None:
    """Made up: built without CONFIG_INET_DIAG_DESTROY, or with a security module that forbids it."""
    squatter = scene.play(TALKS, address="127.0.0.1")
    monkeypatch.setattr(sock_destroy, "exchange", lambda *_message: (why, b""))
    kind = NotPermitted if why == errno.EPERM else NotSupported
    assert refused(kind, scene.row(squatter["port"])).startswith("to destroy a socket ")
    assert squatter.tell("talk") == HEARD


def test_the_kernels_word_is_not_taken_for_it(scene: Scene, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody could tell beforehand that the socket would keep its port (made up), the table tells afterwards."""

    def not_told(*_asked: Any) -> Any:
        raise NotSupported("no such filter")

    monkeypatch.setattr(module, "bound_on_purpose", not_told)
    keeper = scene.play("one = server(0); c = connected(one.getsockname()[1], source=port); ready(); hold()", port=port)
    squatter = scene.play(TALKS, address="127.0.0.1")
    rows = [scene.row(port), scene.row(squatter["port"])]

    with pytest.raises(NotApplied) as told:
        destroy(scene.host, scene.namespace, rows)

    assert str(told.value).startswith(f"127.0.0.1:{port}/tcp to 127.0.0.1:")
    assert str(told.value).endswith(" was to be destroyed, but is still there (BOUND)")
    assert scene.binds(port) == TAKEN
    assert scene.binds(squatter["port"]) == FREE
    assert is_alive(keeper.pid)


def test_with_its_namespace_all_is_gone(scene: Scene) -> None:
    with new_arena() as arena:
        squatter = arena.play("address = '127.0.0.1'\n" + TALKS)
        [row] = arena.rows("tcp", squatter["port"])
    can_destroy(scene.host, arena.namespace, row)
    assert destroy(scene.host, arena.namespace, [row]) == ((row, "gone"),)


def test_a_socket_of_another_namespace_with_the_same_ends_is_left(scene: Scene) -> None:
    squatter = scene.play(TALKS, address="127.0.0.1")
    row = scene.row(squatter["port"])
    with new_arena() as arena:
        elsewhere: Namespace = arena.namespace
        assert destroy(scene.host, elsewhere, [row]) == ((row, "gone"),)
    assert squatter.tell("talk") == HEARD
    assert scene.binds(squatter["port"], kind=TCP) == TAKEN
