# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The journal of a run on the controller: who was begun and what came of it, line by line, whatever ends the run."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from ...module_utils.portreeve_agent.errors import InvalidInput
from .gate import Line

FORMAT = "portreeve.journal/1"


class Journal:
    """A file of JSON lines, the first of which says what the run is. Several processes may write to it."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path

    def begin(self, **content: Any) -> None:
        """Make the file with its first line; there is none if that cannot be written."""
        try:
            self.path.parent.mkdir(parents=True)
            self.path.touch(exist_ok=False)
            self.append("run", format=FORMAT, **content)
        except OSError as error:
            raise self._not_recorded(error) from None

    def read(self) -> list[Line]:
        """Return its lines, the first one first. One that was cut short, as by a power failure, is left out."""
        try:
            content = self.path.read_text(encoding="utf-8", errors="backslashreplace")
        except OSError:
            content = ""
        lines = [line for line in map(_line, content.split("\n")) if line is not None]
        if not lines or lines[0].get("format") != FORMAT:
            raise InvalidInput(f"{self.path} is no journal of a run.")
        return lines

    def append(self, event: str, **content: Any) -> None:
        """Add a line; it is on the disk when this returns."""
        with self._locked() as descriptor:
            self._write(descriptor, event, content)

    def append_unless(self, obstacle: Callable[[list[Line]], str | None], event: str, **content: Any) -> str | None:
        """Return what stands against a line, by those before it, or None when it has been added, as one act."""
        with self._locked() as descriptor:
            reason = obstacle(self.read())
            if reason is None:
                self._write(descriptor, event, content)
            return reason

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        except OSError as error:
            raise self._not_recorded(error) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # the end of the process ends it
            yield descriptor
        finally:
            os.close(descriptor)

    def _write(self, descriptor: int, event: str, content: dict[str, Any]) -> None:
        line = {"time": moment(), "event": event, **content}
        data = json.dumps(line, sort_keys=True).encode("ascii") + b"\n"
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            data = b"\n" + data  # what was cut short is not to melt with what follows it
        try:
            while data:
                data = data[os.write(descriptor, data) :]
            os.fsync(descriptor)
        except OSError as error:
            os.ftruncate(descriptor, size)
            raise self._not_recorded(error) from None

    def _not_recorded(self, error: OSError) -> InvalidInput:
        return InvalidInput(f"The run cannot be recorded in {self.path}: {error.strerror}.")


def _line(text: str) -> Line | None:
    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) and "event" in line else None


def moment() -> str:
    """Return now in UTC as ``2026-05-04T13:02:11Z``."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
