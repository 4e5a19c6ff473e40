# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Programs of supervisord, stopped and started by it.

To stop a program, supervisord sends its stop signal and SIGKILL when stopwaitsecs have passed; once begun, that cannot
be called off. So where nothing is to be killed the stop signal alone is sent, and the program is stopped for good once
its process has ended: one that supervisord revives at once gets as far as a start.
"""

from __future__ import annotations

import re

from ...errors import Moved, NotApplied, NotSupported, PortreeveError
from ...host import Host
from ...model import Owner, Process
from ...processes import read_process
from ...record import NamedTuple
from ...typed import Sequence
from ...writing import ActingHost
from ..prove import settle
from ..records import Condition, OwnerMark
from .family import child, descendants, ends
from .supervisor_settings import Habits
from .supervisord import ALREADY_STARTED, NOT_RUNNING, Entry, Refused, Supervisor

_SUPERVISOR = re.compile(r"supervisord\((\d+)\)$")  # as owners have it in their detail
_BIRTH = re.compile(r"under (\d+) since (\d+)$")
_REVIVE_SECONDS = 2.5  # it looks every second whom to start again
_KILL_SECONDS = 10.0
_START_SECONDS = 30.0


class _Program(NamedTuple):
    """A program as it is now; ``process`` is None while it has none."""

    supervisor: Supervisor
    entry: Entry
    process: Process | None

    @property
    def birth(self) -> str:
        above = self.supervisor.process
        run = "%d since %d" % (self.process.pid, self.process.start_ticks) if self.process else "no process"
        return "%s, under %d since %d" % (run, above.pid, above.start_ticks)


def condition(host: Host, owner: Owner) -> Condition:
    """Return a program as supervisord knows it now. Never raises for one that does not answer: that is the obstacle."""
    mark = OwnerMark(owner.kind, owner.name, owner.manager, owner.id, owner.user)
    found = _SUPERVISOR.search((owner.detail or {}).get("supervisor", ""))
    if not found:
        return Condition(mark, active=True, obstacle="which supervisord runs it is not known")
    try:
        program = _program(host, read_process(host, int(found.group(1))), owner.name)
        if program is None:
            return Condition(mark, active=True, obstacle="supervisord(%s) knows no such program" % found.group(1))
        return Condition(
            OwnerMark(owner.kind, owner.name, owner.manager, owner.id, owner.user, program.birth),
            active=program.entry.active,
            members=descendants(host, program.process) if program.process else (),
            revives=_revives(program.supervisor.habits(program.entry)),
        )
    except PortreeveError as error:
        return Condition(mark, active=True, obstacle=str(error))


def stop(host: ActingHost, mark: OwnerMark, grace: float, kill: bool) -> str:
    """Stop a program; returns what happened, in one sentence.

    SIGKILL comes after ``grace`` seconds, or earlier after the program's stopwaitsecs, if ``kill``, and never otherwise
    (but a successor that supervisord had started at once may get it). Raises Moved when it is another process now,
    NotApplied when it has not ended in time, NotSupported when only supervisord's own way of stopping is right.
    """
    program = _same(host, mark)
    entry, process = program.entry, program.process
    if not entry.active:
        return "%s had ended by itself" % _name(mark)
    habits = program.supervisor.habits(entry)
    if process is None:
        _order(program, "stopProcess", True, seconds=habits.patience + _KILL_SECONDS)
        return "supervisord gave up starting %s" % _name(mark)
    if kill:
        return _stop_firmly(host, mark, program, process, habits, grace)
    return _stop_gently(host, mark, program, process, habits, grace)


def restart(host: ActingHost, mark: OwnerMark, grace: float, kill: bool) -> str:
    """Stop a program as ``stop`` does and start it again."""
    stopped = stop(host, mark, grace, kill)
    try:
        started = start(host, mark)
    except PortreeveError as error:
        raise NotApplied("%s; it could not be started again: %s" % (stopped, error)) from error
    return "%s; %s" % (stopped, started)


def start(host: ActingHost, mark: OwnerMark, _others: Sequence[str] = ()) -> str:
    """Start a program that was stopped; returns what happened, in one sentence. Raises Moved when its supervisord or
    the program is no more, NotApplied when its process does not stay."""
    program = _found(host, mark)
    if program.process:
        return "%s runs already" % _name(mark)
    _order(program, "startProcess", False)

    def look() -> Entry | None:
        return program.supervisor.find(program.entry.full_name)

    now = settle(host, look, lambda entry: entry is None or not entry.starting, _START_SECONDS)
    if now and (now.running or now.starting):
        return "supervisord started %s" % _name(mark)
    state = "; supervisord calls it %s" % now.state if now else ""
    raise NotApplied("%s ended as soon as it was started%s" % (_name(mark), state))


def _stop_firmly(
    host: ActingHost, mark: OwnerMark, program: _Program, process: Process, habits: Habits, grace: float
) -> str:
    began = host.clock()
    _order(program, "stopProcess", False)
    if not ends(host, process, grace):
        _order(program, "signalProcess", "KILL")
        if not ends(host, process, _KILL_SECONDS):
            raise NotApplied("%s still runs %g s after SIGKILL" % (_name(mark), _KILL_SECONDS))
    patience = min(grace, habits.patience)
    killed = habits.signal != "KILL" and host.clock() - began >= patience
    _settle_down(host, mark, program)
    if killed:
        return "supervisord killed %s, which did not end within %g s" % (_name(mark), patience)
    return "supervisord stopped %s" % _name(mark)


def _stop_gently(
    host: ActingHost, mark: OwnerMark, program: _Program, process: Process, habits: Habits, grace: float
) -> str:
    if habits.as_group:
        raise NotSupported(
            "%s: supervisord stops it as a group and kills that after %g s, so killing must be allowed"
            % (_name(mark), habits.patience)
        )
    if not program.entry.stopping:
        _order(program, "signalProcess", habits.signal)
    if not ends(host, process, grace):
        raise NotApplied(
            "%s ignored SIG%s for %g s and still runs; supervisord was not asked to stop it, for it would kill it"
            % (_name(mark), habits.signal, grace)
        )
    settled = habits.autorestart == "false" or program.entry.stopping
    now = settle(
        host, lambda: _found(host, mark), lambda now: now.process is not None, 0 if settled else _REVIVE_SECONDS
    )
    if not now.entry.active:
        return "supervisord stopped %s" % _name(mark)
    _order(now, "stopProcess", False)
    _settle_down(host, mark, now, habits.patience + _KILL_SECONDS)
    return "supervisord stopped %s, and the successor that it had started at once" % _name(mark)


def _settle_down(host: Host, mark: OwnerMark, program: _Program, seconds: float = _KILL_SECONDS) -> None:
    """Wait until supervisord has taken note of the end."""
    now = settle(
        host,
        lambda: program.supervisor.find(program.entry.full_name),
        lambda entry: entry is None or not entry.active,
        seconds,
    )
    if now and now.active:
        raise NotApplied("%s is still there: supervisord calls it %s" % (_name(mark), now.state))


def _order(program: _Program, method: str, *arguments: str | bool, seconds: float = 10.0) -> None:
    """Have supervisord do something to a program; that it is done already is as good."""
    try:
        program.supervisor.call(method, program.entry.full_name, *arguments, seconds=seconds)
    except Refused as refused:
        if refused.code not in (NOT_RUNNING, ALREADY_STARTED):
            raise


def _same(host: Host, mark: OwnerMark) -> _Program:
    """Return the marked program. Raises Moved when it has another process by now."""
    program = _found(host, mark)
    if program.birth != mark.birth and program.process:
        raise Moved("%s was started again meanwhile, as process %d" % (_name(mark), program.process.pid))
    if program.birth != mark.birth and program.entry.active:
        raise Moved("the process of %s has ended, and supervisord is starting it again" % _name(mark))
    return program


def _found(host: Host, mark: OwnerMark) -> _Program:
    found = _BIRTH.search(mark.birth or "")
    if not found:
        raise NotSupported("%s: which supervisord runs it is not known" % _name(mark))
    pid, start_ticks = int(found.group(1)), int(found.group(2))
    try:
        above = read_process(host, pid)
    except PortreeveError as error:
        raise Moved("supervisord(%d), which ran %s, has ended" % (pid, _name(mark))) from error
    if above.start_ticks != start_ticks:
        raise Moved("supervisord(%d), which ran %s, has ended; its pid is another's now" % (pid, _name(mark)))
    program = _program(host, above, mark.name)
    if program is None:
        raise Moved("supervisord(%d) knows no program %s any more" % (pid, mark.name))
    return program


def _program(host: Host, above: Process, name: str) -> _Program | None:
    supervisor = Supervisor(host, above)
    entry = supervisor.find(name)
    if entry is None:
        return None
    process = child(host, above.pid, entry.pid) if entry.pid else None
    if entry.pid and process is None:
        entry = supervisor.find(name)  # it may have ended since
        if entry is None or entry.pid:
            raise NotSupported("%s: the process that supervisord(%d) tells is no child of its" % (name, above.pid))
    return _Program(supervisor, entry, process)


def _revives(habits: Habits) -> str | None:
    if habits.autorestart is None:
        return "supervisord may start it again (its autorestart is not known)"
    if habits.autorestart == "false":
        return None
    cause = "" if habits.autorestart == "true" else " if it ends with an unexpected exit status"
    return "supervisord starts it again%s (autorestart=%s); once stopped by supervisord it stays so" % (
        cause, habits.autorestart
    )  # fmt: skip


def _name(mark: OwnerMark) -> str:
    return "program " + mark.name
