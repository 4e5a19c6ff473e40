# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the ports of applications are kept out of the kernel's choice where they need to be. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from ...module_utils.portreeve_agent.errors import InvalidInput
from ...module_utils.portreeve_agent.ports import port_set
from ..fleet.applications import Application, ports_to_reserve
from ..fleet.port_sets import numbers, ranges_of
from . import sentences
from .case import Broken, Case, Untold, told_apart
from .records import Declaration


def judge_reservations(case: Case) -> Iterator[Broken | Untold]:
    """Yield not_reserved, once for a port of several protocols: the kernel's list knows none."""
    reserved = port_set(case.picture.reserved)
    for declaration in case.policy.declarations:
        try:
            wanted = _wanted(declaration, case.picture.automatic)
        except InvalidInput as error:
            yield from _untold(declaration, str(error))
            continue
        if reserved is None and wanted:
            yield from _untold(declaration, "which ports the host reserves is not known")
            continue
        missing = set(wanted - (reserved or frozenset()))
        for place in told_apart(declaration) if missing else ():
            here = {port for port in missing if place.low <= port <= place.high}
            missing -= here
            if here:
                ports = ranges_of(here, place.protocol)
                said, advice = sentences.not_reserved(ports, declaration, case.picture.automatic)
                told = (declaration.name, "", said, advice, "", declaration.severity)
                yield Broken("not_reserved", str(place), ports, *told)


@lru_cache(maxsize=4096)
def _wanted(declaration: Declaration, automatic: tuple[int, int] | None) -> frozenset[int]:
    """Return the ports to be reserved; the hosts of a fleet have the same declarations by the thousand."""
    application = Application(declaration.name, declaration.ports, declaration.reserve)
    return frozenset(numbers(ports_to_reserve(application, automatic)))


def _untold(declaration: Declaration, why: str) -> Iterator[Untold]:
    for place in told_apart(declaration):
        yield Untold("not_reserved", str(place), why)
