# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What is said of ports, from records made by hand: real ones take a service manager, an engine or a mount."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import (
    Creator,
    Endpoint,
    HeldSocket,
    Holder,
    Namespace,
    Owner,
    PortRanges,
    Process,
    Socket,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.verdicts.case import Case, Judgement
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.verdicts.registry import VERDICTS, judge

HOST = Namespace(4026531840, "host", "host", "/proc/self/ns/net")
UNIT = Owner("unit", "web.service", manager="systemd")
SOCKET_UNIT = Owner("socket_unit", "web.socket", manager="systemd", detail={"triggers": "web.service"})
CONTAINER = Owner("container", "shop", manager="docker", id="f00d" * 16, detail={"held_by": "docker-proxy"})


def holder(pid: int, name: str, owner: Owner) -> Holder:
    process = Process(
        pid, name, f"/usr/bin/{name}", False, (name,), 0, "root", 1, pid, "S", 1, 1e9, 100, f"/{owner.name}", None
    )
    return Holder(pid, 3, "descriptor", None, "unknown", None, process, owner)


def socket(
    *holders: Holder, address: str = "0.0.0.0", state: str = "LISTEN", in_kernel: bool | None = False, inode: int = 7
) -> HeldSocket:
    row = Socket(
        protocol="tcp",
        family=6 if ":" in address else 4,
        state=state,
        local=Endpoint(address, 8080),
        remote=None if state in {"LISTEN", "BOUND"} else Endpoint("192.0.2.1", 2049),
        inode=inode,
        cookie=1,
        namespace=HOST.id,
        uid=0,
        device=None,
        v6only=None,
        queue=0,
        queue_limit=128,
        timer_ms=None,
        cgroup_id=None,
    )
    return HeldSocket(row, holders, in_kernel, None)


def judged(
    *sockets: HeldSocket, unseen_holders: str = "", connections: dict[str, int] | None = None
) -> tuple[str, Judgement]:
    return judge(Case(8080, "tcp", HOST, sockets, connections or {}, "", unseen_holders))


def test_every_verdict_has_an_id_of_its_own() -> None:
    assert len({verdict.id for verdict in VERDICTS}) == len(VERDICTS)
    assert VERDICTS[-1].id == "unknown"


def test_socket_activated_with_its_service() -> None:
    shared = socket(holder(1, "systemd", SOCKET_UNIT), holder(77, "web", UNIT))
    verdict, judgement = judged(shared)
    assert verdict == "socket_activated"
    assert judgement.summary == (
        "8080/tcp on 0.0.0.0 is held by web.socket through systemd[1]; its service runs as web[77]."
    )
    assert judgement.advice == "To free it, stop the socket unit: systemctl stop web.socket."


def test_socket_activated_without_its_service() -> None:
    verdict, judgement = judged(socket(holder(1, "systemd", SOCKET_UNIT)))
    assert verdict == "socket_activated"
    assert judgement.summary.endswith("; its service is not running.")


def test_socket_activated_by_several_units() -> None:
    other = Owner("socket_unit", "web6.socket", manager="systemd")
    verdict, judgement = judged(
        socket(holder(1, "systemd", SOCKET_UNIT)), socket(holder(1, "systemd", other), address="::", inode=8)
    )
    assert verdict == "socket_activated"
    assert "is held by web.socket and web6.socket through systemd[1]" in judgement.summary
    assert judgement.advice.endswith("systemctl stop web.socket web6.socket.")


def test_socket_activated_by_a_users_own_manager() -> None:
    unit = Owner("socket_unit", "web.socket", manager="systemd", user="ada")
    verdict, judgement = judged(socket(holder(801, "systemd", unit)))
    assert verdict == "socket_activated"
    assert "web.socket of user ada through systemd[801]" in judgement.summary
    assert judgement.advice.endswith("systemctl --user stop web.socket.")


def test_container_published_by_its_proxies() -> None:
    verdict, judgement = judged(
        socket(holder(501, "docker-proxy", CONTAINER)),
        socket(holder(502, "docker-proxy", CONTAINER), address="::", inode=8),
    )
    assert verdict == "container_published"
    assert judgement.summary == (
        "8080/tcp on 0.0.0.0 and [::] is held for container shop (docker) by docker-proxy[501] and docker-proxy[502]."
    )
    assert "do not kill the proxy" in judgement.advice


def test_held_inside_a_container() -> None:
    inside = replace(CONTAINER, detail=None)
    verdict, judgement = judged(socket(holder(77, "web", inside)))
    assert verdict == "container_published"
    assert judgement.summary == "8080/tcp on 0.0.0.0 is held inside container shop (docker) by web[77]."
    assert judgement.advice == "To free it, stop the container, or its service inside of it."


def test_a_container_beside_a_program_of_the_host_is_no_published_port() -> None:
    verdict, judgement = judged(
        socket(holder(501, "docker-proxy", CONTAINER), address="192.0.2.1"),
        socket(holder(77, "web", UNIT), address="192.0.2.2", inode=8),
    )
    assert verdict == "owned"
    assert "web.service and container shop (docker): web[77] and docker-proxy[501]" in judgement.summary


