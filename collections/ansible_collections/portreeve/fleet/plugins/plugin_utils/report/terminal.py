# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run of Ansible shows of Portreeve's results, for the terminal or pipe it is shown on."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from ..fleet.picture import HostAnswer
from . import as_rich, as_text, sheet
from .hosts import HostRow
from .ports import ALARM, NOTICE, QUIET
from .sentences import counted, figures
from .sheet import MUTED, Line, Note
from .view import Report


class Terminal:
    """How lines get onto one terminal. ``width`` None is a pipe: nothing is wrapped, nothing coloured."""

    def __init__(self, width: int | None, colour: bool, plain: bool, hosts: Iterable[str]) -> None:
        self._form = sheet.layout(width, hosts)
        self._colour = colour
        self._rich = width is not None and not plain and importlib.util.find_spec("rich") is not None

    def port_lines(self, report: Report, explain: bool, detail: bool, most: int | None = None) -> list[Line]:
        """Return the lines of all ports of a report; of more than ``most`` those that are worth a look come first."""
        ports = list(report.ports)
        left_out = max(len(ports) - most, 0) if most is not None else 0
        if left_out:
            ports = sorted(ports, key=lambda port: port.tone == QUIET and not port.risks)[:most]
        lines = [line for port in ports for line in sheet.port_lines(self._form, port, explain, detail)]
        more = f"{left_out} more in the report; those worth a look are listed first."
        return [*lines, Note(more, MUTED)] if left_out else lines

    def text(self, lines: Sequence[Line], header: bool = False) -> str:
        """Return lines as they are to be written, with the table's header on top if asked for."""
        if self._rich:
            return as_rich.paint(self._form, lines, header, self._colour)
        return self.plain_text(lines, header)

    def plain_text(self, lines: Sequence[Line], header: bool = False) -> str:
        """Return lines without control sequences, as for a log file."""
        return as_text.paint(self._form, lines, header)


def answer_lines(report: Report, what: Sequence[Line]) -> list[Line]:
    """Return ``what`` was found on one host and, below it, what has to be said of the host."""
    return [*what, *(line for host in report.hosts for line in sheet.host_lines(host))]


def progress_line(host: HostRow) -> Note:
    """Return one line that says that a host has answered, or not."""
    tone = QUIET if host.fine else NOTICE if host.seen else ALARM
    return Note(f", {counted(host.ports, 'port')}" if host.seen else "", tone, 0, f"{host.name}: {host.status}")


def count_lines(report: Report, summary: Mapping[str, Any]) -> list[Line]:
    """Return who was not seen in full, and below it the counts of a report's ``summary``."""
    unseen = [line for host in report.unseen for line in sheet.host_lines(host)]
    lines: list[Line] = [Note("", ""), *unseen, Note("", "")] if unseen else [Note("", "")]
    return lines + [Note(words, "", 0, f"{label:<8}") for label, words in figures(summary)]


def closing_lines(report: Report, written: Mapping[str, Any], only_checked: bool) -> list[Line]:
    """Return what ends an audit: who was not seen in full, the counts, and where the report is or would be."""
    lines = count_lines(report, written["summary"])
    proposals = [Note(proposal, NOTICE, 0, f"{'Move':<8}") for proposal in written.get("proposals", ())]
    lines += proposals
    if only_checked:
        return [*lines, Note(f"{written['directory']} (not written in check mode)", "", 0, f"{'Report':<8}")]
    names = sorted(PurePath(path).name for path in written["files"].values())
    lines += [Note(str(PurePath(written["latest"]) / name), "", 0, f"{'Report':<8}") for name in names]
    return [*lines, Note(written["directory"], "", 0, f"{'Kept as':<8}")]


def as_json_line(answer: HostAnswer) -> str:
    """Return one host's answer as one line of JSON (JSON Lines)."""
    known = {"host": answer.name, "status": answer.status, "reason": answer.reason, "result": answer.result}
    return json.dumps({key: value for key, value in known.items() if value is not None}, sort_keys=True)
