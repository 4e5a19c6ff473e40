# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The docker engine told what to do, by its API (Docker Engine API, v1.24 and later)."""

from __future__ import annotations

from ...errors import NotApplied, NotSupported
from ...host import Host
from ...ownership.docker import engine_socket
from ...ownership.local_http import Answer, parse_answer, request
from ..prove import settle
from .runs import Run, parse_run

_LOOK_SECONDS = 5.0
_ACT_SECONDS = 60.0  # a start sets up networks, and may have to wait for other containers' turns
_KILL_SECONDS = 10.0
_LIMIT = 1 << 24  # bytes


class Docker:
    """The system's engine (``uid`` None) or a user's rootless one."""

    name = "docker"

    def __init__(self, host: Host, uid: int | None) -> None:
        self._host = host
        self._socket = engine_socket(uid)

    def find(self, reference: str) -> Run | None:
        """Return the container with this id or name. Raises NotSupported when the engine does not answer."""
        import json

        answer = self._ask("GET", "/containers/%s/json" % reference, _LOOK_SECONDS)
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise NotSupported("docker could not be asked: " + _complaint(answer))
        return parse_run(json.loads(answer.body))

    def stop(self, run: Run, grace: float, kill: bool) -> bool:
        """Send the container's stop signal and wait for its end; returns whether it had to be killed.

        ``docker stop`` kills when its time is up. Sending the stop signal by itself makes the engine leave the restart
        policy aside just as well, and kills nothing. Raises NotApplied when the container has not ended in time.
        """
        self._signal(run, run.stop_signal)
        if self._ends(run, grace):
            return False
        if not kill:
            raise NotApplied("it ignored %s for %g s and still runs" % (_name(run.stop_signal), grace))
        self._signal(run, "SIGKILL")
        if not self._ends(run, _KILL_SECONDS):
            raise NotApplied("it still runs %g s after SIGKILL" % _KILL_SECONDS)
        return True

    def start(self, run: Run) -> None:
        """Start a container. Raises NotApplied with the engine's reason when that fails."""
        answer = self._ask("POST", "/containers/%s/start" % run.id, _ACT_SECONDS)
        if answer.status not in (204, 304):  # 304: it has been started already
            raise NotApplied(_complaint(answer))

    def _signal(self, run: Run, signal: str) -> None:
        from urllib.parse import quote

        target = "/containers/%s/kill?signal=%s" % (run.id, quote(signal, safe=""))
        answer = self._ask("POST", target, _ACT_SECONDS)
        if answer.status not in (204, 404, 409):  # it has ended, or been removed, in the meantime
            raise NotApplied(_complaint(answer))

    def _ends(self, run: Run, seconds: float) -> bool:
        return run.is_over(settle(self._host, lambda: self.find(run.id), run.is_over, seconds))

    def _ask(self, method: str, target: str, seconds: float) -> Answer:
        try:
            return parse_answer(self._host.converse(self._socket, request(method, target), seconds, _LIMIT))
        except NotSupported as error:
            raise NotSupported("docker could not be asked: %s" % error) from error


def _name(signal: str) -> str:
    return "signal " + signal if signal.isdigit() else signal


def _complaint(answer: Answer) -> str:
    """Return what the engine says went wrong, as data."""
    import json

    from ...ownership.case import as_data

    try:
        return as_data(json.loads(answer.body)["message"])
    except (ValueError, KeyError, TypeError):
        return "HTTP status %d" % answer.status
