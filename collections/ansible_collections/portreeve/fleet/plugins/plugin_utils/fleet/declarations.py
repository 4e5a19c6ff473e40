# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which variables of an inventory declare applications, and which only seem to. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

VARIABLE = "portreeve_applications"

_ALIKE = "portreeve_applic"


def is_declaration(variable: str) -> bool:
    """Return whether a variable of that name declares applications."""
    return variable == VARIABLE or variable.startswith(VARIABLE + "_")


def near_misses(variables: Iterable[str]) -> Iterator[str]:
    """Yield a sentence for each variable whose name is almost one that declares applications."""
    for variable in sorted(variables):
        if variable.casefold().startswith(_ALIKE) and not is_declaration(variable):
            yield f"The variable {variable} declares nothing: accepted are {VARIABLE}, and {VARIABLE}_ and anything."


def hidden(levels: Mapping[str, Mapping[str, Any]], seen: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each declaration that the host does not see, as another level has a variable of that name.

    ``levels`` are the variables of each level of the inventory ("group web"), ``seen`` those that the host sees. An
    empty list hides on purpose, and so does what comes from outside of the inventory.
    """
    for variable in sorted(filter(is_declaration, seen)):
        said = {level: variables[variable] for level, variables in levels.items() if variable in variables}
        winning = [level for level, value in said.items() if value == seen[variable]]
        for level, value in said.items():
            if winning and value and seen[variable] and value != seen[variable]:
                yield (
                    f"{variable} of {level} counts for nothing where that of {winning[-1]} hides it: "
                    f"give it a name of its own, such as {VARIABLE}_{_suffix(level)}."
                )


def _suffix(level: str) -> str:
    name = level.rpartition(" ")[2]
    return "".join(one if one.isalnum() else "_" for one in name)
