# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What part each holder of a socket plays, and who made it, as far as the evidence decides. Pure."""

from __future__ import annotations

from .clues import Clues
from .model import SERVING_STATES, Creator, Holder
from .record import replace
from .typed import Mapping, Optional, Tuple

_Part = Tuple[str, Optional[str]]  # role and evidence

_NOT_ITS_OWN = "by its credentials or its age, it did not make the socket"

_STOPPED = "Tt"  # by a signal or a tracer (proc(5), stat)
CREATOR, WORKER, HEIR, UNKNOWN = "creator", "worker", "heir", "unknown"


def assign_roles(
    state: str, holders: tuple[Holder, ...], creator: Creator | None, clues: Mapping[int, Clues]
) -> tuple[tuple[Holder, ...], Creator | None]:
    """Return the holders with their roles, and what is known of the creator. ``clues`` are by pid, none where the part
    of nobody is in question; of connections only shared programs are told."""
    if not clues or state not in SERVING_STATES:
        return _undoubted(state, holders), creator
    return _Cast(holders, clues).play(creator)


def was_handed_over(holder: Holder, creator: Holder) -> bool:
    """Return whether a holder must have received the descriptor by way of a UNIX socket (unix(7), SCM_RIGHTS).

    It has the socket under another number, and is older than the creator or has set the close-on-exec flag although it
    runs another program, which cannot have inherited it so.
    """
    older = holder.process.start_ticks < creator.process.start_ticks
    survived = holder.cloexec is True and holder.process.exe != creator.process.exe
    return holder.fd != creator.fd and (older or survived)


def _undoubted(state: str, holders: tuple[Holder, ...]) -> tuple[Holder, ...]:
    pids = {holder.pid for holder in holders}
    if len(pids) == 1 and state in SERVING_STATES and holders[0].via != "in_flight":
        return tuple(one._replace(role=CREATOR, evidence="the only one that holds it") for one in holders)
    if len(pids) < 2 or holders[0].process.exe is None or len({_program(holder) for holder in holders}) != 1:
        return holders
    return tuple(one._replace(role=WORKER, evidence="all holders run the same program") for one in holders)


def _program(holder: Holder) -> tuple[object, ...]:
    return holder.process.exe, holder.owner.kind, holder.owner.name, holder.owner.user


def _is_started_by(holder: Holder, manager: Holder) -> bool:
    """Service managers start each service in a session of its own (systemd.exec(5)); orphans keep their parent's."""
    return holder.process.ppid == manager.pid and holder.process.session == holder.pid


