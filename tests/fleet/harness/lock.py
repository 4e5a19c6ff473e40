# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Who may change the fleet, and who is using it: two locks that vanish with the process that holds them (flock(2))."""

from __future__ import annotations

import contextlib
import fcntl
import pathlib
import sys
from collections.abc import Iterator

from .places import LOCK, USERS_LOCK


@contextlib.contextmanager
def changing() -> Iterator[None]:
    """Hold the right to change the fleet; waits, and says so, while somebody else has it."""
    with _opened(LOCK) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stderr.write("waiting for another run that is changing the test hosts\n")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def using() -> Iterator[None]:
    """Count as one who uses the fleet; several may at the same time."""
    with _opened(USERS_LOCK) as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


def used() -> bool:
    """Return whether anybody uses the fleet now."""
    with _opened(USERS_LOCK) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


@contextlib.contextmanager
def _opened(place: pathlib.Path) -> Iterator[int]:
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("ab") as file:
        yield file.fileno()
