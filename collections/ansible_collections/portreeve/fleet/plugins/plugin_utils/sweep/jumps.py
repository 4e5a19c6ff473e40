# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Connections to jump hosts, each shared by all hosts behind it (ProxyJump in ssh_config(5))."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING

from ...module_utils.portreeve_agent.verdicts.wording import one_line
from .lifeline import Lifeline
from .target import Unreachable

if TYPE_CHECKING:
    import paramiko

_Connect = Callable[[tuple[str, ...], str, Lifeline], "paramiko.Transport"]


class Jumps:
    """Connects to each jump host once, and again when that is lost; in its own time, whoever waits. Safe in threads."""

    def __init__(self, connect: _Connect) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._jumps: dict[tuple[tuple[str, ...], str], _Jump] = {}
        self._closed = False

    def reach(self, arguments: tuple[str, ...], hop: str, lifeline: Lifeline) -> paramiko.Transport:
        """Return a connection to a jump host, for a host with so much time. Raises Unreachable, TimeoutError."""
        with self._lock:
            if self._closed:
                raise TimeoutError
            jump = self._jumps.get((arguments, hop))
            if jump is None or jump.is_lost():
                jump = self._jumps[arguments, hop] = _Jump(lifeline.seconds, before=jump)
                threading.Thread(target=jump.reach, args=(self._connect, arguments, hop), daemon=True).start()
        try:
            return jump.reached.result(lifeline.left())
        except Unreachable as error:
            raise Unreachable(f"its jump host {one_line(hop)} is not reached: {error}") from error

    def close(self) -> None:
        """Close all connections, also those that are only coming about, and end what they go through."""
        with self._lock:
            self._closed = True
        for jump in self._jumps.values():
            jump.lifeline.cut()


class _Jump:
    """One connection to a jump host, which outlives the host that came first."""

    def __init__(self, seconds: float, before: _Jump | None) -> None:
        self.lifeline = Lifeline(seconds)
        self.reached: Future[paramiko.Transport] = Future()
        self._before = before

    def is_lost(self) -> bool:
        """Return whether there was a connection, and is none any more."""
        return self.reached.done() and not self.reached.exception() and not self.reached.result().is_active()

    def reach(self, connect: _Connect, arguments: tuple[str, ...], hop: str) -> None:
        """Connect, or tell all who wait why not."""
        if self._before is not None:
            self._before.lifeline.cut()
            self._before = None
        try:
            self.reached.set_result(connect(arguments, hop, self.lifeline))
        except BaseException as error:
            self.lifeline.cut()
            if isinstance(error, TimeoutError):
                error = Unreachable(f"timed out while {self.lifeline.doing}")
            self.reached.set_exception(error)
