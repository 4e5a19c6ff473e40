# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Records of a remedy: what is wanted, whom it concerns, what is to be done, and what came of it. Pure.

What names a victim is an identity: it holds of one socket, process or run of an owner, and of no later one.
"""

from __future__ import annotations

from ..binding import BindWish
from ..expectations import Expectation
from ..model import Process
from ..record import dataclass, field
from ..typed import Mapping

#: What can be done about a port, by rising harm.
ACTS = ("destroy", "detach", "restart", "stop", "terminate", "kill")
STRATEGIES = ("auto", "destroy", "detach", "restart", "stop", "terminate")
VERBS = ("start", "restart")  # what may be done once a port is free


@dataclass(frozen=True)
class Then:
    """What is done once the port is free: ``verb`` is start or restart, ``unit`` one of the system's manager.

    In a plan ``others`` are the units that stop because of it, for good or to start again, and ``harm`` is one sentence
    on that, empty where there are none.
    """

    verb: str
    unit: str
    others: tuple[str, ...] = ()
    harm: str = ""


@dataclass(frozen=True)
class Wish:
    """Which port is wanted back, for whom, and how far one may go.

    ``expect`` is who should have it; without one it is to be free. ``at_most`` is the most harmful of ACTS allowed.
    ``grace`` is how long, in seconds, an owner or process gets to end. ``protect`` and ``override`` name owners,
    programs or pids. ``bind`` is the bind that must succeed in the end.
    """

    port: int
    protocol: str = "tcp"
    address: str | None = None
    namespace: str = "host"
    expect: Expectation = field(default_factory=Expectation)
    strategy: str = "auto"
    at_most: str = "detach"
    grace: float = 10.0
    protect: tuple[str, ...] = ()
    override: tuple[str, ...] = ()
    then: Then | None = None
    bind: BindWish = field(default_factory=BindWish)
    undo: bool = True


@dataclass(frozen=True)
class SocketMark:
    """A socket and no later one: cookies are never used twice between two boots, inode numbers may be.

    ``remote`` is None for one without a peer; ``device`` is what it is bound to. Addresses are written ``127.0.0.1:80``
    and ``[::1]:80``.
    """

    protocol: str
    state: str
    local: str
    remote: str | None
    inode: int
    cookie: int | None


@dataclass(frozen=True)
class ProcessMark:
    """A process and no later one with its pid, by when it started (proc_pid_stat(5), in ticks since the boot)."""

    pid: int
    start_ticks: int
    name: str
    exe: str | None = None


@dataclass(frozen=True)
class OwnerMark:
    """One run of an owner and no later one. ``kind``, ``name``, ``manager``, ``id`` and ``user`` are those of
    ``Owner``.

    ``birth`` tells runs apart: a unit's InvocationID, a container's id and start, the start of a program's process.
    None where the manager does not tell.
    """

    kind: str
    name: str
    manager: str | None = None
    id: str | None = None
    user: str | None = None
    birth: str | None = None


@dataclass(frozen=True)
class Condition:
    """An owner as its manager knows it now.

    ``members`` are all of its processes, ``survivors`` the pids of those that it leaves behind when it stops;
    ``triggers`` names the active socket units that would start it again and ``triggered`` what it starts itself, as a
    socket unit does; ``dependants`` are units that stop and restart with it, ``deserted`` those that stop when it is
    stopped, but not when it is restarted, ``rivals`` those that stop when it is started. ``members_of`` are the
    processes of all these, by unit. ``revives`` is in words what starts it again should its process just end, None for
    nothing; ``revivable`` is False for one that nobody can start again once it has stopped, as nothing is left of it
    then; an ``enabled`` one starts at boot. ``answers`` are units that may be started because it has ended. ``fatal``
    says why its end may be the host's, None if it is not. ``obstacle`` says why it can neither be stopped nor started,
    None if it can.
    """

    mark: OwnerMark
    active: bool
    members: tuple[Process, ...] = ()
    survivors: frozenset[int] = frozenset()
    triggers: tuple[str, ...] = ()
    triggered: tuple[str, ...] = ()
    dependants: tuple[str, ...] = ()
    deserted: tuple[str, ...] = ()
    rivals: tuple[str, ...] = ()
    members_of: Mapping[str, tuple[Process, ...]] = field(default_factory=dict)
    revives: str | None = None
    revivable: bool = True
    enabled: bool = False
    answers: tuple[str, ...] = ()
    fatal: str | None = None
    obstacle: str | None = None

    @property
    def revivers(self) -> tuple[str, ...]:
        """The units that stop before it, as they would start it again at once: a timer does so at its own time only."""
        return tuple(one for one in self.triggers if one.endswith((".socket", ".path")))

    def others(self, verb: str) -> tuple[str, ...]:
        """Return the units that go with it when it is stopped, restarted or started."""
        if verb == "stop":
            return self.revivers + self.dependants + self.deserted
        return self.rivals + (self.dependants if verb == "restart" else ())


@dataclass(frozen=True)
class Step:
    """One thing to do. ``sockets`` are those it is about, ``processes`` those that hold them.

    ``owner`` is whom restart and stop are about. Without sockets, destroy is about all that remains of connections
    which no process has any more. ``kill`` allows SIGKILL for what does not end by itself. With ``if_still_held`` it is
    done only if the port is not free by then. ``others`` are units that stop with the owner, before it, or
    because it starts again. ``why`` and ``harm`` are one sentence each.
    """

    act: str
    sockets: tuple[SocketMark, ...] = ()
    processes: tuple[ProcessMark, ...] = ()
    owner: OwnerMark | None = None
    if_still_held: bool = False
    kill: bool = False
    others: tuple[str, ...] = ()
    why: str = ""
    harm: str = ""


@dataclass(frozen=True)
class Plan:
    """What is to be done about a port of one host, in this order, and what is not, with the reasons.

    ``terms`` are what else of a wish decides what is done and what counts as done, in words that stay the same.
    ``refusal`` says why nothing can be done though something should be. ``needless`` says why nothing need be done.
    ``digest`` stands for everything but words: who approves it approves these victims.
    """

    boot_id: str
    namespace: int
    port: int
    protocol: str
    address: str | None
    verdict: str
    steps: tuple[Step, ...] = ()
    then: Then | None = None
    terms: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()
    refusal: str | None = None
    needless: str | None = None
    digest: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of a step: ``result`` is done, gone (it had ended by itself), refused (something had moved), skipped
    (the port was free by then) or failed. ``undo`` is the owner that can be started again, None where nothing can be
    undone.
    """

    step: Step
    result: str
    summary: str
    undo: OwnerMark | None = None
