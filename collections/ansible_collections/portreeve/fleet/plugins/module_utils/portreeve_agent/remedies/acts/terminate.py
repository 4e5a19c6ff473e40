# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Terminate: a process is asked to end, and made to only if that is asked for, through a handle of it alone."""

from __future__ import annotations

import signal
from contextlib import contextmanager

from ...errors import Gone, Moved, NotApplied, NotPermitted
from ...host import Host
from ...process_handle import ProcessHandle
from ...processes import own_ancestry
from ...typed import Iterator, Sequence
from ...verdicts.wording import name_mark
from ...writing import ActingHost
from ..records import ProcessMark, SocketMark
from .victim import holds, read_stat, seized

_SECONDS_TO_DIE = 10.0  # after SIGKILL: no process can hold it up, but the kernel may be at work for one
_STOPPED = "T"


def terminate(host: ActingHost, process: ProcessMark, sockets: Sequence[SocketMark], grace: float, kill: bool) -> str:
    """Send SIGTERM to a process that holds one of ``sockets`` and wait ``grace`` seconds; with ``kill`` then SIGKILL.

    Returns done when it has ended, or let go of the sockets, gone if it had ended before, or killed. Raises Moved when
    another process has its pid or it holds none of the sockets now, NotPermitted for one that nobody may end (see
    ``can_terminate``) or where privilege is wanting, NotSupported without handles of processes: nothing was done then.
    Raises NotApplied when it is still there.
    """
    try:
        with _seized(host, process, sockets) as handle:
            handle.send(signal.SIGTERM)
            return _await_end(host, handle, process, sockets, grace, kill)
    except Gone:
        return "gone"


def can_terminate(host: ActingHost, process: ProcessMark, sockets: Sequence[SocketMark]) -> None:
    """Raise what ``terminate`` would raise before it does anything, and Gone when the process has ended; nothing is
    done.

    Nobody may end the first process of all, a thread of the kernel, and the agent with its ancestors.
    """
    with _seized(host, process, sockets) as handle:
        handle.send(0)


@contextmanager
def _seized(host: ActingHost, process: ProcessMark, sockets: Sequence[SocketMark]) -> Iterator[ProcessHandle]:
    with seized(host, process) as handle:
        why = _why_never(host, process)
        if why:
            raise NotPermitted("%s is %s: nobody may end it" % (name_mark(process), why))
        if not holds(host, process, sockets):
            raise Moved(
                "%s does not hold %s any more" % (name_mark(process), " or ".join(one.local for one in sockets))
            )
        yield handle


def _why_never(host: Host, process: ProcessMark) -> str | None:
    if process.pid == 1:
        return "the first process of all"
    if read_stat(host, process).of_kernel:
        return "a kernel thread"
    if process.pid in own_ancestry(host):
        return "what this very task runs through"
    return None


def _await_end(
    host: ActingHost,
    handle: ProcessHandle,
    process: ProcessMark,
    sockets: Sequence[SocketMark],
    grace: float,
    kill: bool,
) -> str:
    """Return done or killed. Raises NotApplied."""
    try:
        if read_stat(host, process).state == _STOPPED:
            handle.send(signal.SIGCONT)  # it would not even hear of it
        if handle.has_ended_within(grace) or not holds(host, process, sockets):
            return "done"
        if not kill:
            raise NotApplied("%s %s" % (name_mark(process), _say_still_there(host, process, grace)))
        handle.send(signal.SIGKILL)
    except Gone:
        return "done"
    if not handle.has_ended_within(_SECONDS_TO_DIE):
        raise NotApplied(
            "%s was sent SIGKILL and has not ended for %g s: the kernel is at work for it"
            % (name_mark(process), _SECONDS_TO_DIE)
        )
    return "killed"


def _say_still_there(host: Host, process: ProcessMark, grace: float) -> str:
    ignored = ignores(host.read("/proc/%d/status" % process.pid), signal.SIGTERM)
    return "%s SIGTERM and is still there after %g s" % ("ignores" if ignored else "was sent", grace)


def ignores(status: bytes, number: int) -> bool:
    """Return whether a process ignores or blocks a signal, from /proc/PID/status (proc_pid_status(5)).

    >>> ignores(b"SigBlk:\\t0000000000000000\\nSigIgn:\\t0000000000004000\\n", 15)
    True
    """
    return any(
        int(line.split()[1], 16) >> (number - 1) & 1
        for line in status.split(b"\n")
        if line.startswith((b"SigIgn:", b"SigBlk:"))
    )
