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
from ..verdicts.wording import one_line
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
    already, None where it could not be tried; ``cannot_start`` why the unit of ``then`` could not be started.
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

    def condition_of(self, owner: Owner) -> Condition | None:
        """Return how the manager of an owner sees it, None where nobody manages it."""
        return self.conditions.get(identity(owner))


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

    What is protected by kind or by name can be named in ``wish.override``; but never the first process, threads of the
    kernel, and what carries the run itself.
    """
    named = "%s[%d]" % (one_line(process.name), process.pid)
    if process.pid in sight.own:
        return "%s carries this very run" % named
    why = why_protected(process)
    if why in (_FIRST, _KERNEL):
        return "%s is %s" % (named, why)
    names = names_of(process, owner)
    if names.intersection(wish.override):
        return None
    if why:
        return "%s is %s" % (named, why)
    protected = sorted(names.intersection(wish.protect))
    return "%s is protected as %s" % (named, protected[0]) if protected else None


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
