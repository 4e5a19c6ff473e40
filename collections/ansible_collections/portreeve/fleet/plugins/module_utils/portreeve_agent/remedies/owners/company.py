# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whom systemd stops when a unit stops or starts, by what units say of each other (systemd.unit(5)).

systemd has no way to ask what an order would do without giving it, so its rules are followed here.
"""

from __future__ import annotations

from ...errors import PortreeveError
from ...host import Host
from ...model import Process
from ...processes import ProcessReader, parse_cgroup
from ...record import NamedTuple
from ...typed import Iterable, Mapping, Sequence
from .systemctl import Systemctl
from .unit_state import UnitState

_AT_ONCE = (".socket", ".path")  # start a unit again as soon as somebody asks for it; a timer does at its time

States = Mapping[str, UnitState]


class Company(NamedTuple):
    """The living units around one. ``triggers`` would start it again; ``dependants`` stop and restart with it,
    ``deserted`` stop when it is stopped, together with what would start it again at once; ``rivals`` stop when it is
    started."""

    triggers: tuple[UnitState, ...]
    dependants: tuple[UnitState, ...]
    deserted: tuple[UnitState, ...]
    rivals: tuple[UnitState, ...]


def read_company(systemd: Systemctl, unit: UnitState) -> Company:
    """Return whom it would concern to stop, restart or start a unit."""
    triggers = read_triggers(systemd, unit)
    dependants = _falling(systemd, unit.dependants, {unit.id})
    deserted: States = {}
    if unit.lives:
        revivers = {one.id: one for one in at_once(triggers)}
        stopping: States = {unit.id: unit, **revivers, **dependants}
        names = {name for one in revivers.values() for name in one.dependants}
        fallen = _falling(systemd, names, set(stopping))
        deserted = {**fallen, **_unneeded(systemd, {**stopping, **fallen}, set())}
    starting = _starting(systemd, unit)
    rivals = _falling(systemd, {name for one in starting.values() for name in one.rivals}, {unit.id})
    rivals.update(_unneeded(systemd, rivals, set(starting)))
    return Company(
        tuple(triggers), tuple(dependants.values()), tuple(deserted.values()), tuple(rivals.values())
    )  # fmt: skip


def living(systemd: Systemctl, names: Iterable[str]) -> list[UnitState]:
    """Return those of some units that have not ended."""
    wanted = sorted(set(names))
    return [unit for unit in systemd.show(*wanted) if unit.lives] if wanted else []


def read_triggers(systemd: Systemctl, unit: UnitState) -> list[UnitState]:
    """Return the living units that would start this one again: a socket unit with Accept=yes starts another service
    for each connection, never the same again."""
    return [one for one in living(systemd, unit.triggered_by) if not one.accepts]


def at_once(triggers: Sequence[UnitState]) -> list[UnitState]:
    """Return those that start a unit again as soon as somebody asks for it."""
    return [one for one in triggers if one.id.endswith(_AT_ONCE)]


def _falling(systemd: Systemctl, names: Iterable[str], known: set[str]) -> dict[str, UnitState]:
    """Return the living ones of these units, and those that stop when they do, and so on, without those ``known``."""
    found: dict[str, UnitState] = {}
    left = set(names) - known
    while left:
        new = [one for one in living(systemd, left) if one.id not in found and one.id not in known]
        found.update((one.id, one) for one in new)
        left = {name for one in new for name in one.dependants} - set(found) - known
    return found


def _unneeded(systemd: Systemctl, stopping: States, staying: set[str]) -> States:
    """Return the units with StopWhenUnneeded=yes that nothing needs once these have stopped, and what falls with
    them."""
    found: dict[str, UnitState] = {}
    while True:
        gone = {**stopping, **found}
        needs = {name for one in gone.values() for name in one.needs} - set(gone)
        new = [
            one
            for one in living(systemd, needs)
            if one.goes_unneeded
            and one.id not in gone
            and not staying.intersection(one.needed_by)
            and not any(other.id not in gone for other in living(systemd, one.needed_by))
        ]
        if not new:
            return found
        found.update((one.id, one) for one in new)
        found.update(_falling(systemd, {name for one in new for name in one.dependants}, {*gone, *found}))


def _starting(systemd: Systemctl, unit: UnitState) -> States:
    """Return a unit and all that is started with it because it is needed and has not been started yet."""
    found = {unit.id: unit}
    left = set(unit.needs)
    while left:
        new = [one for one in systemd.show(*sorted(left)) if not one.lives and one.id not in found]
        found.update((one.id, one) for one in new)
        left = {name for one in new for name in one.needs} - set(found)
    return found


def read_members(host: Host, units: Iterable[UnitState]) -> dict[str, tuple[Process, ...]]:
    """Return the processes in the units' cgroups and below, by unit. Each says itself where it is: that holds of every
    layout of cgroups, wherever they are mounted."""
    groups = {unit.id: unit.group for unit in units if unit.group not in (None, "/")}
    found: dict[str, list[Process]] = {}
    reader = ProcessReader(host)
    for pid in host.pids() if groups else ():
        try:
            with host.open_process(pid) as directory:
                own = parse_cgroup(directory.read("cgroup"))
                names = [name for name, group in groups.items() if own and (own + "/").startswith("%s/" % group)]
                process = reader.read(pid, directory) if names else None
        except PortreeveError:  # it has ended, or is hidden
            continue
        if process is not None and process.state not in "ZX":
            for name in names:
                found.setdefault(name, []).append(process)
    return {name: tuple(members) for name, members in found.items()}
