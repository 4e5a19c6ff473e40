# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Podman told what to do, by its command: it has no engine that runs all the time."""

from __future__ import annotations

import math

from ...errors import NotApplied, NotSupported, PortreeveError
from ...host import Host
from ..prove import settle
from .runs import Run, parse_run

_LOOK_SECONDS = 15.0  # the first command after a boot takes its time
_ACT_SECONDS = 60.0
_BEGIN_SECONDS = 1.0  # until the command has sent the signal
_SETTLE_SECONDS = 10.0
_FOR_EVER = 10_000_000  # seconds, as --time takes them; not all versions know -1
_UNKNOWN = "no such container"
_KILLED = 128 + 9


class Podman:
    """Root's containers (``uid`` None) or those of a user."""

    name = "podman"

    def __init__(self, host: Host, uid: int | None) -> None:
        self._host = host
        self._uid = uid

    def find(self, reference: str) -> Run | None:
        """Return the container with this id or name. Raises NotSupported when podman is missing or fails."""
        import json

        try:
            told = self._run("inspect", "--type", "container", reference, seconds=_LOOK_SECONDS)
        except PortreeveError as error:
            if _UNKNOWN in str(error).lower():
                return None
            raise NotSupported("podman could not be asked: %s" % error) from error
        entries = json.loads(told)
        return parse_run(entries[0]) if entries else None

    def stop(self, run: Run, grace: float, kill: bool) -> bool:
        """Send the container's stop signal and wait for its end; returns whether it had to be killed.

        Only ``podman stop`` sets the restart policy aside (``podman kill`` does from 4.7 on). The command itself waits,
        and kills when its time is up: where nothing is to be killed it gets time without end, and is ended itself.
        Raises NotApplied when the container has not ended in time.
        """
        patience = math.ceil(grace) if kill else _FOR_EVER
        seconds = _BEGIN_SECONDS + grace + (_ACT_SECONDS if kill else 0)
        began, complaint = self._host.clock(), ""
        try:
            self._run("stop", "--time", str(patience), run.id, seconds=seconds)
        except PortreeveError as error:
            complaint = str(error)
        unanswered = self._host.clock() - began >= seconds
        left = settle(self._host, lambda: self.find(run.id), run.is_over, 0 if complaint else _SETTLE_SECONDS)
        if run.is_over(left):
            return kill and left is not None and left.exit_status == _KILLED
        if complaint and not unanswered:
            raise NotApplied(complaint)
        raise NotApplied("it has not ended %g s after its stop signal; podman calls it stopping" % grace)

    def start(self, run: Run) -> None:
        """Start a container. Raises NotApplied with podman's reason when that fails."""
        try:
            self._run("start", run.id, seconds=_ACT_SECONDS)
        except PortreeveError as error:
            raise NotApplied(str(error)) from error

    def _run(self, *words: str, seconds: float) -> str:
        if self._uid is None:
            return self._host.run(["env", "--chdir=/", "podman", *words], seconds)
        return _as_user(self._host, self._uid, ["podman", *words], seconds)


def _as_user(host: Host, uid: int, command: list[str], seconds: float) -> str:
    """Run a command as a user who has a service manager of his own; podman finds his containers by these variables."""
    directory = "/run/user/%d" % uid
    bus = "DBUS_SESSION_BUS_ADDRESS=unix:path=%s/bus" % directory
    words = ["env", "--chdir=/", "--unset=HOME", "XDG_RUNTIME_DIR=" + directory, bus, *command]

    def work() -> str | PortreeveError:
        try:
            host.become(uid)
            return host.run(words, seconds)
        except PortreeveError as error:
            return error

    said = host.in_second_process(work, seconds + _BEGIN_SECONDS)()
    if isinstance(said, PortreeveError):
        raise said
    return said
