# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Numbers for ports: better ones for those the kernel may give to any outgoing connection, new ones for an application.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...module_utils.portreeve_agent.errors import InvalidInput
from ...module_utils.portreeve_agent.ports import HIGHEST_PORT, PortRange, contains, parse_ports, port_set, shown
from .picture import INCOMPLETE, OK, HostAnswer
from .port_sets import compress, ranges_of

_RISK = "ephemeral_unreserved"
_USUAL_RANGE = (32768, 60999)
_FIRST_UNPRIVILEGED = 1024
_FIRST_CHOICE = 20_000  # above what is well known, below what kernels choose from
_MOST_NAMES = 5


@dataclass(frozen=True)
class Proposal:
    """A port that is at risk, and a number that is not: ``better`` is None when there is none.

    ``hosts`` is on how many hosts the better number was found free, ``unseen`` on how many a socket may have been
    missed.
    """

    port: int
    better: int | None
    hosts: int
    unseen: int

    def __str__(self) -> str:
        if self.better is None:
            return f"{self.port}: no number outside of the automatic range is free on every host"
        where = "the only host" if self.hosts == 1 else f"all {self.hosts} hosts"
        unseen = f" seen in full, {self.unseen} not" if self.unseen else ""
        return f"{self.port} → {self.better}, free on {where}{unseen}"


def propose(answers: Iterable[HostAnswer]) -> tuple[Proposal, ...]:
    """Return a proposal for each port at risk on any host, by port; nothing when there is no host whose sockets
    were all seen.

    The better number is outside of the automatic and the privileged range of every host, free on all of them for TCP
    and UDP, and not declared or proposed for anything else. The first such number is taken: one with the same last
    four digits below the port, the nearest first; else the same last three digits, below and then above; else the
    nearest below, then above.
    """
    asked = list(answers)
    seen = [answer.result for answer in asked if answer.result is not None and _is_seen(answer)]
    if not seen:
        return ()
    taken = {port for result in seen for port in _taken(result)}
    ranges = [_automatic(result) for result in seen]
    lowest = max(_first_unprivileged(result) for result in seen)
    proposals = []
    for port in sorted({port for result in seen for port in _at_risk(result)}):
        fitting = (
            one
            for one in _candidates(port)
            if one >= lowest and one not in taken and not any(low <= one <= high for low, high in ranges)
        )
        better = next(fitting, None)
        if better is not None:
            taken.add(better)
        proposals.append(Proposal(port, better, len(seen), len(asked) - len(seen)))
    return tuple(proposals)


@dataclass(frozen=True)
class FreePorts:
    """As many ports as an application needs, free on each of ``hosts`` hosts: none when there are too few.

    ``unknown`` are the hosts on which a socket may have been missed, ``available`` is how many ports would do at all.
    """

    count: int
    ranges: tuple[PortRange, ...]
    available: int
    hosts: int
    unknown: tuple[str, ...]

    def __str__(self) -> str:
        names = ", ".join(self.unknown[:_MOST_NAMES]) + (", ..." if len(self.unknown) > _MOST_NAMES else "")
        if not self.hosts:
            return f"no host was seen in full, so no port can be called free (not seen: {names or 'there is no host'})"
        where = "the only host" if self.hosts == 1 else f"all {self.hosts} hosts"
        if self.unknown:
            where += f" seen in full, unknown on {len(self.unknown)} ({names})"
        wanted = "1 port" if self.count == 1 else f"{self.count} ports"
        if not self.ranges:
            free = "none is" if not self.available else f"only {self.available} are"
            return f"{wanted} wanted, but {free} free on {where}, outside of every automatic range"
        return f"{wanted} free on {where}, outside of every automatic range: {compress(self.ranges)}"


def find_free(answers: Iterable[HostAnswer], count: Any) -> FreePorts:
    """Return ``count`` ports that are outside of the automatic and the privileged range of every host seen in full,
    and neither held, declared nor reserved on any of them, for TCP and UDP: in one range where there is one.

    The range starts at a number as round as can be, at or above 20000 rather than below; else the fewest ranges are
    taken, the longest first. Raises InvalidInput for a count that is no number of ports.
    """
    wanted = _count(count)
    asked = list(answers)
    seen = [answer.result for answer in asked if answer.result is not None and _is_known(answer)]
    free = set(range(_FIRST_UNPRIVILEGED, HIGHEST_PORT + 1)) if seen else set()
    for result in seen:
        low, high = _automatic(result)
        free.difference_update(range(_first_unprivileged(result)), range(low, high + 1), _taken(result))
        free -= _reserved(result)
    unknown = tuple(answer.name for answer in asked if answer.result is None or not _is_known(answer))
    ranges = tuple(_choose(free, wanted))
    return FreePorts(wanted, ranges, len(free), len(seen), unknown)


