# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A report as lines for a terminal: a table whose columns stay where they are from host to host, and notes. Pure.

Results come in one host at a time, so the widths follow from the terminal's width and the names of the hosts alone.
Without a width (a pipe) nothing is wrapped: each port is one line, in columns at least as wide as they usually need.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .hosts import HostRow
from .ports import ALARM, NOTICE, Holders, PortRow

#: For what explains and need not be read first.
MUTED = "muted"

TITLES = ("HOST", "PORT", "ADDRESS", "VERDICT", "OWNER", "PROCESSES", "RISKS")

_WIDE = 110
_WIDE_COLUMNS = {"PORT": 16, "ADDRESS": 16, "VERDICT": 19, "RISKS": 20}
_NARROW_COLUMNS = {"PORT": 9, "VERDICT": 14}
_USUAL_COLUMNS = {**_WIDE_COLUMNS, "OWNER": 24, "PROCESSES": 24}
_LONGEST_HOST = 24
_NAMES = frozenset(("ssh", "sudo"))
_GAP = 2


@dataclass(frozen=True)
class Column:
    """A column and its width in cells of the terminal; the least width where nothing is wrapped."""

    title: str
    width: int


@dataclass(frozen=True)
class Row:
    """One line of the table, a cell per column."""

    cells: tuple[str, ...]
    tone: str


@dataclass(frozen=True)
class Note:
    """A sentence below a row (``indent`` cells in) or on its own; with a ``label`` in front that stands out."""

    text: str
    tone: str
    indent: int = 0
    label: str = ""


@dataclass(frozen=True)
class Layout:
    """How a table is laid out for ``width`` cells, None for any width."""

    width: int | None
    columns: tuple[Column, ...]

    @property
    def titles(self) -> tuple[str, ...]:
        """The titles of the columns."""
        return tuple(column.title for column in self.columns)


Line = Row | Note


def layout(width: int | None, hosts: Iterable[str]) -> Layout:
    """Return the layout for a terminal of ``width`` cells in which the names of ``hosts`` are to find room."""
    longest = max((len(host) for host in hosts), default=0)
    if width is None:
        fixed = {"HOST": max(4, longest), **_USUAL_COLUMNS}
        return Layout(None, tuple(Column(title, fixed[title]) for title in TITLES))
    host = max(4, min(longest, _LONGEST_HOST, width // 5))
    wide = width >= _WIDE
    fixed = {"HOST": host, **(_WIDE_COLUMNS if wide else _NARROW_COLUMNS)}
    rest = max(width - sum(fixed.values()) - _GAP * (len(fixed) + 1), 16)
    fixed |= {"OWNER": rest - rest // 2, "PROCESSES": rest // 2}
    return Layout(width, tuple(Column(title, fixed[title]) for title in TITLES if title in fixed))


def port_lines(form: Layout, port: PortRow, explain: bool, detail: bool) -> list[Line]:
    """Return the lines of one port: its row and what belongs below it.

    ``explain`` adds what the verdict means and what to do, which a port in trouble always gets and a free one never
    needs; ``detail`` all holders.
    """
    lines: list[Line] = [Row(tuple(_cell(title, port, explain) for title in form.titles), port.tone)]
    if (explain and port.verdict != "free") or port.tone == ALARM:
        lines += [Note(port.summary or "No summary was given.", "", 2)]
        lines += [Note(port.advice, MUTED, 2, "→ ")] if port.advice else []
    lines += [Note(port.bind, "", 2)] if port.bind else []
    if explain or detail:
        lines += [Note(risk.summary, NOTICE, 2, _spaced(risk.id) + ": ") for risk in port.risks]
    elif port.risks and "RISKS" not in form.titles:
        lines.append(Note(_risk_words(port), NOTICE, 2, "risk: "))
    if detail:
        lines += [Note(_holder_words(group), MUTED, 4) for group in port.holders]
    return lines


def host_lines(host: HostRow) -> list[Line]:
    """Return what has to be said of a host as a whole: that and why it was not seen in full, and its own risks."""
    lines: list[Line] = []
    if not host.fine:
        tone = NOTICE if host.seen else ALARM
        labels = [f"{host.name}: {host.status}. ", *[f"{host.name}: "] * len(host.reasons)]
        reasons = [_sentence(reason) for reason in host.reasons] or [""]
        lines += [Note(reason, tone, 0, label) for label, reason in zip(labels, reasons, strict=False)]
    return lines + [Note(risk.summary, NOTICE, 0, f"{host.name}: {_spaced(risk.id)}: ") for risk in host.risks]


def _cell(title: str, port: PortRow, explain: bool) -> str:
    cells = {
        "HOST": port.host,
        "PORT": port.label,
        "ADDRESS": " ".join(port.addresses) or "-",
        "VERDICT": port.verdict_words,
        "OWNER": port.owner_words,
        "PROCESSES": processes(port.holders, 12 if explain else 3),
        "RISKS": _risk_words(port) or "-",
    }
    return cells[title]


def processes(holders: Sequence[Holders], most: int) -> str:
    """Return ``nginx[812 813 814 +6]``: programs by name with their first ``most`` pids and how many more there are."""
    pids: dict[str, list[int]] = {}
    for group in holders:
        pids.setdefault(group.name, []).extend(group.pids)
    shown = []
    for name, found in pids.items():
        more = f" +{len(found) - most}" if len(found) > most else ""
        shown.append(f"{name}[{' '.join(map(str, sorted(found)[:most]))}{more}]")
    return ", ".join(shown) or "-"


def _risk_words(port: PortRow) -> str:
    return ", ".join(dict.fromkeys(_spaced(risk.id) for risk in port.risks))


def _holder_words(group: Holders) -> str:
    facts = [
        f"{group.name}[{' '.join(map(str, group.pids))}]",
        f"({group.role})" if group.role else "",
        f"held by way of {_spaced(group.via)}" if group.via else "",
        f"user {group.user}" if group.user else "",
        f"since {group.started}" if group.started else "",
        f"file {group.exe}" if group.exe else "",
        "(replaced or removed)" if group.exe_deleted else "",
        f"command {group.command}" if group.command else "",
    ]
    return "  ".join(fact for fact in facts if fact)


def _sentence(reason: str) -> str:
    """Return a reason as a sentence begins, unless it begins with a name."""
    word = reason.partition(" ")[0]
    return reason[0].upper() + reason[1:] if word.isascii() and word.isalpha() and word not in _NAMES else reason


def _spaced(identity: str) -> str:
    return identity.replace("_", " ")
