# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The manager of a stage: a process of its own, neither parent nor child of whoever releases the port."""

from __future__ import annotations

import os
import pickle
import socket
import traceback
from typing import Any

from .cast import PLACE, adopt_orphans
from .intrigue import Intrigue
from .troupe import AUTOMATIC, RANGE


class Stage:
    """The line to the manager, for whoever releases the port and every process that does it for them."""

    def __init__(self) -> None:
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pid = os.fork()
        if not self.pid:
            try:
                self._line.close()
                _manage(theirs)
            finally:
                os._exit(1)
        theirs.close()

    def __call__(self, what: str, *details: object) -> Any:
        self._line.send(pickle.dumps((what, details)))
        answer, error = pickle.loads(self._line.recv(1 << 20))
        if error is not None:
            raise AssertionError(error)
        return answer


def _manage(line: socket.socket) -> None:
    os.setsid()
    adopt_orphans()
    PLACE.mkdir(exist_ok=True)
    RANGE.write_text(AUTOMATIC)
    intrigue: Intrigue | None = None
    while said := line.recv(1 << 20):
        what, details = pickle.loads(said)
        answer, error = None, None
        try:
            if what == "begin":
                intrigue = Intrigue(*details)
            elif what == "account":
                assert intrigue is not None
                answer = intrigue.wrongs, intrigue.befell, intrigue.moves
            else:
                answer = getattr(intrigue, what)(*details)
        except BaseException:
            error = traceback.format_exc()
        line.send(pickle.dumps((answer, error)))
    os._exit(0)
