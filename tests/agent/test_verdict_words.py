# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What every verdict says to somebody tired: one line, names, and a next step, however many there are to name."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

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
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.verdicts.case import Case
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.verdicts.registry import VERDICTS, judge

HOST = Namespace(4026531840, "host", "host", "/proc/self/ns/net")
ELSEWHERE = Namespace(4026532895, "cni-2f1a7c9e-58a5-4f0b-9a26", "named", "/run/netns/cni")
RANGES = PortRanges((32768, 60999), "", 1024)
LONGEST = 320  # characters, four lines of a terminal
#: These name more: each heir and each keeper of a copy is to be restarted.
LONGER = dict.fromkeys(("leaked_to_heirs", "orphaned_listener", "passed_descriptor"), 450)
MANY = 500
MADE = Creator("billing.service", None, "cgroup of the socket", pid=None, alive=False)
NEXT_STEP = re.compile(
    r"\b(Nothing to do|Wait|[Ww]ait|[Rr]estart|[Ss]top|Start|Look|[Dd]estroy|detach|Let it go on|Find out|Do not take"
    r"|A server that sets SO_REUSEADDR can bind)\b"
)


def unit(number: int = 0) -> Owner:
    return Owner("unit", f"billing-{number}.service", manager="systemd")


CONTAINER = Owner("container", "shop-frontend-1", manager="docker", id="f00d" * 16)
SOCKET_UNIT = Owner("socket_unit", "billing.socket", manager="systemd")


def holder(number: int, owner: Owner, **known: Any) -> Holder:
    """A process with the longest number there can be."""
    pid = 4194303 - number
    exe = known.pop("exe", "/usr/sbin/server")
    user, state = known.pop("user", "root"), known.pop("state", "S")
    process = Process(pid, "backup-worker", exe, False, ("x",), 0, user, 1, pid, state, 1, 1e9, 100, None, None)
    role, serving = known.pop("role", "unknown"), known.pop("serving", None)
    return Holder(pid, known.pop("fd", 3), known.pop("via", "descriptor"), None, role, serving, process, owner, **known)


def socket(*holders: Holder, state: str = "LISTEN", inode: int = 7, last: int = 1, **known: Any) -> HeldSocket:
    connected = state not in {"LISTEN", "BOUND", "UNCONNECTED"}
    row = Socket(
        protocol="tcp",
        family=4,
        state=state,
        local=Endpoint(known.pop("address", f"198.18.{last // 256 % 256}.{last % 256}"), 36601),
        remote=Endpoint(f"198.19.{last // 256 % 256}.{last % 256}", 443) if connected else None,
        inode=inode,
        cookie=1,
        namespace=HOST.id,
        uid=0,
        device=None,
        v6only=None,
        queue=known.pop("queue", 0),
        queue_limit=128,
        timer_ms=known.pop("timer_ms", None),
        cgroup_id=None,
    )
    return HeldSocket(row, holders, known.pop("in_kernel", False), known.pop("creator", None))


def holders(number: int, owner: Callable[[int], Owner] = unit, **known: Any) -> list[Holder]:
    return [holder(one, owner(one), **known) for one in range(number)]


def case(*sockets: HeldSocket, **known: Any) -> Case:
    connections = known.pop("connections", {})
    unseen = known.pop("unseen_sockets", ""), known.pop("unseen_holders", "")
    return Case(36601, "tcp", known.pop("namespace", HOST), sockets, connections, *unseen, **known)


def leaked(number: int, *rightful: Holder) -> HeldSocket:
    return socket(*rightful, *holders(number, role="heir", serving=False), creator=MADE)


