# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which ports the applications of a host need, as the inventory declares them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...module_utils.portreeve_agent.errors import InvalidInput
from ...module_utils.portreeve_agent.ports import PortRange
from ...module_utils.portreeve_agent.reservations.sentences import say_run
from .entries import ALWAYS, AUTO, NEVER, REMEDY, read_entries
from .keys import Owner
from .lists import Origin, Said, unknown_origin
from .port_sets import Place, compress, merge, numbers

_POLICY = ("address", "listen", "severity")


@dataclass(frozen=True)
class Application:
    """An application, the ports it needs on the host, whether these are to be reserved, and how to get them back.

    ``reserve``: AUTO where the kernel could give them away otherwise, ALWAYS, or NEVER. ``owners`` are those any one of
    which should hold them, each as the module port_release expects it; none where that is not declared. ``remedy`` is
    what else was declared of ``service``, ``strategy`` and ``at_most``, ``policy`` of ``address``, ``listen`` and
    ``severity``. ``places`` are the ports with the protocols of a server on them.
    """

    name: str
    ports: tuple[PortRange, ...]
    reserve: str = AUTO
    owners: tuple[Owner, ...] = ()
    remedy: Mapping[str, str] = field(default_factory=dict)
    places: tuple[Place, ...] = ()
    policy: Mapping[str, str] = field(default_factory=dict)

    @property
    def owner(self) -> dict[str, str]:
        """The owner that the ports are got back for: the only one there is, else empty."""
        return dict(self.owners[0]) if len(self.owners) == 1 else {}

    def to_wire(self) -> dict[str, Any]:
        """Return it in plain JSON types, as it could have been declared."""
        declared = {"name": self.name, "ports": [str(one) for one in self.ports], "reserve": self.reserve}
        owner = self.owner or [dict(one) for one in self.owners]
        return {**declared, **({"owner": owner} if owner else {}), **self.policy, **self.remedy}

    def releases(self) -> Iterator[dict[str, Any]]:
        """Yield what port_release is to be told for each port, none where not exactly one owner is declared.

        The service is started after the last port, as it needs all of them.
        """
        options = {key: self.remedy[key] for key in ("strategy", "at_most") if key in self.remedy}
        for port, protocol in self.places if self.owner else ():
            wanted = {"port": port, "protocol": protocol, "expect": self.owner, **options}
            if "service" in self.remedy and (port, protocol) == self.places[-1]:
                wanted["then"] = {"start": self.remedy["service"]}
            place = f"{port}/{protocol}"
            yield {"application": self.name, "place": place, "reserve": self.reserve != NEVER, "options": wanted}


def merge_applications(declared: Mapping[str, Any], origin: Origin = unknown_origin) -> tuple[Application, ...]:
    """Return the applications of all lists (variable → its value), by name.

    The ports of entries of one name are united. Raises InvalidInput with every mistake, one sentence each.
    """
    by_name, mistakes = read_entries(declared, origin)
    if mistakes:
        raise InvalidInput(" ".join(mistakes))
    return united(by_name)


def united(by_name: Mapping[str, list[Said]]) -> tuple[Application, ...]:
    """Return the applications whose entries hold no mistake, by name."""
    applications = []
    for name, entries in sorted(by_name.items()):
        said = {key: value for entry in entries for key, value in entry.values.items()}
        needed = [entry.values["ports"] for entry in entries]
        applications.append(
            Application(
                name,
                merge([ports for ports, _places in needed]),
                said.get("reserve", AUTO),
                said.get("owner", ()),
                {key: said[key] for key in REMEDY if key in said},
                tuple(sorted({place for _ports, places in needed for place in places})),
                {key: said[key] for key in _POLICY if key in said},
            )
        )
    return tuple(applications)


def mistakes_in(declared: Mapping[str, Any], origin: Origin = unknown_origin) -> tuple[str, ...]:
    """Return one sentence for each mistake in the lists, which names variable and entry and says what is accepted.

    It is one as well that entries of one name disagree on anything but ports.
    """
    return tuple(read_entries(declared, origin)[1])


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
