# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What must be well on a host before another wave is begun: declared ports, or whatever a file of tasks sees."""

from __future__ import annotations

import pathlib
from collections.abc import Collection
from typing import Any

from ...module_utils.portreeve_agent.errors import InvalidInput
from ...module_utils.portreeve_agent.ports import parse_ports, shown
from ..fleet.port_sets import places_served

Health = dict[str, Any]


def read_health(given: Any, declared: Collection[str]) -> Health | None:
    """Return ``{"ports": ["8080/tcp"], "file": None}`` for ports, or the whole path of the file; None for no check.

    ``declared`` are the places of the applications on the hosts of the run. Raises InvalidInput, with one sentence, for
    ports that none of them has and for a file that is not there: a check of nothing would always be passed.
    """
    if given in (None, "", []):
        return None
    if isinstance(given, str) and not _are_ports(given):
        path = pathlib.Path(given).resolve()
        if not path.is_file():
            raise InvalidInput(f"The health check {path} is not there: accepted is a file of tasks, or declared ports.")
        return {"ports": [], "file": str(path)}
    places: set[str] = set()
    for one in given if isinstance(given, list) else [given]:
        found = {f"{port}/{protocol}" for port, protocol in places_served(one)} & set(declared)
        if not found:
            raise InvalidInput(
                f"The health check asks for {shown(one)}, which is declared with an owner on no host of the run."
            )
        places |= found
    return {"ports": sorted(places), "file": None}


def _are_ports(text: str) -> bool:
    try:
        parse_ports(text)
    except InvalidInput:
        return False
    return True
