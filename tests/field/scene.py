# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What a test sets up on a host, and that all of it goes with the test."""

from __future__ import annotations

import contextlib
import io
import pathlib
import tarfile
from collections.abc import Callable

from ..fleet.harness.command import FleetError, wait_for
from ..fleet.harness.host import Host

#: On a host; gone with the scene, as are the units, whose names all start alike.
PLACE = "/run/field"
PREFIX = "field-"
_END = f"""
for group in /sys/fs/cgroup/system.slice/{PREFIX}*; do
  [ -e "$group" ] && echo 1 > "$group/cgroup.kill"
done
systemctl stop '{PREFIX}*' 2>/dev/null
ss -K -H -t state time-wait state fin-wait-1 state fin-wait-2 > /dev/null
systemctl reset-failed '{PREFIX}*' 2>/dev/null
rm -rf {PLACE} /run/systemd/system/{PREFIX}*
systemctl daemon-reload
"""


class Scene:
    """Units, files and settings of one test on one host."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._undo: list[Callable[[], object]] = []

    def bring(self, programs: pathlib.Path) -> None:
        """Put the tests' small programs onto the host."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.add(programs, arcname=".")
        self.host.run("sh", "-c", f"mkdir -p {PLACE} && tar x -C {PLACE}", given=packed.getvalue())

    def write(self, path: str, text: str) -> str:
        """Write a file, below the scene's own place unless ``path`` is absolute; return its path on the host."""
        place = str(pathlib.PurePosixPath(PLACE, path))
        self.host.run("sh", "-c", f"cat > {place}", given=text.encode())
        return place

    def start(self, unit: str, *command: str, options: tuple[str, ...] = ()) -> str:
        """Start a transient unit; return its full name."""
        name = f"{PREFIX}{unit}.service"
        self.host.run("systemd-run", "--quiet", f"--unit={name}", *options, *command)
        return name

    def install(self, unit: str, *lines: str) -> str:
        """Give the host a service unit of those lines, not started; return its full name."""
        name = f"{PREFIX}{unit}.service"
        self.write(f"/run/systemd/system/{name}", "\n".join(("[Service]", *lines, "")))
        self.host.run("systemctl", "daemon-reload")
        return name

    def run_unit(self, unit: str, *lines: str) -> str:
        """Give the host a service unit of those lines and start it; return its full name."""
        name = self.install(unit, *lines)
        self.host.run("systemctl", "start", name)
        return name

    def main_process(self, unit: str) -> int:
        """Return the main process of a unit."""
        return int(self.host.run("systemctl", "show", "--property=MainPID", "--value", unit))

    def kill(self, *pids: int) -> None:
        """End processes by SIGKILL; return when they are gone."""
        self.host.run("kill", "-9", *map(str, pids))
        wait_for(lambda: not self.living(*pids), f"{pids} have ended")

    def living(self, *pids: int) -> set[int]:
        """Return which of the processes live; a zombie does not."""
        states = self.host.run("sh", "-c", f"ps -o pid=,state= -p {','.join(map(str, pids))} || true")
        return {int(line.split()[0]) for line in states.splitlines() if line.split()[1] != "Z"}

    def setting(self, path: str, value: str) -> None:
        """Write a file of /proc/sys for as long as the scene lasts."""
        before = self.host.run("cat", path)
        self.undo(lambda: self._write(path, before))
        self._write(path, value)

    def _write(self, path: str, value: str) -> None:
        self.host.run("sh", "-c", f"cat > {path}", given=value.encode())

    def undo(self, act: Callable[[], object]) -> None:
        """Have something done when the scene is cleared away; what was asked last is done first."""
        self._undo.append(act)

    def clear(self) -> None:
        """Remove everything."""
        while self._undo:
            with contextlib.suppress(FleetError):
                self._undo.pop()()
        self.host.run("sh", "-c", _END + "true")
