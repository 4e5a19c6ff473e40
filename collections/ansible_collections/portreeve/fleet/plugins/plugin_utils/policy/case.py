# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a rule looks at, and what it says. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from ...module_utils.portreeve_agent.ports import PortRange
from ..fleet.host_picture import HostPicture, Listener
from .records import Declaration, Policy

#: Ranges with more ports than this are told as one: the ports of a range come and go together.
MOST_TOLD_APART = 16


class Broken(NamedTuple):
    """A rule that is broken, before it is known whether it counts.

    ``ports`` are those it is about, none for the host as a whole. ``severity`` is that of the declaration it is about,
    None where that says nothing. The rest is as in a Finding.
    """

    rule: str
    place: str
    ports: tuple[PortRange, ...]
    subject: str
    who: str
    said: str
    advice: str
    evidence: str = ""
    severity: str | None = None


class Untold(NamedTuple):
    """A rule that could not be judged at a place, empty for the whole host, and why."""

    rule: str
    place: str
    why: str


class DeclaredPorts:
    """The declarations of a policy by port: a host has as many listeners as declarations."""

    def __init__(self, declarations: tuple[Declaration, ...]) -> None:
        self._single: dict[tuple[int, str], list[int]] = {}
        self._wide: list[tuple[PortRange, int]] = []
        self._declarations = declarations
        for number, declaration in enumerate(declarations):
            for one in declaration.ports:
                if one.protocol is None or one.high - one.low >= MOST_TOLD_APART:
                    self._wide.append((one, number))
                    continue
                for port in range(one.low, one.high + 1):
                    self._single.setdefault((port, one.protocol), []).append(number)

    def at(self, port: int, protocol: str) -> tuple[Declaration, ...]:
        """Return the declarations that have the port, applications before what else may listen.

        What may be anybody's anywhere says nothing about the port of an application.
        """
        numbers = {
            *self._single.get((port, protocol), ()),
            *(
                number
                for one, number in self._wide
                if one.low <= port <= one.high and (one.protocol or "tcp") == protocol
            ),
        }
        found = [self._declarations[number] for number in sorted(numbers)]
        applications = [one for one in found if one.is_application]
        if not applications:
            return tuple(found)
        return (*applications, *(one for one in found if not one.is_application and _says_something(one)))


def _says_something(declaration: Declaration) -> bool:
    return bool(declaration.owners) or declaration.address != "any"


@dataclass(frozen=True)
class Case:
    """A host that answered, and what it is held against."""

    picture: HostPicture
    policy: Policy
    complete: bool

    @cached_property
    def declared(self) -> DeclaredPorts:
        """What is declared, by port."""
        return DeclaredPorts(self.policy.declarations)

    @cached_property
    def own(self) -> dict[tuple[int, str], Listener]:
        """What the picture has of the host's own network namespace, by port and protocol."""
        return {(one.port, one.protocol): one for one in self.picture.listeners if one.namespace is None}

    def application_at(self, listener: Listener) -> str | None:
        """Return the name of the application whose port it is, None where it is nobody's."""
        if listener.namespace is not None:
            return None
        found = self.declared.at(listener.port, listener.protocol)
        return found[0].name if found and found[0].is_application else None


def ports_of(listener: Listener) -> tuple[PortRange, ...]:
    """Return the port of a listener, as what is Broken has it."""
    return (PortRange(listener.port, listener.port, listener.protocol),)


def told_apart(declaration: Declaration) -> Iterator[PortRange]:
    """Yield the places of a declaration: each port, or a range where there are too many to tell each."""
    for one in declaration.ports:
        protocol = one.protocol or "tcp"
        if one.high - one.low >= MOST_TOLD_APART:
            yield PortRange(one.low, one.high, protocol)
        else:
            yield from (PortRange(port, port, protocol) for port in range(one.low, one.high + 1))
