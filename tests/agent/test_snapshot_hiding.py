# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Where sockets may hide: on which answers that bears, and how an answer says it."""

from __future__ import annotations

import socket
import struct
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.answers import (
    answer_ports,
    unseen_in_own_namespace,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import NotPermitted
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import PortAnswer, Snapshot
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.ports import PortRange
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.snapshot import take_snapshot
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.tables import BOUND_ONLY, Question

pytestmark = pytest.mark.needs("root")

_TCP_REQUEST = 18  # TCPDIAG_GETSOCK, linux/inet_diag.h
_STATES = 16 + 4 + 48  # where the request has its mask of states: after both headers and the socket id
OLD_KERNEL = f"{BOUND_ONLY} (this kernel does not list them (before Linux 6.8))"


class OldKernel(socket.socket):
    """Netlink as before Linux 6.8, which has nothing for the bit of bound sockets."""

    def send(self, data: Any, flags: int = 0) -> int:
        request = bytearray(data)
        if struct.unpack_from("=H", request, 4)[0] == _TCP_REQUEST:
            (states,) = struct.unpack_from("=I", request, _STATES)
            struct.pack_into("=I", request, _STATES, states & ~(1 << 13))
        return super().send(request, flags)


def say_old(_host: Any) -> tuple[str, str, str]:
    """Return what a kernel says of itself that may have what newer ones have, and may not."""
    return "Linux", "old", "5.14.0-427.el9.x86_64"


@pytest.fixture
def old_host(stage_host: type[Any]) -> Any:
    class OldHost(stage_host):
        def netlink(self, *arguments: Any) -> socket.socket:
            return OldKernel(fileno=super().netlink(*arguments).detach())

        system = say_old

    return OldHost()


def look(host: Any, port: int, protocol: str = "tcp", **question: Any) -> tuple[Snapshot, PortAnswer]:
    asked = (PortRange(port, port, protocol),)
    snapshot = take_snapshot(host, Question(ports=asked, protocols=(protocol,), **question))
    own = [one for one in answer_ports(snapshot, asked, (protocol,)) if one.namespace.kind == "host"]
    return snapshot, own[0]


def test_a_kernel_that_lists_bound_sockets_hides_none(port: int, stage_host: type[Any]) -> None:
    snapshot, answer = look(stage_host(), port)
    assert (answer.verdict, snapshot.complete, unseen_in_own_namespace(snapshot)) == ("free", True, "")


@pytest.mark.parametrize(("release", "asked"), [("6.8.0-41-generic", 0), ("7.0-rc1", 0), ("6.7.12", 1), ("custom", 1)])
def test_a_kernel_of_which_it_is_known_is_not_asked_for_a_bound_socket_of_ours(
    port: int, stage_host: type[Any], release: str, asked: int
) -> None:
    class Recorded(stage_host):  # type: ignore[misc]
        probes = 0

        def system(self) -> tuple[str, str, str]:
            return "Linux", "host", release

        def bound_probe(self) -> socket.socket:
            self.probes += 1
            return super().bound_probe()

    host = Recorded()
    _snapshot, answer = look(host, port)
    assert (answer.verdict, host.probes) == ("free", asked)


def test_on_a_kernel_that_does_not_list_bound_sockets_no_port_is_called_free(
    port: int, play: Callable[..., Any], old_host: Any
) -> None:
    play(f"one = bound({port}); ready(); hold()")
    snapshot, answer = look(old_host, port)
    assert (answer.verdict, snapshot.complete) == ("unknown", False)
    assert answer.summary == f"No socket was seen on {port}/tcp, but not everything could be: {OLD_KERNEL}."
    assert unseen_in_own_namespace(snapshot) == OLD_KERNEL


def test_remains_on_such_a_kernel_do_not_prove_that_nobody_has_the_port(
    arena: Any, port: int, old_host: Any, eventually: Callable[..., Any]
) -> None:
    arena.play(f"one, peer = pair({port}); one.close(); peer.close(); ready(); hold()")
    assert eventually(lambda: [row.state for row in arena.rows("tcp", port)], ["TIME_WAIT"]) == ["TIME_WAIT"]
    answer = arena.answer(port, host=old_host)
    assert answer.verdict == "lingering"
    assert answer.summary.startswith("No process was seen to hold")
    assert answer.summary.endswith(f"; not everything could be seen: {OLD_KERNEL}.")
    assert "nothing to kill" not in answer.advice


def test_such_a_kernel_hides_no_udp_socket(port: int, old_host: Any) -> None:
    snapshot, answer = look(old_host, port, "udp")
    assert (answer.verdict, snapshot.complete) == ("free", True)


def test_no_socket_is_made_where_a_bound_one_is_seen(port: int, play: Callable[..., Any], old_host: Any) -> None:
    play(f"one = bound({port}); ready(); hold()")

    class Untried(type(old_host).__mro__[1]):
        system = say_old

        def bound_probe(self) -> socket.socket:
            raise AssertionError("not needed")

    assert look(Untried(), port)[1].verdict == "bound_not_listening"


def test_a_kernel_that_cannot_be_tried_is_not_trusted(port: int, stage_host: type[Any]) -> None:
    class Forbidden(stage_host):
        system = say_old

        def bound_probe(self) -> socket.socket:
            raise NotPermitted("a socket bound to 127.0.0.1: permission denied")

    answer = look(Forbidden(), port)[1]
    assert answer.verdict == "unknown"
    assert "whether this kernel lists them could not be tried" in answer.summary


@pytest.mark.parametrize("readable", [True, False])
def test_what_hides_in_another_namespace_hides_nothing_here(
    arena: Any, port: int, stage_host: type[Any], readable: bool
) -> None:
    class Confined(stage_host):
        def netlink(self, protocol: int, path: str | None = None, number: int | None = None) -> socket.socket:
            if path is not None:
                raise NotPermitted("setns: permission denied")
            return super().netlink(protocol)

        def read(self, path: str) -> bytes:
            if not readable and path.startswith(f"/proc/{arena.keeper.pid}/net/"):
                raise NotPermitted("refused")
            return super().read(path)

    snapshot, answer = look(Confined(), port)
    assert (answer.verdict, snapshot.complete) == ("free", False)
    asked = (PortRange(port, port, "tcp"),)
    there = take_snapshot(Confined(), Question(ports=asked, protocols=("tcp",), namespaces=str(arena.id)))
    assert [one.verdict for one in answer_ports(there, asked, ("tcp",))] == ["unknown"]


def test_a_free_port_of_proc_net_says_in_one_short_sentence_what_hides(
    arena: Any, another_arena: Any, port: int, stage_host: type[Any]
) -> None:
    snapshot, answer = look(stage_host(), port, scanner="procnet")
    hidden = f"{BOUND_ONLY} (/proc/net does not list them)"
    assert answer.summary == f"No socket was seen on {port}/tcp, but not everything could be: {hidden}."
    assert next(spot.count for spot in snapshot.blind_spots if spot.what == BOUND_ONLY) >= 3
    assert look(stage_host(), port, "udp", scanner="procnet")[1].verdict == "free"


def test_only_what_can_hide_holders_is_named_for_a_holder_not_seen(
    port: int, play: Callable[..., Any], run_as_nobody: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    play(f"one = server({port}); ready(); hold()")
    done = run_as_nobody("agent/", "owner", f"{port}/tcp", "--namespace", "host")
    said = " ".join(done.stdout.partition("Look again")[0].split())
    assert "descriptors of other processes (permission denied (not root))" in said, done
    assert "network namespaces" not in said