def _count(count: Any) -> int:
    text = "" if isinstance(count, bool) else str(count).strip()
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(HIGHEST_PORT)) else 0
    if not 1 <= number <= HIGHEST_PORT:
        raise InvalidInput(f"{shown(count)} is no number of ports: accepted are numbers from 1 to {HIGHEST_PORT}")
    return number


def _choose(free: set[int], count: int) -> list[PortRange]:
    """Return the ranges to take from the free ports; nothing when they are too few."""
    if len(free) < count:
        return []
    unbroken = ranges_of(free)
    last = {port: one.high for one in unbroken for port in range(one.low, one.high + 1)}
    for step in (1000, 100, 10):
        for first in (*range(_FIRST_CHOICE, HIGHEST_PORT + 1, step), *range(_FIRST_CHOICE - step, 0, -step)):
            if last.get(first, 0) >= first + count - 1:
                return [PortRange(first, first + count - 1)]
    chosen = []
    for one in sorted(unbroken, key=lambda one: (one.low - one.high, one.low)):
        taken = PortRange(one.low, min(one.high, one.low + count - 1))
        chosen.append(taken)
        count -= taken.high - taken.low + 1
        if not count:
            break
    return sorted(chosen, key=lambda one: one.low)


def _is_known(answer: HostAnswer) -> bool:
    """Return whether it can be told of every number what it is good for on a host: no range is guessed here."""
    result = answer.result or {}
    reserved = _setting(result, "reserved")
    return (
        _is_seen(answer)
        and _bounds(result) is not None
        and isinstance(reserved, str)
        and port_set(reserved) is not None
    )


def _reserved(result: Mapping[str, Any]) -> frozenset[int]:
    return port_set(_setting(result, "reserved")) or frozenset()


def _is_seen(answer: HostAnswer) -> bool:
    """Return whether no socket of a host can have been missed; who holds one does not matter here."""
    told = answer.result is not None and answer.result.get("sockets_complete") is True
    return answer.status == OK or (answer.status == INCOMPLETE and told)


def _candidates(port: int) -> Iterator[int]:
    """Yield all other ports, those first that are easy to remember in place of ``port``."""
    yield from range(port - 10_000, 0, -10_000)
    yield from range(port - 1_000, 0, -1_000)
    yield from range(port + 1_000, HIGHEST_PORT + 1, 1_000)
    yield from range(port - 1, 0, -1)
    yield from range(port + 1, HIGHEST_PORT + 1)


def _ports(result: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the answers about ports of the host's own network namespace."""
    for answer in _list(result.get("ports")):
        if isinstance(answer, Mapping) and isinstance(answer.get("port"), int):
            namespace = answer.get("namespace")
            if isinstance(namespace, Mapping) and namespace.get("kind") == "host":
                yield answer


def _at_risk(result: Mapping[str, Any]) -> Iterator[int]:
    """Yield the ports at risk that somebody chose: one on loopback alone is mostly the kernel's choice (bind to 0)."""
    declared = _declared(result)
    for answer in _ports(result):
        risks = _list(answer.get("risks"))
        at_risk = any(isinstance(risk, Mapping) and risk.get("id") == _RISK for risk in risks)
        if at_risk and (contains(declared, answer["port"], answer["protocol"]) or not _on_loopback(answer)):
            yield answer["port"]


def _on_loopback(answer: Mapping[str, Any]) -> bool:
    addresses = [str(socket["local"]["address"]) for socket in _list(answer.get("sockets")) if _has_address(socket)]
    return bool(addresses) and all(address.startswith("127.") or address == "::1" for address in addresses)


def _has_address(socket: Any) -> bool:
    local = socket.get("local") if isinstance(socket, Mapping) else None
    return isinstance(local, Mapping) and "address" in local


def _taken(result: Mapping[str, Any]) -> Iterator[int]:
    for answer in _ports(result):
        if answer.get("verdict") != "free":
            yield answer["port"]
    for declared in _declared(result):
        yield from range(declared.low, declared.high + 1)


def _declared(result: Mapping[str, Any]) -> tuple[PortRange, ...]:
    try:
        return parse_ports(result.get("declared"))
    except InvalidInput:  # none, or what no agent would send
        return ()


def _automatic(result: Mapping[str, Any]) -> tuple[int, int]:
    return _bounds(result) or _USUAL_RANGE


def _bounds(result: Mapping[str, Any]) -> tuple[int, int] | None:
    bounds = _setting(result, "automatic")
    if isinstance(bounds, list) and len(bounds) == 2 and all(isinstance(bound, int) for bound in bounds):
        return bounds[0], bounds[1]
    return None


def _first_unprivileged(result: Mapping[str, Any]) -> int:
    found = _setting(result, "unprivileged_start")
    return max(_FIRST_UNPRIVILEGED, found) if isinstance(found, int) else _FIRST_UNPRIVILEGED


def _setting(result: Mapping[str, Any], name: str) -> Any:
    ranges = result.get("ranges")
    return ranges.get(name) if isinstance(ranges, Mapping) else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
