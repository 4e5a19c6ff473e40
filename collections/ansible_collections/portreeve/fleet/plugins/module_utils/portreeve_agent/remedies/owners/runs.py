# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run of a container, as docker and podman describe it in the same words ("inspect")."""

from __future__ import annotations

from ...ownership.case import as_data
from ...record import NamedTuple
from ...typed import Any, Mapping
from ..records import OwnerMark

_SWARM = "com.docker.swarm.service.name"
_UNIT = "PODMAN_SYSTEMD_UNIT"
_OF_NO_USE = ("dead", "removing")


class Run(NamedTuple):
    """A container and its last run.

    ``alive`` is False once its processes have ended and nothing starts it again; ``pid`` is the first of them, 0 where
    there is none, and ``started`` when it began. ``policy`` is its restart policy, ``brief`` one that is removed when
    it ends, ``unit`` the systemd unit and ``service`` the swarm's service that it is run by.
    """

    id: str
    name: str
    alive: bool
    pid: int
    started: str
    status: str
    exit_status: int
    stop_signal: str
    policy: str
    brief: bool
    unit: str | None
    service: str | None

    @property
    def birth(self) -> str:
        """What no other run of this or another container has."""
        return "%s since %s" % (self.id, self.started)

    def is_over(self, now: Run | None) -> bool:
        """Return whether this run has ended, by what its container is now."""
        return now is None or not now.alive or now.started != self.started


def parse_run(entry: Mapping[str, Any]) -> Run:
    """Read what ``docker inspect`` and ``podman inspect`` tell of one container.

    >>> parse_run({"Id": "4f9e", "Name": "/web", "State": {"Status": "running", "Pid": 7, "StartedAt": "now"}}).alive
    True
    """
    state, config, limits = (entry.get(part) or {} for part in ("State", "Config", "HostConfig"))
    labels = config.get("Labels") or {}
    return Run(
        id=as_data(entry["Id"]),
        name=as_data(entry.get("Name")).lstrip("/"),
        # podman calls one that has been told to end "stopping" and not running; its process is there all the same
        alive=bool(state.get("Pid")) or bool(state.get("Restarting")),
        pid=int(state.get("Pid") or 0),
        started=as_data(state.get("StartedAt")),
        status=as_data(state.get("Status")),
        exit_status=int(state.get("ExitCode") or 0),
        stop_signal=as_data(config.get("StopSignal")) or "SIGTERM",
        policy=as_data((limits.get("RestartPolicy") or {}).get("Name")) or "no",
        brief=bool(limits.get("AutoRemove")),
        unit=as_data(labels.get(_UNIT)) or None,
        service=as_data(labels.get(_SWARM)) or None,
    )


def what_moved(run: Run | None, successor: Run | None, mark: OwnerMark) -> str | None:
    """Return what is no longer as ``mark`` says, None if it is the same run. ``run`` has the marked id,
    ``successor`` the marked name."""
    was = "container %s (%s)" % (mark.name, (mark.id or "")[:12])
    if run is None:
        if successor is None:
            return "%s has been removed" % was
        return "%s has been removed, and its name is now that of %s" % (was, successor.id[:12])
    renamed = why_other(run, mark)
    if renamed or run.birth == mark.birth:
        return renamed
    return "%s was started again meanwhile, at %s" % (was, run.started)


def why_other(run: Run, mark: OwnerMark) -> str | None:
    """Return what a container that ``mark`` calls otherwise is called now."""
    known_by_id = mark.id == run.id and mark.id.startswith(mark.name)  # its name was not known
    if run.name == mark.name or known_by_id:
        return None
    return "container %s (%s) is called %s now" % (mark.name, run.id[:12], run.name)


def why_not(run: Run) -> str | None:
    """Return why a container can be neither stopped nor started, None if it can."""
    if run.status == "paused":
        return "it is paused: its processes cannot end before it is unpaused"
    if run.status in _OF_NO_USE:
        return "its engine is removing it (it is %s)" % run.status
    if run.service:
        return "docker's swarm would start another: scale or remove its service %s with docker service" % run.service
    if run.unit:
        return "the unit %s runs it, and may start it again: stop or restart that unit" % run.unit
    return None


def revives(run: Run, engine: str) -> str | None:
    """Return in words what starts a container again whose process just ends."""
    when = {
        "always": "until %s" % ("docker itself starts the next time" if engine == "docker" else "the next boot"),
        "unless-stopped": "until somebody starts it",
        "on-failure": "until somebody starts it",
    }.get(run.policy)
    if when is None:
        return None
    cause = " if it fails" if run.policy == "on-failure" else ""
    return "%s starts it again%s (restart policy %s); once stopped by %s it stays so %s" % (
        engine, cause, run.policy, engine, when
    )  # fmt: skip
