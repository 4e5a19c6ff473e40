# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The kernel's socket tables: every state as real sockets have it, and the kernel's own choice of ports."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.answers import answer_ports
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel import sock_diag
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.diag_filter import MOST_RANGES
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.sock_diag import read_sockets
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import Namespace, PortRanges, Socket
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.ports import PortRange
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.tables import Question, read_tables

pytestmark = pytest.mark.needs("root")
RANGES = PortRanges(automatic=(32768, 60999), reserved=None, unprivileged_start=1024)

#: A program that makes ``one`` (and keeps what else it needs) → state, family, address, v6only; ``one`` has an inode.
HELD = {
    "listening": ("one = server(port)", "LISTEN", 4, "127.0.0.1", None),
    "listening on all": ("one = server(port, '0.0.0.0')", "LISTEN", 4, "0.0.0.0", None),
    "listening on IPv6": ("one = server(port, '::1')", "LISTEN", 6, "::1", True),
    "listening on both families": ("one = server(port, '::', v6only=0)", "LISTEN", 6, "::", False),
    "listening on IPv6 only": ("one = server(port, '::', v6only=1)", "LISTEN", 6, "::", True),
    "listening on a mapped address": ("one = server(port, '::ffff:127.0.0.1')", "LISTEN", 6, "::ffff:127.0.0.1", False),
    "bound": ("one = bound(port)", "BOUND", 4, "127.0.0.1", None),
    "bound to all": ("one = bound(port, '0.0.0.0')", "BOUND", 4, "0.0.0.0", None),
    "bound on IPv6": ("one = bound(port, '::1')", "BOUND", 6, "::1", True),
    "bound in both families": ("one = bound(port, '::', v6only=0)", "BOUND", 6, "::", False),
    "bound on IPv6 only": ("one = bound(port, '::', v6only=1)", "BOUND", 6, "::", True),
    "bound to a mapped address": ("one = bound(port, '::ffff:127.0.0.1')", "BOUND", 6, "::ffff:127.0.0.1", False),
    "bound after a failed connect": (
        "one = bound(port)\nassert one.connect_ex(('127.0.0.1', 1)) == 111", "BOUND", 4, "127.0.0.1", None,
    ),
    "accepted": (
        "listener = server(port); client = connected(port); one, peer = listener.accept(); listener.close()",
        "ESTABLISHED", 4, "127.0.0.1", None,
    ),
    "accepted from IPv4 by IPv6": (
        "listener = server(port, '::'); client = connected(port); one, peer = listener.accept(); listener.close()",
        "ESTABLISHED", 6, "::ffff:127.0.0.1", None,
    ),
    "connected": ("one, peer = pair(port)", "ESTABLISHED", 4, "127.0.0.1", None),
    "not answered yet": (
        "listener = server(1901, backlog=0); first = connected(1901); one = bound(port); one.setblocking(False); "
        "one.connect_ex(('127.0.0.1', 1901))", "SYN_SENT", 4, "127.0.0.1", None,
    ),
    "ended, the end not yet sent": (
        "one, peer = pair(port); fill(one); one.shutdown(socket.SHUT_WR)", "FIN_WAIT1", 4, "127.0.0.1", None,
    ),
    "ended, the peer has not": (
        "one, peer = pair(port); one.shutdown(socket.SHUT_WR)", "FIN_WAIT2", 4, "127.0.0.1", None,
    ),
    "ended by the peer": ("one, peer = pair(port); peer.close()", "CLOSE_WAIT", 4, "127.0.0.1", None),
    "ended by both, neither end acknowledged": (
        "one, peer = pair(port); fill(one); one.shutdown(socket.SHUT_WR); peer.shutdown(socket.SHUT_WR)",
        "CLOSING", 4, "127.0.0.1", None,
    ),
}  # fmt: skip

#: A program after which the port's only row belongs to no descriptor → state.
UNHELD = {
    "TIME_WAIT": "one, peer = pair(port); one.close(); peer.close()",
    "FIN_WAIT1": "one, peer = pair(port); fill(one); one.close()",
    "FIN_WAIT2": "one, peer = pair(port); one.close()",
    "LAST_ACK": "one, peer = pair(port); fill(one); peer.shutdown(socket.SHUT_WR); until(lambda: tcp_state(one) == 8); "
    "one.close()",
    "CLOSING": "one, peer = pair(port); fill(one); one.close(); peer.shutdown(socket.SHUT_WR)",
}

