# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is known of a port when its remedy is planned, and who is to be left alone. Pure."""

from __future__ import annotations

from ..endpoint import Endpoint
from ..expectations import Expectation
from ..model import HeldSocket, Holder, Owner, PortAnswer, Process, Socket
from ..record import dataclass, field
from ..typed import Iterable, Mapping, Tuple
from ..verdicts.case import identity
from .records import Condition, ProcessMark, SocketMark, Wish

OwnerKey = Tuple[object, ...]


@dataclass(frozen=True)
class Sight:
    """One port of one namespace as it is now.

    ``conditions`` are those of the owners that hold it; ``serves`` is what else they serve, as ``9090/tcp``. ``own``
    are the pids of the run itself and its ancestors, ``in_use`` the cookies of connections through which it came.
    ``on_purpose`` tells by cookie whether a connection's program bound the port itself. ``unseen`` says why there may
    be sockets on the port that are not seen, ``hiding`` why there may be holders, empty when there can be none.
    ``cannot`` says why this kernel cannot destroy, detach or terminate; ``free_now`` whether the bind that is wished
    for succeeds already, None where it could not be tried; ``cannot_start`` why the unit of ``then`` could not be
    started, ``cannot_bind`` why that bind fails whoever has the port, ``cannot_expect`` why nobody can be who is
    expected, and ``then`` how the unit of ``then`` stands.
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
    cannot_bind: str = ""
    cannot_expect: str = ""
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


def carries_the_run(sight: Sight, held: HeldSocket) -> bool:
    """Return whether a socket is a connection through which the run itself came."""
    return held.socket.cookie is not None and held.socket.cookie in sight.in_use


def expectation_of(wish: Wish) -> Expectation:
    """Return who is to have the port in the end: whom the wish names, or the unit that is to be started."""
    if wish.expect.holder or wish.then is None:
        return wish.expect
    return Expectation(unit=wish.then.unit)
