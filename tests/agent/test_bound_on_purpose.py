# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Whether a program bound a port itself or the kernel chose it, as the kernel says of real sockets."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.diag_filter import MOST_RANGES
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.openers import bound_on_purpose
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.sock_diag import read_sockets
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import Namespace

pytestmark = pytest.mark.needs("root")

ADDRESSES = {"IPv4": "127.0.0.1", "IPv6": "::1"}
TO_SERVER = "one = server(0, address); to = one.getsockname()\n"
BOUND = TO_SERVER + "c = bound({}, {}, reuseaddr=1); c.connect(to)"
DATAGRAMS = "c = socket.socket(family, socket.SOCK_DGRAM); "

#: what a program does so that ``c`` has a port, and whether it bound that port itself
SOCKETS = {
    "a connection": (TO_SERVER + "c = connected(to[1], address)", False),
    "a connection from port 0": (BOUND.format(0, "address"), False),
    "a connection from port 0 at any address": (BOUND.format(0, "anywhere"), False),
    "a connection with the choice of a port put off": (
        TO_SERVER + "c = socket.socket(family); c.setsockopt(0, 24, 1); c.bind((address, 0)); c.connect(to)",
        False,
    ),
    "a connection from a port": (BOUND.format("port", "address"), True),
    "a connection from a port at any address": (BOUND.format("port", "anywhere"), True),
    "a connection from a port that is not accepted yet": (
        "one = server(0, address, backlog=0); many = [connected(one.getsockname()[1], address)]\n"
        "def knock():\n"
        "    global c\n"
        "    c = bound(port + len(many), address); c.setblocking(False); c.connect_ex(one.getsockname())\n"
        "    many.append(c)\n"
        "    return tcp_state(c) == 2\n"
        "until(knock)",
        True,
    ),
    "a server": ("c = server(port, address)", True),
    "a server at port 0": ("c = server(0, address)", False),
    "what a server accepted": (
        "one = server(port, address); peer = connected(port, address); c = one.accept()[0]",
        False,
    ),
    "datagrams to a peer": (DATAGRAMS + "c.connect((address, 9))", False),
    "datagrams to a peer from port 0": (DATAGRAMS + "c.bind((address, 0)); c.connect((address, 9))", False),
    "datagrams to a peer from a port": (DATAGRAMS + "c.bind((address, port)); c.connect((address, 9))", True),
    "datagrams to anybody": (DATAGRAMS + "c.sendto(b'.', (address, 9))", False),
    "datagrams from a port": (DATAGRAMS + "c.bind((address, port))", True),
    "what is yet to be sent": (TO_SERVER + "c = connected(to[1], address); fill(c)\ntell(); c.close()", False),
    "what is yet to be sent from a port": (BOUND.format("port", "address") + "; fill(c)\ntell(); c.close()", True),
}
PLAY = """
address, port = {address!r}, {port}
anywhere, family = ("::", socket.AF_INET6) if ":" in address else ("0.0.0.0", socket.AF_INET)
said = []
def tell():
    if not said:
        said.append(1)
        ready(cookie=cookie(c), port=c.getsockname()[1], protocol="tcp" if c.type == socket.SOCK_STREAM else "udp")
{does}
tell()
hold()
"""


@pytest.fixture
def ports(port: int) -> int:
    """Return a port after which ten more are free."""
    return 10000 + 20 * (port % 2000)


@pytest.mark.parametrize("family", ADDRESSES)
@pytest.mark.parametrize("what", SOCKETS)
def test_who_chose_the_port(arena: Any, ports: int, what: str, family: str) -> None:
    does, expected = SOCKETS[what]
    actor = arena.play(PLAY.format(address=ADDRESSES[family], port=ports, does=does))
    row = _row(arena, actor)

    assert bound_on_purpose(Host(), arena.namespace, [row]) == {actor["cookie"]: expected}
    assert _chosen(arena, actor, expected) == [actor["cookie"]]
    assert _chosen(arena, actor, not expected) == []


