# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Units of systemd, of the system's manager or of a user's own: how one stands, and how it is stopped and restarted.

systemd acts by name and has no "if it is still that run": the run is looked at by the last thing that is done before
the order, and the moment between the two, some milliseconds, remains. A run that began in it is told of afterwards.
"""

from __future__ import annotations

from ...errors import InvalidInput, Moved, NotApplied, NotPermitted, NotSupported
from ...host import Host
from ...model import Owner, Process
from ...typed import Iterable, Sequence
from ...verdicts.wording import listed, name_mark, name_owner
from ...writing import ActingHost
from ..prove import settle
from ..records import Condition, OwnerMark
from .company import at_once, living, read_company, read_members, read_triggers
from .starting import SECONDS_TO_START, await_start
from .systemctl import Systemctl
from .unit_state import UnitState, say_fatal, say_obstacle, say_revival, say_state

_STOP = ("stop", "--no-block")
_RESTART = ("restart", "--no-block")
_KILL = ("kill", "--signal=SIGKILL")
_SECONDS_TO_DIE = 10.0  # after SIGKILL


def condition(host: Host, owner: Owner) -> Condition:
    """Return how a unit stands now, by its manager. Why nothing can be done to it is in ``obstacle``."""
    mark = OwnerMark(owner.kind, owner.name, owner.manager, owner.id, owner.user)
    try:
        systemd = Systemctl(host, owner.user)
        (unit,) = systemd.show(_unit(mark))
        company = read_company(systemd, unit)
        around = {one.id: one for group in company for one in group}
        members_of = read_members(host, [unit, *around.values()])
        members = members_of.pop(unit.id, ())
        return Condition(
            mark=OwnerMark(owner.kind, owner.name, owner.manager, owner.id, owner.user, unit.birth),
            active=unit.lives,
            members=members,
            survivors=frozenset(one.pid for one in members if unit.survives(one.pid)),
            triggers=tuple(one.id for one in company.triggers),
            triggered=tuple(one.id for one in living(systemd, unit.triggers)),
            dependants=tuple(one.id for one in company.dependants),
            deserted=tuple(one.id for one in company.deserted),
            rivals=tuple(one.id for one in company.rivals),
            members_of=members_of,
            revives=say_revival(unit),
            answers=unit.answers,
            revivable=not unit.transient,
            enabled=unit.enabled,
            fatal=say_fatal(unit),
            obstacle=say_obstacle(unit) or _say_fatal_company(around.values()),
        )
    except (InvalidInput, NotPermitted, NotSupported) as error:
        return Condition(mark, active=True, obstacle=str(error))


def _say_fatal_company(around: Iterable[UnitState]) -> str | None:
    return next(("%s goes with it, and %s" % (one.id, say_fatal(one)) for one in around if one.fatal), None)


def is_known(host: Host, unit: str, user: str | None) -> bool | None:
    """Return whether systemd has such a unit, be it stopped; None where it does not tell."""
    try:
        (seen,) = Systemctl(host, user).show(unit)
    except (InvalidInput, NotPermitted, NotSupported):
        return None
    return seen.lives or seen.load != "not-found"


def stop(host: ActingHost, mark: OwnerMark, grace: float, kill: bool) -> str:
    """Stop the run of a unit that ``mark`` means, with the socket and path units that would start it again.

    Returns what came of it, in one sentence; also when the unit had ended before. Systemd itself kills what has not
    ended after the unit's TimeoutStopSec; with ``kill`` that is done after ``grace`` seconds. Raises Moved when the
    unit runs anew, NotSupported or NotPermitted when it cannot be stopped: nothing was done then. Raises NotApplied
    when it has not stopped in time. The order stays then: to cancel it would not make a unit go on that was told to
    end, and a unit with Restart= would come back.
    """
    systemd = Systemctl(host, mark.user)
    unit, triggers = _seize(systemd, mark)
    if unit is None:
        return "%s had ended before" % _name(mark)
    revivers = at_once(triggers)
    names = [unit.id, *(one.id for one in revivers)]
    systemd.order(_STOP, *reversed(names))

    def ended(seen: Sequence[UnitState]) -> bool:
        return _runs_anew(seen[0], mark) or not any(one.lives or one.has_job for one in seen)

    seen = settle(host, lambda: systemd.show(*names), ended, grace)
    if kill and not ended(seen):
        systemd.order(_KILL, unit.id)
        seen = settle(host, lambda: systemd.show(*names), ended, _SECONDS_TO_DIE)
    if _runs_anew(seen[0], mark):
        raise NotApplied("%s was stopped, and something started it again at once" % _name(mark))
    for one in seen:
        if one.lives or one.has_job:
            raise NotApplied(_say_unfinished(mark, one, "stop", grace, killed=kill))
    if seen[0].birth not in (None, mark.birth):
        raise NotApplied("%s ran anew when the order came: that run was stopped, not the one meant" % _name(mark))
    return _say_stopped(mark, seen[0], triggers, _let_go(host, systemd, unit, kill))


def restart(host: ActingHost, mark: OwnerMark, grace: float, kill: bool) -> str:
    """Restart the run of a unit that ``mark`` means, and wait until its new run is active.

    As ``stop`` in what it returns and raises; its socket units stay. Raises NotApplied with the unit's own reason when
    it does not come up again.
    """
    systemd = Systemctl(host, mark.user)
    unit, _triggers_stay = _seize(systemd, mark)
    if unit is None:
        return "%s had ended before: there was nothing to restart" % _name(mark)
    if not unit.startable or unit.load != "loaded":
        raise NotSupported(
            "%s was left alone: systemd could stop it, but not start it again (LoadState=%s)" % (_name(mark), unit.load)
        )
    served = [] if unit.accepts or not unit.triggers else [one.id for one in living(systemd, unit.triggers)]
    if served and unit.id.endswith(".socket"):
        raise NotSupported("%s was left alone: systemd does not start it while %s runs" % (_name(mark), listed(served)))
    begun = host.clock()
    systemd.order(_RESTART, unit.id)

    def ended(seen: Sequence[UnitState]) -> bool:
        return not seen[0].lives or seen[0].birth != mark.birth

    seen = settle(host, lambda: systemd.show(unit.id), ended, grace)
    if kill and not ended(seen):
        systemd.order(_KILL, unit.id)
        seen = settle(host, lambda: systemd.show(unit.id), ended, _SECONDS_TO_DIE)
    if not ended(seen):
        raise NotApplied(_say_unfinished(mark, seen[0], "restart", grace, killed=kill))
    await_start(host, systemd, unit, begun, SECONDS_TO_START)
    return "%s was restarted" % _name(mark)


def _seize(systemd: Systemctl, mark: OwnerMark) -> tuple[UnitState | None, list[UnitState]]:
    """Return the unit, None if that run has ended, and what would start it again. The run is looked at last."""
    (unit,) = systemd.show(_unit(mark))
    triggers = read_triggers(systemd, unit)
    (unit,) = systemd.show(_unit(mark))
    if _runs_anew(unit, mark):
        raise Moved("%s runs anew since it was looked at: nothing was done to it" % _name(mark))
    if not unit.lives:
        return None, []
    for one in (unit, *at_once(triggers)):
        obstacle = say_obstacle(one)
        if obstacle:
            raise NotSupported("%s was left alone: %s: %s" % (_name(mark), one.id, obstacle))
    return unit, triggers


def _runs_anew(unit: UnitState, mark: OwnerMark) -> bool:
    return unit.lives and unit.birth != mark.birth


def _unit(mark: OwnerMark) -> str:
    return mark.id or mark.name


def _name(mark: OwnerMark) -> str:
    return name_owner(Owner(mark.kind, mark.name, mark.manager, user=mark.user))


def _members_of(host: Host, unit: UnitState) -> tuple[Process, ...]:
    return read_members(host, [unit]).get(unit.id, ())


def _let_go(host: ActingHost, systemd: Systemctl, unit: UnitState, kill: bool) -> tuple[Process, ...]:
    """Return what a unit that has stopped leaves behind, as it may with KillMode=process; with ``kill``, end that."""
    left = _members_of(host, unit)
    if left and kill:
        systemd.order(_KILL, unit.id)
        left = settle(host, lambda: _members_of(host, unit), lambda found: not found, _SECONDS_TO_DIE)
    return left


def _say_unfinished(mark: OwnerMark, unit: UnitState, verb: str, grace: float, killed: bool) -> str:
    what = _name(mark) if unit.id == _unit(mark) else "%s, which starts %s," % (unit.id, _name(mark))
    waited = "%g s and SIGKILL" % grace if killed else "%g s" % grace
    return "%s has not ended after %s, it is %s; systemd goes on to %s it" % (what, waited, say_state(unit), verb)


def _say_stopped(mark: OwnerMark, unit: UnitState, triggers: Sequence[UnitState], left: Sequence[Process]) -> str:
    said = "%s was stopped" % _name(mark)
    revivers = [one.id for one in at_once(triggers)]
    later = [one.id for one in triggers if one.id not in revivers]
    if revivers:
        said += ", with %s, which would have started it again" % listed(revivers)
    if later:
        said += "; %s stays and may start it again" % listed(later)
    if unit.result == "timeout":
        said += "; systemd had to kill it after its own TimeoutStopSec"
    if left:
        names = [name_mark(one) for one in left]
        said += "; it leaves %s behind (KillMode=%s)" % (listed(names), unit.kill_mode)
    return said
