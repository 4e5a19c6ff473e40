# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""HTTP/1.0 (RFC 1945) with the services of this host: its answers end with the connection, so they come whole.

http.client takes longer to import than a container engine takes to answer.
"""

from __future__ import annotations

from ..errors import NotSupported
from ..record import NamedTuple


class Answer(NamedTuple):
    """What was answered: the status, 200 for a good one, and the content."""

    status: int
    body: bytes


def request(method: str, target: str, body: bytes = b"", fields: tuple[str, ...] = ()) -> bytes:
    """Return a request; ``fields`` are further lines of its head.

    >>> request("GET", "/info")
    b'GET /info HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n'
    """
    lines = ["%s %s HTTP/1.0" % (method, target), "Host: localhost", *fields]
    if method != "GET":
        lines.append("Content-Length: %d" % len(body))
    return "\r\n".join([*lines, "", ""]).encode("utf-8") + body


def parse_answer(answer: bytes) -> Answer:
    """Read an answer. Raises NotSupported for what is none.

    >>> parse_answer(b"HTTP/1.0 204 No Content\\r\\n\\r\\n")
    Answer(status=204, body=b'')
    """
    head, _sep, body = answer.partition(b"\r\n\r\n")
    words = head[:64].split()
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        raise NotSupported("no HTTP answer")
    return Answer(int(words[1]), body)