#: For every verdict a function that makes a case with so many holders, or so many of whatever it names.
CASES: dict[str, Callable[[int], Case]] = {
    "free": lambda number: case(),
    "lingering": lambda number: case(
        *(socket(state="TIME_WAIT", inode=0, last=one, timer_ms=59_000, creator=MADE) for one in range(number)),
        connections={"CLOSING": 1, "FIN_WAIT1": 1, "FIN_WAIT2": 1, "LAST_ACK": 1, "TIME_WAIT": number},
        reuseaddr_helps=False,
    ),
    "squatted": lambda number: case(
        *(socket(one, state="ESTABLISHED", last=one.pid) for one in holders(number)), ranges=RANGES
    ),
    "kernel_held": lambda number: case(*(socket(in_kernel=True, last=one) for one in range(number))),
    "leaked_to_heirs": lambda number: case(
        leaked(number, holder(MANY, unit(MANY), role="creator", serving=True)),
    ),
    "orphaned_listener": lambda number: case(leaked(number)),
    "passed_descriptor": lambda number: case(
        socket(
            *holders(number), holder(MANY, unit(MANY), fd=9, serving=True), holder(MANY + 1, unit(), via="in_flight")
        )
    ),
    "hung_listener": lambda number: case(*(socket(one, queue=129, last=one.pid) for one in holders(number, state="T"))),
    "container_published": lambda number: case(
        *(socket(one, last=one.pid) for one in holders(number, lambda _one: CONTAINER))
    ),
    "socket_activated": lambda number: case(
        socket(holder(MANY, SOCKET_UNIT), *holders(number)),
    ),
    "reuseport_group": lambda number: case(
        *(socket(holder(one, unit(one), exe=f"/usr/sbin/server-{one}", user=f"u{one}")) for one in range(number + 1))
    ),
    "bound_not_listening": lambda number: case(*(socket(one, state="BOUND", last=one.pid) for one in holders(number))),
    "shared_workers": lambda number: case(socket(*holders(number + 1, lambda _one: unit()))),
    "owned": lambda number: case(*(socket(one, last=one.pid) for one in holders(number))),
    "unknown": lambda number: case(socket(*holders(number + 1))),
}

VARIANTS: dict[str, Case] = {
    "unknown": case(socket(in_kernel=None), unseen_holders="descriptors of other processes (permission denied)"),
    "unknown ": case(unseen_sockets="TCP sockets that are bound but do not listen (before Linux 6.8)"),
    "lingering": case(
        socket(state="TIME_WAIT", inode=0), connections={"TIME_WAIT": 1}, namespace=ELSEWHERE, ranges=RANGES
    ),
    "squatted": case(socket(holder(1, unit()), state="SYN_SENT"), namespace=ELSEWHERE, ranges=RANGES),
    "hung_listener": case(socket(*holders(3, state="t", serving=True), holder(9, unit()))),
    "hung_listener ": case(socket(holder(1, unit()), queue=129), namespace=ELSEWHERE),
}


@pytest.mark.parametrize("number", [1, MANY])
@pytest.mark.parametrize("verdict", [verdict.id for verdict in VERDICTS])
def test_every_verdict_reads_well(verdict: str, number: int) -> None:
    reads_well(verdict, CASES[verdict](number))


@pytest.mark.parametrize("variant", VARIANTS)
def test_and_so_do_its_other_sentences(variant: str) -> None:
    reads_well(variant.strip(), VARIANTS[variant])


def reads_well(verdict: str, judged: Case) -> None:
    said, judgement = judge(judged)
    assert said == verdict
    for sentence in (judgement.summary, judgement.advice):
        assert sentence.isprintable()
        assert sentence.endswith(".")
        assert not re.search(r"\.\.|  |\s[.,;]|None|Traceback|<|\(\)(?<!accept\(\))|%[sd]", sentence), sentence
        assert 0 < len(sentence) <= LONGER.get(verdict, LONGEST), (len(sentence), sentence)
    assert "36601/tcp" in judgement.summary
    assert NEXT_STEP.search(judgement.advice), judgement.advice
    if judged.holders:
        named = judgement.summary + judgement.advice
        assert re.search(r"backup-worker\[\d+\]", judgement.summary)
        assert any(owner.name in named for owner in judged.owners), named
