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
_MOST_COMPLAINTS = 1 << 16
_LONGEST_HEADING = 64


class Ended(Exception):
    """The command has ended without what was waited for: how, and what it said last."""

    def __init__(self, status: int | None, complaints: bytes, noise: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.complaints = complaints
        self.noise = noise


class Hearing:
    """Finds the frames in what a host sends, and keeps the end of what it complains of."""

    def __init__(self, wire: Wire, nonce: str, most_answer: int) -> None:
        self._wire = wire
        self._mark = b"\n%s " % nonce.encode()
        self._most_answer = most_answer
        self._heard = bytearray(b"\n")
        self._searched = 0  # of what was heard, where no mark begins
        self._room = _MOST_NOISE  # for what may still be said, on both streams, before what is waited for
        self.complaints = b""

    def more(self) -> None:
        """Wait for more. Raises Ended when there is none, Unanswered when there is too much."""
        said, complained = self._wire.receive()
        if not said and not complained:
            raise Ended(self._wire.exit_status(), self.complaints, bytes(self._heard[:_MOST_COMPLAINTS]))
        self._room -= len(said) + len(complained)
        if self._room < 0:
            raise Unanswered("it says so much before an answer that none is waited for")
        self._heard += said
        self.complaints = (self.complaints + complained)[-_MOST_COMPLAINTS:]

    def forget_complaints(self) -> None:
        """Forget what was complained of so far: it is dealt with."""
        self.complaints = b""

    def begun(self) -> bool:
        """Return whether the shell that was waited for has begun."""
        mark = self._mark + b"begun 0\n"
        at = self._find(mark)
        if at >= 0:
            self._let_go(at + len(mark) - 1)
            self.forget_complaints()
        return at >= 0

    def frame(self) -> tuple[str, bytes]:
        """Wait for the next frame and return its kind and content. Raises Ended, Unanswered."""
        while True:
            at = self._find(self._mark)
            end = self._heard.find(b"\n", at + len(self._mark)) if at >= 0 else -1
            if end >= 0:
                break
            if at >= 0 and len(self._heard) > at + len(self._mark) + _LONGEST_HEADING:
                raise Unanswered(NO_ANSWER)
            self.more()
        kind, _space, length = self._heard[at + len(self._mark) : end].decode("ascii", "replace").partition(" ")
        if kind not in ("code", "archive", "refused", "answer") or not length.isdecimal() or len(length) > 12:
            raise Unanswered(NO_ANSWER)
        size = int(length)
        if size > self._most_answer:
            raise Unanswered(f"its answer has {size} bytes, more than the {self._most_answer} that are taken")
        self._room += size
        while len(self._heard) < end + 1 + size:
            self.more()
        content = bytes(self._heard[end + 1 : end + 1 + size])
        self._let_go(end + 1 + size)
        return kind, content

    def _find(self, mark: bytes) -> int:
        """Return where a mark begins, -1 while it does not; what was searched once is not searched again."""
        at = self._heard.find(mark, self._searched)
        self._searched = at if at >= 0 else max(len(self._heard) - len(mark) + 1, 0)
        return at

    def _let_go(self, size: int) -> None:
        del self._heard[:size]
        self._searched = 0
        self._room = _MOST_NOISE
