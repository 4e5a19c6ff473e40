# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What systemd says of a unit, read from what ``systemctl show`` prints. Pure."""

from __future__ import annotations

import re
import shlex

from ...record import NamedTuple
from ...typed import Iterable, Iterator, Mapping

#: Unit names that systemd gives meaning to (systemd.unit(5)); no glob is among them, which systemctl would expand.
_NAME = re.compile(
    r"[A-Za-z0-9:_.@\\-]{1,240}\.(?:service|socket|scope|target|timer|path|mount|automount|swap|slice|device)"
)
_ENDED = ("inactive", "failed")
#: Whose stop stops this unit's too, by the properties in which systemd keeps them (systemd.unit(5)).
_DEPENDANTS = ("RequiredBy", "RequisiteOf", "BoundBy", "ConsistsOf", "PropagatesStopTo")
#: What is started with it; and whom that has to be there for, as long as any of these is.
_NEEDS = ("Requires", "Requisite", "BindsTo", "Wants", "Upholds")
_NEEDED_BY = ("RequiredBy", "RequisiteOf", "BoundBy", "WantedBy", "UpheldBy")
#: What stops when it is started.
_RIVALS = ("Conflicts", "ConflictedBy")
#: What is started when it has ended.
_ANSWERS = ("OnFailure", "OnSuccess")
#: What the whole host, or the whole manager, does when it has ended.
_LAST_WORDS = ("SuccessAction", "FailureAction")
_BY_CHANCE = ("simple", "exec", "idle")
#: What is asked for; a property that a unit or an older systemd does not have is not printed.
PROPERTIES = (
    *("Id", "LoadState", "ActiveState", "SubState", "StateChangeTimestamp", "InvocationID"),
    *("InactiveExitTimestampMonotonic", "ControlGroup", "Job", "Type", "Restart", "Result", "KillMode", "MainPID"),
    *("Accept", "CanStart", "CanStop", "RefuseManualStart", "RefuseManualStop", "TriggeredBy", "Triggers"),
    *("StopWhenUnneeded", "Transient", "UnitFileState", *_LAST_WORDS),
    *dict.fromkeys((*_DEPENDANTS, *_NEEDS, *_NEEDED_BY, *_RIVALS, *_ANSWERS)),
)


class UnitState(NamedTuple):
    """A unit as its manager knows it at one moment.

    ``birth`` tells its runs apart and stays when one has ended; ``since`` is when its state changed last, as systemd
    writes it. ``group`` is its cgroup. ``has_job`` tells whether it is being started or stopped, or waits for that.
    ``accepts`` marks a socket unit that starts one service for each connection. ``fatal`` is what the whole host does
    when the unit ends, as ``FailureAction=reboot``. ``dependants`` stop with it, ``rivals`` when it starts; ``needs``
    start with it; ``goes_unneeded`` says that it stops when none of ``needed_by`` is left; ``answers`` may start when
    it has ended. ``transient`` is one that was made at run time, as by systemd-run(1), and is gone once it has ended;
    an ``enabled`` one starts at boot.
    """

    id: str
    load: str
    active: str
    sub: str
    since: str
    birth: str | None
    group: str | None
    has_job: bool
    type: str
    restart: str
    result: str
    kill_mode: str
    main_pid: int
    accepts: bool
    startable: bool
    stoppable: bool
    triggered_by: tuple[str, ...]
    triggers: tuple[str, ...]
    dependants: tuple[str, ...]
    rivals: tuple[str, ...]
    needs: tuple[str, ...]
    needed_by: tuple[str, ...]
    goes_unneeded: bool
    transient: bool
    enabled: bool
    answers: tuple[str, ...]
    fatal: str | None

    @property
    def lives(self) -> bool:
        """Whether it is anything but ended: also on its way up or down."""
        return self.active not in _ENDED

    def survives(self, pid: int) -> bool:
        """Return whether systemd leaves a process of its cgroup alone when it stops (systemd.kill(5))."""
        return self.kill_mode == "none" or (self.kill_mode == "process" and pid != self.main_pid)

    @property
    def says_when_ready(self) -> bool:
        """Whether systemd calls it active only once it is; others are active as soon as they are executed."""
        return self.type not in _BY_CHANCE


