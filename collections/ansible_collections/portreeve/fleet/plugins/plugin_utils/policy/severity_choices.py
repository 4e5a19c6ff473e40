# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the variables of an inventory to the severities of rules. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...module_utils.portreeve_agent.errors import InvalidInput
from ...module_utils.portreeve_agent.ports import shown
from ..fleet.keys import meant, one_of
from ..fleet.lists import Origin, located
from ..fleet.picture import plain
from .rules import IGNORE, RULES, SEVERITIES

_read = one_of((*SEVERITIES, IGNORE))


def read_severities(declared: Mapping[str, Any], origin: Origin) -> tuple[dict[str, str], list[str]]:
    """Return what all variables say of rules, by rule, and a sentence for each mistake: two that disagree are one."""
    said: dict[str, dict[str, str]] = {}  # rule → variable → severity
    mistakes: list[str] = []
    for variable in sorted(declared):
        value = plain(declared[variable])
        if not isinstance(value, Mapping):
            accepted = "accepted is a dictionary of severities by rule, such as {undeclared: high}, or {} for none"
            mistakes.append(located(f"{variable} is no dictionary: {accepted}.", origin(variable, None, None)))
            continue
        for rule, given in value.items():
            try:
                said.setdefault(rule, {})[variable] = _severity(variable, rule, given)
            except InvalidInput as error:
                mistakes.append(located(str(error), origin(variable, None, rule)))
    chosen = {rule: next(iter(by_variable.values())) for rule, by_variable in sorted(said.items())}
    return chosen, [*mistakes, *_disagreements(said, origin)]


def _severity(variable: str, rule: str, given: Any) -> str:
    if rule not in RULES:
        accepted = f"accepted are {', '.join(RULES)}{meant(rule, tuple(RULES))}"
        raise InvalidInput(f"{variable} has the rule {shown(rule)}, which is not known: {accepted}.")
    return _read(variable, rule, given)


def _disagreements(said: Mapping[str, Mapping[str, str]], origin: Origin) -> Iterator[str]:
    for rule in sorted(said):
        (first, severity), *others = list(said[rule].items())
        other = next((variable for variable, one in others if one != severity), None)
        if other is not None:
            yield located(
                f"{first} says {rule}: {severity}, but {other} says {rule}: {said[rule][other]}: accepted is one of "
                "them on a host.",
                origin(first, None, rule),
                origin(other, None, rule),
            )
