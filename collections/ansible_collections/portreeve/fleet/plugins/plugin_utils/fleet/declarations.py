# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which variables of an inventory declare something, and which only seem to. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_ALMOST = 0.85  # of one slip of the pen in a word


@dataclass(frozen=True)
class Family:
    """A variable and all whose names begin with it and ``_``. Names that begin as one of ``alike`` seem to be of it."""

    variable: str
    alike: tuple[str, ...]

    def declares(self, variable: str) -> bool:
        """Return whether a variable of that name is one of the family."""
        return variable == self.variable or variable.startswith(self.variable + "_")

    def seems_meant(self, variable: str) -> bool:
        """Return whether a variable's name begins almost as that of the family."""
        prefix, _dash, rest = variable.casefold().partition("_")
        own_prefix, _dash, own = self.variable.partition("_")
        word = rest.partition("_")[0]
        almost = prefix == own_prefix and bool(difflib.get_close_matches(word, [own], 1, _ALMOST))
        return almost or variable.casefold().startswith(self.alike)


APPLICATIONS = Family("portreeve_applications", ("portreeve_applic",))
ALLOWED = Family("portreeve_allowed", ("portreeve_allow", "portreeve_alow"))
WAIVERS = Family("portreeve_waivers", ("portreeve_waiv", "portreeve_waver"))
SEVERITIES = Family("portreeve_severities", ("portreeve_sever",))

POLICY = (APPLICATIONS, ALLOWED, WAIVERS, SEVERITIES)


def is_declaration(variable: str, families: Iterable[Family] = (APPLICATIONS,)) -> bool:
    """Return whether a variable of that name declares anything."""
    return any(family.declares(variable) for family in families)


def near_misses(variables: Iterable[str], families: Iterable[Family] = (APPLICATIONS,)) -> Iterator[str]:
    """Yield a sentence for each variable whose name is almost one that declares something."""
    for variable in sorted(variables):
        for family in families:
            if family.seems_meant(variable) and not family.declares(variable):
                accepted = f"accepted are {family.variable}, and {family.variable}_ and anything"
                yield f"The variable {variable} declares nothing: {accepted}."


def hidden(
    levels: Mapping[str, Mapping[str, Any]], seen: Mapping[str, Any], families: Iterable[Family] = (APPLICATIONS,)
) -> Iterator[str]:
    """Yield a sentence for each declaration that the host does not see, as another level has a variable of that name.

    ``levels`` are the variables of each level of the inventory ("group web"), ``seen`` those that the host sees. An
    empty list hides on purpose, and so does what comes from outside of the inventory.
    """
    for family in families:
        for variable in sorted(filter(family.declares, seen)):
            said = {level: variables[variable] for level, variables in levels.items() if variable in variables}
            winning = [level for level, value in said.items() if value == seen[variable]]
            for level, value in said.items():
                if winning and value and seen[variable] and value != seen[variable]:
                    yield (
                        f"{variable} of {level} counts for nothing where that of {winning[-1]} hides it: "
                        f"give it a name of its own, such as {family.variable}_{_suffix(level)}."
                    )


def _suffix(level: str) -> str:
    name = level.rpartition(" ")[2]
    return "".join(one if one.isalnum() else "_" for one in name)