def test_several_sockets_of_both_protocols_are_told_at_once(arena: Any, ports: int) -> None:
    actor = arena.play(
        f"""
found, servers = {{}}, []
for address, port in (("127.0.0.1", {ports}), ("::1", {ports + 5})):
    servers.append(server(port, address))
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        for own in (0, port + 1):
            c = bound(own, address, kind)
            c.connect(servers[-1].getsockname())
            found[cookie(c)] = (c, bool(own))
ready(expected=[[cookie, own] for cookie, (_c, own) in found.items()])
hold()
"""
    )
    expected = dict(actor["expected"])
    rows = [row for protocol in ("tcp", "udp") for row in arena.rows(protocol) if row.cookie in expected]
    assert bound_on_purpose(Host(), arena.namespace, rows) == expected
    assert sorted(expected.values()) == [False] * 4 + [True] * 4


def test_more_ports_than_the_kernel_is_asked_for_one_by_one(arena: Any, ports: int) -> None:
    count = MOST_RANGES + 1
    actor = arena.play(
        f"one = server({ports}, backlog=99)\n"
        f"chosen = [connected({ports}, source=30000 + 2 * number) for number in range({count})]\n"
        f"free = [connected({ports}) for _ in range(3)]\n"
        "ready(chosen=[cookie(c) for c in chosen], free=[cookie(c) for c in free])\nhold()"
    )
    wanted = {*actor["chosen"], *actor["free"]}
    rows = [row for row in arena.rows("tcp") if row.cookie in wanted]
    assert bound_on_purpose(Host(), arena.namespace, rows) == {
        **dict.fromkeys(actor["chosen"], True),
        **dict.fromkeys(actor["free"], False),
    }


def test_what_has_ended_is_missing_and_nobody_else_is_told_of(arena: Any, ports: int) -> None:
    actor = arena.play(PLAY.format(address="127.0.0.1", port=ports, does=SOCKETS["a connection"][0]))
    row = _row(arena, actor)
    assert bound_on_purpose(Host(), arena.namespace, [row._replace(cookie=row.cookie + 1)]) == {}
    assert bound_on_purpose(Host(), arena.namespace, [row._replace(cookie=None)]) == {}
    assert bound_on_purpose(Host(), arena.namespace, []) == {}


def test_it_takes_no_privilege(arena: Any, ports: int) -> None:
    actor = arena.play(
        f"""
sys.path.insert(0, {_collections()!r})
from {AGENT}.host import Host
from {AGENT}.kernel.openers import bound_on_purpose
from {AGENT}.kernel.sock_diag import read_sockets
from {AGENT}.model import Namespace
one = server(0); chosen = connected(one.getsockname()[1], source={ports}); free = connected(one.getsockname()[1])
here = Namespace(0, "own", "host", "/proc/self/ns/net")
become(65534)
told = bound_on_purpose(Host(), here, read_sockets(Host(), here, "tcp"))
ready(told=[told.get(cookie(c)) for c in (chosen, free)])
hold()
"""
    )
    assert actor["told"] == [True, False]


AGENT = "ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent"


def _collections() -> str:
    import ansible_collections

    return str(pathlib.Path(next(iter(ansible_collections.__path__))).parent)


def _row(arena: Any, actor: Any) -> Any:
    [row] = [row for row in arena.rows(actor["protocol"], actor["port"]) if row.cookie == actor["cookie"]]
    return row


def _chosen(arena: Any, actor: Any, on_purpose: bool) -> list[int]:
    """Return the socket's cookie if the kernel gives it when it is asked for such ones."""
    place: Namespace = arena.namespace
    found = [
        {row.cookie for row in read_sockets(Host(), place, actor["protocol"], ports, bound_on_purpose=on_purpose)}
        for ports in ((), ((actor["port"], actor["port"]),))
    ]
    assert found[1] <= found[0]
    return [one for one in found[1] if one == actor["cookie"]]