UDP = {
    "unconnected": ("one = bound(port, kind=socket.SOCK_DGRAM)", "UNCONNECTED", 4, "127.0.0.1", False),
    "unconnected on IPv6": ("one = bound(port, '::', socket.SOCK_DGRAM, v6only=1)", "UNCONNECTED", 6, "::", False),
    "connected": (
        "one = bound(port, kind=socket.SOCK_DGRAM); one.connect(('127.0.0.1', 9))", "ESTABLISHED", 4, "127.0.0.1", True,
    ),
}  # fmt: skip

READY = "\nready(inode=inode(one), cookie=cookie(one)); hold()"


@pytest.mark.parametrize("case", HELD)
def test_a_tcp_socket_with_a_descriptor(arena: Any, port: int, eventually: Callable[..., Any], case: str) -> None:
    program, state, family, address, v6only = HELD[case]
    actor = arena.play(f"port = {port}\n" + program + READY)
    expected = [(state, family, (address, port), actor["inode"], actor["cookie"], v6only, 0)]

    def seen() -> list[tuple[Any, ...]]:
        return [
            (row.state, row.family, tuple(row.local), row.inode, row.cookie, row.v6only, row.uid)
            for row in arena.rows("tcp", port)
        ]

    assert eventually(seen, expected) == expected
    [row] = arena.rows("tcp", port)
    assert (row.remote is None) == (state in {"LISTEN", "BOUND"})
    assert (row.protocol, row.namespace, row.device, row.timer_ms) == ("tcp", arena.id, None, None)


@pytest.mark.parametrize("state", UNHELD)
def test_a_tcp_socket_without_a_descriptor(arena: Any, port: int, eventually: Callable[..., Any], state: str) -> None:
    arena.play(f"port = {port}\n{UNHELD[state]}\nready(); hold()")

    def seen() -> list[tuple[str, int, int | None]]:
        return [(row.state, row.inode, row.uid) for row in arena.rows("tcp", port)]

    expected = [(state, 0, None)]
    assert eventually(seen, expected) == expected


@pytest.mark.parametrize("state", ["TIME_WAIT", "FIN_WAIT2"])
def test_what_lasts_for_a_time_tells_how_long(
    arena: Any, port: int, eventually: Callable[..., Any], state: str
) -> None:
    arena.play(f"port = {port}\n{UNHELD[state]}\nready(); hold()")

    def seen() -> list[tuple[str, bool]]:
        return [(row.state, 0 < (row.timer_ms or 0) <= 60_000) for row in arena.rows("tcp", port)]

    assert eventually(seen, [(state, True)]) == [(state, True)]


def test_a_connection_that_waits_for_accept_has_no_inode(arena: Any, port: int) -> None:
    arena.play(
        f"listener = server({port}, backlog=7); left = connected({port}); left.close(); stays = connected({port})\n"
        "ready(); hold()"
    )
    rows = arena.rows("tcp", port)
    assert sorted((row.state, row.inode > 0) for row in rows) == [
        ("CLOSE_WAIT", False),
        ("ESTABLISHED", False),
        ("LISTEN", True),
    ]
    assert [(row.queue, row.queue_limit) for row in rows if row.state == "LISTEN"] == [(2, 7)]


def test_a_connection_whose_first_bytes_are_awaited(arena: Any, port: int) -> None:
    arena.play(
        f"listener = bound({port}); listener.setsockopt(socket.IPPROTO_TCP, TCP_DEFER_ACCEPT, 30); listener.listen()\n"
        f"client = connected({port}); ready(); hold()"
    )
    assert {(row.state, row.inode > 0) for row in arena.rows("tcp", port)} == {("LISTEN", True), ("SYN_RECV", False)}


@pytest.mark.parametrize("case", UDP)
def test_a_udp_socket(arena: Any, port: int, case: str) -> None:
    program, state, family, address, has_peer = UDP[case]
    actor = arena.play(f"port = {port}\n" + program + READY)
    [row] = arena.rows("udp", port)
    assert (row.state, row.family, tuple(row.local), row.inode) == (state, family, (address, port), actor["inode"])
    assert (row.cookie, row.remote is not None) == (actor["cookie"], has_peer)


