# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One row per host. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ..fleet.picture import INCOMPLETE, OK, HostAnswer
from .ports import RiskNote, risk_notes
from .wire import Record, counts, number, record, records, words


@dataclass(frozen=True)
class Connections:
    """Ordinary connections of one namespace, counted by state, the most frequent first."""

    namespace: str
    protocol: str
    states: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class HostRow:
    """One host: how it answered, why not in full, and what it said of itself. None means not known.

    ``facts`` are (label, value) pairs; ``near_limit`` are the processes nearest to their own limit of descriptors.
    """

    name: str
    status: str
    reasons: tuple[str, ...]
    ports: int
    risks: tuple[RiskNote, ...]
    facts: tuple[tuple[str, str], ...]
    namespaces: tuple[str, ...]
    connections: tuple[Connections, ...]
    near_limit: tuple[str, ...]

    @property
    def seen(self) -> bool:
        """True when the host answered, in full or in part: otherwise its number of ports means nothing."""
        return self.status in (OK, INCOMPLETE)

    @property
    def fine(self) -> bool:
        """True only for a host that was seen in full."""
        return self.status == OK


def host_row(answer: HostAnswer, ports: int) -> HostRow:
    """Return the row of one host of which ``ports`` ports are shown."""
    result = record(answer.result)
    namespaces = {
        number(space.get("id")): words(space.get("name")) or "?" for space in records(result.get("namespaces"))
    }
    reasons = [words(answer.reason) or ""] if answer.reason else []
    return HostRow(
        name=words(answer.name) or "",
        status=answer.status,
        reasons=tuple(reasons + [blind_spot(spot) for spot in records(result.get("blind_spots"))]),
        ports=ports,
        risks=risk_notes(result.get("risks")),
        facts=tuple((label, value) for label, value in _facts(result) if value),
        namespaces=tuple(namespaces.values()),
        connections=tuple(
            Connections(
                namespaces.get(number(count.get("namespace")), "?"),
                words(count.get("protocol")) or "?",
                counts(count.get("states")),
            )
            for count in records(result.get("connections"))
        ),
        near_limit=tuple(_near_limit(process) for process in records(record(result.get("descriptors")).get("nearest"))),
    )


def blind_spot(spot: Record) -> str:
    """Return one sentence: ``Not seen: descriptors of other processes (61): permission denied (not root).``"""
    count = number(spot.get("count"))
    many = f" ({count})" if count is not None and count > 1 else ""
    return f"Not seen: {words(spot.get('what')) or '?'}{many}: {words(spot.get('why')) or 'reason not known'}."


def _facts(result: Record) -> list[tuple[str, str | None]]:
    host, agent, ranges = record(result.get("host")), record(result.get("agent")), record(result.get("ranges"))
    automatic = ranges.get("automatic")
    low_high = "-".join(map(str, automatic)) if isinstance(automatic, list) and len(automatic) == 2 else None
    used = number(record(result.get("descriptors")).get("used"))
    elapsed = number(agent.get("elapsed_ms"))
    return [
        ("Calls itself", words(host.get("name"))),
        ("System", " ".join(filter(None, (words(host.get("system")), words(host.get("kernel")))))),
        ("Read from", words(agent.get("scanner"))),
        ("Took", None if elapsed is None else f"{elapsed} ms"),
        ("Automatic ports", words(low_high)),
        ("Reserved ports", "none" if ranges.get("reserved") == "" else words(ranges.get("reserved"))),
        ("Unprivileged from", words(ranges.get("unprivileged_start"))),
        ("Open descriptors", None if used is None else _of(used, number(record(result["descriptors"]).get("maximum")))),
    ]


def _of(used: int, maximum: int | None) -> str:
    """A maximum beyond 2**53 is the kernel's way to say that there is none."""
    return f"{used} of {maximum}" if maximum is not None and maximum < 1 << 53 else f"{used}, no limit"


def _near_limit(process: Record) -> str:
    name, pid = words(process.get("name")) or "?", number(process.get("pid"))
    return f"{name}[{pid}]: {_of(number(process.get('open')) or 0, number(process.get('limit')))}"
