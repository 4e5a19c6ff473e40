# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Control groups of the fleet: each host's processes, and those of the machine's own that belong to the fleet.

A cgroup names every process of a host however it was forked, and cgroup.kill ends them all at once
(Documentation/admin-guide/cgroup-v2.rst). On a machine with cgroup v1 beside v2 the hosts also need a place of their
own in the hierarchy name=systemd, since systemd-nspawn makes groups there too.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import subprocess
from collections.abc import Iterator, Mapping, Sequence

from .command import FleetError, wait_for
from .places import CGROUP


def cgroup2_mount(mounts: str) -> pathlib.Path | None:
    """Return where cgroup2 is mounted according to the text of /proc/self/mounts, None when nowhere.

    >>> cgroup2_mount("cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0")
    PosixPath('/sys/fs/cgroup/unified')
    """
    return next(iter(_mounts_of(mounts, "cgroup2", "")), None)


def _mounts_of(mounts: str, kind: str, option: str) -> Iterator[pathlib.Path]:
    for line in mounts.splitlines():
        _, place, found, options, *_ = line.split()
        if found == kind and (not option or option in options.split(",")):
            yield pathlib.Path(place)


def _roots() -> list[pathlib.Path]:
    """Return the fleet's directory in cgroup2, then the one in name=systemd where that exists."""
    mounts = pathlib.Path("/proc/self/mounts").read_text(encoding="utf-8")
    unified = cgroup2_mount(mounts)
    if unified is None:
        raise FleetError("cgroup2 is not mounted on this machine")
    return [place / CGROUP for place in (unified, *_mounts_of(mounts, "cgroup", "name=systemd"))]


def entering(group: str) -> list[str]:
    """Return the words to put before a command so that it, and all it starts, runs in that group of the fleet."""
    files = []
    for root in _roots():
        (root / group).mkdir(parents=True, exist_ok=True)
        files.append(str(root / group / "cgroup.procs"))
    enter = 'until [ "$1" = -- ]; do echo $$ > "$1" || exit 1; shift; done; shift; exec "$@"'
    return ["sh", "-c", enter, "sh", *files, "--"]


def launch(group: str, command: Sequence[str], log: pathlib.Path, environment: Mapping[str, str] | None = None) -> None:
    """Start the command in the background, in a session and control group of its own, its output in ``log``."""
    # In the group before anything is left running: whoever tears the fleet down meanwhile misses nothing.
    with log.open("ab") as output:
        subprocess.run(
            [*entering(group), "setsid", "--fork", *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **(environment or {})},
            check=True,
        )


def alive(host: str) -> bool:
    """Return whether a process of the host lives, at any depth of its group."""
    return _populated(_roots()[0] / host)


def kill_all() -> None:
    """End every process of the fleet and remove its control groups."""
    roots = _roots()
    if roots[0].is_dir():
        # Only what runs inside a host first: systemd-nspawn then ends by itself and clears up after itself in /run.
        for payload in roots[0].glob("*/payload"):
            _kill(payload)
        supervisors = list(roots[0].glob("*/supervisor"))
        with contextlib.suppress(FleetError):
            wait_for(lambda: not any(map(_populated, supervisors)), "systemd-nspawn has ended", seconds=5)
        _kill(roots[0])
        wait_for(lambda: not _populated(roots[0]), "the processes of the test hosts are gone")
    for root in roots:
        # Docker and systemd make groups at any depth; a group is removed before its parent.
        for directory, _, _ in os.walk(root, topdown=False):
            with contextlib.suppress(FileNotFoundError):
                os.rmdir(directory)


def _kill(group: pathlib.Path) -> None:
    (group / "cgroup.kill").write_text("1", encoding="ascii")


def _populated(group: pathlib.Path) -> bool:
    try:
        return "populated 1" in (group / "cgroup.events").read_text(encoding="ascii")
    except FileNotFoundError:
        return False
