# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is known of a port when its remedy is planned, and who is to be left alone. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Iterable, Mapping, Tuple

from ..endpoint import Endpoint
from ..model import HeldSocket, Holder, Owner, PortAnswer, Process, Socket
from ..protected import why_protected, why_protected_unit
from ..verdicts.case import identity
from ..verdicts.wording import name_mark, name_owner, one_line
from .records import Condition, ProcessMark, SocketMark, Wish

OwnerKey = Tuple[object, ...]
_FIRST = "the first process of all"
_KERNEL = "a kernel thread"


@dataclass(frozen=True)
class Sight:
    """One port of one namespace as it is now.

    ``conditions`` are those of the owners that hold it; ``serves`` is what else they serve, as ``9090/tcp``. ``own``
    are the pids of the run itself and its ancestors, ``in_use`` the cookies of connections through which it came.
    ``on_purpose`` tells by cookie whether a connection's program bound the port itself. ``unseen`` says why there
    may be sockets on the port that are not seen, ``hiding`` why there may be holders, empty when there can be none.
    ``cannot`` says why this kernel cannot destroy or detach; ``free_now`` whether the bind that is wished for succeeds
    already, None where it could not be tried; ``cannot_start`` why the unit of ``then`` could not be started, and
    ``then`` how that stands.
    """

    answer: PortAnswer
    boot_id: str
    conditions: Mapping[OwnerKey, Condition] = field(default_factory=dict)
    serves: Mapping[OwnerKey, tuple[str, ...]] = field(default_factory=dict)
    own: frozenset[int] = frozenset()
    in_use: frozenset[int] = frozenset()
    on_purpose: Mapping[int, bool] = field(default_factory=dict)
    unseen: str = ""
    hiding: str = ""
    cannot: Mapping[str, str] = field(default_factory=dict)
    free_now: bool | None = None
    cannot_start: str = ""
    then: Condition | None = None

    def condition_of(self, owner: Owner) -> Condition | None:
        """Return how the manager of an owner sees it, None where nobody manages it."""
        return self.conditions.get(identity(owner))

    def condition_of_unit(self, name: str) -> Condition | None:
        """Return how a unit of the system's manager stands, None where it was not looked at."""
        for known in (self.then, *self.conditions.values()):
            mark = None if known is None else known.mark
            if mark and mark.kind == "unit" and not mark.user and name in (mark.name, mark.id):
                return known
        return None


def mark_socket(row: Socket) -> SocketMark:
    """Return what tells a socket from all others."""
    return SocketMark(
        row.protocol,
        row.state,
        _name_end(row, row.local),
        _name_end(row, row.remote) if row.remote else None,
        row.inode,
        row.cookie,
    )


def _name_end(row: Socket, end: Endpoint) -> str:
    return ("[%s]:%d" if row.family == 6 else "%s:%d") % end


def mark_process(process: Process) -> ProcessMark:
    """Return what tells a process from all others."""
    return ProcessMark(process.pid, process.start_ticks, process.name, process.exe)


def mark_processes(holders: Iterable[Holder]) -> tuple[ProcessMark, ...]:
    """Return each process of some holders once, by pid."""
    by_pid = {holder.pid: holder.process for holder in holders}
    return tuple(mark_process(by_pid[pid]) for pid in sorted(by_pid))


def why_left_alone(sight: Sight, wish: Wish, process: Process, owner: Owner | None) -> str | None:
    """Return why nothing is done to a process, or to what it holds, in words for a sentence; None if something may be.

    ``wish.override`` lifts what is protected by its kind, and neither ``wish.protect`` nor what holds for the first
    process, threads of the kernel, and what carries the run itself.
    """
    named = name_mark(process)
    if process.pid in sight.own:
        return "%s carries this very run" % named
    why = why_protected(process)
    if why in (_FIRST, _KERNEL):
        return "%s is %s" % (named, why)
    names = names_of(process, owner)
    protected = sorted(names.intersection(wish.protect))
    if protected:
        return "%s is protected as %s" % (named, protected[0])
    return "%s is %s" % (named, why) if why and not names.intersection(wish.override) else None


def why_unit_left_alone(wish: Wish, owner: Owner) -> str | None:
    """Return why nothing is done to a unit whatever its processes are, in words for a sentence; None if something may
    be. A socket unit has none of its own."""
    if owner.kind not in ("unit", "socket_unit"):
        return None
    names = unit_names(owner)
    why = why_protected_unit(owner.name)
    if why and not names.intersection(wish.override):
        return "%s is %s" % (one_line(owner.name), why)
    protected = sorted(names.intersection(wish.protect))
    return "%s is protected as %s" % (one_line(owner.name), protected[0]) if protected else None


def why_members_left_alone(sight: Sight, wish: Wish, condition: Condition, others: Iterable[str]) -> str | None:
    """Return why an owner is left alone because of one of its processes, or of a unit that goes with it."""
    mark = condition.mark
    owner = Owner(mark.kind, mark.name, mark.manager, mark.id, mark.user)
    for process in condition.members:
        why = why_left_alone(sight, wish, process, owner)
        if why:
            return "%s is left alone: %s" % (name_owner(owner), why)
    for name in others:
        unit = Owner("unit", name, mark.manager, user=mark.user)
        whys = [why_left_alone(sight, wish, one, unit) for one in condition.members_of.get(name, ())]
        why = why_unit_left_alone(wish, unit) or next((one for one in whys if one), None)
        if why:
            return "%s is left alone, as %s goes with it: %s" % (name_owner(owner), one_line(name), why)
    return None


def why_not_afterwards(sight: Sight, wish: Wish) -> str | None:
    """Return why the unit of ``then`` is not started or restarted, because of whom that would stop."""
    known = sight.then
    if wish.then is None or known is None or (known.active and wish.then.verb == "start"):
        return None
    owner = Owner("unit", known.mark.name, known.mark.manager)
    why = why_unit_left_alone(wish, owner) if known.active else None
    return why or why_members_left_alone(sight, wish, known, known.others(wish.then.verb))


def names_of(process: Process, owner: Owner | None) -> set[str]:
    """Return what a process may be called in a list of the protected: pid, program, path, owner."""
    names = {str(process.pid), process.name}
    if process.exe:
        names |= {process.exe, process.exe.rpartition("/")[2]}
    return names | (unit_names(owner) if owner else set())


def unit_names(owner: Owner) -> set[str]:
    """Return what an owner may be called, a service also without its ending."""
    names = {name for name in (owner.name, owner.id) if name}
    return names | {name[: -len(".service")] for name in names if name.endswith(".service")}


def carries_the_run(sight: Sight, held: HeldSocket) -> bool:
    """Return whether a socket is a connection through which the run itself came."""
    return held.socket.cookie is not None and held.socket.cookie in sight.in_use
