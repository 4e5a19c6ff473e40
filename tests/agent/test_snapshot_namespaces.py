# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""One look over all network namespaces: named, pinned, of processes only; and those that vanish meanwhile."""

from __future__ import annotations

import os
import pathlib
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.answers import answer_ports
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import PortAnswer, PortRanges
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.ports import PortRange
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.snapshot import take_snapshot
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.tables import Question, read_tables

pytestmark = pytest.mark.needs("root")

NAME = f"portreeve-test-{os.getpid()}"
OWN = os.stat("/proc/self/ns/net").st_ino

Answers = Callable[..., list[PortAnswer]]


@pytest.fixture
def answers(port: int, stage_host: type[Host]) -> Answers:
    """Return a function that asks for the test's port in every namespace; answers come by namespace."""

    def ask(host: Host | None = None, namespaces: str = "all", protocol: str = "tcp") -> list[PortAnswer]:
        asked = (PortRange(port, port, protocol),)
        snapshot = take_snapshot(host or stage_host(), Question(ports=asked, namespaces=namespaces))
        return list(answer_ports(snapshot, asked, (protocol,)))

    return ask


@pytest.fixture
def named(needs: Callable[..., None]) -> Iterator[str]:
    """Return the path of a namespace that has a name and no process."""
    needs("ip")
    subprocess.run(["ip", "netns", "add", NAME], check=True)
    try:
        subprocess.run(["ip", "-netns", NAME, "link", "set", "lo", "up"], check=True)
        yield f"/run/netns/{NAME}"
    finally:
        subprocess.run(["ip", "netns", "delete", NAME], check=True)


@pytest.fixture
def pinned(tmp_path: pathlib.Path, needs: Callable[..., None]) -> Iterator[str]:
    """Return the path of a namespace that a mount keeps."""
    needs("mount", "umount", "unshare")
    place = tmp_path / "a place"
    place.touch()
    subprocess.run(["unshare", f"--net={place}", "true"], check=True)
    try:
        yield str(place)
    finally:
        subprocess.run(["umount", place], check=True)


def holders(answer: PortAnswer) -> list[int]:
    return [holder.pid for held in answer.sockets for holder in held.holders]


def test_a_port_held_in_two_namespaces_is_answered_twice_and_free_in_the_hosts(
    arena: Any, another_arena: Any, port: int, answers: Answers
) -> None:
    one = arena.play(f"one = server({port}); ready(); hold()")
    other = another_arena.play(f"one = bound({port}); ready(); hold()")
    found = answers()
    assert [(answer.namespace.id, answer.verdict, holders(answer)) for answer in found[:1]] == [(OWN, "free", [])]
    assert {answer.namespace.id: (answer.verdict, holders(answer)) for answer in found[1:]} == {
        arena.id: ("owned", [one.pid]),
        another_arena.id: ("bound_not_listening", [other.pid]),
    }
    assert f"in namespace {arena.namespace.name}" in next(one for one in found if one.namespace.id == arena.id).summary


@pytest.mark.parametrize("which", ["named", "pinned"])
def test_a_namespace_without_a_process(
    which: str, port: int, play: Any, answers: Answers, request: pytest.FixtureRequest
) -> None:
    """Its server has gone back to where it came from: the namespace lives by its name or its mount, and the socket."""
    path = request.getfixturevalue(which)
    actor = play(f"""
enter({path!r})
one = server({port}, "0.0.0.0")
enter("/proc/{os.getpid()}/ns/net")
ready()
hold()
""")
    _own, answer = answers()
    assert (answer.verdict, holders(answer)) == ("owned", [actor.pid])
    assert (answer.namespace.kind, answer.namespace.path) == (which, path)
    assert answer.namespace.name == (NAME if which == "named" else path)
    assert [one.namespace.id for one in answers(namespaces=answer.namespace.name)] == [answer.namespace.id]


def test_one_namespace_can_be_asked_for(arena: Any, another_arena: Any, port: int, answers: Answers) -> None:
    arena.play(f"one = server({port}); ready(); hold()")
    another_arena.play(f"one = server({port}); ready(); hold()")
    assert [answer.namespace.id for answer in answers(namespaces=str(arena.id))] == [arena.id]
    assert [answer.namespace.id for answer in answers(namespaces=arena.namespace.name)] == [arena.id]
    assert [(answer.namespace.id, answer.verdict) for answer in answers(namespaces="host")] == [(OWN, "free")]


def test_a_namespace_whose_first_process_ends_during_the_scan(
    another_arena: Any, port: int, answers: Answers, stage_host: type[Host]
) -> None:
    """It is entered by way of a process; when that has gone, another leads there."""
    actor = another_arena.play(f"one = server({port}); ready(); hold()")

    class HostWithAnEnd(stage_host):
        def netlink(self, *arguments: Any) -> Any:
            another_arena.keeper.kill()
            return super().netlink(*arguments)

    _own, answer = answers(host=HostWithAnEnd())
    assert (answer.namespace.id, holders(answer)) == (another_arena.id, [actor.pid])


def test_a_namespace_that_ends_during_the_scan(
    arena: Any, another_arena: Any, port: int, answers: Answers, stage_host: type[Host]
) -> None:
    actor = arena.play(f"one = server({port}); ready(); hold()")
    another_arena.play(f"one = server({port}); ready(); hold()")

    class HostWithAnEnd(stage_host):
        def netlink(self, *arguments: Any) -> Any:
            another_arena.clear()
            another_arena.keeper.kill()
            return super().netlink(*arguments)

    _own, answer = answers(host=HostWithAnEnd())
    assert (answer.namespace.id, holders(answer)) == (arena.id, [actor.pid])


def test_a_process_id_that_leads_to_another_namespace_now(arena: Any, another_arena: Any, port: int) -> None:
    """A gateway's number may have gone to a process elsewhere: rows from there are not those that were asked for."""
    another_arena.play(f"one = server({port}); ready(); hold()")
    misled = arena.namespace.__class__(arena.id, "misled", "process", another_arena.path)
    ranges = PortRanges(automatic=None, reserved=None, unprivileged_start=None)
    assert read_tables(Host(), Question(ports=(PortRange(port, port),)), [misled], ranges).sockets == ()
