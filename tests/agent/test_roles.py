# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What part each holder of a socket plays: every rule, and which of them comes first, from clues made by hand."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.clues import Clues
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import (
    Creator,
    Holder,
    Owner,
    Process,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.roles import (
    assign_roles,
    was_handed_over,
)

WEB = Owner("unit", "web.service", manager="systemd")
OTHER = Owner("unit", "other.service", manager="systemd")
SOCKET_UNIT = Owner("socket_unit", "web.socket", manager="systemd")
SERVER, TOOL = "/usr/sbin/server", "/usr/bin/tool"
WAITS = "waits in accept4"

UNTOLD = "does not serve it; who made it is not told"
MAY_COME_BACK = "may be at work on a connection or come back to the socket"
WAS_HANDED = "was handed the descriptor, and does not wait on it"
SLEEPS = "sleeps for a moment, and may look at the socket then"
OWN_CREDENTIALS = "the socket has the very credentials of this process"
OTHER_CREDENTIALS = "does not serve it; by its credentials or its age, it did not make the socket"
ANOTHER_CGROUP = "does not serve it; the socket was made in another cgroup than its own"
NO_PARENT = "does not serve it; no holder is the parent of the others, so who made it is gone"
PARENT = "it is the parent of the others that hold it"
MAIN_PROCESS = "it is the parent of those of the same program that serve it"
OLDEST = "it is the oldest that holds it, and the only one that serves it"
BESIDE_21 = "runs the same program as process 21 beside it, which serves"
COMPUTES = "computes or waits for a peer, and may come back to the socket"
IN_TURN = "waits for a lock, as servers do that accept in turn"


def seat(pid: int, **known: Any) -> Holder:
    """Return a holder; the lower its pid the older it is, and its session is one that all share, unless told."""
    process = Process(
        pid,
        "some",
        known.pop("exe", SERVER),
        False,
        ("some",),
        known.pop("uid", 0),
        "root",
        known.pop("ppid", 1),
        known.pop("session", 10),
        "S",
        1,
        1e9,
        known.pop("started", pid),
        None,
        None,
    )
    owner, fd, via = known.pop("owner", WEB), known.pop("fd", 3), known.pop("via", "descriptor")
    return Holder(pid, fd, via, None, "unknown", None, process, owner, **known)


class Player(NamedTuple):
    """A holder, what was seen of it (None: nothing), and the part that it must get."""

    holder: Holder
    clues: Clues | None
    role: str
    evidence: str | None


def player(pid: int, role: str, evidence: str | None, **known: Any) -> Player:
    clues = Clues(**{name: known.pop(name) for name in Clues._fields if name in known})
    return Player(seat(pid, **known), clues, role, evidence)


def inherited(how: str) -> str:
    return "does not serve it; " + how


MADE_AND_SERVED = Clues(made_here=True, waits=WAITS)
MASTER = Player(seat(20), MADE_AND_SERVED, "creator", OWN_CREDENTIALS)
ABSENT_MASTER = player(20, "creator", OWN_CREDENTIALS, made_here=True, astray=True)
FIRST_WORKER = player(21, "worker", WAITS, waits=WAITS, ppid=20, ancestors=(20, 1))
SYSTEMD = player(
    1, "creator", "the service manager made it for web.socket", owner=SOCKET_UNIT, exe="/systemd", session=1, ppid=0
)
SLEEPING_SYSTEMD = SYSTEMD._replace(clues=Clues(astray=True))

CREATORS: dict[str, tuple[Player, ...]] = {
    "a service manager with its socket unit": (
        SYSTEMD,
        player(20, "worker", WAITS, waits=WAITS, session=20),
    ),
    "the process of the very credentials": (MASTER, player(21, "worker", WAITS, waits=WAITS)),
    "the process of the very credentials, not the older parent of all": (
        player(19, "worker", WAITS, waits=WAITS),
        player(20, "creator", OWN_CREDENTIALS, made_here=True, ancestors=(19,)),
    ),
    "the parent of the others": (
        player(20, "creator", PARENT),
        FIRST_WORKER,
        player(22, "unknown", MAY_COME_BACK, ppid=21, ancestors=(21, 20, 1)),
    ),
    "the parent of all that were not handed it": (
        player(19, "unknown", WAS_HANDED, fd=7, astray=True),
        player(20, "creator", PARENT),
        FIRST_WORKER,
    ),
    "no parent that has other credentials": (
        player(20, "heir", OTHER_CREDENTIALS, made_here=False, astray=True),
        player(21, "heir", OTHER_CREDENTIALS, made_here=False, astray=True, ancestors=(20, 1)),
    ),
    "no parent that is in another cgroup than the socket was made in": (
        player(20, "heir", ANOTHER_CGROUP, at_home=False, astray=True),
        player(21, "unknown", MAY_COME_BACK, ancestors=(20, 1)),
    ),
    "the main process of a server in the background": (
        player(20, "creator", MAIN_PROCESS, made_here=False),
        player(21, "worker", WAITS, made_here=False, waits=WAITS, ancestors=(20, 1)),
    ),
    "the main process, not a child of which nothing is told": (
        player(20, "creator", MAIN_PROCESS, made_here=False),
        player(21, "worker", WAITS, waits=WAITS, made_here=False, ancestors=(20, 1)),
        player(22, "unknown", MAY_COME_BACK, exe=TOOL, ancestors=(20, 1)),
    ),
    "no main process of another program": (
        player(20, "unknown", "is a parent of process 21, which serves", exe=TOOL, made_here=False, astray=True),
        player(21, "worker", WAITS, made_here=False, waits=WAITS, ancestors=(20, 1)),
    ),
    "no main process that has only itself to serve": (
        player(20, "worker", WAITS, waits=WAITS, made_here=False),
        player(21, "heir", OTHER_CREDENTIALS, made_here=False, astray=True, ppid=20, ancestors=(20, 1)),
    ),
    "the oldest and only one that serves": (
        player(30, "creator", OLDEST, started=5, waits=WAITS),
        player(21, "heir", inherited("has it under the same number (3)"), started=6, astray=True),
    ),
    "the one of the lower number of two of the same age": (
        player(20, "creator", OLDEST, started=5, waits=WAITS),
        player(21, "unknown", MAY_COME_BACK, started=5),
    ),
    "not the oldest if others serve": (
        player(20, "worker", WAITS, waits=WAITS),
        player(21, "worker", "waits in poll", waits="waits in poll"),
    ),
    "not the only server if others are older": (
        player(20, "unknown", MAY_COME_BACK, exe=TOOL),
        player(21, "worker", WAITS, waits=WAITS),
    ),
    "not the oldest if it has other credentials": (
        player(20, "worker", WAITS, waits=WAITS, made_here=False),
        player(21, "unknown", MAY_COME_BACK, exe=TOOL),
    ),
    "the only holder, which serves": (player(20, "creator", WAITS, waits=WAITS),),
    "the only holder, which may come back to it": (player(20, "creator", "nobody else holds it", astray=False),),
    "nobody, if the only holder does something else": (player(20, "unknown", UNTOLD, astray=True),),
    "nobody, if the only holder serves what was made elsewhere": (
        player(20, "worker", WAITS, waits=WAITS, at_home=False),
    ),
}

WORKERS: dict[str, tuple[Player, ...]] = {
    "is one that waits, be it handed the socket": (
        MASTER,
        player(19, "worker", WAITS, waits=WAITS, fd=7, exe=TOOL, owner=OTHER, cloexec=True, made_here=False),
    ),
    "is what the service manager started for its socket": (
        SLEEPING_SYSTEMD,
        player(20, "worker", "the service manager started it for this socket", session=20, astray=True),
    ),
    "is none that was not started as a service": (
        SLEEPING_SYSTEMD,
        player(
            20, "heir", inherited("has it under the same number (3), runs another program, is in another session"),
            session=19, astray=True,
        ),
    ),
    "is none that another started": (
        SLEEPING_SYSTEMD,
        player(
            20, "heir", inherited("has it under the same number (3), runs another program, is in another session"),
            session=20, ppid=19, astray=True,
        ),
    ),
    "is kin of one that serves": (
        ABSENT_MASTER,
        FIRST_WORKER,
        player(22, "worker", BESIDE_21, astray=True, ppid=20, ancestors=(20, 1)),
    ),
    "is not kin in another session": (
        ABSENT_MASTER,
        FIRST_WORKER,
        player(
            22, "heir", inherited("a child of process 20, has it under the same number (3), is in another session"),
            astray=True, ppid=20, ancestors=(20, 1), session=22,
        ),
    ),
    "is not kin with another parent": (
        ABSENT_MASTER,
        FIRST_WORKER,
        player(22, "heir", inherited("has it under the same number (3)"), astray=True),
    ),
    "is not kin of another program": (
        ABSENT_MASTER,
        FIRST_WORKER,
        player(
            22, "heir", inherited("a child of process 20, has it under the same number (3), runs another program"),
            astray=True, ppid=20, ancestors=(20, 1), exe=TOOL,
        ),
    ),
    "is not kin of another owner": (
        ABSENT_MASTER,
        FIRST_WORKER,
        player(
            22, "heir", inherited("a child of process 20, has it under the same number (3)"),
            astray=True, ppid=20, ancestors=(20, 1), owner=OTHER,
        ),
    ),
    "is not kin of the creator": (
        MASTER,
        player(21, "heir", inherited("has it under the same number (3)"), astray=True),
    ),
    "waits its turn": (MASTER, player(21, "worker", IN_TURN, astray=True, in_turn=True)),
    "waits its turn where no creator is known": (
        player(20, "worker", IN_TURN, astray=True, in_turn=True, made_here=False),
        player(21, "worker", IN_TURN, astray=True, in_turn=True, made_here=False),
    ),
    "waits its turn with others of its program, whoever made the socket": (
        MASTER,
        player(21, "worker", IN_TURN, astray=True, in_turn=True, exe=TOOL),
        player(22, "worker", IN_TURN, astray=True, in_turn=True, exe=TOOL),
    ),
    "does not wait its turn alone": (
        player(21, "heir", ANOTHER_CGROUP, astray=True, in_turn=True, at_home=False),
    ),
    "does not wait its turn in another program": (
        MASTER,
        player(
            21, "heir", inherited("has it under the same number (3), runs another program"),
            astray=True, in_turn=True, exe=TOOL,
        ),
    ),
}  # fmt: skip

RECEIVERS_AND_PARENTS: dict[str, tuple[Player, ...]] = {
    "an older holder was handed another number": (
        player(19, "unknown", WAS_HANDED, fd=7, astray=True),
        MASTER,
    ),
    "an older holder that looks busy was handed another number": (player(19, "unknown", WAS_HANDED, fd=7), MASTER),
    "an older parent that has another number was handed it too": (
        player(19, "unknown", WAS_HANDED, fd=7, astray=True),
        MASTER._replace(clues=MADE_AND_SERVED._replace(ancestors=(19, 1))),
    ),
    "another program that closes on exec was handed another number": (
        MASTER,
        player(21, "unknown", WAS_HANDED, fd=7, exe=TOOL, cloexec=True, astray=True),
    ),
    "a parent of one that serves": (
        player(19, "unknown", "is a parent of process 20, which serves", astray=True, made_here=False),
        MASTER._replace(clues=MADE_AND_SERVED._replace(ancestors=(19, 1))),
    ),
}

HEIRS: dict[str, tuple[Player, ...]] = {
    "not one that may come back": (MASTER, player(21, "unknown", MAY_COME_BACK, astray=False)),
    "not one that could not be looked at": (MASTER, player(21, "unknown", MAY_COME_BACK, made_here=False)),
    "not one of the creator's program that naps": (
        ABSENT_MASTER,
        player(21, "unknown", SLEEPS, astray=True, naps=True),
    ),
    "not those of one program that nap where nobody is known to have made it": (
        player(20, "unknown", SLEEPS, astray=True, naps=True),
        player(21, "unknown", SLEEPS, astray=True, naps=True),
    ),
    "one of another program, though it naps": (
        ABSENT_MASTER,
        player(
            21, "heir", inherited("has it under the same number (3), runs another program"),
            astray=True, naps=True, exe=TOOL,
        ),
    ),
    "those of different programs, though they nap": (
        player(20, "heir", NO_PARENT, astray=True, naps=True),
        player(21, "heir", NO_PARENT, astray=True, naps=True, exe=TOOL),
    ),
    "one that naps beside one that serves": (
        MASTER,
        player(21, "heir", inherited("has it under the same number (3)"), astray=True, naps=True),
    ),
    "not one of the creator's program that is busy": (
        ABSENT_MASTER,
        player(21, "unknown", COMPUTES, astray=True, busy=True, forked=True),
    ),
    "one that is busy, but executed the program for itself": (
        ABSENT_MASTER,
        player(21, "heir", inherited("has it under the same number (3)"), astray=True, busy=True, forked=False),
    ),
    "one that was forked, but is not busy": (
        ABSENT_MASTER,
        player(21, "heir", inherited("has it under the same number (3)"), astray=True, forked=True),
    ),
    "one that is busy, but not with the creator's program": (
        ABSENT_MASTER,
        player(
            21, "heir", inherited("has it under the same number (3), runs another program"),
            astray=True, busy=True, forked=True, exe=TOOL,
        ),
    ),
    "one that is busy beside one that serves": (
        MASTER,
        player(21, "heir", inherited("has it under the same number (3)"), astray=True, busy=True, forked=True),
    ),
    "one by all that shows it": (
        MASTER,
        player(
            21,
            "heir",
            inherited(
                "a child of process 20, has it under another number (7), runs another program, close-on-exec is not "
                "set, is in another session, runs as another user, is in another cgroup than the socket was made in, "
                "by its credentials or its age, it did not make the socket"
            ),
            astray=True, ancestors=(20, 1), fd=7, exe=TOOL, cloexec=False, session=21, uid=33, at_home=False,
            made_here=False,
        ),
    ),
    "one in another cgroup than the socket was made in": (
        player(20, "heir", ANOTHER_CGROUP, astray=True, at_home=False),
    ),
    "one in another cgroup, whatever its credentials": (
        player(20, "heir", ANOTHER_CGROUP, astray=True, at_home=False, made_here=False),
    ),
    "one of other credentials": (player(20, "heir", OTHER_CREDENTIALS, astray=True, made_here=False),),
    "one that has the number of one that serves": (
        player(20, "worker", WAITS, waits=WAITS, fd=5),
        player(21, "worker", WAITS, waits=WAITS),
        player(22, "heir", inherited("process 21 does, which has it under the same number"), astray=True, exe=TOOL),
    ),
    "not one that has another number than those that serve": (
        player(20, "worker", WAITS, waits=WAITS),
        player(21, "worker", WAITS, waits=WAITS),
        player(22, "unknown", UNTOLD, astray=True, exe=TOOL, fd=7),
    ),
    "all, if none is the parent of the others": (
        player(20, "heir", NO_PARENT, astray=True, exe=TOOL),
        player(21, "heir", NO_PARENT, astray=True, ancestors=(19,)),
    ),
    "not the child of another, as that may have made it and passed it on": (
        player(20, "unknown", UNTOLD, astray=True),
        player(21, "unknown", UNTOLD, astray=True, ancestors=(20,), fd=7, exe=TOOL, cloexec=True),
    ),
}  # fmt: skip

OTHERS: dict[str, tuple[Player, ...]] = {
    "a descriptor in flight": (
        MASTER,
        Player(seat(21, via="in_flight"), Clues(), "unknown", "in flight: nobody has received it yet"),
    ),
    "a process that was not looked at": (MASTER, Player(seat(21), None, "unknown", None)),
    "two descriptors of one process": (
        MASTER,
        MASTER._replace(holder=seat(20, fd=4)),
        player(21, "heir", inherited("has it under the same number (3)"), astray=True),
        player(21, "heir", inherited("has it under another number (4)"), astray=True, fd=4),
    ),
}

SCENES = {
    f"{what}: {scene}": players
    for what, scenes in {
        "the creator is": CREATORS,
        "a worker": WORKERS,
        "unknown": RECEIVERS_AND_PARENTS,
        "an heir is": HEIRS,
        "others": OTHERS,
    }.items()
    for scene, players in scenes.items()
}


def assigned(*players: Player, known: Creator | None = None) -> tuple[tuple[Holder, ...], Creator | None]:
    clues = {one.holder.pid: one.clues for one in players if one.clues is not None}
    return assign_roles("LISTEN", tuple(one.holder for one in players), known, clues)


@pytest.mark.parametrize("players", SCENES.values(), ids=SCENES)
def test_everybodys_part(players: tuple[Player, ...]) -> None:
    parts = [(one.pid, one.fd, one.role, one.evidence) for one in assigned(*players)[0]]
    assert parts == [(one.holder.pid, one.holder.fd, one.role, one.evidence) for one in players]


@pytest.mark.parametrize("state", ["LISTEN", "BOUND", "UNCONNECTED"])
def test_every_socket_without_a_peer_is_judged(state: str) -> None:
    holders, creator = assign_roles(state, (seat(20), seat(21)), None, {20: MADE_AND_SERVED, 21: Clues(astray=True)})
    assert [holder.role for holder in holders] == ["creator", "heir"]
    assert creator is not None


@pytest.mark.parametrize(
    ("clues", "serving"),
    [
        (Clues(waits=WAITS), True),
        (Clues(waits=WAITS, astray=True), True),
        (Clues(astray=True), False),
        (Clues(astray=False), None),
        (Clues(), None),
    ],
)
def test_who_serves_as_far_as_it_was_seen(clues: Clues, serving: bool | None) -> None:
    holders, _creator = assign_roles("LISTEN", (seat(20), seat(21)), None, {20: MADE_AND_SERVED, 21: clues})
    assert [holder.serving for holder in holders] == [True, serving]


@pytest.mark.parametrize("via", ["descriptor", "in_flight"])
def test_nothing_is_said_of_the_service_of_those_that_were_not_looked_at(via: str) -> None:
    holders, _creator = assign_roles("LISTEN", (seat(20), seat(21, via=via)), None, {20: MADE_AND_SERVED})
    assert holders[1].serving is None


HANDED_OVER = [
    ({"fd": 7, "started": 19}, True),
    ({"fd": 7, "started": 20}, False),
    ({"fd": 3, "started": 19}, False),
    ({"fd": 7, "cloexec": True, "exe": TOOL}, True),
    ({"fd": 3, "cloexec": True, "exe": TOOL}, False),
    ({"fd": 7, "cloexec": True}, False),
    ({"fd": 7, "cloexec": False, "exe": TOOL}, False),
    ({"fd": 7, "cloexec": None, "exe": TOOL}, False),
]


@pytest.mark.parametrize(("known", "expected"), HANDED_OVER)
def test_who_must_have_received_it(known: dict[str, Any], expected: bool) -> None:
    assert was_handed_over(seat(21, **known), seat(20)) is expected


ORIGIN = Creator("web.service", None, "cgroup of the socket")
MADE = "process 20 made it: " + OWN_CREDENTIALS
GONE = "none of those who hold it made it"
HEIR = player(21, "heir", OTHER_CREDENTIALS, astray=True, made_here=False)
LIKELY_WORKER = player(22, "worker", WAITS, waits=WAITS, made_here=False)
IN_FLIGHT = Player(seat(23, via="in_flight"), Clues(), "unknown", "in flight: nobody has received it yet")


@pytest.mark.parametrize(
    ("players", "known", "expected"),
    [
        ((MASTER, HEIR), None, Creator(None, None, MADE, 20, True)),
        ((MASTER, HEIR), ORIGIN, Creator("web.service", None, f"cgroup of the socket; {MADE}", 20, True)),
        ((HEIR,), None, Creator(None, None, GONE, None, False)),
        ((HEIR,), ORIGIN, Creator("web.service", None, f"cgroup of the socket; {GONE}", None, False)),
        ((HEIR, LIKELY_WORKER), None, None),
        ((HEIR, LIKELY_WORKER), ORIGIN, ORIGIN),
        ((HEIR, IN_FLIGHT), ORIGIN, ORIGIN),
    ],
    ids=["lives", "lives, of a unit", "gone", "gone, of a unit", "not told", "not told, of a unit", "may come"],
)
def test_what_is_known_of_the_creator(
    players: tuple[Player, ...], known: Creator | None, expected: Creator | None
) -> None:
    assert assigned(*players, known=known)[1] == expected


ALONE, SAME = ("creator", "the only one that holds it"), ("worker", "all holders run the same program")
NOTHING = ("unknown", None)


@pytest.mark.parametrize(
    ("state", "holders", "expected"),
    [
        ("LISTEN", (seat(20),), ALONE),
        ("UNCONNECTED", (seat(20), seat(20, fd=4)), ALONE),
        ("LISTEN", (seat(20, via="in_flight"),), NOTHING),
        ("LISTEN", (), None),
        ("ESTABLISHED", (seat(20),), NOTHING),
        ("ESTABLISHED", (seat(20), seat(21)), SAME),
        ("ESTABLISHED", (seat(20), seat(21, exe=TOOL)), NOTHING),
        ("ESTABLISHED", (seat(20), seat(21, owner=OTHER)), NOTHING),
        ("ESTABLISHED", (seat(20, exe=None), seat(21, exe=None)), NOTHING),
        ("LISTEN", (seat(20), seat(21)), SAME),
    ],
)
def test_where_nobodys_part_is_in_question(
    state: str, holders: tuple[Holder, ...], expected: tuple[str, str | None] | None
) -> None:
    found, creator = assign_roles(state, holders, ORIGIN, {})
    assert {(one.role, one.evidence) for one in found} == ({expected} if expected else set())
    assert creator is ORIGIN


def test_clues_of_a_connection_are_not_judged() -> None:
    clues = {20: Clues(made_here=True), 21: Clues(astray=True)}
    holders, creator = assign_roles("CLOSE_WAIT", (seat(20), seat(21)), None, clues)
    assert {(one.role, one.evidence) for one in holders} == {SAME}
    assert creator is None