def test_a_device_bound_socket_names_its_device(arena: Any, port: int) -> None:
    arena.play(
        f"one = socket.socket(); one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b'lo')\n"
        f"one.bind(('127.0.0.1', {port})); one.listen(); ready(); hold()"
    )
    assert [row.device for row in arena.rows("tcp", port)] == ["#1"]


def test_a_device_of_the_own_namespace_is_named(port: int, play: Any) -> None:
    play(
        f"one = socket.socket(); one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b'lo')\n"
        f"one.bind(('127.0.0.1', {port})); one.listen(); ready(); hold()"
    )
    own = Namespace(os.stat("/proc/self/ns/net").st_ino, "host", "host", "/proc/self/ns/net")
    assert [row.device for row in read_sockets(Host(), own, "tcp", ((port, port),))] == ["lo"]


def test_the_user_of_a_socket_is_its_own(arena: Any, port: int, nobody: int) -> None:
    arena.play(f"one = server({port}); ready(); hold()", uid=nobody)
    assert [row.uid for row in arena.rows("tcp", port)] == [nobody]


def test_a_row_tells_in_which_cgroup_its_socket_was_made(arena: Any, port: int) -> None:
    mounts = [line.split() for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()]
    trees = [pathlib.Path(fields[1]) for fields in mounts if fields[2] == "cgroup2"]
    if not trees:
        pytest.skip("no cgroup2 tree is mounted")
    actor = arena.play(f"one = server({port}); ready(); hold()")
    lines = pathlib.Path(f"/proc/{actor.pid}/cgroup").read_text().splitlines()
    [path] = [line[3:] for line in lines if line.startswith("0::")]
    assert [row.cgroup_id for row in arena.rows("tcp", port)] == [os.stat(trees[0] / path.lstrip("/")).st_ino]


def test_more_sockets_than_one_answer_of_the_kernel_holds(arena: Any) -> None:
    actor = arena.play(
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))\n"
        "many = [bound(port, kind=kind) for port in range(20000, 21000) for kind in (1, 2)]\n"
        "ready(inodes=[inode(one) for one in many]); hold()"
    )
    rows = arena.rows("tcp") + arena.rows("udp")
    found = [row.inode for row in rows if 20000 <= row.local.port < 21000]
    assert sorted(found) == sorted(actor["inodes"])


# --- the kernel's choice of ports ------------------------------------------------------------------------------------

CROWD = """
keep = []
for port in range(9000, 9200, 2):
    keep.append(server(port, "::" if port % 4 else "127.0.0.1"))
    keep.append(bound(port, kind=socket.SOCK_DGRAM))
for port in range(9201, 9300, 2):
    keep.append(bound(port, "::1"))
for port in range(9000, 9200, 20):
    keep.append(connected(port))                                  # waits for accept()
    keep.append(connected(port, source=port + 301))
keep.append(bound(1)); keep.append(bound(65535)); keep.append(bound(65535, kind=socket.SOCK_DGRAM))
last = connected(9004, source=9999); keep[0].close(); last.close()
ready(); hold()
"""
CHOICES = {
    "one port": [(9004, 9004)],
    "a port that nothing has": [(9001, 9001)],
    "a range": [(9100, 9150)],
    "several ranges": [(9000, 9010), (9050, 9050), (9201, 9221), (9301, 9401), (9999, 9999)],
    "ranges that overlap": [(9000, 9100), (9050, 9150)],
    "the ends of what there is": [(1, 1), (65535, 65535)],
    "everything": [(1, 65535)],
    "as many ranges as the kernel is given": [(9000 + 4 * index, 9001 + 4 * index) for index in range(MOST_RANGES)],
    "one range more": [(9000 + 4 * index, 9001 + 4 * index) for index in range(MOST_RANGES + 1)],
}


def timeless(rows: list[Socket]) -> list[Socket]:
    return sorted((row._replace(timer_ms=None) for row in rows), key=lambda row: (row.cookie, row.state))


