# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ports as sets: united, taken away, written short. Pure.

Ports are given as a number, a text such as "8080,9000-9010" or "53/udp", a range, or lists of these in lists of any
depth. A port without a protocol stands for that port of every protocol. For anything else all functions raise
InvalidInput, with one sentence that says what is accepted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from ...module_utils.portreeve_agent import ports
from ...module_utils.portreeve_agent.model import PROTOCOLS
from ...module_utils.portreeve_agent.ports import PortRange, parse_ports

Place = tuple[int, str]  # port and protocol
_Places = frozenset[Place]


def merge(*values: Any) -> tuple[PortRange, ...]:
    """Return the ports of all ``values`` as the fewest ranges, in order.

    ``merge("9001,9000", [[53, "53/udp"]])`` → ``(PortRange(53, 53), PortRange(9000, 9001))``; of nothing, nothing.
    """
    return _ranges(_places(values))


def subtract(values: Any, *others: Any) -> tuple[PortRange, ...]:
    """Return the ports of ``values`` that are in none of the others, as the fewest ranges, in order.

    ``subtract(53, "53/udp")`` → ``(PortRange(53, 53, "tcp"),)``.
    """
    return _ranges(_places(values) - _places(others))


def compress(*values: Any) -> str:
    """Return the ports of all ``values`` as one text, ``"53/udp,9000-9001"``; the functions here read it back."""
    return ",".join(str(one) for one in merge(*values))


def numbers(values: Any) -> set[int]:
    """Return every port of ``values``, of whichever protocol: ``numbers("53/udp,8000-8001") == {53, 8000, 8001}``."""
    return {port for port, _protocol in _places(values)}


def places_served(values: Any) -> tuple[Place, ...]:
    """Return where a server on the ports of ``values`` would be, in order: without a protocol, that is TCP.

    ``places_served([53, "53/udp"]) == ((53, "tcp"), (53, "udp"))``.
    """
    served = {(port, one.protocol or "tcp") for one in _flat(values) for port in range(one.low, one.high + 1)}
    return tuple(sorted(served))


def ranges_served(values: Any) -> tuple[PortRange, ...]:
    """Return where a server on the ports of ``values`` would be as ranges: without a protocol, that is TCP.

    ``ranges_served(["53", "1024-65535/udp"])`` → ``(PortRange(53, 53, "tcp"), PortRange(1024, 65535, "udp"))``.
    """
    served = [str(PortRange(one.low, one.high, one.protocol or "tcp")) for one in _flat(values)]
    return parse_ports(served) if served else ()


def ranges_of(found: Collection[int], protocol: str | None = None) -> tuple[PortRange, ...]:
    """Return the fewest ranges that are made of some ports of a protocol, in order."""
    together = parse_ports(ports.compress(found)) if found else ()
    return tuple(PortRange(one.low, one.high, protocol) for one in together)


def _places(values: Any) -> _Places:
    return frozenset(
        (port, protocol)
        for one in _flat(values)
        for port in range(one.low, one.high + 1)
        for protocol in (PROTOCOLS if one.protocol is None else (one.protocol,))
    )


def _flat(values: Any) -> Iterator[PortRange]:
    """Yield what lists of any depth hold. A blank text is how no port is written."""
    if isinstance(values, PortRange):
        yield values
    elif isinstance(values, Iterable) and not isinstance(values, (str, bytes, Mapping)):
        for one in values:
            yield from _flat(one)
    elif not isinstance(values, str) or values.strip():
        yield from parse_ports(dict(values) if isinstance(values, Mapping) else values)


def _ranges(places: _Places) -> tuple[PortRange, ...]:
    found = {protocol: {port for port, one in places if one == protocol} for protocol in PROTOCOLS}
    everywhere = set.intersection(*found.values())
    ranges = [*ranges_of(everywhere)]
    for protocol in PROTOCOLS:
        ranges += ranges_of(found[protocol] - everywhere, protocol)
    return tuple(sorted(ranges, key=lambda one: (one.low, one.high, one.protocol or "")))
