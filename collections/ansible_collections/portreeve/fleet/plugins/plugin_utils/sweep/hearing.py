# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host says, as the controller hears it: frames (see ``remote.Line``) in whatever noise there is, bounded."""

from __future__ import annotations

from .target import Unanswered
from .wire import Wire

NO_ANSWER = "what it answered is no answer of Portreeve's agent"
LONGEST_REASON = 300
_MOST_NOISE = 1 << 20
_MOST_ANSWER = 1 << 28
_MOST_COMPLAINTS = 1 << 16


class Ended(Exception):
    """The command has ended without what was waited for: how, and what it said last."""

    def __init__(self, status: int | None, complaints: bytes, noise: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.complaints = complaints
        self.noise = noise


class Hearing:
    """Finds the frames in what a host sends, and keeps the end of what it complains of."""

    def __init__(self, wire: Wire, nonce: str) -> None:
        self._wire = wire
        self._mark = b"\n%s " % nonce.encode()
        self._heard = bytearray(b"\n")
        self.complaints = b""

    def more(self) -> None:
        """Wait for more. Raises Ended when there is none."""
        said, complained = self._wire.receive()
        if not said and not complained:
            raise Ended(self._wire.exit_status(), self.complaints, bytes(self._heard[:_MOST_COMPLAINTS]))
        self._heard += said
        self.complaints = (self.complaints + complained)[-_MOST_COMPLAINTS:]

    def forget_complaints(self) -> None:
        """Forget what was complained of so far: it is dealt with."""
        self.complaints = b""

    def begun(self) -> bool:
        """Return whether the shell that was waited for has begun."""
        mark = self._mark + b"begun 0\n"
        at = self._heard.find(mark)
        if at >= 0:
            del self._heard[: at + len(mark) - 1]
            self.forget_complaints()
        return at >= 0

    def frame(self) -> tuple[str, bytes]:
        """Wait for the next frame and return its kind and content. Raises Ended, Unanswered."""
        while True:
            at = self._heard.find(self._mark)
            end = self._heard.find(b"\n", at + len(self._mark)) if at >= 0 else -1
            if end >= 0:
                break
            if len(self._heard) > _MOST_NOISE:
                raise Unanswered("it says so much before an answer that none is waited for")
            self.more()
        kind, _space, length = self._heard[at + len(self._mark) : end].decode("ascii", "replace").partition(" ")
        if kind not in ("code", "archive", "refused", "answer") or not length.isdecimal() or len(length) > 12:
            raise Unanswered(NO_ANSWER)
        size = int(length)
        if size > _MOST_ANSWER:
            raise Unanswered(f"its answer has {size} bytes, more than is taken: ask for fewer ports")
        while len(self._heard) < end + 1 + size:
            self.more()
        content = bytes(self._heard[end + 1 : end + 1 + size])
        del self._heard[: end + 1 + size]
        return kind, content
