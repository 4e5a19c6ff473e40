# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a run may go on to the next host, or the next wave, by its journal. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from ..report.sentences import counted, named
from .course import DONE, FAILED, REFUSED, UNDONE
from .windows import Window

#: What a host is besides what a port may be: some ports are done and others are not.
PARTLY = "done in part"

#: A line of the journal.
Line = Mapping[str, Any]


def why_closed(window: Window | None, now: datetime.datetime) -> str | None:
    """Return why the fleet may not be touched now, None if it may."""
    if window is None or window.is_open(now):
        return None
    return f"the maintenance window {window} is closed"


def why_no_host(lines: Sequence[Line]) -> str | None:
    """Return why no other host may be begun, by what the journal says so far: the run has ended, or too many failed."""
    for line in lines:
        if line["event"] == "ended":
            return str(line["why"])
    most = lines[0]["limits"].get("most_failed")
    failed = [str(line["host"]) for line in lines if line["event"] == "end" and _has_failed(line)]
    if most is not None and len(failed) > most:
        have = "has" if len(failed) == 1 else "have"
        return f"{counted(len(failed), 'host')} {have} failed ({named(failed)}), but most_failed is {most}"
    return None


def why_no_wave(lines: Sequence[Line]) -> str | None:
    """Return why no other wave may be begun: as for a host, or as a host before has not passed its check."""
    fell = [str(line["host"]) for line in lines if any(port.get("fell") for port in line.get("ports", ()))]
    if fell:
        return why_no_host(lines) or f"other servers fell on {named(fell)}"
    passed = {line["host"] for line in lines if line["event"] == "healthy"}
    done = [line["host"] for line in lines if line["event"] == "end" and line["outcome"] in (DONE, PARTLY)]
    ill = [str(host) for host in done if host not in passed]
    if lines[0]["health"] and ill:
        return why_no_host(lines) or f"the health check has not been passed by {named(ill)}"
    return why_no_host(lines)


def _has_failed(line: Line) -> bool:
    """Return whether a host counts as failed: so does one that was changed and then refused what had been approved."""
    if line["outcome"] != PARTLY:
        return line["outcome"] in (FAILED, UNDONE)
    found = {port["outcome"] for port in line["ports"]}
    return UNDONE in found or (REFUSED in found and any(port.get("changed") for port in line["ports"]))
