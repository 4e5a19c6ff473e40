# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A run as JSON lines, for what reads logs: what it comes to, each finding, and each host that was not seen in full."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ..fleet.picture import OK
from .rows import HostRow
from .view import View

FORMAT = "portreeve.finding/1"


def render(view: View) -> str:
    """Return a JSON object per line; ``kind`` says what it tells of: run, finding, unjudged or host."""
    run = {"format": FORMAT, "run": view.run, "ended_at": view.ended_at}
    state = {"kind": "run", "state": view.state, "sentence": view.sentence, "limit": view.limit}
    lines = [state, *(line for host in view.hosts for line in _lines(host))]
    return "".join(json.dumps({**run, **line}) + "\n" for line in lines)


def _lines(host: HostRow) -> Iterator[dict[str, Any]]:
    if host.status != OK:
        told = {"status": host.status, "reason": host.reason, "blind_spots": host.blind_spots}
        yield {"kind": "host", "host": host.name, **told}
    for row in (*host.findings, *host.resolved):
        yield {"kind": "finding", **row._asdict()}
    for one in host.unjudged:
        yield {"kind": "unjudged", "host": host.name, **one._asdict()}
