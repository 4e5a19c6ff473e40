# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A port is free when the very bind succeeds, in its namespace and as its user; the trial itself disturbs nobody."""

from __future__ import annotations

import errno
import os
import pathlib
import socket
import subprocess
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.binding import BindWish
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import InvalidInput, NotSupported
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.namespaces import (
    read_own_namespace,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import Namespace
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.proof import Proof
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.prove import bind_now, settle
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.records import Wish

from tests.agent.conftest import Arena

PORT = 7600
SERVER, OTHER = 4711, 4712  # users without any right
BOTH = ["0.0.0.0", "::"]


def told(proof: Proof) -> tuple[bool | None, list[tuple[str, str]]]:
    return proof.free, [(attempt.address, attempt.result) for attempt in proof.attempts]


def tried(arena: Arena, address: str | None = None, protocol: str = "tcp", port: int = PORT, **bind: Any) -> Proof:
    return proven(arena, Wish(port, protocol, address, bind=BindWish(**bind)))


def proven(arena: Arena, wish: Wish) -> Proof:
    """Return the proof for a port of the arena, having seen that the trial leaves nothing behind."""
    before = arena.rows(wish.protocol, wish.port), os.listdir("/proc/self/fd")
    proof = bind_now(Host(), arena.namespace, wish)
    rows, descriptors = arena.rows(wish.protocol, wish.port), os.listdir("/proc/self/fd")
    assert [row.cookie for row in rows] == [row.cookie for row in before[0]]
    assert len(descriptors) == len(before[1])
    return proof


def test_a_free_port_is_tried_on_every_address_there_is(arena: Arena) -> None:
    proof = tried(arena)
    assert told(proof) == (True, [(address, "ok") for address in BOTH])
    assert [attempt.options.v6only for attempt in proof.attempts] == [False, True]
    assert proof.summary == (
        "A bind to 0.0.0.0:7600 with SO_REUSEADDR succeeds; "
        "a bind to [::]:7600 with SO_REUSEADDR and IPV6_V6ONLY succeeds."
    )


@pytest.mark.parametrize(
    ("holder", "wish", "free", "results"),
    [
        ("server(7600, reuseaddr=1)", {}, False, ["EADDRINUSE", "ok"]),
        ("server(7600, '::1')", {}, False, ["ok", "EADDRINUSE"]),
        ("bound(7600)", {}, False, ["EADDRINUSE", "ok"]),
        ("server(7600, '::', v6only=1)", {"address": "0.0.0.0"}, True, ["ok"]),
        ("server(7600, '::')", {"address": "127.0.0.1"}, False, ["EADDRINUSE"]),
        ("server(7600)", {"address": "::ffff:127.0.0.1"}, False, ["EADDRINUSE"]),
        ("server(7600)", {"address": "127.0.0.2"}, True, ["ok"]),
        ("server(7600)", {"bind": {"address": "::"}}, False, ["EADDRINUSE"]),
        ("server(7600)", {"bind": {"address": "::", "v6only": True}}, True, ["ok"]),
        ("server(7600)", {"bind": {"v6only": True}}, True, ["ok"]),
        ("server(7600, bindtodevice=b'lo')", {}, False, ["EADDRINUSE", "ok"]),
        ("None", {"bind": {"device": "lo"}}, True, ["ok", "ok"]),
        ("None", {"bind": {"device": "nosuch"}}, False, ["ENODEV", "ENODEV"]),
        ("None", {"address": "192.0.2.1"}, False, ["EADDRNOTAVAIL"]),
        ("bound(7600, kind=socket.SOCK_DGRAM)", {}, True, ["ok", "ok"]),
    ],
)  # fmt: skip
def test_the_kernel_decides(arena: Arena, holder: str, wish: dict[str, Any], free: bool, results: list[str]) -> None:
    arena.play(f"kept = {holder}; ready(); hold()")
    bind = wish.get("bind", {})
    proof = proven(arena, Wish(PORT, address=wish.get("address"), bind=BindWish(**bind)))
    addresses = [bind.get("address") or ("::" if bind.get("v6only") else wish.get("address"))]
    assert told(proof) == (free, list(zip(addresses if addresses[0] else BOTH, results, strict=True)))


def test_another_device_is_another_place(arena: Arena, needs: Any) -> None:
    needs("ip", "nsenter")
    command = "ip link add name d0 type veth peer name d1 && ip link set d0 up"
    subprocess.run(["nsenter", f"--net={arena.path}", "sh", "-c", command], check=True)
    arena.play("kept = server(7600, '0.0.0.0', bindtodevice=b'lo'); ready(); hold()")
    assert tried(arena, "0.0.0.0", device="d0").free is True
    assert tried(arena, "0.0.0.0", device="lo").free is False


def test_a_user_has_the_rights_of_that_user(arena: Arena) -> None:
    refused = tried(arena, "0.0.0.0", port=760, user=str(SERVER))
    assert told(refused) == (False, [("0.0.0.0", "EACCES")])
    assert refused.summary == (
        "A bind to 0.0.0.0:760 with SO_REUSEADDR by user 4711 fails with EACCES: this takes CAP_NET_BIND_SERVICE."
    )
    assert tried(arena, "0.0.0.0", port=760).free is True
    lower = "pathlib.Path('/proc/sys/net/ipv4/ip_unprivileged_port_start').write_text('700'); ready(); hold()"
    arena.play(lower)
    assert tried(arena, "0.0.0.0", port=760, user=str(SERVER)).free is True


def test_nothing_of_root_is_left(needs: Any) -> None:
    needs("root")

    def become() -> tuple[Any, ...]:
        Host().become(SERVER)
        status = pathlib.Path("/proc/thread-self/status").read_text()
        rights = [line.split()[1] for line in status.split("\n") if line.startswith(("CapPrm", "CapEff", "CapAmb"))]
        return os.getresuid(), os.getresgid(), os.getgroups(), {int(one, 16) for one in rights}

    assert Host().in_second_process(become)() == ((SERVER,) * 3, (65534,) * 3, [], {0})


def test_a_group_of_sockets_is_open_to_its_own_user_only(arena: Arena) -> None:
    arena.play("kept = server(7600, '0.0.0.0', reuseport=1); ready(); hold()", uid=SERVER)
    results = {
        user: [(one.result, one.shared) for one in tried(arena, "0.0.0.0", reuseport=True, user=user).attempts]
        for user in (str(SERVER), str(OTHER), None)
    }
    assert results == {
        str(SERVER): [("ok", True)],
        str(OTHER): [("EADDRINUSE", False)],
        None: [("EADDRINUSE", False)],
    }
    beside = tried(arena, "0.0.0.0", reuseport=True, user=str(SERVER))
    assert beside.summary.endswith(" succeeds, but only beside what has the port now.")


LINGERING = """
with server(7600, reuseaddr={reuseaddr}) as one:
    client = connected(7600)
    accepted = one.accept()[0]
    accepted.close()
    client.close()
ready(); hold()
"""


@pytest.mark.parametrize("reuseaddr", [0, 1])
def test_what_lingers_hinders_by_its_own_options(another_arena: Arena, reuseaddr: int) -> None:
    another_arena.play(LINGERING.format(reuseaddr=reuseaddr))
    assert [row.state for row in another_arena.rows("tcp", PORT)] == ["TIME_WAIT"]
    assert tried(another_arena, "0.0.0.0").free is bool(reuseaddr)
    assert tried(another_arena, "0.0.0.0", reuseaddr=False).free is False


def test_a_trial_does_not_smooth_the_way_for_the_next(another_arena: Arena) -> None:
    another_arena.play(LINGERING.format(reuseaddr=1))
    first = tried(another_arena, "0.0.0.0", reuseaddr=True, reuseport=True)
    assert [(one.result, one.shared) for one in first.attempts] == [("ok", False)]
    assert told(tried(another_arena, "0.0.0.0", reuseaddr=False, reuseport=True))[1] == [("0.0.0.0", "EADDRINUSE")]


def test_udp(arena: Arena) -> None:
    assert told(tried(arena, protocol="udp")) == (True, [(address, "ok") for address in BOTH])
    assert tried(arena, protocol="udp", reuseaddr=True, reuseport=True).free is True
    arena.play("kept = bound(7600, kind=socket.SOCK_DGRAM, reuseaddr=1); ready(); hold()")
    assert told(tried(arena, "127.0.0.1", protocol="udp")) == (False, [("127.0.0.1", "EADDRINUSE")])


@pytest.mark.parametrize("flag", ["reuseaddr", "reuseport"])
def test_no_datagram_is_taken_from_who_serves(arena: Arena, flag: str) -> None:
    arena.play(f"kept = bound(7600, kind=socket.SOCK_DGRAM, {flag}=1); ready(); hold()")
    proof = tried(arena, "127.0.0.1", protocol="udp", **{flag: True})
    assert told(proof) == (None, [("127.0.0.1", "unknown")])
    assert proof.summary.endswith(" was not tried, as it would take datagrams from who has the port now.")


def test_who_may_not_become_somebody_cannot_try(arena: Arena) -> None:
    def as_nobody() -> list[Proof]:
        host = Host()
        host.become(OTHER)
        own = read_own_namespace(host)
        return [
            bind_now(host, own, Wish(PORT)),
            bind_now(host, own, Wish(PORT, bind=BindWish(user=str(OTHER)))),
            bind_now(host, arena.namespace, Wish(PORT, bind=BindWish(user=str(OTHER)))),
        ]

    as_root, ourselves, elsewhere = Host().in_second_process(as_nobody)()
    assert as_root == Proof(
        None, (), "Whether the port is free could not be tried: to become uid 0: permission denied."
    )
    assert ourselves.free is True
    assert elsewhere.free is None
    assert elsewhere.summary.endswith("permission denied.")


def test_a_namespace_that_has_ended(needs: Any) -> None:
    needs("root")
    ended = Namespace(1, "blue", "named", "/run/netns/no-such")
    assert bind_now(Host(), ended, Wish(PORT)) == Proof(
        None, (), "Whether the port is free could not be tried: namespace blue has ended."
    )


class NoIpv6(Host):
    """A kernel without IPv6."""

    def inet_socket(self, family: int, *arguments: Any) -> Any:
        if family == socket.AF_INET6:
            raise NotSupported("a socket") from OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return super().inet_socket(family, *arguments)


def test_a_host_without_ipv6(arena: Arena) -> None:
    assert told(bind_now(NoIpv6(), arena.namespace, Wish(PORT))) == (True, [("0.0.0.0", "ok")])
    assert told(bind_now(NoIpv6(), arena.namespace, Wish(PORT, address="::1"))) == (False, [("::1", "EAFNOSUPPORT")])


class NoProcessLeft(Host):
    def in_second_process(self, *_arguments: Any) -> Any:
        raise BlockingIOError(11, "Resource temporarily unavailable")


def test_where_there_is_no_second_process(arena: Arena) -> None:
    proof = bind_now(NoProcessLeft(), arena.namespace, Wish(PORT))
    assert (proof.free, proof.attempts) == (None, ())
    assert proof.summary.endswith("tried: a second process: Resource temporarily unavailable.")


def test_a_user_who_is_not_there_is_refused(arena: Arena) -> None:
    with pytest.raises(InvalidInput, match="accepted is a login name or a uid"):
        bind_now(Host(), arena.namespace, Wish(PORT, bind=BindWish(user="nosuch")))


class Clockwork(Host):
    """Time that passes only when it is let pass."""

    now = 0.0

    def clock(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


def test_settle_looks_until_it_is_done_or_late() -> None:
    host = Clockwork()
    assert settle(host, host.clock, lambda now: now >= 0.1, 5.0) == pytest.approx(0.14)
    host.now = 0.0
    assert settle(host, host.clock, lambda _now: False, 2.0) == pytest.approx(2.0)
