# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The time that one host has, and what to cut when it is over: nothing a host does or omits can hold up the sweep."""

from __future__ import annotations

import threading
import time
from typing import Protocol, TypeVar


class Closeable(Protocol):
    """What can be closed, from any thread."""

    def close(self) -> object:
        """Let go of it."""


_Kept = TypeVar("_Kept", bound=Closeable)


class Lifeline:
    """Of one host: ``until`` when it may take, by the monotonic clock, and what it is ``doing`` now."""

    def __init__(self, seconds: float) -> None:
        self.began = time.monotonic()
        self.seconds = seconds
        self.until = self.began + seconds
        self.doing = "reading its settings"
        self._lock = threading.Lock()
        self._cutting = threading.Lock()
        self._held: list[Closeable] = []
        self._cut = False

    def left(self, at_most: float | None = None) -> float:
        """Return how many seconds are left, or ``at_most``. Raises TimeoutError when none are."""
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left if at_most is None else min(left, at_most)

    def hold(self, one: _Kept) -> _Kept:
        """Return what is to be closed in the end, at once if that has come. Raises TimeoutError then."""
        with self._lock:
            if not self._cut:
                self._held.append(one)
                return one
        one.close()
        raise TimeoutError

    def cut(self) -> None:
        """Close all that is held, the latest first; a thread that waits for it wakes up.

        When that returns, it is closed, whichever thread has done it.
        """
        with self._cutting:
            with self._lock:
                self._cut = True
                held = self._held[::-1]
                self._held.clear()
            for one in held:
                try:
                    one.close()
                except (OSError, EOFError):
                    pass