@pytest.fixture(scope="module")
def crowd(crowded_arena: Any) -> Any:
    crowded_arena.play(CROWD)
    return crowded_arena


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("case", CHOICES)
def test_the_kernels_choice_is_that_of_reading_all(crowd: Any, case: str, protocol: str) -> None:
    ranges = CHOICES[case]
    everything = crowd.rows(protocol)
    wanted = [row for row in everything if any(low <= row.local.port <= high for low, high in ranges)]
    chosen = list(read_sockets(Host(), crowd.namespace, protocol, tuple(ranges)))
    if len(ranges) <= MOST_RANGES:
        assert timeless(chosen) == timeless(wanted)
    asked = Question(ports=tuple(PortRange(low, high) for low, high in ranges), every_connection=True)
    tables = read_tables(Host(), asked, [crowd.namespace], RANGES)
    assert timeless([row for row in tables.sockets if row.protocol == protocol]) == timeless(wanted)
    assert bool(wanted) == (case != "a port that nothing has")
    if protocol == "tcp" and case == "everything":
        assert {row.state for row in wanted} >= {"LISTEN", "BOUND", "ESTABLISHED"}


# --- what is kept and what is counted --------------------------------------------------------------------------------


def counts(arena: Any, **question: Any) -> dict[tuple[str, int | None], dict[str, int]]:
    tables = read_tables(Host(), Question(**question), [arena.namespace], RANGES)
    return {(count.protocol, count.port): count.states for count in tables.connections}


def ports_kept(arena: Any, **question: Any) -> dict[int, int]:
    tables = read_tables(Host(), Question(**question), [arena.namespace], RANGES)
    kept: dict[int, int] = {}
    for row in tables.sockets:
        kept[row.local.port] = kept.get(row.local.port, 0) + 1
    return kept


SERVED = """
listener = server(7000, backlog=300)
clients = [connected(7000) for _ in range(5)]
far = server(7001); outgoing = connected(7001, source=7002)
ready(); hold()
"""


def test_connections_of_a_listener_are_counted_only(another_arena: Any) -> None:
    another_arena.play(SERVED)
    assert ports_kept(another_arena) == {7000: 1, 7001: 1, 7002: 1}
    assert counts(another_arena)["tcp", 7000] == {"ESTABLISHED": 5}
    assert counts(another_arena)["tcp", 7001] == {"ESTABLISHED": 1}


def test_connections_on_automatic_ports_are_counted_only(another_arena: Any) -> None:
    another_arena.play(SERVED)
    assert counts(another_arena)["tcp", None] == {"ESTABLISHED": 5}


def test_a_connection_on_a_port_that_was_chosen_on_purpose_is_kept_and_counted(another_arena: Any) -> None:
    another_arena.play(SERVED)
    assert ports_kept(another_arena)[7002] == 1
    assert counts(another_arena)["tcp", 7002] == {"ESTABLISHED": 1}


def test_every_connection_can_be_had(another_arena: Any) -> None:
    another_arena.play(SERVED)
    kept = ports_kept(another_arena, every_connection=True)
    assert kept.pop(7000) == 6
    assert kept.pop(7001) == 2
    assert kept.pop(7002) == 1
    assert sum(kept.values()) == 5


MANY_REMAINS = """
listener = server(7100, backlog=999)
held = connected(7100, source=7101)
many = [connected(7100) for _ in range(250)]
served = [listener.accept()[0] for _ in range(251)]
for one in served[1:]: one.close()
for one in many: one.close()
listener.close()
last = served[0]
ready(inode=inode(last)); hold()
"""


def test_of_very_many_remains_some_are_shown_and_all_are_counted(another_arena: Any) -> None:
    another_arena.play(MANY_REMAINS)
    assert ports_kept(another_arena, ports=(PortRange(7100, 7100),)) == {7100: 201}
    assert counts(another_arena, ports=(PortRange(7100, 7100),)) == {
        ("tcp", 7100): {"ESTABLISHED": 1, "TIME_WAIT": 250}
    }


@pytest.mark.parametrize("scanner", ["auto", "procnet"])
def test_a_connection_that_a_process_has_is_shown_however_many_remains_there_are(
    another_arena: Any, scanner: str
) -> None:
    """Its process holds the port, so there is something to stop."""
    actor = another_arena.play(MANY_REMAINS)
    [answer] = [one for one in another_arena.answers(7100, scanner=scanner) if one.protocol == "tcp"]
    held = [one for one in answer.sockets if one.holders]
    assert [(one.socket.inode, one.holders[0].pid) for one in held] == [(actor["inode"], actor.pid)]
    assert answer.verdict == "owned"


