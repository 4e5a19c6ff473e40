# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run is told besides the policy: how it is judged, for how long it is kept, and who is told. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ...module_utils.portreeve_agent.verdicts.wording import listed, one_line
from ..policy.rules import NEVER, SEVERITIES

FAIL_ON = (*SEVERITIES, NEVER)


class Settings(NamedTuple):
    """How a run is judged and kept; None as ``keep_days`` or ``keep_runs`` is no limit, ``stale_after`` in seconds."""

    fail_on: str = "medium"
    keep_days: int | None = 400
    keep_runs: int | None = None
    stale_after: int = 86400
    notify: tuple[str, ...] = ()


_NUMBERS = {
    "keep_days": (0, "a whole number of days, 0 for no limit"),
    "keep_runs": (0, "a whole number of runs, 0 for no limit"),
    "stale_after": (1, "a whole number of seconds from 1 on"),
}
_NOTHING: tuple[Any, ...] = (None, "", [], [""], "[]")


def read_settings(given: Mapping[str, Any]) -> tuple[Settings, tuple[str, ...]]:
    """Return the settings and a sentence for each that will not do, in place of which the usual one stands.

    What is not given, or empty, is the usual as well. Names are those of the fields, ``portreeve_`` left out.
    """
    read: dict[str, Any] = {}
    mistakes = []
    for name in Settings._fields:
        value = given.get(name)
        if value in _NOTHING:
            continue
        understood, accepted = _READERS.get(name, _number)(name, value)
        if understood is None:
            mistakes.append(f"portreeve_{name} is {one_line(repr(value))}: accepted {accepted}.")
        else:
            read[name] = understood
    for name in ("keep_days", "keep_runs"):
        if name in read:
            read[name] = read[name] or None
    return Settings(**read), tuple(mistakes)


def _number(name: str, value: Any) -> tuple[int | None, str]:
    least, accepted = _NUMBERS[name]
    text = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    number = int(text) if text.isascii() and text.isdecimal() else -1
    return number if number >= least else None, f"is {accepted}"


def _severity(_name: str, value: Any) -> tuple[str | None, str]:
    return value if value in FAIL_ON else None, f"are {listed([*FAIL_ON], len(FAIL_ON))}"


def _command(_name: str, value: Any) -> tuple[tuple[str, ...] | None, str]:
    words = [value] if isinstance(value, str) else value
    accepted = "is a command as a list of texts, or nothing"
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        return None, accepted
    return tuple(words), accepted


_READERS = {"fail_on": _severity, "notify": _command}
