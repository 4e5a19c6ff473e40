# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which ports the applications of a host need, as the inventory declares them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...module_utils.portreeve_agent.errors import InvalidInput
from ...module_utils.portreeve_agent.ports import PortRange, shown
from ...module_utils.portreeve_agent.reservations.ledger import parse_name
from .picture import plain
from .port_sets import merge, numbers

VARIABLE = "portreeve_applications"

AUTO, ALWAYS, NEVER = "auto", "always", "never"
RESERVE = (AUTO, ALWAYS, NEVER)

_KEYS = ("name", "ports", "reserve")

_ACCEPTED_KEYS = "name, ports and reserve"
_ACCEPTED_PORTS = "accepted are ports such as 8080, 8000-8010 or 53/udp"


@dataclass(frozen=True)
class Application:
    """An application, the ports it needs on the host, and whether these are to be reserved.

    ``reserve``: AUTO where the kernel could give them away otherwise, ALWAYS, or NEVER.
    """

    name: str
    ports: tuple[PortRange, ...]
    reserve: str = AUTO

    def to_wire(self) -> dict[str, Any]:
        """Return it in plain JSON types, as it could have been declared."""
        return {"name": self.name, "ports": [str(one) for one in self.ports], "reserve": self.reserve}


@dataclass(frozen=True)
class _Entry:
    """One entry of a list; ``reserve`` is None where it is left to the others of the same name."""

    where: str
    name: str
    ports: tuple[PortRange, ...]
    reserve: str | None


def is_declaration(variable: str) -> bool:
    """Return whether a variable of that name declares applications."""
    return variable == VARIABLE or variable.startswith(VARIABLE + "_")


def merge_applications(declared: Mapping[str, Any]) -> tuple[Application, ...]:
    """Return the applications of all lists (variable → its value), by name.

    The ports of entries of one name are united. Raises InvalidInput, with one sentence that names variable and entry
    and says what is accepted, also when entries of one name disagree on ``reserve``.
    """
    by_name: dict[str, list[_Entry]] = {}
    for variable in sorted(declared):
        for entry in _entries(variable, plain(declared[variable])):
            by_name.setdefault(entry.name, []).append(entry)
    return tuple(
        Application(name, merge([entry.ports for entry in by_name[name]]), _reserve(by_name[name]))
        for name in sorted(by_name)
    )


def ports_to_reserve(application: Application, automatic: tuple[int, int] | None) -> tuple[PortRange, ...]:
    """Return what needs to be reserved for an application on a host, of every protocol: the kernel's list knows none.

    ``automatic`` is the host's range of automatic ports, both ends included, None when it is not known. Raises
    InvalidInput when it would decide and is not known.
    """
    if application.reserve == NEVER:
        return ()
    ports = numbers(application.ports)
    if application.reserve == AUTO and automatic is None:
        raise InvalidInput(
            f"Which ports of {application.name} need to be reserved cannot be told, because the host's range of "
            f"automatic ports is not known: say reserve: {ALWAYS} or reserve: {NEVER}."
        )
    if application.reserve == AUTO and automatic is not None:
        ports = {port for port in ports if automatic[0] <= port <= automatic[1]}
    return merge(ports)


def _entries(variable: str, value: Any) -> Iterator[_Entry]:
    if isinstance(value, str):
        raise InvalidInput(
            f"{variable} is a text: accepted is a list of applications in group_vars or host_vars; in a [GROUP:vars] "
            "section of an INI file every value is a text."
        )
    if not isinstance(value, list):
        raise InvalidInput(
            f"{variable} is no list: accepted is a list of applications, each with name and ports, or [] for none."
        )
    for position, entry in enumerate(value, 1):
        where = f"entry {position} of {variable}"
        if not isinstance(entry, Mapping):
            raise InvalidInput(f"{where} is no application: accepted are the keys {_ACCEPTED_KEYS}.")
        yield _entry(where, entry)


def _entry(where: str, entry: Mapping[str, Any]) -> _Entry:
    try:
        name = parse_name(entry.get("name"))
    except InvalidInput as error:
        raise InvalidInput(f"{where} has no name that will do: {error}.") from error
    where = f"{where} ({name})"
    for key in entry:
        if key not in _KEYS:
            raise InvalidInput(f"{where} has the key {shown(key)}, which is not known: accepted are {_ACCEPTED_KEYS}.")
    if entry.get("reserve", AUTO) not in RESERVE:
        raise InvalidInput(f"{where} has reserve: {shown(entry['reserve'])}: accepted are {', '.join(RESERVE)}.")
    try:
        ports = merge(entry.get("ports", []))
    except InvalidInput as error:
        raise InvalidInput(f"{where} has ports that cannot be read: {error}.") from error
    if not ports:
        raise InvalidInput(f"{where} has no ports: {_ACCEPTED_PORTS}.")
    return _Entry(where, name, ports, entry.get("reserve"))


def _reserve(entries: list[_Entry]) -> str:
    said = [entry for entry in entries if entry.reserve is not None]
    for entry in said[1:]:
        if entry.reserve != said[0].reserve:
            raise InvalidInput(
                f"{said[0].where} says reserve: {said[0].reserve}, but {entry.where} says reserve: {entry.reserve}: "
                f"accepted is one of them for all entries of a name."
            )
    return said[0].reserve or AUTO if said else AUTO