class _Cast:
    """The holders of one socket, by pid."""

    def __init__(self, holders: tuple[Holder, ...], clues: Mapping[int, Clues]) -> None:
        self._holders = holders
        self._clues = clues
        self._first = {holder.pid: holder for holder in reversed(holders)}
        self._pids = sorted({holder.pid for holder in holders if holder.pid in clues})
        self._serving = {pid for pid in self._pids if clues[pid].waits}
        self._creator, self._proof = self._find_creator()
        self._creators_seat = self._first[self._creator] if self._creator is not None else None

    def play(self, known: Creator | None) -> tuple[tuple[Holder, ...], Creator | None]:
        holders = tuple(self._with_part(holder) for holder in self._holders)
        return holders, self._tell_creator(known, {holder.role for holder in holders})

    def _with_part(self, holder: Holder) -> Holder:
        if holder.via == "in_flight":
            return holder._replace(evidence="in flight: nobody has received it yet")
        role, evidence = self._part(holder)
        clues = self._clues.get(holder.pid)
        forked = None if clues is None else clues.forked
        return holder._replace(role=role, evidence=evidence, serving=self._serves(holder.pid), forked=forked)

    def _serves(self, pid: int) -> bool | None:
        clues = self._clues.get(pid)
        if clues is None or (clues.waits is None and clues.astray is not True):
            return None
        return clues.waits is not None

    def _tell_creator(self, known: Creator | None, roles: set[str]) -> Creator | None:
        if self._creator is not None:
            proof = "process %d made it: %s" % (self._creator, self._proof)
            if known is None:
                return Creator(None, None, proof, self._creator, True)
            return replace(known, evidence="%s; %s" % (known.evidence, proof), pid=self._creator, alive=True)
        if roles != {HEIR}:
            return known
        gone = "none of those who hold it made it"
        if known is None:
            return Creator(None, None, gone, None, False)
        return replace(known, evidence="%s; %s" % (known.evidence, gone), alive=False)

    def _find_creator(self) -> tuple[int | None, str]:
        """Return whose process made the socket, and what shows it."""
        for pid in self._pids:
            if self._first[pid].owner.kind == "socket_unit":
                return pid, "the service manager made it for %s" % self._first[pid].owner.name
            if self._clues[pid].made_here:
                return pid, "the socket has the very credentials of this process"
        possible = [pid for pid in self._pids if self._clues[pid].made_here is None and self._is_at_home(pid)]
        return self._likely_creator(possible) if possible else self._main_process()

    def _main_process(self) -> tuple[int | None, str]:
        """Return the first process of a server that went into the background with its socket (daemon(3))."""
        for pid in self._pids:
            served = any(_program(self._first[one]) == _program(self._first[pid]) for one in self._serving - {pid})
            if served and self._is_parent_of_all(pid):
                return pid, "it is the parent of those of the same program that serve it"
        return None, ""

    def _likely_creator(self, possible: list[int]) -> tuple[int | None, str]:
        """Choose among those of whom the kernel does not tell whether they made it."""
        if len(self._pids) == 1:
            alone = self._clues[possible[0]]
            likely = alone.waits is not None or alone.astray is not True
            return (possible[0], alone.waits or "nobody else holds it") if likely else (None, "")
        for pid in possible:
            inherited = [one for one in self._pids if not was_handed_over(self._first[one], self._first[pid])]
            if len(inherited) > 1 and all(pid in self._clues[one].ancestors for one in inherited if one != pid):
                return pid, "it is the parent of the others that hold it"
        main = self._main_process()
        if main[0] is not None:
            return main
        eldest = min(self._pids, key=lambda pid: (self._first[pid].process.start_ticks, pid))
        if eldest in possible and self._serving == {eldest}:
            return eldest, "it is the oldest that holds it, and the only one that serves it"
        return None, ""

    def _is_at_home(self, pid: int) -> bool:
        return self._clues[pid].at_home is not False

    def _part(self, holder: Holder) -> _Part:
        """Return what the first of the rules says that has something to say."""
        if holder.pid not in self._clues:
            return UNKNOWN, None
        rules = (self._as_creator, self._as_worker, self._as_receiver, self._as_parent, self._as_heir)
        parts = (rule(holder, self._clues[holder.pid]) for rule in rules)
        return next(
            (part for part in parts if part is not None), (UNKNOWN, "does not serve it; who made it is not told")
        )

    def _as_creator(self, holder: Holder, _clues: Clues) -> _Part | None:
        return (CREATOR, self._proof) if holder.pid == self._creator else None

    def _as_worker(self, holder: Holder, clues: Clues) -> _Part | None:
        creator = self._creators_seat
        kin = self._kin_that_serves(holder)
        if clues.waits:
            return WORKER, clues.waits
        if creator is not None and creator.owner.kind == "socket_unit" and _is_started_by(holder, creator):
            return WORKER, "the service manager started it for this socket"
        if kin is not None:
            return WORKER, "runs the same program as process %d beside it, which serves" % kin
        if clues.in_turn and self._has_kin(holder):
            return WORKER, "waits for a lock, as servers do that accept in turn"
        return None

    def _as_receiver(self, holder: Holder, _clues: Clues) -> _Part | None:
        if self._creators_seat is None or not was_handed_over(holder, self._creators_seat):
            return None
        return UNKNOWN, "was handed the descriptor, and does not wait on it"

    def _as_parent(self, holder: Holder, _clues: Clues) -> _Part | None:
        children = [pid for pid in sorted(self._serving) if holder.pid in self._clues[pid].ancestors]
        return (UNKNOWN, "is a parent of process %d, which serves" % children[0]) if children else None

    def _as_heir(self, holder: Holder, clues: Clues) -> _Part | None:
        """Judge one that is left: it has inherited the socket, if it does not come back to it and another made it."""
        related = any(self._is_parent_of_all(pid) for pid in self._pids)
        alike = [pid for pid in sorted(self._serving) if self._first[pid].fd == holder.fd]
        if clues.astray is not True:
            return UNKNOWN, "may be at work on a connection or come back to the socket"
        may_serve = not self._serving and self._is_of_the_creators_program(holder)
        if clues.naps and may_serve:
            return UNKNOWN, "sleeps for a moment, and may look at the socket then"
        if holder.process.state in _STOPPED and may_serve and self._creators_seat is not None:
            return UNKNOWN, "is stopped, and may come back to the socket when it goes on"
        if clues.busy and clues.forked and may_serve:
            return UNKNOWN, "computes or waits for a peer, and may come back to the socket"
        if self._creators_seat is not None:
            why = self._how_inherited(holder, clues, self._creators_seat)
        elif clues.at_home is False:
            why = "the socket was made in another cgroup than its own"
        elif clues.made_here is False:
            why = _NOT_ITS_OWN
        elif alike:
            why = "process %d does, which has it under the same number" % alike[0]
        elif len(self._pids) > 1 and not related and not self._serving:
            why = "no holder is the parent of the others, so who made it is gone"
        else:
            return None
        return HEIR, "does not serve it; " + why

    def _has_kin(self, holder: Holder) -> bool:
        return any(pid != holder.pid and _program(self._first[pid]) == _program(holder) for pid in self._pids)

    def _is_of_the_creators_program(self, holder: Holder) -> bool:
        """Return whether it runs what the creator runs, or, where that is not known, what all holders run."""
        if self._creators_seat is not None:
            return _program(self._creators_seat) == _program(holder)
        return len({_program(self._first[pid]) for pid in self._pids}) == 1

    def _is_parent_of_all(self, pid: int) -> bool:
        return all(pid in self._clues[other].ancestors for other in self._pids if other != pid)

    def _kin_that_serves(self, holder: Holder) -> int | None:
        """Return another child of the same parent that runs the same program and serves."""
        for pid in sorted(self._serving - {self._creator}):
            other = self._first[pid]
            beside = (other.process.ppid, other.process.session) == (holder.process.ppid, holder.process.session)
            if beside and _program(other) == _program(holder):
                return pid
        return None

    def _how_inherited(self, holder: Holder, clues: Clues, creator: Holder) -> str:
        by = "process %d" % creator.pid
        told = []
        if creator.pid in clues.ancestors:
            told.append("a child of %s" % by)
        same = "under the same number (%d)" if holder.fd == creator.fd else "under another number (%d)"
        told.append("has it " + same % holder.fd)
        if holder.process.exe != creator.process.exe:
            told.append("runs another program")
        if holder.cloexec is False:
            told.append("close-on-exec is not set")
        if holder.process.session != creator.process.session:
            told.append("is in another session")
        if holder.process.uid != creator.process.uid:
            told.append("runs as another user")
        if clues.at_home is False:
            told.append("is in another cgroup than the socket was made in")
        if clues.made_here is False:
            told.append(_NOT_ITS_OWN)
        return ", ".join(told)
