# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From what a task registered on each host to one picture of the fleet. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

OK, INCOMPLETE, UNREACHABLE, FAILED = "ok", "incomplete", "unreachable", "failed"

#: In the order in which a reader should see them.
STATUSES = (UNREACHABLE, FAILED, INCOMPLETE, OK)

KNOWN_FORMATS = ("portreeve.port_audit/1", "portreeve.port_owner/1", "portreeve.remedy/1")

_ADDED_BY_ANSIBLE = frozenset((
    "ansible_facts", "attempts", "changed", "deprecations", "diff", "exception", "failed", "failed_when_result",
    "invocation", "msg", "module_stderr", "module_stdout", "rc", "retries", "skipped", "unreachable", "warnings",
))  # fmt: skip


@dataclass(frozen=True)
class HostAnswer:
    """What one host answered.

    ``result`` is the module's result in plain JSON types, None when there is none or its format is not known.
    ``reason`` is one line that says why the host is unreachable or failed, None otherwise.
    """

    name: str
    status: str
    reason: str | None
    result: dict[str, Any] | None


def merge(registered: Mapping[str, Any]) -> tuple[HostAnswer, ...]:
    """Return an answer for every host of ``registered`` (name → registered variable, or None), in natural order."""
    return tuple(read_answer(name, registered[name]) for name in sorted(registered, key=natural))


def read_answer(name: str, registered: Any) -> HostAnswer:
    """Return what a registered variable says; a host without a result that can be read is never taken for fine."""
    name = plain(name)
    if not isinstance(registered, Mapping):
        return HostAnswer(name, FAILED, "no answer: the task did not run on this host", None)
    if registered.get("unreachable"):
        return HostAnswer(name, UNREACHABLE, reason_of(registered), None)
    known = registered.get("format") in KNOWN_FORMATS
    result = _result(registered) if known else None
    if registered.get("failed"):
        return HostAnswer(name, FAILED, reason_of(registered), result)
    if registered.get("skipped"):
        return HostAnswer(name, FAILED, "no answer: the task was skipped on this host", None)
    if result is None:
        found = registered.get("format") or "none"
        return HostAnswer(name, FAILED, f"the answer is in a format that is not known here: {found}", None)
    return HostAnswer(name, OK if registered.get("complete") is True else INCOMPLETE, None, result)


def without_bind(outcome: Mapping[str, Any]) -> dict[str, Any]:
    """Return a result without what a bind would return, for where nobody asked."""
    ports = outcome.get("ports")
    return {**outcome, "ports": [{**port, "bind": None} for port in ports]} if isinstance(ports, list) else {**outcome}


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key by which web9 comes before web10."""
    parts = re.findall(r"([0-9]+)|([^0-9]+)", text)
    return *((0, int(digits), "") if digits else (1, 0, word.casefold()) for digits, word in parts), (2, 0, text)


def plain(value: Any) -> Any:
    """Return ``value`` in exact JSON types: Ansible hands out subclasses of them that carry where a value came from."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return int(value) if isinstance(value, int) else float(value)
    if isinstance(value, Mapping):
        return {plain(key) if isinstance(key, str) else str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return str.__str__(value) if isinstance(value, str) else str(value)


def _result(registered: Mapping[str, Any]) -> dict[str, Any]:
    own = {key: value for key, value in registered.items() if not _is_added(str(key))}
    return dict(plain(own))


def _is_added(key: str) -> bool:
    return key in _ADDED_BY_ANSIBLE or key.startswith("_ansible")


def reason_of(registered: Mapping[str, Any]) -> str:
    """Return Ansible's message; where it only says that the module failed, the last line the host wrote says why."""
    message = " ".join(str(registered.get("msg") or "no reason given").split()).removeprefix("Task failed: ")
    written = [line.strip() for line in str(registered.get("module_stderr") or "").splitlines() if line.strip()]
    if written and written[-1] not in message:
        message += " - " + written[-1]
    return message
