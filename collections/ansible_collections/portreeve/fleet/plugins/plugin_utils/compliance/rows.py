# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is shown of one host, one port and one finding: texts that stay on one line, in stable order. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

from ...module_utils.portreeve_agent.verdicts.wording import one_line
from ..fleet.host_picture import Bound, Listener
from ..fleet.picture import FAILED, INCOMPLETE, OK, UNREACHABLE, natural
from ..policy.findings import STALE, JudgedHost
from ..policy.rules import SEVERITIES, at_least
from ..policy.runs import RESOLVED, STANDINGS, Tracked

#: Of hosts, in the order in which a reader should see them.
STATUSES = (UNREACHABLE, FAILED, STALE, INCOMPLETE, OK)
SEEN = (INCOMPLETE, OK)

Value = TypeVar("Value")
Pool = dict[tuple[Bound, ...], "_Holders"]


class FindingRow(NamedTuple):
    """A finding of one host, with the fields of Finding and Tracked.

    ``fails``: it makes the run not compliant. ``advice`` is empty where it is resolved.
    """

    id: str
    host: str
    rule: str
    severity: str
    place: str
    subject: str
    who: str
    said: str
    advice: str
    evidence: str
    waived: str | None
    standing: str
    first_seen: str
    last_seen: str
    fails: bool


class UnjudgedRow(NamedTuple):
    """A rule that could not be judged at a place, which is empty for the host as a whole."""

    rule: str
    place: str
    why: str


class ListenerRow(NamedTuple):
    """A port that is bound on a host. ``owner`` is empty when no holder was seen.

    ``severity`` is that of the worst finding about it which is neither waived nor resolved, None without one.
    """

    place: str
    port: int
    protocol: str
    namespace: str | None
    serves: bool
    addresses: tuple[str, ...]
    owner: str
    programs: tuple[str, ...]
    users: tuple[str, ...]
    exes: tuple[str, ...]
    verdict: str
    risks: tuple[str, ...]
    severity: str | None


class HostRow(NamedTuple):
    """One host. ``declared`` are (application, port); ``findings`` are there now, or could not be judged anew."""

    name: str
    status: str
    reason: str | None
    taken_at: str | None
    system: str | None
    blind_spots: tuple[str, ...]
    unjudged: tuple[UnjudgedRow, ...]
    ignored: tuple[str, ...]
    declared: tuple[tuple[str, str], ...]
    findings: tuple[FindingRow, ...]
    resolved: tuple[FindingRow, ...]
    listeners: tuple[ListenerRow, ...]

    @property
    def seen(self) -> bool:
        """True when it answered, in full or in part."""
        return self.status in SEEN


def finding_row(tracked: Tracked, fail_on: str) -> FindingRow:
    """Return a tracked finding as it is shown."""
    finding, standing, first_seen, last_seen = tracked
    counts = standing != RESOLVED and finding.waived is None
    return FindingRow(
        id=finding.id,
        host=safe(finding.host),
        rule=finding.rule,
        severity=finding.severity,
        place=safe(finding.place),
        subject=safe(finding.subject),
        who=safe(finding.who),
        said=safe(finding.said),
        advice=safe(finding.advice) if standing != RESOLVED else "",
        evidence=safe(finding.evidence),
        waived=safe(finding.waived),
        standing=standing,
        first_seen=safe(first_seen),
        last_seen=safe(last_seen),
        fails=counts and at_least(finding.severity, fail_on),
    )


def finding_order(row: FindingRow) -> tuple[Any, ...]:
    """Return a sort key: what fails a run first, then what is severe, new before persisting, then by rule and port."""
    return (
        not row.fails, row.waived is not None, -SEVERITIES.index(row.severity), STANDINGS.index(row.standing), row.rule,
        natural(row.place), row.subject, row.who, natural(row.host), row.id,
    )  # fmt: skip


def host_row(host: JudgedHost, findings: Iterable[FindingRow], pool: Pool) -> HostRow:
    """Return a host as it is shown, with its findings, which are put in order; ``pool`` is the same for all hosts."""
    ordered = sorted(findings, key=finding_order)
    standing = tuple(row for row in ordered if row.standing != RESOLVED)
    worst: dict[str, str] = {}
    for row in standing:
        if row.waived is None:
            worst.setdefault(row.place, row.severity)
    unjudged = {UnjudgedRow(safe(one.rule), safe(one.place), safe(one.why)) for one in host.unjudged}
    rows = [_listener_row(one, worst, pool) for one in host.picture.listeners]
    return HostRow(
        name=safe(host.name),
        status=host.status,
        reason=safe(host.reason),
        taken_at=safe(host.taken_at),
        system=safe(host.picture.system),
        blind_spots=tuple(sorted(set(safe(host.picture.blind_spots)))),
        unjudged=tuple(sorted(unjudged, key=lambda row: (row.rule, natural(row.place), row.why))),
        ignored=tuple(sorted(set(safe(host.ignored)))),
        declared=tuple(sorted(set(safe(host.declared)), key=lambda one: (natural(one[1]), one[0]))),
        findings=standing,
        resolved=tuple(row for row in ordered if row.standing == RESOLVED),
        listeners=tuple(sorted(rows, key=_listener_order)),
    )


def safe(value: Value) -> Value:
    """Return ``value`` with every text in it on one line: control characters and the like are shown as escapes."""
    shown: Any = value
    if isinstance(value, str):
        shown = one_line(value)
    elif isinstance(value, tuple):
        parts = [safe(part) for part in value]
        shown = type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    elif isinstance(value, Mapping):
        shown = {safe(key): safe(part) for key, part in value.items()}
    return shown  # type: ignore[no-any-return]


class _Holders(NamedTuple):
    """On which addresses a port is bound and by whom, which is the same on many hosts."""

    addresses: tuple[str, ...]
    owner: str
    programs: tuple[str, ...]
    users: tuple[str, ...]
    exes: tuple[str, ...]


def _listener_row(listener: Listener, worst: Mapping[str, str], pool: Pool) -> ListenerRow:
    held = pool.get(listener.bound)
    if held is None:
        held = pool[listener.bound] = _holders(listener)
    place = safe(listener.place)
    return ListenerRow(
        place,
        listener.port,
        safe(listener.protocol),
        safe(listener.namespace),
        listener.serves,
        *held,
        safe(listener.verdict),
        safe(listener.risks),
        worst.get(place),
    )


def _holders(listener: Listener) -> _Holders:
    holdings = listener.holdings
    return _Holders(
        _each(_address(one) for one in listener.bound),
        safe(listener.who),
        _each(one.program for one in holdings),
        _each(one.user for one in holdings),
        _each(one.exe for one in holdings),
    )


def _listener_order(row: ListenerRow) -> tuple[Any, ...]:
    return row.port, row.protocol, row.namespace is not None, row


def _each(texts: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(sorted({safe(text) for text in texts if text}))


def _address(bound: Bound) -> str:
    plain = f"[{bound.address}]" if ":" in bound.address else bound.address
    return plain if bound.device is None else f"{plain}%{bound.device}"
