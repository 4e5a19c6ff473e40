# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Programs that supervisord runs: the ancestor right below it is the program, with its name in the environment."""

from __future__ import annotations

from ..model import Owner, Process
from ..typed import TYPE_CHECKING
from .containers import units_around
from .placement import unescape

if TYPE_CHECKING:
    from .case import Case


def resolve(case: Case) -> Owner | None:
    """Return the supervised program a process belongs to."""
    placement = case.placement
    program = case.process
    for ancestor in case.scene.ancestors(case.process):
        if is_supervisor(ancestor):
            there = case.scene.place(ancestor.cgroup)
            # a container or unit that merely came to lie below a supervisor is no program of it
            same = (there.container, there.unit) == (placement.container, placement.unit)
            return _program(case, ancestor, program) if same else None
        program = ancestor
    return None


def is_supervisor(process: Process) -> bool:
    """Return whether a process is supervisord, under its own name or as an argument of Python."""
    words = [word.rpartition("/")[2] for word in process.cmdline[:3]]
    return process.name == "supervisord" or "supervisord" in words or "supervisor.supervisord" in words


def _program(case: Case, supervisor: Process, program: Process) -> Owner:
    evidence = "child of supervisord(%d)" % supervisor.pid
    name = _name_in_environment(case, program)
    if name:
        evidence += "; environment of %d" % program.pid
    else:  # nginx and others overwrite their environment with a title
        from .supervisor_config import name_in_configuration

        name, source = name_in_configuration(case.scene, supervisor, program)
        evidence += "; " + source
    detail = {"supervisor": "supervisord(%d)" % supervisor.pid}
    if case.placement.container:
        told = case.scene.tell(case.placement.container, case.placement.uid)
        detail["container"] = told.name or case.placement.container.id[:12]
        detail.update(units_around(case.placement))
    elif case.placement.unit:
        detail["unit"] = unescape(case.placement.unit)
    return Owner("program", name or program.name, manager="supervisord", detail=detail, evidence=evidence)


def _name_in_environment(case: Case, program: Process) -> str | None:
    """supervisorctl's name for it: GROUP:PROCESS, or PROCESS alone where the two are one (supervisord, subprocess)."""
    for pid in {program.pid: None, case.process.pid: None}:
        environment = case.scene.environment(pid)
        process = environment.get("SUPERVISOR_PROCESS_NAME")
        if process:
            group = environment.get("SUPERVISOR_GROUP_NAME", process)
            return process if group == process else "%s:%s" % (group, process)
    return None
