# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What is read from sockets and tried on the host, for whom, and where it cannot be."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.answers import answer_ports
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.binding import BindForecast, BindWish
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import InvalidInput, NotSupported
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import PortAnswer, SocketOptions
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.ports import PortRange
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.snapshot import take_snapshot
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.tables import Question

from .occupants import STRANGER, Setting, bound, enter_new_network, occupy, user

PORT = 9990


def answer(host: Host, namespace: str = "host", protocol: str = "tcp", **wish: Any) -> PortAnswer:
    asked = (PortRange(PORT, PORT, protocol),)
    question = Question(
        ports=asked, protocols=(protocol,), namespaces=namespace, every_connection=bool(wish), bind=BindWish(**wish)
    )
    [found] = answer_ports(take_snapshot(host, question), asked, (protocol,))
    return found


def told(host: Host, **question: Any) -> BindForecast:
    found = answer(host, **question).bind
    assert found is not None
    return found


def options_read(host: Host) -> dict[str, tuple[SocketOptions | None, bool | None]]:
    kept = [bound(Setting("::", True, True, True), PORT), bound(Setting("0.0.0.0", True, True), PORT)]
    read = {one.socket.local.address: (one.options, one.socket.v6only) for one in answer(host).sockets}
    assert kept
    return read


def test_options_are_read_through_a_holder(elsewhere):
    assert elsewhere(options_read) == {
        "::": (SocketOptions(True, True), True),
        "0.0.0.0": (SocketOptions(True, True), None),
    }


class NoGetfd(Host):
    """A kernel before 5.6."""

    def births(self) -> list[tuple[int, int]]:
        return [one for one in super().births() if one[0] == os.getpid()]

    def duplicate_descriptor(self, pid: int, descriptor: int) -> int:
        raise NotSupported("no such call")


class WrongSocket(NoGetfd):
    """The descriptor was closed meanwhile, and its number is another socket's now."""

    def duplicate_descriptor(self, pid: int, descriptor: int) -> int:
        return socket.socket().detach()


def options_of(_host: Host, kind: type[Host]) -> tuple[SocketOptions | None, str, str]:
    with bound(Setting("127.0.0.1"), PORT):
        open_before = len(os.listdir("/proc/self/fd"))
        found = answer(kind())
        assert len(os.listdir("/proc/self/fd")) == open_before
        assert found.bind is not None
        return found.sockets[0].options, found.bind.result, found.bind.because[0].rule


@pytest.mark.parametrize("kind", [NoGetfd, WrongSocket])
def test_options_that_cannot_be_read_are_not_known(elsewhere, kind):
    assert elsewhere(options_of, kind) == (None, "unknown", "whether it has set SO_REUSEADDR could not be read")


def lingering(host: Host) -> list[tuple[str, bool, bool | str]]:
    found = []
    for reuseaddr in (False, True):
        occupied = occupy("time_wait", Setting(reuseaddr=reuseaddr), PORT + reuseaddr)
        asked = (PortRange(occupied.port, occupied.port),)
        snapshot = take_snapshot(host, Question(ports=asked, protocols=("tcp",), namespaces="host"))
        [one] = answer_ports(snapshot, asked, ("tcp",))
        assert one.bind is not None
        found.append((one.bind.result, one.bind.tried, "SO_REUSEADDR does not help" in one.advice))
    return found


def test_whether_so_reuseaddr_helps_against_what_lingers_is_tried(elsewhere):
    assert elsewhere(lingering) == [("EADDRINUSE", True, True), ("ok", True, False)]


def never_tried(host: Host) -> list[bool]:
    with bound(Setting("127.0.0.1", reuseaddr=True), PORT):
        beside_a_process = told(host).tried
    return [beside_a_process, told(host).tried, told(host, protocol="udp").tried]


def test_nothing_is_tried_beside_a_process_or_on_a_free_port(elsewhere):
    assert elsewhere(never_tried) == [False, False, False]


def as_somebody_else(host: Host) -> dict[str, str]:
    occupy("time_wait", Setting(reuseaddr=True), PORT)
    with user(STRANGER):
        return {
            "root, remains": told(host).result,
            "ourselves, remains": told(host, user=str(STRANGER)).result,
            "root, local": told(host, address="127.0.0.2", protocol="udp").result,
            "root, not local": told(host, address="192.0.2.1", protocol="udp").result,
        }


def test_without_rights_the_answer_is_true_as_far_as_it_goes(elsewhere):
    assert elsewhere(as_somebody_else) == {
        "root, remains": "unknown",
        "ourselves, remains": "ok",
        "root, local": "ok",
        "root, not local": "EADDRNOTAVAIL",
    }


class WithParent(Host):
    """The machine as if only this process and its parent ran on it."""

    def births(self) -> list[tuple[int, int]]:
        return [one for one in super().births() if one[0] in (os.getpid(), os.getppid())]

    def processors(self) -> int:
        return 1


def from_outside(host: Host) -> list[tuple[str, bool]]:
    occupy("time_wait", Setting("198.18.0.1", reuseaddr=True), PORT)
    number = str(host.inode("/proc/self/ns/net"))

    def look() -> list[tuple[str, bool]]:
        enter_new_network()
        with bound(Setting("0.0.0.0"), PORT):  # in the way here, not there
            asked = [told(WithParent(), namespace=number, address=address) for address in ("198.18.0.1", "198.18.0.9")]
        return [(one.result, one.tried) for one in asked]

    return host.in_second_process(look, 30.0)()


def test_a_bind_is_tried_in_the_namespace_of_the_port(elsewhere):
    assert elsewhere(from_outside) == [("ok", True), ("EADDRNOTAVAIL", False)]


def test_a_user_who_is_not_there_is_refused():
    with pytest.raises(InvalidInput, match="accepted is a login name or a uid"):
        Host().user_id("nosuch")
    assert Host().user_id("0") == 0
    assert Host().user_id("root") == 0


@pytest.fixture(autouse=True)
def _no_descriptor_is_left() -> Iterator[None]:
    before = os.listdir("/proc/self/fd")
    yield
    assert len(os.listdir("/proc/self/fd")) == len(before)
