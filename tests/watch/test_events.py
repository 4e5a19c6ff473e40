# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""From two looks to what happened in between, by tables."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import (
    Endpoint,
    HeldSocket,
    Holder,
    Owner,
    Process,
    Socket,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.watch.events import (
    advance,
    begin,
    gap_between,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.watch.moments import (
    Observation,
    Span,
    Turn,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.watch.words import (
    SENTENCES,
    name_gap,
    say_event,
    say_totals,
)


def holder(pid: int, name: str = "api") -> Holder:
    """Return a process that holds a socket; those with lower pids are older."""
    process = Process(
        pid=pid, name=name, exe=f"/srv/{name}", exe_deleted=False, cmdline=(name,), uid=0, user="root", ppid=1,
        session=1, state="S", threads=1, started_at=float(pid), start_ticks=pid, cgroup=None, descriptors=None,
    )  # fmt: skip
    return Holder(pid, 3, "descriptor", None, "unknown", None, process, Owner("process", name))


def held(cookie: int, *holders: Holder, state: str = "LISTEN", address: str = "127.0.0.1") -> HeldSocket:
    """Return a socket on port 8080."""
    socket = Socket(
        protocol="tcp", family=4, state=state, local=Endpoint(address, 8080), remote=None, inode=1000 + cookie,
        cookie=cookie, namespace=1, uid=0, device=None, v6only=None, queue=0, queue_limit=5, timer_ms=None,
        cgroup_id=None,
    )  # fmt: skip
    return HeldSocket(socket, holders, None, None)


def look(at: float, *sockets: HeldSocket, **told: object) -> Observation:
    """Return what is seen in the millisecond after ``at``."""
    span = Span(at, at + 1)
    return Observation(tables_at=span, holders_at=span, sockets=sockets, **told)


A, B, C = holder(10), holder(20), holder(30)


@dataclass
class Change:
    """Some looks, and the events they are to make, with the processes of each."""

    looks: list[Observation]
    events: list[tuple[str, list[int]]] = field(default_factory=list)


CHANGES = {
    "nothing": Change([look(0, held(1, A)), look(50, held(1, A))]),
    "a listener comes": Change([look(0), look(50, held(1, A))], [("socket_appeared", [10])]),
    "a listener goes": Change([look(0, held(1, A)), look(50)], [("socket_vanished", [10])]),
    "bound, then listening": Change(
        [look(0, held(1, A, state="BOUND")), look(50, held(1, A))], [("socket_changed", [10])]
    ),
    "a child comes": Change([look(0, held(1, A)), look(50, held(1, A, B))], [("holder_came", [20])]),
    "a child goes": Change([look(0, held(1, A, B)), look(50, held(1, A))], [("holder_left", [20])]),
    "the oldest goes": Change(
        [look(0, held(1, A, B, C)), look(50, held(1, B, C))], [("holder_left", [10]), ("migrated", [20, 30])]
    ),
    "from hand to hand": Change(
        [look(0, held(1, A)), look(50, held(1, B))],
        [("holder_came", [20]), ("holder_left", [10]), ("migrated", [20])],
    ),
    "not seen any more, but there": Change([look(0, held(1, A)), look(50, held(1))], [("holder_left", [10])]),
    "the same pid, another process": Change(
        [look(0, held(1, A)), look(50, held(1, A._replace(process=B.process)))],
        [("holder_came", [10]), ("holder_left", [10]), ("migrated", [10])],
    ),
    "exec": Change(
        [look(0, held(1, A)), look(50, held(1, holder(10, "sleep")))], [("holder_changed", [10])]
    ),
    "a gap": Change(
        [look(0, held(1, A)), look(50), look(100), look(150, held(2, B))],
        [("socket_vanished", [10]), ("socket_appeared", [20]), ("handed_over", [20])],
    ),
    "at once": Change(
        [look(0, held(1, A)), look(50, held(2, B))],
        [("socket_appeared", [20]), ("socket_vanished", [10]), ("handed_over", [20])],
    ),
    "both for a while": Change(
        [look(0, held(1, A)), look(50, held(1, A), held(2, B)), look(100, held(2, B))],
        [("socket_appeared", [20]), ("socket_vanished", [10]), ("handed_over", [20])],
    ),
    "one of a group goes": Change(
        [look(0, held(1, A), held(2, B)), look(50, held(2, B))], [("socket_vanished", [10])]
    ),
    "another address": Change(
        [look(0, held(1, A)), look(50), look(100, held(2, B, address="127.0.0.2"))],
        [("socket_vanished", [10]), ("socket_appeared", [20])],
    ),
    "bound is not open": Change(
        [look(0, held(1, A)), look(50, held(2, B, state="BOUND")), look(100, held(2, B))],
        [("socket_appeared", [20]), ("socket_vanished", [10]), ("socket_changed", [20]), ("handed_over", [20])],
    ),
    "many sockets of one program": Change(
        [look(0, held(1, A), held(2, A)), look(50), look(100, held(3, B), held(4, B))],
        [
            ("socket_vanished", [10]), ("socket_vanished", [10]),
            ("socket_appeared", [20]), ("socket_appeared", [20]), ("handed_over", [20]),
        ],
    ),
    "connections remain": Change(
        [
            look(0, held(1, A)),
            look(50, held(5, A, state="ESTABLISHED"), held(6, state="TIME_WAIT")),
            look(100, held(6, state="TIME_WAIT")),
            look(150),
        ],
        [("socket_vanished", [10]), ("connections_remain", [10]), ("connections_gone", [])],
    ),
    "a squatter": Change(
        [look(0), look(50, held(5, A, state="ESTABLISHED"))], [("connection_took_port", [10])]
    ),
    "a listener between two looks": Change(
        [
            look(0),
            look(50, turns=(Turn(True, 20.0, 15, 8080, 1), Turn(False, 21.0, 15, 8080, 1))),
            look(90),
        ],
        [("listener_flashed", [])],
    ),
    "a listener seen": Change(
        [look(0), look(50, held(1, A), turns=(Turn(True, 20.0, 10, 8080, 1),)), look(90)],
        [("socket_appeared", [10]), ("socket_vanished", [10])],
    ),
    "ordinary connections": Change([look(0, held(1, A)), look(50, held(1, A), held(5, A, state="ESTABLISHED"))]),
}  # fmt: skip


def events_of(looks: list[Observation]) -> list:
    course, events = begin(looks[0]), []
    for one in looks[1:]:
        course, happened = advance(course, one)
        events.extend(happened)
    return events


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_happened(change):
    events = events_of(change.looks)

    assert [(event.kind, [one.pid for one in event.holders]) for event in events] == change.events
    for event in events:
        assert event.kind in SENTENCES
        assert say_event(event, {}).isprintable()


@pytest.mark.parametrize(
    ("looks", "gap"),
    [
        ([look(0, held(1, A)), look(50), look(100, held(2, B))], Span(0.0, 101.0)),
        ([look(0, held(1, A)), look(50), look(100), look(150, held(2, B))], Span(49.0, 151.0)),
        ([look(0, held(1, A)), look(50, held(1, A), held(2, B)), look(90, held(2, B))], Span(0.0, 0.0)),
        ([look(0, held(1, A)), look(50, held(2, B))], Span(0.0, 51.0)),
        (  # the kernel's own times are better
            [
                look(0, held(1, A)),
                look(50, turns=(Turn(False, 20.0, 10, 8080),)),
                look(90, held(2, B), turns=(Turn(True, 70.5, 20, 8080),)),
            ],
            Span(50.5, 50.5),
        ),
        (  # also within one look
            [
                look(0, held(1, A)),
                look(50, held(2, B), turns=(Turn(False, 20.0, 10, 8080), Turn(True, 22.0, 20, 8080))),
            ],
            Span(2.0, 2.0),
        ),
        (  # those of others, of other ports, are not taken
            [
                look(0, held(1, A)),
                look(50, turns=(Turn(False, 20.0, 10, 9090), Turn(False, 21.0, 99, 8080, 2))),
                look(90, held(2, B), turns=(Turn(True, 70.5, 20, 8080),)),
            ],
            Span(19.5, 70.5),
        ),
        (  # a daemon's parent began to listen, and went
            [
                look(0, held(1, A)),
                look(50, held(2, B), turns=(Turn(True, 20.0, 19, 8080), Turn(False, 24.0, 10, 8080))),
            ],
            Span(0.0, 0.0),
        ),
        (  # a listener that came and went between two looks was one
            [
                look(0, held(1, A)),
                look(50, turns=(Turn(False, 20.0, 10, 8080),)),
                look(90, turns=(Turn(True, 60.0, 15, 8080), Turn(False, 65.0, 15, 8080))),
                look(130, held(2, B), turns=(Turn(True, 100.0, 20, 8080),)),
            ],
            Span(35.0, 35.0),
        ),
        (  # what the kernel could not get rid of may have been one, too
            [
                look(0, held(1, A)),
                look(50, turns=(Turn(False, 20.0, 10, 8080),)),
                look(90, turns_lost=True),
                look(130, held(2, B), turns=(Turn(True, 100.0, 20, 8080),)),
            ],
            Span(9.0, 80.0),
        ),
        (
            [look(0, held(1, A)), look(50, destroyed={1: Span(19.0, 20.0)}), look(90, held(2, B))],
            Span(30.0, 72.0),
        ),
    ],
)  # fmt: skip
def test_how_long_nobody_listened(looks, gap):
    (handover,) = [event for event in events_of(looks) if event.kind == "handed_over"]

    assert handover.gap == gap


def test_a_gap_is_never_less_than_nothing():
    assert gap_between(Span(10, 12), Span(5, 6)) == Span(0, 0)


@pytest.mark.parametrize(
    ("gap", "said"),
    [
        (Span(11.0, 13.0), "after a gap of 12 ms ± 1 in which nobody listened"),
        (Span(20.0, 70.0), "after a gap of 45 ms ± 25 in which nobody listened"),
        (Span(0.0, 51.0), "with a gap of less than 51 ms, if any"),
        (Span(0.0, 0.0), "without a gap"),
        (None, "without a gap"),
    ],
)
def test_a_gap_in_words(gap, said):
    assert name_gap(gap) == said


def test_totals_in_words():
    assert say_totals({}) == "nothing changed"
    assert say_totals({"handed_over": 1, "bind_refused": 2}) == "2 failed starts and 1 hand-over"
    assert say_totals(dict.fromkeys(SENTENCES, 1))
