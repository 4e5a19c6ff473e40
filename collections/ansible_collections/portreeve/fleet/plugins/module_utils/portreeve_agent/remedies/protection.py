# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who is to be left alone, and why: by kind, by name, as the run came through it, or as it is somebody else's.
Pure."""

from __future__ import annotations

from ..model import Holder, Owner, Process
from ..protected import why_protected, why_protected_unit
from ..typed import Iterable
from ..verdicts.wording import name_mark, name_owner, name_process, one_line
from .records import Condition, Wish
from .sight import Sight

_FIRST = "the first process of all"
_KERNEL = "a kernel thread"
_MANAGER = 1  # holds sockets for units, without being a process of theirs


def why_not(sight: Sight, wish: Wish, seat: Holder, act: str) -> str | None:
    """Return why nobody may do this to a holder or its owner, whatever is allowed; None if somebody may."""
    condition = sight.condition_of(seat.owner)
    if act == "terminate":
        fatal = condition and condition.fatal
        one_of = "%s is left alone: it is one of %s, and %s" % (name_process(seat), name_owner(seat.owner), fatal)
        alone = why_left_alone(sight, wish, seat.process, seat.owner) or (one_of if fatal else None)
        return alone or sight.cannot.get("terminate")
    if condition is None:
        return None
    members = {one.pid for one in condition.members}
    if _lives_in(seat.owner) and seat.pid != _MANAGER and seat.pid not in members:
        return "%s holds it and is no process of %s any more" % (name_process(seat), name_owner(seat.owner))
    others = condition.others(act)
    return why_unit_left_alone(wish, seat.owner) or why_members_left_alone(sight, wish, condition, others)


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


def _lives_in(owner: Owner) -> bool:
    """Return whether whoever holds a socket for an owner is one of its processes: a proxy of an engine is not.

    A process can be put below a cgroup of any name by its user, so the manager is asked.
    """
    return owner.kind == "unit" or (owner.kind == "container" and "held_by" not in (owner.detail or {}))