@pytest.mark.parametrize("scanner", ["auto", "procnet"])
@pytest.mark.parametrize(
    ("listening", "address"),
    [
        pytest.param("'127.0.0.1'", "127.0.0.1", id="its address"),
        pytest.param("'0.0.0.0'", "127.0.0.2", id="one of all"),
        pytest.param("'::', v6only=0", "127.0.0.2", id="one of all in both families"),
        pytest.param("'::ffff:127.0.0.1'", "127.0.0.1", id="its mapped address"),
    ],
)
def test_a_connection_to_where_one_listens_is_ordinary(
    another_arena: Any, port: int, listening: str, address: str, scanner: str
) -> None:
    another_arena.play(
        f"one = server({port}, {listening}); client = connected({port}, {address!r}); peer = one.accept(); "
        "ready(); hold()"
    )
    answer = another_arena.answers(port, scanner=scanner)[0]
    assert [held.socket.state for held in answer.sockets] == ["LISTEN"]
    assert answer.connections == {"ESTABLISHED": 1}


@pytest.mark.parametrize("scanner", ["auto", "procnet"])
@pytest.mark.parametrize(
    ("listening", "address"),
    [
        pytest.param("127.0.0.1", "127.0.0.2", id="another address"),
        pytest.param("::ffff:127.0.0.1", "::ffff:127.0.0.2", id="another mapped address"),
        pytest.param("::1", "127.0.0.1", id="the other family"),
    ],
)
def test_a_connection_from_where_nobody_listens_has_the_port_as_well(
    another_arena: Any, port: int, listening: str, address: str, scanner: str
) -> None:
    """Because of it nobody can bind all addresses."""
    server = another_arena.play(f"one = server({port}, {listening!r}); far = server({port} + 1, '::'); ready(); hold()")
    client = another_arena.play(
        f"one = bound({port}, {address!r}); one.connect(({address!r}, {port} + 1)); ready(); hold()"
    )
    answer = another_arena.answers(port, scanner=scanner)[0]
    assert {holder.pid for held in answer.sockets for holder in held.holders} == {server.pid, client.pid}
    assert (answer.verdict, answer.connections) == ("owned", {"ESTABLISHED": 1})


def test_an_address_that_nobody_listens_on_has_its_connection(another_arena: Any, port: int) -> None:
    another_arena.play(
        f"one = server({port}); far = server({port} + 1)\n"
        f"two = bound({port}, '127.0.0.2'); two.connect(('127.0.0.1', {port} + 1)); ready(); hold()"
    )
    snapshot = another_arena.look(port, every_connection=True)
    for address, states in (("0.0.0.0", {"LISTEN", "ESTABLISHED"}), ("127.0.0.1", {"LISTEN"})):
        [answer] = answer_ports(snapshot, (PortRange(port, port, "tcp"),), ("tcp",), address)
        assert {held.socket.state for held in answer.sockets} == states


def test_a_namespace_that_is_gone_has_no_rows(another_arena: Any) -> None:
    absent = another_arena.namespace.__class__(1, "gone", "process", "/proc/4194305/ns/net")
    tables = read_tables(Host(), Question(), [absent], RANGES)
    assert (tables.sockets, tables.connections, tables.blind_spots) == ((), (), ())


def test_that_bound_sockets_are_listed_is_known_though_the_kernel_has_no_port_left(
    play: Any, root: pathlib.Path
) -> None:
    """As where a squatter took the only port of the automatic range."""
    actor = play(
        "own_network(); sys.path.insert(0, sys.argv[1])\n"
        "from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host\n"
        "from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel import sock_diag\n"
        "pathlib.Path('/proc/sys/net/ipv4/ip_local_port_range').write_text('36601 36601')\n"
        "one = bound(36601); ready(listed=sock_diag.lists_bound_sockets(Host())); hold()",
        root / "collections",
    )
    assert actor["listed"] is sock_diag.lists_bound_sockets(Host())
