# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What is read of live servers before and after, and what is said of those that fell."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import NotSupported
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.processes import read_process
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies import bystanders
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.bystanders import (
    find_fallen,
    read_servers,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.collateral import (
    Fallen,
    Server,
    fallen,
)

from tests.agent.conftest import PATIENCE, Arena, StageHost

HOST = StageHost()


def servers(arena: Arena, host: StageHost = HOST) -> tuple[Server, ...]:
    return tuple(one for one in read_servers(host) if one.namespace_id == arena.id)


def named(found: tuple[Fallen, ...]) -> list[tuple[str, str, bool]]:
    return [(one.protocol, one.local, one.expected) for one in found]


def test_who_serves_is_read_with_who_holds_it(arena: Arena) -> None:
    one = arena.play(
        "kept = [server(7600), bound(7601), bound(7602, kind=socket.SOCK_DGRAM), server(7603, '::1'),\n"
        "        server(7604, reuseport=1), server(7605, bindtodevice=b'lo'),\n"
        "        bound(7606, reuseaddr=1), server(7606, reuseaddr=1)]\n"
        "client = bound(7607, kind=socket.SOCK_DGRAM); client.connect(('127.0.0.1', 9))\n"
        "busy = connected(7600)\n"
        "ready(); hold()"
    )
    two = arena.play("kept = [server(7604, reuseport=1), bound(7600, '127.0.0.2')]; ready(); hold()")
    found = servers(arena)
    assert [(each.protocol, each.state, each.port, each.local) for each in found] == [
        ("tcp", "LISTEN", 7600, "127.0.0.1:7600"),
        ("tcp", "BOUND", 7600, "127.0.0.2:7600"),
        ("tcp", "BOUND", 7601, "127.0.0.1:7601"),
        ("udp", "UNCONNECTED", 7602, "127.0.0.1:7602"),
        ("tcp", "LISTEN", 7603, "[::1]:7603"),
        ("tcp", "LISTEN", 7604, "127.0.0.1:7604"),
        ("tcp", "LISTEN", 7605, "127.0.0.1:7605%#1"),
        ("tcp", "LISTEN", 7606, "127.0.0.1:7606"),
    ]
    assert [[keeper.process.pid for keeper in each.keepers] for each in found] == [
        [one.pid],
        [two.pid],
        [one.pid],
        [one.pid],
        [one.pid],
        sorted((one.pid, two.pid)),
        [one.pid],
        [one.pid],
    ]
    process = read_process(HOST, one.pid)
    [keeper] = found[0].keepers
    assert (keeper.process.start_ticks, keeper.process.exe) == (process.start_ticks, process.exe)
    assert keeper.newborn is True
    assert {each.automatic for each in found} == {False}


def test_who_ended_is_missed_and_nobody_else(arena: Arena) -> None:
    victim = arena.play("kept = server(7600); ready(); hold()")
    other = arena.play("kept = [server(7601), bound(7602, kind=socket.SOCK_DGRAM)]; ready(); hold()")
    before = servers(arena)
    assert fallen(before, servers(arena), ()) == ()
    victim.kill()
    found = find_fallen(HOST, before, (), 0)
    assert named(found) == [("tcp", "127.0.0.1:7600", False)]
    assert f"[{victim.pid}]" in found[0].summary
    assert named(find_fallen(HOST, before, [victim.pid], PATIENCE)) == [("tcp", "127.0.0.1:7600", True)]
    other.kill()
    assert [one.expected for one in find_fallen(HOST, before, [victim.pid], 0)] == [True, False, False]


def test_another_process_in_the_same_place_is_another_one(arena: Arena) -> None:
    first = arena.play("kept = server(7600, reuseaddr=1); ready(); hold()")
    before = servers(arena)
    first.kill()
    second = arena.play("kept = server(7600, reuseaddr=1); ready(); hold()")
    [found] = find_fallen(HOST, before, (), 0)
    assert f"[{second.pid}] now; it was by " in found.summary


def test_a_listener_that_was_shut_down(arena: Arena) -> None:
    one = arena.play("kept = server(7600); ready(); told(); kept.shutdown(socket.SHUT_RDWR); ready(); hold()")
    before = servers(arena)
    one.tell("shut down")
    [found] = find_fallen(HOST, before, (), 0)
    assert "is bound, but listens no more" in found.summary


class Meanwhile(StageHost):
    """While one waits, something happens."""

    def __init__(self, happens: Callable[[], object]) -> None:
        super().__init__()
        self._happens = happens
        self.pauses = 0

    def pause(self, seconds: float) -> None:
        self.pauses += 1
        self._happens()
        super().pause(seconds)


def test_who_comes_back_in_time_is_not_missed(arena: Arena) -> None:
    one = arena.play(
        "kept = server(7600, reuseaddr=1); ready(); told(); kept.close(); ready()\n"
        "told(); kept = server(7600, reuseaddr=1); ready(); hold()"
    )
    before = servers(arena)
    one.tell("close")
    host = Meanwhile(lambda: one.tell("listen again"))
    assert find_fallen(host, before, (), PATIENCE) == ()
    assert host.pauses == 1


PASSING = """
chosen = bound(0, kind=socket.SOCK_DGRAM)
meant = bound(40000, kind=socket.SOCK_DGRAM)
to_be = bound(0)
listens = server(0)
ready(chosen=chosen.getsockname()[1], to_be=to_be.getsockname()[1], listens=listens.getsockname()[1])
hold()
"""


def test_who_was_given_a_port_by_the_kernel_comes_and_goes(arena: Arena) -> None:
    one = arena.play(PASSING)
    before = servers(arena)
    automatic = {each.port: each.automatic for each in before}
    assert automatic == {one["chosen"]: True, 40000: False, one["to_be"]: True, one["listens"]: False}
    one.kill()
    missed = {("udp", "127.0.0.1:40000", False), ("tcp", f"127.0.0.1:{one['listens']}", False)}
    assert set(named(find_fallen(HOST, before, (), 0))) == missed


def test_where_the_kernel_does_not_tell_it_counts_as_given(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    def untold(*_arguments: object) -> dict[int, bool]:
        raise NotSupported("no such operation")

    monkeypatch.setattr(bystanders, "bound_on_purpose", untold)
    arena.play(PASSING)
    assert [one.automatic for one in servers(arena) if one.state != "LISTEN"] == [True] * 3


def test_a_server_that_closes_a_socket_it_asks_others_by(arena: Arena) -> None:
    """As resolvers do, which choose their ports themselves."""
    one = arena.play(
        "kept = bound(7600, kind=socket.SOCK_DGRAM); asks = bound(7601, kind=socket.SOCK_DGRAM)\n"
        "ready(); told(); asks.close(); ready(); hold()"
    )
    before = servers(arena)
    one.tell("close")
    assert find_fallen(HOST, before, (), 0) == ()


class Later(StageHost):
    """The same some seconds later."""

    def read_text(self, path: str) -> str:
        text = super().read_text(path)
        return "%f 0.0" % (float(text.split()[0]) + 10) if path == "/proc/uptime" else text


@pytest.mark.parametrize(("host", "missed"), [(HOST, False), (Later(), True)])
def test_a_child_is_missed_if_it_had_settled(arena: Arena, host: StageHost, missed: bool) -> None:
    """One that was just forked may be about to be another program."""
    parent = arena.play(
        "kept = server(7600)\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    kept.accept()\n"
        "until(lambda: 'accept' in pathlib.Path(f'/proc/{child}/wchan').read_text())\n"
        "ready(child=child); told(); os.kill(child, signal.SIGKILL); os.waitpid(child, 0); ready(); hold()"
    )
    before = servers(arena, host)
    assert [one.newborn for one in before[0].keepers] == [not missed] * 2
    parent.tell("end the child")
    summaries = [one.summary for one in find_fallen(host, before, (), 0)]
    assert [f"[{parent['child']}] now." in one for one in summaries] == [True] * missed
