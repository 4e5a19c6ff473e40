# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The binds that must succeed once a port is back, what became of each, and what that proves. Pure."""

from __future__ import annotations

from ..bind_words import name_call
from ..binding import BindOptions, BindRequest, request_for
from ..record import dataclass, replace
from ..typed import Sequence
from .records import Wish

UNTRIED = "unknown"
_MEANINGS = {
    "EACCES": "this takes CAP_NET_BIND_SERVICE",
    "EADDRINUSE": "somebody has the port",
    "EADDRNOTAVAIL": "the address is not one of this host",
    "EAFNOSUPPORT": "this host has no such addresses",
    "ENODEV": "there is no such device",
}


@dataclass(frozen=True)
class Attempt:
    """One bind: ``result`` is 'ok', the name of the errno with which it failed, or 'unknown' where it was not tried.

    ``shared`` says that it succeeds with SO_REUSEPORT only, beside sockets that have the port now.
    """

    address: str
    options: BindOptions
    result: str
    shared: bool = False


@dataclass(frozen=True)
class Proof:
    """Whether every bind that was wished for succeeds, as of now: None where that could not be tried, and
    ``summary``, a sentence, then says why."""

    free: bool | None
    attempts: tuple[Attempt, ...]
    summary: str


def requests_of(wish: Wish, uid: int) -> tuple[BindRequest, ...]:
    """Return the binds that prove a port to be free: to the address wished for, else to all of IPv4 and all of IPv6."""
    bind = wish.bind if wish.bind.address or wish.bind.v6only else replace(wish.bind, address=wish.address)
    asked = request_for(wish.protocol, bind, uid)
    if bind.address or bind.v6only:
        return (asked,)
    return asked, request_for(wish.protocol, replace(bind, address="::", v6only=True), uid)


def without_sharing(request: BindRequest) -> BindRequest:
    """Return the bind that meets nobody: on TCP without SO_REUSEPORT, on UDP without SO_REUSEADDR as well.

    Where it succeeds, the one with them does too; where it fails in any way but EADDRINUSE, the other one likewise.
    """
    reuseaddr = request.options.reuseaddr and request.protocol == "tcp"
    return replace(request, options=replace(request.options, reuseaddr=reuseaddr, reuseport=False))


def conclude(attempts: Sequence[Attempt], port: int) -> Proof:
    """Return what the attempts prove together."""
    results = {attempt.result for attempt in attempts}
    free = False if results - {"ok", UNTRIED} else None if UNTRIED in results else True
    told = "; ".join(say_attempt(attempt, port) for attempt in attempts) + "."
    return Proof(free, tuple(attempts), told[0].upper() + told[1:])


def untried(why: str) -> Proof:
    """Return the proof of nothing, with the reason."""
    return Proof(None, (), "Whether the port is free could not be tried: %s." % why)


def say_attempt(attempt: Attempt, port: int) -> str:
    """Return what became of an attempt, and what that means, as part of a sentence."""
    named = name_call(attempt.address, attempt.options, port)
    named = named[0].lower() + named[1:]
    if attempt.result == UNTRIED:
        return named + " was not tried, as it would take datagrams from who has the port now"
    if attempt.result == "ok":
        return named + (" succeeds, but only beside what has the port now" if attempt.shared else " succeeds")
    meaning = _MEANINGS.get(attempt.result)
    return "%s fails with %s%s" % (named, attempt.result, ": " + meaning if meaning else "")