def test_a_connection_of_the_kernels_own_is_kernel_held() -> None:
    """As a mount of a network file system has it, on a port below 1024."""
    verdict, judgement = judged(socket(state="ESTABLISHED", in_kernel=True), connections={"ESTABLISHED": 1})
    assert verdict == "kernel_held"
    assert "no process has a descriptor for it" in judgement.summary


def test_what_lingers_is_counted_even_where_not_all_is_shown() -> None:
    shown = socket(state="TIME_WAIT", inode=0)
    verdict, judgement = judged(shown, connections={"FIN_WAIT2": 1, "TIME_WAIT": 250})
    assert verdict == "lingering"
    assert judgement.summary == (
        "No process holds 8080/tcp; 251 connections with 192.0.2.1:2049 are still there: "
        "1 FIN_WAIT2 (closed here, not yet by the peer) and 250 TIME_WAIT (this host closed first)."
    )


LEFT = 43_000


def lingers(state: str = "TIME_WAIT", timer_ms: int | None = LEFT, **known: object) -> Judgement:
    """Return what is said of one connection without a process."""
    held = socket(state=state, inode=0)
    left = held._replace(socket=held.socket._replace(timer_ms=timer_ms), creator=known.pop("creator", None))
    verdict, judgement = judge(Case(8080, "tcp", HOST, (left,), {state: 1}, "", "", **known))
    assert verdict == "lingering"
    return judgement


@pytest.mark.parametrize(
    ("helps", "advice"),
    [
        (True, "Start the service with SO_REUSEADDR, which helps here, or wait 43 s; there is nothing to kill."),
        (
            False,
            "Wait 43 s and start the service again, or destroy what is left (ss -Kta sport = :8080, where the kernel "
            "can); SO_REUSEADDR does not help, as the old socket had not set it; there is nothing to kill.",
        ),
        (
            None,
            "Wait 43 s and start the service again, or destroy what is left (ss -Kta sport = :8080, where the kernel "
            "can); there is nothing to kill.",
        ),
    ],
)
def test_whether_so_reuseaddr_helps_is_said_as_far_as_it_is_known(helps: bool | None, advice: str) -> None:
    assert lingers(reuseaddr_helps=helps).advice == advice


def test_what_lingers_is_named_by_the_unit_it_was_made_in() -> None:
    made = Creator("billing.service", None, "cgroup of the socket")
    summary = lingers("LAST_ACK", creator=made).summary
    assert "1 connection of billing.service with 192.0.2.1:2049 is still there" in summary


def test_on_a_reserved_port_what_lingers_was_not_the_kernels_choice() -> None:
    ranges = PortRanges((8000, 9000), "8080", 1024)
    assert "probably outgoing" not in lingers(ranges=ranges).summary
    assert "probably outgoing" in lingers(ranges=replace(ranges, reserved="8081")).summary


SEEN = {
    "socket_activated": [holder(1, "systemd", SOCKET_UNIT)],
    "container_published": [holder(501, "docker-proxy", CONTAINER)],
    "shared_workers": [holder(77, "web", UNIT), holder(78, "web", UNIT)],
    "owned": [holder(77, "web", UNIT)],
}


@pytest.mark.parametrize("verdict", SEEN)
def test_nothing_is_certain_while_one_socket_has_an_unseen_holder(verdict: str) -> None:
    seen = socket(*SEEN[verdict])
    assert judged(seen)[0] == verdict
    said, judgement = judged(seen, socket(address="::", inode=8, in_kernel=None), unseen_holders="hidden by hidepid")
    assert said == "unknown"
    assert (
        "8080/tcp on [::] is held, but by whom could not be seen: hidden by hidepid; beside it: " in judgement.summary
    )
    assert f"{SEEN[verdict][0].process.name}[{SEEN[verdict][0].pid}]" in judgement.summary


def test_bound_sockets_with_an_unseen_holder_among_them_are_unknown() -> None:
    seen = socket(holder(77, "web", UNIT), state="BOUND")
    assert judged(seen)[0] == "bound_not_listening"
    assert judged(seen, socket(state="BOUND", address="::", inode=8, in_kernel=None))[0] == "unknown"


def test_a_port_that_nobody_asked_for_is_not_squatted() -> None:
    """To be somebody's local port is what automatic ports are for."""
    connection = socket(holder(77, "web", UNIT), state="ESTABLISHED")
    known = {"connections": {"ESTABLISHED": 1}, "ranges": PortRanges((8000, 9000), "", 1024)}
    for asked, verdict in ((True, "squatted"), (False, "owned")):
        case = Case(8080, "tcp", HOST, (connection,), unseen_sockets="", unseen_holders="", asked=asked, **known)
        assert judge(case)[0] == verdict


def test_whether_a_port_is_free_comes_first() -> None:
    """`answers` asks that before it imports the others."""
    assert VERDICTS[0].id == "free"
