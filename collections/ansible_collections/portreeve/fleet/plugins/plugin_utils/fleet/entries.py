# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The entries of the lists in which an inventory declares applications, and what is wrong with them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...module_utils.portreeve_agent.errors import InvalidInput
from ...module_utils.portreeve_agent.ports import PortRange, shown
from ...module_utils.portreeve_agent.remedies.records import ACTS, STRATEGIES
from ...module_utils.portreeve_agent.reservations.ledger import parse_name
from .picture import plain
from .port_sets import Place, merge, places_served

AUTO, ALWAYS, NEVER = "auto", "always", "never"
RESERVE = (AUTO, ALWAYS, NEVER)
OWNER = ("unit", "exe", "user", "container")

_ACCEPTED_KEYS = "name, ports, reserve, owner, service, strategy and at_most"
_ACCEPTED_PORTS = "accepted are ports such as 8080, 8000-8010 or 53/udp"
_ACCEPTED_OWNER = "accepted is a dictionary of at least one of unit, exe, user and container"


@dataclass(frozen=True)
class Entry:
    """One entry of a list. ``said`` are the keys besides name and ports; what is not in it is left to the others of the
    same name. ``places`` are the ports with the protocols of a server on them."""

    where: str
    name: str
    ports: tuple[PortRange, ...]
    places: tuple[Place, ...]
    said: Mapping[str, Any]


def read_entries(declared: Mapping[str, Any]) -> tuple[dict[str, list[Entry]], list[str]]:
    """Return the entries of all lists (variable → its value) by name, and a sentence for each mistake."""
    by_name: dict[str, list[Entry]] = {}
    mistakes: list[str] = []
    for variable in sorted(declared):
        value = plain(declared[variable])
        if not isinstance(value, list):
            mistakes.append(_no_list(variable, value))
            continue
        for position, given in enumerate(value, 1):
            try:
                entry = _entry(f"entry {position} of {variable}", given)
            except InvalidInput as error:
                mistakes.append(str(error))
            else:
                by_name.setdefault(entry.name, []).append(entry)
    return by_name, [*mistakes, *_disagreements(by_name), *_in_vain(by_name)]


def _no_list(variable: str, value: Any) -> str:
    if isinstance(value, str):
        return (
            f"{variable} is a text: accepted is a list of applications in group_vars or host_vars; in a [GROUP:vars] "
            "section of an INI file every value is a text."
        )
    return f"{variable} is no list: accepted is a list of applications, each with name and ports, or [] for none."


def _entry(where: str, entry: Any) -> Entry:
    if not isinstance(entry, Mapping):
        raise InvalidInput(f"{where} is no application: accepted are the keys {_ACCEPTED_KEYS}.")
    name = _name(where, entry.get("name"))
    where = f"{where} ({name})"
    for key in entry:
        if key not in ("name", "ports", *_READERS):
            raise InvalidInput(f"{where} has the key {shown(key)}, which is not known: accepted are {_ACCEPTED_KEYS}.")
    said = {key: read(where, key, entry[key]) for key, read in _READERS.items() if key in entry}
    try:
        ports, places = merge(entry.get("ports", [])), places_served(entry.get("ports", []))
    except InvalidInput as error:
        raise InvalidInput(f"{where} has ports that cannot be read: {error}.") from None
    if not ports:
        raise InvalidInput(f"{where} has no ports: {_ACCEPTED_PORTS}.")
    return Entry(where, name, ports, places, said)


def _one_of(accepted: tuple[str, ...]) -> Callable[[str, str, Any], str]:
    def read(where: str, key: str, given: Any) -> str:
        if given not in accepted:
            raise InvalidInput(f"{where} has {key}: {shown(given)}: accepted are {', '.join(accepted)}.")
        return str(given)

    return read


def _service(where: str, key: str, given: Any) -> str:
    if not isinstance(given, str) or not given.strip():
        raise InvalidInput(f"{where} has {key}: {shown(given)}: accepted is the name of a systemd unit.")
    return given


def _owner(where: str, key: str, given: Any) -> dict[str, str]:
    if not isinstance(given, Mapping) or not given or not set(given) <= set(OWNER):
        raise InvalidInput(f"{where} has {key}: {shown(given)}: {_ACCEPTED_OWNER}.")
    for part, name in given.items():
        if isinstance(name, (bool, float)) or not isinstance(name, (str, int)) or name == "":
            raise InvalidInput(f"{where} has an {key} with {part}: {shown(name)}: accepted is the name of one.")
    return {part: str(given[part]) for part in OWNER if part in given}


_READERS: Mapping[str, Callable[[str, str, Any], Any]] = {
    "reserve": _one_of(RESERVE),
    "owner": _owner,
    "service": _service,
    "strategy": _one_of(STRATEGIES),
    "at_most": _one_of(ACTS),
}


def _name(where: str, given: Any) -> str:
    """Return the name; a whole number stands for its digits, as it does for the module."""
    if isinstance(given, (bool, float)):
        raise InvalidInput(f"{where} has a name that is {shown(given)} to YAML: accepted is a text, so quote it.")
    try:
        return parse_name(str(given) if isinstance(given, int) else given)
    except InvalidInput as error:
        raise InvalidInput(f"{where} has no name that will do: {error}.") from None


def _disagreements(by_name: Mapping[str, list[Entry]]) -> Iterator[str]:
    for name in sorted(by_name):
        for key in _READERS:
            first, *others = [entry for entry in by_name[name] if key in entry.said] or by_name[name][:1]
            other = next((entry for entry in others if entry.said[key] != first.said[key]), None)
            if other is not None:
                yield (
                    f"{first.where} says {key}: {_words(first.said[key])}, but {other.where} says {key}: "
                    f"{_words(other.said[key])}: accepted is one of them for all entries of a name."
                )


def _in_vain(by_name: Mapping[str, list[Entry]]) -> Iterator[str]:
    """Yield a sentence for each name whose ports nobody could get back, though it is said how."""
    for name in sorted(by_name):
        if any("owner" in entry.said for entry in by_name[name]):
            continue
        for entry in by_name[name]:
            for key in sorted(entry.said.keys() - {"reserve"}):
                yield f"{entry.where} says {key}, but no entry of {name} says owner: {_ACCEPTED_OWNER}."


def _words(said: Any) -> str:
    return ", ".join(f"{part} {name}" for part, name in said.items()) if isinstance(said, Mapping) else str(said)
