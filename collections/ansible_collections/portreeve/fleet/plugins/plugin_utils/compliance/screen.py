# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run of Ansible shows of the tasks of a run over a fleet; its state is the last line. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..fleet.picture import INCOMPLETE, OK, reason_of
from ..policy.runs import COMPLIANT, ERROR, TOLERATED
from ..policy.runs import INCOMPLETE as RUN_INCOMPLETE
from ..report.ports import ALARM, NOTICE, QUIET
from ..report.sentences import counted
from ..report.sheet import Line, Note
from ..report.wire import words
from .sentences import STATE_WORDS

_TONES = {COMPLIANT: QUIET, TOLERATED: NOTICE, RUN_INCOMPLETE: NOTICE}
_FOR_PEOPLE = ("said", "msg")


def host_lines(host: str, outcome: Mapping[str, Any]) -> list[Line]:
    """Return the line that says that a host has answered, or not."""
    status = words(outcome.get("status")) or ("unreachable" if outcome.get("unreachable") else "failed")
    if status in (OK, INCOMPLETE):
        told = f", {counted(outcome.get('ports') or 0, 'port')}"
        return [Note(told, QUIET if status == OK else NOTICE, 0, f"{words(host)}: {status}")]
    return [Note(f". {words(reason_of(outcome))}", ALARM, 0, f"{words(host)}: {status}")]


def run_lines(outcome: Mapping[str, Any]) -> tuple[list[Line], str, str]:
    """Return what a run has come to, the last line for itself, and its tone; of a run that has only begun, nothing."""
    if outcome.get("mistakes"):
        mistakes = [str(one) for one in outcome["mistakes"]]
        last = f"{STATE_WORDS[ERROR]}: no host was asked, because of {counted(len(mistakes), 'mistake')}."
        return [Note(words(one) or "", ALARM) for one in mistakes], last, ALARM
    if "said" in outcome:
        *said, last = (str(one) for one in outcome["said"])
        lines: list[Line] = [Note("", ""), *(_line(one) for one in said), *_places(outcome)]
        return lines, last, _TONES.get(str(outcome.get("state", COMPLIANT)), ALARM)
    if outcome.get("failed"):
        return [], f"{STATE_WORDS[ERROR]}: {words(reason_of(outcome))}", ALARM
    return [], "", ""


def as_json_line(host: str, outcome: Mapping[str, Any]) -> str:
    """Return the result of a task as one line of JSON (JSON Lines), without what is for people."""
    kept = {key: value for key, value in outcome.items() if key not in _FOR_PEOPLE and not key.startswith("_ansible")}
    return json.dumps({"host": host, **kept}, sort_keys=True, default=str)


def _line(said: str) -> Note:
    text = said.lstrip(" ")
    return Note(text, "", len(said) - len(text))


def _places(outcome: Mapping[str, Any]) -> list[Line]:
    files = outcome.get("files") or {}
    shown = [files[name] for name in ("html", "markdown", "terminal") if name in files][:1]
    kept = [str(outcome["answers"])] if outcome.get("answers") else []
    where: list[Line] = [Note(str(one), "", 0, f"{'Report':<8}") for one in shown]
    written = str(outcome["directory"]) if files else f"{outcome['directory']} (not written)"
    where.append(Note(written, "", 0, f"{'Kept as':<8}"))
    return where + [Note(one, NOTICE, 0, f"{'Answers':<8}") for one in kept]