def parse_units(text: str) -> list[UnitState]:
    r"""Read ``systemctl show -p Id,ActiveState,…`` of some units.

    >>> (unit,) = parse_units('Id=a.service\nInvocationID=c0\nTriggeredBy="a\\\\x2db.socket" a.timer\n')
    >>> unit.birth, unit.triggered_by
    ('c0', ('a\\x2db.socket', 'a.timer'))
    """
    blocks = [dict(line.partition("=")[::2] for line in block.split("\n")) for block in text.split("\n\n")]
    return [_state(values) for values in blocks if values.get("Id")]


def _state(values: Mapping[str, str]) -> UnitState:
    def names(kinds: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted({name for kind in kinds for name in _names(values.get(kind, ""))}))

    refused = {verb for verb in ("Start", "Stop") if values.get("RefuseManual" + verb) == "yes"}
    fatal = ["%s=%s" % (one, values[one]) for one in _LAST_WORDS if values.get(one, "none") not in ("", "none")]
    return UnitState(
        id=values["Id"],
        load=values.get("LoadState", ""),
        active=values.get("ActiveState", ""),
        sub=values.get("SubState", ""),
        since=values.get("StateChangeTimestamp", ""),
        birth=_birth(values),
        group=values.get("ControlGroup") or None,
        has_job=values.get("Job", "") not in ("", "0"),
        type=values.get("Type", ""),
        restart=values.get("Restart", "no"),
        result=values.get("Result", ""),
        kill_mode=values.get("KillMode", ""),
        main_pid=int(values.get("MainPID") or 0),
        accepts=values.get("Accept") == "yes",
        startable=values.get("CanStart") != "no" and "Start" not in refused,
        stoppable=values.get("CanStop") != "no" and "Stop" not in refused,
        triggered_by=tuple(_names(values.get("TriggeredBy", ""))),
        triggers=tuple(_names(values.get("Triggers", ""))),
        dependants=names(_DEPENDANTS),
        rivals=names(_RIVALS),
        needs=names(_NEEDS),
        needed_by=names(_NEEDED_BY),
        goes_unneeded=values.get("StopWhenUnneeded") == "yes",
        transient=values.get("Transient") == "yes",
        enabled=values.get("UnitFileState") == "enabled",
        answers=names(_ANSWERS),
        fatal=", ".join(fatal) or None,
    )


def _birth(values: Mapping[str, str]) -> str | None:
    """systemd before 232 gives a run no id, but each has its own microsecond of the boot in which it began."""
    begun = values.get("InactiveExitTimestampMonotonic", "")
    return values.get("InvocationID") or ("@" + begun if begun not in ("", "0") else None)


def _names(value: str) -> Iterator[str]:
    """Names that hold a backslash are printed in quotes, with two of them."""
    yield from shlex.split(value) if '"' in value else value.split()


def is_unit_name(name: str) -> bool:
    """Return whether a name is one unit's, whole and no pattern: ``is_unit_name("*.service") is False``."""
    return _NAME.fullmatch(name) is not None


def say_state(unit: UnitState) -> str:
    """Return ``deactivating (stop-sigterm) since Sat 2026-11-21 10:44:30 UTC``."""
    return "%s (%s)%s" % (unit.active, unit.sub, " since " + unit.since if unit.since else "")


def say_revival(unit: UnitState) -> str | None:
    """Return what systemd does when the unit's process just ends, None for nothing."""
    return None if unit.restart in ("", "no") else "systemd starts it again (Restart=%s)" % unit.restart


def say_fatal(unit: UnitState) -> str | None:
    """Return why the end of a unit may be that of the host, None if it is not."""
    return "the host may go down when it ends (%s)" % unit.fatal if unit.fatal else None


def say_obstacle(unit: UnitState) -> str | None:
    """Return why nothing can be done to a unit by hand, or had better not, None if something can."""
    if unit.fatal:
        return say_fatal(unit)
    if unit.lives:
        return None if unit.stoppable else "systemd does not let it be stopped by hand (RefuseManualStop=yes)"
    if unit.load == "masked":
        return "it is masked, so that systemd does not start it"
    if unit.load != "loaded":
        return "systemd has no such unit (LoadState=%s)" % unit.load
    return None if unit.startable else "systemd does not let it be started by hand"
