# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Containers of docker and podman, stopped and started by their engine.

Of a container that an orchestrator or another runtime runs it is said who can act on it; nothing is done to it.
"""

from __future__ import annotations

from ...errors import Moved, NotApplied, NotSupported, PortreeveError
from ...host import Host
from ...model import Owner, Process
from ...processes import ProcessReader, parse_cgroup
from ...typed import Sequence, Union
from ...writing import ActingHost
from ..records import Condition, OwnerMark
from .docker import Docker
from .podman import Podman
from .runs import Run, revives, what_moved, why_not, why_other

Engine = Union[Docker, Podman]

_OTHERS = {
    "kubernetes": "kubernetes would start it again: scale or delete its pod with kubectl",
    "containerd": "a client of containerd runs it: stop it there, such as by nerdctl",
    "cri-o": "cri-o runs it for a kubelet: scale or delete its pod with kubectl",
    "lxc": "lxc runs it: stop it by lxc-stop, or by lxc stop",
    "nspawn": "it is a machine of systemd-nspawn: stop it by machinectl",
    None: "which engine runs it is not known",
}


def condition(host: Host, owner: Owner) -> Condition:
    """Return a container as its engine knows it now. Never raises for an engine that does not answer: that is the
    obstacle."""
    mark = OwnerMark(owner.kind, owner.name, owner.manager, owner.id, owner.user)
    obstacle = _OTHERS.get(owner.manager)
    for engine in _engines(host, owner.manager, owner.user):
        try:
            run = engine.find(owner.id or owner.name)
        except PortreeveError as error:
            obstacle = str(error)
            continue
        if run:
            mark = OwnerMark(owner.kind, owner.name, engine.name, run.id, owner.user, run.birth)
            members = _members(host, run.id, run.pid)
            return Condition(
                mark,
                run.alive,
                members,
                revives=revives(run, engine.name),
                revivable=not run.brief,
                obstacle=why_not(run),
            )
        obstacle = "%s does not know it" % engine.name
    members = _members(host, owner.id or "")
    return Condition(mark, bool(members), members, obstacle=obstacle)


def stop(host: ActingHost, mark: OwnerMark, grace: float, kill: bool) -> str:
    """Stop a container by its own stop signal; returns what happened, in one sentence.

    SIGKILL comes after ``grace`` seconds if ``kill``, and never otherwise (unless it is what the container calls its
    stop signal). Raises Moved when it is another run or container now, NotApplied when it has not ended in time.
    """
    engine = _engine(host, mark)
    return _stop(engine, mark, _same(engine, mark), grace, kill)


def restart(host: ActingHost, mark: OwnerMark, grace: float, kill: bool) -> str:
    """Stop a container as ``stop`` does and start it again. Raises NotSupported for one that its end removes."""
    engine = _engine(host, mark)
    run = _same(engine, mark)
    if run.brief:
        raise NotSupported("%s was started with --rm: stopped, it would be gone" % _name(mark))
    stopped = _stop(engine, mark, run, grace, kill)
    try:
        _start(engine, mark, run)
    except PortreeveError as error:
        raise NotApplied("%s; it could not be started again: %s" % (stopped, error)) from error
    return "%s and started it again" % stopped


def start(host: ActingHost, mark: OwnerMark, _others: Sequence[str] = ()) -> str:
    """Start a container again that was stopped; returns what happened, in one sentence."""
    engine = _engine(host, mark)
    run = engine.find(mark.id or mark.name)
    if run is None:
        raise Moved("%s is no more" % _name(mark))
    renamed = why_other(run, mark)
    if renamed:
        raise Moved(renamed)
    _act_on(run, mark)
    if run.alive:
        return "%s runs already" % _name(mark)
    _start(engine, mark, run)
    return "%s started %s" % (engine.name, _name(mark))


def _stop(engine: Engine, mark: OwnerMark, run: Run, grace: float, kill: bool) -> str:
    if not run.alive:
        return "%s had ended by itself" % _name(mark)
    try:
        killed = engine.stop(run, grace, kill)
    except NotApplied as error:
        later = "" if run.policy == "no" else "; %s will not start it again once it ends" % engine.name
        raise NotApplied("%s: %s%s" % (_name(mark), error, later)) from error
    now = engine.find(run.id)
    if now and now.alive:
        raise NotApplied("%s runs again since %s: something else started it" % (_name(mark), now.started))
    how = "killed %s after %g s in which it did not end" % (_name(mark), grace) if killed else "stopped " + _name(mark)
    return "%s %s%s" % (engine.name, how, "" if now else ", which removed it (--rm)")


def _start(engine: Engine, mark: OwnerMark, run: Run) -> None:
    engine.start(run)
    now = engine.find(run.id)
    if now is None or not now.alive:
        status = "" if now is None else " with exit status %d" % now.exit_status
        raise NotApplied("%s ended%s as soon as it was started" % (_name(mark), status))


def _engine(host: Host, mark: OwnerMark) -> Engine:
    for engine in _engines(host, mark.manager, mark.user):
        return engine
    raise NotSupported("%s: %s" % (_name(mark), _OTHERS.get(mark.manager, "nobody here can act on it")))


def _engines(host: Host, manager: str | None, user: str | None) -> tuple[Engine, ...]:
    """Return the engines that may run a container; its cgroup does not always tell which one it is."""
    if manager not in ("docker", "podman", None):
        return ()
    uid = host.user_id(user) if user else None
    both = (Docker(host, uid), Podman(host, uid))
    return tuple(engine for engine in both if manager in (engine.name, None))


def _same(engine: Engine, mark: OwnerMark) -> Run:
    """Return the marked run. Raises Moved when it is no more."""
    run = engine.find(mark.id or mark.name)
    moved = what_moved(run, None if run else engine.find(mark.name), mark)
    if run is None or moved:
        raise Moved(moved or _name(mark))
    _act_on(run, mark)
    return run


def _act_on(run: Run, mark: OwnerMark) -> None:
    obstacle = why_not(run)
    if obstacle:
        raise NotSupported("%s: %s" % (_name(mark), obstacle))


def _name(mark: OwnerMark) -> str:
    return "container " + mark.name


def _members(host: Host, container_id: str, first: int | None = None) -> tuple[Process, ...]:
    """Return the processes in a container, also those of containers inside of it, but not its monitor.

    Everybody may call a cgroup in a place of their own like that of a container. So where its first process is known,
    only those count that are in the same one.
    """
    if not container_id or first == 0:
        return ()
    home = None if first is None else _home(_cgroup(host, first), container_id)
    if first is not None and home is None:
        return ()
    reader, found = ProcessReader(host), []
    for pid in host.pids():
        here = _home(_cgroup(host, pid), container_id)
        if here is None or home not in (None, here):
            continue
        try:
            with host.open_process(pid) as directory:
                found.append(reader.read(pid, directory))
        except PortreeveError:  # it has ended
            continue
    return tuple(found)


def _cgroup(host: Host, pid: int) -> str:
    try:
        return parse_cgroup(host.read("/proc/%d/cgroup" % pid)) or ""
    except PortreeveError:
        return ""


def _home(path: str, container_id: str) -> str | None:
    """Return the container's own cgroup among those that lead to one: ``libpod-conmon-ID`` is its monitor's."""
    parts = path.split("/")
    for count, part in enumerate(parts, 1):
        name = part[:-6] if part.endswith(".scope") else part
        if name.endswith(container_id) and "conmon" not in name:
            return "/".join(parts[:count])
    return None
