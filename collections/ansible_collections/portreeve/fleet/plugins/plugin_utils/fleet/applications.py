# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which ports the applications of a host need, as the inventory declares them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...module_utils.portreeve_agent.errors import InvalidInput
from ...module_utils.portreeve_agent.ports import PortRange, shown
from ...module_utils.portreeve_agent.reservations.ledger import parse_name
from ...module_utils.portreeve_agent.reservations.sentences import say_run
from .picture import plain
from .port_sets import compress, merge, numbers

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


def merge_applications(declared: Mapping[str, Any]) -> tuple[Application, ...]:
    """Return the applications of all lists (variable → its value), by name.

    The ports of entries of one name are united. Raises InvalidInput with every mistake, one sentence each.
    """
    by_name, mistakes = _read(declared)
    if mistakes:
        raise InvalidInput(" ".join(mistakes))
    return tuple(
        Application(name, merge([entry.ports for entry in entries]), _said(entries)[0].reserve or AUTO)
        for name, entries in sorted(by_name.items())
    )


def mistakes_in(declared: Mapping[str, Any]) -> tuple[str, ...]:
    """Return one sentence for each mistake in the lists, which names variable and entry and says what is accepted.

    It is one as well that entries of one name disagree on ``reserve``.
    """
    return tuple(_read(declared)[1])


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


def unmet(
    needed: Iterable[Mapping[str, Any]], seen: Iterable[Mapping[str, Any]], persistent: bool, runtime: bool
) -> Iterator[Mapping[str, Any]]:
    """Yield what does not stand on a host as it is needed: what is there in part, elsewhere, or not to be there.

    ``needed`` has ``name``, ``ports`` and ``state`` each, ``seen`` are the ``reservations`` that port_reservation
    returned there; ``persistent`` and ``runtime`` say where it is to stand.
    """
    standing = {one["name"]: one for one in seen}
    for one in needed:
        found = standing.get(one["name"])
        if one["state"] == "absent":
            if found is not None:
                yield one
        elif found is None or not _stands(found, one["ports"], persistent, runtime):
            yield one


def say_all(result: Mapping[str, Any], host: str) -> str:
    """Return in one line what is reserved after a run of port_reservation, all names taken together as the host's."""
    reservations = result["reservations"]
    whole = {
        "name": host,
        "ports": compress([one["ports"] for one in reservations]),
        "runtime": any(one["runtime"] for one in reservations),
        "persistent": any(one["persistent"] for one in reservations),
        "only_now": compress([one["only_now"] for one in reservations]),
        "only_after_boot": compress([one["only_after_boot"] for one in reservations]),
        "unused": None,
    }
    lost = {"runtime": "", "file": ""}
    told = {"name": host, "still_reserved": "", "given_back": lost, "removed": lost, "dropped": lost}
    told |= {"drift": [], "squatters": [], "lingering": []}
    return say_run({**result, **told, "reservations": [whole] if reservations else []})


def _stands(found: Mapping[str, Any], ports: Any, persistent: bool, runtime: bool) -> bool:
    return (
        bool(found["runtime"] or not runtime)
        and bool(found["persistent"] or not persistent)
        and not found["only_now"]
        and not found["only_after_boot"]
        and numbers(found["ports"]) == numbers(ports)
    )


def _read(declared: Mapping[str, Any]) -> tuple[dict[str, list[_Entry]], list[str]]:
    """Return the entries of all lists by name, and what is wrong with the others."""
    by_name: dict[str, list[_Entry]] = {}
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
    return by_name, [*mistakes, *_disagreements(by_name)]


def _no_list(variable: str, value: Any) -> str:
    if isinstance(value, str):
        return (
            f"{variable} is a text: accepted is a list of applications in group_vars or host_vars; in a [GROUP:vars] "
            "section of an INI file every value is a text."
        )
    return f"{variable} is no list: accepted is a list of applications, each with name and ports, or [] for none."


def _entry(where: str, entry: Any) -> _Entry:
    if not isinstance(entry, Mapping):
        raise InvalidInput(f"{where} is no application: accepted are the keys {_ACCEPTED_KEYS}.")
    name = _name(where, entry.get("name"))
    where = f"{where} ({name})"
    for key in entry:
        if key not in _KEYS:
            raise InvalidInput(f"{where} has the key {shown(key)}, which is not known: accepted are {_ACCEPTED_KEYS}.")
    if entry.get("reserve", AUTO) not in RESERVE:
        raise InvalidInput(f"{where} has reserve: {shown(entry['reserve'])}: accepted are {', '.join(RESERVE)}.")
    try:
        ports = merge(entry.get("ports", []))
    except InvalidInput as error:
        raise InvalidInput(f"{where} has ports that cannot be read: {error}.") from None
    if not ports:
        raise InvalidInput(f"{where} has no ports: {_ACCEPTED_PORTS}.")
    return _Entry(where, name, ports, entry.get("reserve"))


def _name(where: str, given: Any) -> str:
    """Return the name; a whole number stands for its digits, as it does for the module."""
    if isinstance(given, (bool, float)):
        raise InvalidInput(f"{where} has a name that is {shown(given)} to YAML: accepted is a text, so quote it.")
    try:
        return parse_name(str(given) if isinstance(given, int) else given)
    except InvalidInput as error:
        raise InvalidInput(f"{where} has no name that will do: {error}.") from None


def _disagreements(by_name: Mapping[str, list[_Entry]]) -> Iterator[str]:
    for name in sorted(by_name):
        first, *others = _said(by_name[name])
        other = next((entry for entry in others if entry.reserve != first.reserve), None)
        if other is not None:
            yield (
                f"{first.where} says reserve: {first.reserve}, but {other.where} says reserve: {other.reserve}: "
                "accepted is one of them for all entries of a name."
            )


def _said(entries: list[_Entry]) -> list[_Entry]:
    """Return the entries that say whether to reserve, or one that does not where none does."""
    return [entry for entry in entries if entry.reserve is not None] or entries[:1]
