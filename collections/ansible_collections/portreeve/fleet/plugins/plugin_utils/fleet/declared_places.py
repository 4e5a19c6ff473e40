# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the applications of judged hosts are declared to be; a wide range is never taken apart into its ports. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from ...module_utils.portreeve_agent.ports import PortRange, parse_ports
from ..policy.case import MOST_TOLD_APART
from ..policy.findings import JudgedHost


@dataclass(frozen=True)
class DeclaredPlaces:
    """The names of the applications of a host: ``single`` by port such as ``8080/tcp``, ``wide`` with ranges of more
    ports than are told apart."""

    single: dict[str, tuple[str, ...]]
    wide: tuple[tuple[PortRange, str], ...]

    def wide_at(self, place: str) -> tuple[str, ...]:
        """Return the applications one of whose wide ranges has the port."""
        if not self.wide:
            return ()
        port, protocol = _place(place)
        return tuple(name for one, name in self.wide if one.protocol == protocol and one.low <= port <= one.high)


def declared_places(host: JudgedHost) -> DeclaredPlaces:
    """Return where the applications of a host are declared to be."""
    return _read(host.declared)


class Spans:
    """What wide ranges of several hosts cut each other into; none has a part in common with another."""

    def __init__(self, ranges: Iterable[PortRange]) -> None:
        self._starts: dict[str, list[int]] = {}
        self._ends: dict[str, list[int]] = {}
        for protocol, of_one in _by_protocol(ranges).items():
            cuts = sorted({cut for one in of_one for cut in (one.low, one.high + 1)})
            last = -1  # of those that begin at or before a cut
            ordered = sorted(of_one, key=lambda one: one.low, reverse=True)
            for start, after in pairwise(cuts):
                while ordered and ordered[-1].low <= start:
                    last = max(last, ordered.pop().high)
                if last >= start:
                    self._starts.setdefault(protocol, []).append(start)
                    self._ends.setdefault(protocol, []).append(after - 1)

    def within(self, wide: PortRange) -> Iterator[str]:
        """Yield the spans that a range is made of, as ``30000-32767/tcp``."""
        protocol = wide.protocol or ""
        starts = self._starts[protocol]
        for index in range(bisect_right(starts, wide.low) - 1, bisect_right(starts, wide.high)):
            yield self._name(protocol, index)

    def over(self, place: str) -> str | None:
        """Return the span that has a port, None where no range has it."""
        port, protocol = _place(place)
        index = bisect_right(self._starts.get(protocol, ()), port) - 1
        return self._name(protocol, index) if index >= 0 and port <= self._ends[protocol][index] else None

    def _name(self, protocol: str, index: int) -> str:
        return str(PortRange(self._starts[protocol][index], self._ends[protocol][index], protocol))


def _by_protocol(ranges: Iterable[PortRange]) -> dict[str, set[PortRange]]:
    found: dict[str, set[PortRange]] = {}
    for one in ranges:
        found.setdefault(one.protocol or "", set()).add(one)
    return found


@lru_cache(maxsize=1024)
def _read(declared: tuple[tuple[str, str], ...]) -> DeclaredPlaces:
    single: dict[str, tuple[str, ...]] = {}
    wide = []
    for name, ports in declared:
        for one in parse_ports(ports):
            protocol = one.protocol or "tcp"
            if one.high - one.low >= MOST_TOLD_APART:
                wide.append((PortRange(one.low, one.high, protocol), name))
                continue
            for port in range(one.low, one.high + 1):
                place = f"{port}/{protocol}"
                single[place] = (*single.get(place, ()), name)
    return DeclaredPlaces(single, tuple(wide))


def _place(place: str) -> tuple[int, str]:
    port, _slash, protocol = place.partition("/")
    return int(port), protocol
