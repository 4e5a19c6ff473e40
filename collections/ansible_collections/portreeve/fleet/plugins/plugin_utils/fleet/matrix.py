# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ports by hosts. Pure.

A row holds its hosts by what is the same on them, as numbers: a port that ten thousand hosts have alike is one cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..policy.findings import Finding, JudgedHost
from ..policy.ports import AUTOMATIC
from ..policy.rules import SEVERITIES
from .naming import by_place, is_kernels_choice, name_holders
from .picture import natural


class Cell(NamedTuple):
    """What is the same on ``hosts``, which are places in the matrix's own list.

    ``who`` holds the port, empty where nobody was seen; ``verdict`` is empty where no socket was. ``severity`` is that
    of the worst finding there, None without one; ``waived`` is True when all there are waived.
    """

    who: str
    verdict: str
    severity: str | None
    waived: bool
    hosts: tuple[int, ...]


class Row(NamedTuple):
    """A port, and what each host has there; a host without it has no cell."""

    place: str
    cells: tuple[Cell, ...]


class Matrix(NamedTuple):
    """All hosts in natural order, and a row for each port that any of them has or misses, by port."""

    hosts: tuple[str, ...]
    rows: tuple[Row, ...]


_Mark = tuple[str, bool]
_Look = tuple[str, str, str | None, bool]


def build_matrix(hosts: Iterable[JudgedHost], findings: Iterable[Finding]) -> Matrix:
    """Return the matrix of some hosts, and of what was found on them.

    Datagram sockets on ports that the kernel chose share a row: those ports are others every minute.
    """
    ordered = sorted(hosts, key=lambda host: natural(host.name))
    marks = _marks(findings)
    places: dict[str, dict[_Look, list[int]]] = {}
    for number, host in enumerate(ordered):
        marked = marks.get(host.name, {})
        held = _held(host)
        for place in {**held, **marked}:
            look = (*held.get(place, ("", "")), *marked.get(place, (None, False)))
            places.setdefault(place, {}).setdefault(look, []).append(number)
    names = tuple(host.name for host in ordered)
    return Matrix(names, tuple(_row(place, places[place]) for place in sorted(places, key=by_place)))


def _held(host: JudgedHost) -> dict[str, tuple[str, str]]:
    """Return who has each port of a host, and the verdict on it."""
    held: dict[str, tuple[str, str]] = {}
    clients = set()
    for listener in host.picture.listeners:
        who = name_holders(listener.bound)
        if listener.namespace is None and is_kernels_choice(host.picture, listener):
            clients.add(who)
        else:
            held[listener.place] = who, listener.verdict
    if clients:
        held[AUTOMATIC] = ", ".join(sorted(filter(None, clients))), ""
    return held


def _marks(findings: Iterable[Finding]) -> dict[str, dict[str, _Mark]]:
    """Return the worst of what was found at each port of each host; what counts is worse than what is waived."""
    marks: dict[str, dict[str, _Mark]] = {}
    for one in findings:
        if one.place:
            here = marks.setdefault(one.host, {})
            mark = one.severity, one.waived is not None
            here[one.place] = max(mark, here.get(one.place, mark), key=_badness)
    return marks


def _badness(mark: _Mark) -> tuple[bool, int]:
    return not mark[1], SEVERITIES.index(mark[0])


def _row(place: str, looks: Mapping[_Look, list[int]]) -> Row:
    """Put what most hosts have first."""
    cells = [Cell(*look, tuple(numbers)) for look, numbers in looks.items()]
    return Row(place, tuple(sorted(cells, key=lambda cell: (-len(cell.hosts), cell.hosts))))
