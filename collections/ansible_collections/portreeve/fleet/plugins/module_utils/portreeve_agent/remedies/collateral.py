# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who served a port before a remedy and does so no more. Pure.

Left out is what ends by itself all the time: UDP sockets and bound TCP ones whose port the kernel chose, those that a
process has closed which goes on serving something else, workers in whose place their program has others, and whoever
had inherited a listener for a few seconds only. A server that came by itself is nobody's loss.
"""

from __future__ import annotations

from collections import Counter

from ..model import Owner
from ..record import dataclass
from ..typed import Collection, Iterable, Mapping, Union
from ..verdicts.wording import listed, name_mark, name_owner, one_line
from .records import OwnerMark, ProcessMark

Touched = Collection[Union[OwnerMark, int]]  # owners and pids that were acted upon
_UNITS = ("unit", "socket_unit")


@dataclass(frozen=True)
class Keeper:
    """A process that holds a socket: an ``heir`` merely inherited it or was handed it, a ``newborn`` has run for a few
    seconds only."""

    process: ProcessMark
    owner: OwnerMark
    heir: bool = False
    newborn: bool = False


@dataclass(frozen=True)
class Server:
    """All sockets of one place that listen, are bound, or are UDP without a peer; ``state`` is LISTEN if one does.

    ``local`` is written ``0.0.0.0:80``, with ``%eth0`` if bound to a device. ``namespace_id`` is the inode number.
    ``automatic`` says that none of them listens and that the kernel chose the port.
    """

    protocol: str
    state: str
    port: int
    local: str
    namespace: str
    namespace_id: int
    keepers: tuple[Keeper, ...] = ()
    automatic: bool = False

    @property
    def those_who_serve(self) -> tuple[Keeper, ...]:
        """Return the keepers but those who are heirs, unless all are."""
        return tuple(one for one in self.keepers if not one.heir) or self.keepers


@dataclass(frozen=True)
class Fallen:
    """What is served no more, or by somebody else, or by fewer. ``expected`` says that all whom it befell were acted
    upon; ``summary`` is one sentence."""

    port: int
    protocol: str
    local: str
    namespace: str
    expected: bool
    summary: str


def fallen(before: Collection[Server], after: Collection[Server], touched: Touched) -> tuple[Fallen, ...]:
    """Return what fell between two looks, sorted by namespace and port.

    A place is the same in a later namespace of the same name, as a container has it that was started anew.
    """
    places: dict[tuple[str, str], list[Server]] = {}
    for server in after:
        places.setdefault((server.protocol, server.local), []).append(server)
    present = {_identity(keeper) for server in after for keeper in server.keepers}
    emptied = {server.namespace_id for server in before if server.namespace != "host" and _is_emptied(server, touched)}
    found = []
    for server in before:
        whom, said = _compare(server, _same_place(server, places), present)
        if said:
            expected = bool(whom) and all(_was_touched(one, touched) for one in whom)
            if server.namespace_id in emptied and all(_is_a_guest(one, present) for one in whom):
                expected = True
            told = "%s %s." % (_place(server), said)
            found.append(Fallen(server.port, server.protocol, server.local, server.namespace, expected, told))
    return tuple(sorted(found, key=lambda one: (one.namespace, one.port, one.protocol, one.local)))


def _compare(server: Server, now: Server | None, present: set[tuple[int, int]]) -> tuple[tuple[Keeper, ...], str]:
    """Return whom it befell and what, nobody and nothing where all is as it was."""
    served = server.those_who_serve
    listened = server.state == "LISTEN"
    if server.automatic:
        return (), ""
    if now is None:
        let_go = not listened and any(_identity(one) in present for one in served)
        return ((), "") if let_go else (served, "is served no more; it was by " + _name(served))
    if listened and now.state != "LISTEN":
        return served, "is bound, but listens no more; it was served by " + _name(served)
    if served and now.keepers and not {_identity(one) for one in now.keepers} & {_identity(one) for one in served}:
        return served, "is held by %s now; it was by %s" % (_name(now.those_who_serve), _name(served))
    ended = _ended(served, now, present) if listened and now.keepers else ()
    return ended, "is served without %s now" % _name(ended) if ended else ""


def _is_emptied(server: Server, touched: Touched) -> bool:
    """Return whether a container that was acted upon serves in this namespace."""
    return any(one.owner.kind == "container" and _was_touched(one, touched) for one in server.keepers)


def _is_a_guest(keeper: Keeper, present: set[tuple[int, int]]) -> bool:
    """Return whether a process served in a container's namespace for the container, as its engine serves names there:
    it goes with the container."""
    return keeper.owner.kind != "container" or _identity(keeper) in present


def _ended(served: Iterable[Keeper], now: Server, present: set[tuple[int, int]]) -> tuple[Keeper, ...]:
    """Return those who are not there any more and in whose place there is no other process of their program."""
    settled = [one for one in served if not one.newborn]
    missing = Counter(_program(one) for one in settled)
    missing.subtract(_program(one) for one in now.keepers)
    return tuple(one for one in settled if _identity(one) not in present and missing[_program(one)] > 0)


def _same_place(server: Server, places: Mapping[tuple[str, str], list[Server]]) -> Server | None:
    there = places.get((server.protocol, server.local), [])
    for one in there:
        if one.namespace_id == server.namespace_id:
            return one
    return next((one for one in there if one.namespace == server.namespace), None)


def _was_touched(keeper: Keeper, touched: Touched) -> bool:
    return any(
        one == keeper.process.pid if isinstance(one, int) else _is_same_owner(one, keeper.owner) for one in touched
    )


def _is_same_owner(one: OwnerMark, other: OwnerMark) -> bool:
    """Return whether two marks name one owner, whichever of its runs."""
    same_kind = one.kind == other.kind or {one.kind, other.kind} == set(_UNITS)
    if one.kind in ("process", "kernel"):  # named by its program: that of others, too
        return False
    return same_kind and (one.name, one.user) == (other.name, other.user) and one.manager in (None, other.manager)


def _identity(keeper: Keeper) -> tuple[int, int]:
    return keeper.process.pid, keeper.process.start_ticks


def _program(keeper: Keeper) -> tuple[str | None, str]:
    return keeper.process.exe, "" if keeper.process.exe else keeper.process.name


def _place(server: Server) -> str:
    """Return ``0.0.0.0:80/tcp``, with the namespace where it is not the host's own."""
    place = "%s/%s" % (server.local, server.protocol)
    return place if server.namespace == "host" else "%s in namespace %s" % (place, one_line(server.namespace))


def _name(keepers: Iterable[Keeper]) -> str:
    """Return ``nginx.service (nginx[812] and nginx[813])``."""
    by_owner: dict[str, list[str]] = {}
    for keeper in keepers:
        mark = keeper.owner
        owner = "" if mark.kind == "process" else name_owner(Owner(mark.kind, mark.name, mark.manager, user=mark.user))
        by_owner.setdefault(owner, []).append(name_mark(keeper.process))
    named = ["%s (%s)" % (owner, listed(them)) if owner else listed(them) for owner, them in by_owner.items()]
    return listed(named) or "somebody unseen"
