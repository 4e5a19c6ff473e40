# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""hung_listener: somebody listens, but nobody takes the connections: the queue is full or the processes are stopped."""

from __future__ import annotations

from ..model import HeldSocket, Holder
from .case import Case, Judgement, distinct_owners, distinct_processes
from .wording import listed, name_addresses, name_owner, name_port, name_processes

ID = "hung_listener"

_STOPPED = frozenset("Tt")  # by a signal, by a tracer (proc_pid_stat(5))


def judge(case: Case) -> Judgement | None:
    """Judge a port on which at least one socket is served by nobody."""
    hung = tuple(held for held in case.serving if held.holders and hangs(held))
    if not hung:
        return None
    stopped = distinct_processes(tuple(held._replace(holders=_stopped(held)) for held in hung))
    holders = tuple(holder for held in hung for holder in held.holders)
    owners = listed([name_owner(owner) for owner in distinct_owners(holders)])
    full = tuple(held for held in hung if _is_full(held))
    if stopped:
        what = "%s %s stopped" % (name_processes(stopped), "is" if len(stopped) == 1 else "are")
    else:
        what = "%s does not accept" % name_processes(distinct_processes(hung))
    return Judgement(
        "%s on %s of %s hangs: %s%s%s."
        % (name_port(case), name_addresses(hung), owners, what, _say_queue(full or hung), _say_others(case, hung)),
        _advise(stopped, owners),
    )


def hangs(held: HeldSocket) -> bool:
    """Return whether more connections wait than may, or all who could take them are stopped."""
    return _is_full(held) or bool(_stopped(held))


def _is_full(held: HeldSocket) -> bool:
    """More wait than may: a further connection is dropped (listen(2), backlog)."""
    socket = held.socket
    if socket.state != "LISTEN" or socket.queue is None or socket.queue_limit is None:
        return False
    return socket.queue > socket.queue_limit


def _stopped(held: HeldSocket) -> tuple[Holder, ...]:
    """Return the stopped processes of a socket if no other serves it: all, or all that were seen to serve."""
    if held.socket.state == "BOUND":
        return ()
    serving = tuple(holder for holder in held.holders if holder.serving) or held.holders
    stopped = tuple(holder for holder in held.holders if holder.process.state in _STOPPED)
    return stopped if all(holder.process.state in _STOPPED for holder in serving) else ()


def _say_queue(sockets: tuple[HeldSocket, ...]) -> str:
    listening = [held.socket for held in sockets if held.socket.state == "LISTEN" and held.socket.queue is not None]
    if not listening:
        return ""
    worst = max(listening, key=lambda socket: socket.queue or 0)
    limit = "" if worst.queue_limit is None else " (limit %d)" % worst.queue_limit
    return ", %d %s for accept()%s" % (
        worst.queue or 0, "connection waits" if worst.queue == 1 else "connections wait", limit
    )  # fmt: skip


def _say_others(case: Case, hung: tuple[HeldSocket, ...]) -> str:
    others = distinct_processes(tuple(held for held in case.serving if held not in hung))
    return "; other sockets of the port are held by " + name_processes(others) if others else ""


def _advise(stopped: tuple[Holder, ...], owners: str) -> str:
    if not stopped:
        return "Look at what it waits for (a lock, its descriptor limit, a stuck thread), then restart %s." % owners
    if all(holder.process.state == "t" for holder in stopped):
        return "Let the debugger or tracer that stopped it go on, or restart %s." % owners
    pids = listed([str(holder.pid) for holder in stopped])
    return "Let it go on (kill -CONT %s) if it was stopped by mistake, else restart %s." % (pids, owners)
