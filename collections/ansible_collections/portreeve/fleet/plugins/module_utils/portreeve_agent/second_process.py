# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Work done by a forked child of ours: beside our own, or where it may never end."""

from __future__ import annotations

import marshal
import os
import select
import time

from .errors import NotSupported
from .lean import suppress
from .typed import Any, Callable, Generic, TypeVar

_Result = TypeVar("_Result")

_PLAIN, _RECORDS = b"p", b"r"  # what an answer consists of, behind it: one without this was not finished
_SIGKILL = 9  # to import `signal` takes longer than most answers


class SecondProcess(Generic[_Result]):
    """A child that is at work from the start; ``seconds`` is how long it may take, None for as long as it wants."""

    def __init__(self, work: Callable[[], _Result], seconds: float | None = None) -> None:
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._answer, writer = os.pipe()
        self._child = os.fork()
        if not self._child:
            try:
                os.close(self._answer)
                let_go_of_standard_streams()
                with open(writer, "wb") as stream:
                    stream.write(_pack(work()))
            finally:
                os._exit(0)
        os.close(writer)

    def result(self) -> _Result:
        """Return what the work returned. Raises NotSupported when it failed or was not done in time."""
        try:
            answer = self._read()
        finally:
            self._end()
        found: _Result = _unpack(answer)
        return found

    def _read(self) -> bytes:
        chunks: list[bytes] = []
        while True:
            left = None if self._deadline is None else max(self._deadline - time.monotonic(), 0)
            if not select.select([self._answer], [], [], left)[0]:
                raise NotSupported("a second process did not end in time")
            chunk = os.read(self._answer, 1 << 20)
            if not chunk:
                return b"".join(chunks)
            chunks.append(chunk)

    def _end(self) -> None:
        """Let go of the child; one that not even SIGKILL ends at once is left to init."""
        os.close(self._answer)
        with suppress(ChildProcessError, ProcessLookupError):  # where SIGCHLD is ignored, the kernel takes it away
            if os.waitpid(self._child, os.WNOHANG) == (0, 0):
                os.kill(self._child, _SIGKILL)
                os.waitpid(self._child, 0 if self._deadline is None else os.WNOHANG)


def _pack(answer: Any) -> bytes:
    """Return an answer as bytes. For plain numbers, texts, tuples, sets and mappings nothing has to be imported, which
    takes 4 ms: what is asked for on the way of every look is answered in these."""
    try:
        return marshal.dumps(answer) + _PLAIN
    except ValueError:
        import pickle

        return pickle.dumps(answer, pickle.HIGHEST_PROTOCOL) + _RECORDS


def _unpack(data: bytes) -> Any:
    """Return the answer in ``data``, which our own child wrote. Raises NotSupported where it was not finished."""
    kind = data[-1:]
    if kind == _PLAIN:
        return marshal.loads(data)  # noqa: S302
    if kind != _RECORDS:
        raise NotSupported("a second process failed")
    import pickle

    return pickle.loads(data)  # noqa: S301


def let_go_of_standard_streams() -> None:
    """Whoever reads our output waits for the last one that could write to it, be it stuck for ever."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
