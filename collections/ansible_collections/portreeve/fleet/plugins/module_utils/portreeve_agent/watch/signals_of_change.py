# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the kernel tells by itself of watched ports: sockets destroyed, calls refused, listeners begun and ended."""

from __future__ import annotations

import select
import socket as sockets

from ..bind_calls import BindCall, BindCalls
from ..errors import PortreeveError
from ..host import Host
from ..kernel.destroyed import hear_destroyed, read_destroyed
from ..masking import mask_secrets
from ..model import BlindSpot, Namespace, Process
from ..ports import HIGHEST_PORT, PortRange, contains
from ..processes import read_process
from ..record import NamedTuple, replace
from ..tables import Question
from ..typed import Callable, Optional
from .moments import Refusal, Span, Turn
from .recollection import Recollection

_REFUSED_STARTS = "failed starts (bind() refused)"
_DESTRUCTION = "the moment a socket is destroyed, to the millisecond"
_TOO_FAST = ("some failed starts and turns of listeners", "they came faster than they could be read")
_SO_PROTOCOL = 38  # asm/socket.h
_PROTOCOLS = {6: "tcp", 17: "udp"}

#: Returns the number of a process's network namespace if it is watched, 0 if not, None if that cannot be told.
Membership = Callable[[int], Optional[int]]


class Told(NamedTuple):
    """What was told since the last time; see ``moments.Observation``."""

    destroyed: dict[int, Span]
    turns: tuple[Turn, ...]
    turns_lost: bool
    refusals: tuple[Refusal, ...]


class SignalsOfChange:
    """Hears whatever of it this kernel and our privileges allow; ``blind_spots`` says what it does not."""

    def __init__(self, host: Host, question: Question, namespaces: tuple[Namespace, ...]) -> None:
        self._host = host
        self._ports = question.ports
        self._protocols = question.protocols
        self._show_secrets = question.show_secrets
        self._calls: BindCalls | None = None
        self._ends: list[sockets.socket] = []
        spots = []
        ranges = [(one.low, one.high) for one in question.ports]
        try:
            self._calls = BindCalls(ranges, Recollection(host).recall)
        except PortreeveError as error:
            spots.append(BlindSpot(_REFUSED_STARTS, str(error), 1))
        for namespace in namespaces:
            try:
                self._ends.append(hear_destroyed(host, namespace, ranges))
            except PortreeveError as error:
                spots.append(BlindSpot(_DESTRUCTION, str(error), 1))
        self._deaf_spots = tuple(dict.fromkeys(spots))

    @property
    def blind_spots(self) -> tuple[BlindSpot, ...]:
        """What is not heard, and how much was lost so far."""
        lost = self._calls.lost if self._calls else 0
        return self._deaf_spots + ((BlindSpot(*_TOO_FAST, lost),) if lost else ())

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Descriptors that become readable with the next word."""
        return (*(self._calls.descriptors if self._calls else ()), *(end.fileno() for end in self._ends))

    @property
    def taken(self) -> int:
        """How many descriptors are in use all the time."""
        return len(self._ends) + (self._calls.taken if self._calls else 0)

    def is_silent(self) -> bool:
        """Return whether there is nothing that has not been drained yet."""
        poll = select.poll()
        for descriptor in self.descriptors:
            poll.register(descriptor, select.POLLIN)
        return not poll.poll(0)

    def drain(self, heard: Span, membership: Membership) -> Told:
        """Return what was told since the last call; ``heard`` is when, for what is told without a time."""
        destroyed = {cookie: heard for end in self._ends for cookie in read_destroyed(end)}
        turns = []
        lost = self._calls.lost if self._calls else 0
        refused: dict[object, list[BindCall]] = {}
        for call in self._calls.read() if self._calls else ():
            if isinstance(call, BindCall):
                refused.setdefault((call.pid, call.call, call.address, call.error), []).append(call)
            else:
                turns.append(Turn(call.begins, call.at_ms, call.pid, call.port))
        known = {pid: membership(pid) for pid in {turn.pid for turn in turns}}
        turns = [turn._replace(namespace=known[turn.pid]) for turn in turns if known[turn.pid] != 0]
        refusals = (self._refusal(calls, membership) for calls in refused.values())
        losing = self._calls is not None and self._calls.lost > lost
        return Told(destroyed, tuple(turns), losing, tuple(one for one in refusals if one is not None))

    def _refusal(self, calls: list[BindCall], membership: Membership) -> Refusal | None:
        """Return refused calls of the same kind, None when they are known to be about another port or namespace, or no
        port at all."""
        call = calls[-1]
        namespace = membership(call.pid)
        protocol = self._protocol(call)
        address, port = call.address or (None, None)
        if (
            namespace == 0
            or call.family not in (None, sockets.AF_INET, sockets.AF_INET6)
            or (protocol or "tcp") not in self._protocols
        ):
            return None
        if port is not None and not _is_asked(self._ports, port, protocol):
            return None
        process = self._process(call.pid)
        at = Span(calls[0].at_ms, call.at_ms)
        return Refusal(at, call.call, call.pid, process, address, port, protocol, namespace, len(calls), call.error)

    def _process(self, pid: int) -> Process | None:
        """Return a process as it may be shown, None when it is gone already."""
        try:
            process = read_process(self._host, pid)
        except PortreeveError:
            return None
        return process if self._show_secrets else replace(process, cmdline=mask_secrets(process.cmdline))

    def _protocol(self, call: BindCall) -> str | None:
        """Return the protocol of the socket, while the process still has it."""
        if call.descriptor is None:
            return None
        try:
            with sockets.socket(fileno=self._host.duplicate_descriptor(call.pid, call.descriptor)) as held:
                return _PROTOCOLS.get(held.getsockopt(sockets.SOL_SOCKET, _SO_PROTOCOL))
        except (OSError, PortreeveError):
            return None

    def close(self) -> None:
        """Let go of everything."""
        if self._calls:
            self._calls.close()
        for end in self._ends:
            end.close()


def _is_asked(ports: tuple[PortRange, ...], port: int, protocol: str | None) -> bool:
    if protocol is not None:
        return contains(ports, port, protocol)
    return any(one.low <= port <= min(one.high, HIGHEST_PORT) for one in ports)
