# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What tells creators, workers and heirs apart, for the sockets of which that is in question."""

from __future__ import annotations

from .attention import Attention
from .clues import Clues
from .descriptors import Seat, link_of
from .errors import Gone, NotPermitted, NotSupported, PortreeveError
from .fdinfo import closes_on_exec, never_blocks
from .host import Host
from .lineage import Lineage
from .model import SERVING_STATES, Namespace, PortRanges, Socket
from .ports import PortRange
from .process_directory import ProcessDirectory
from .record import dataclass, field
from .sighting import Sighting
from .tables import Question, read_tables
from .typed import Callable, Iterable, Mapping, Optional
from .waiting import Waiting

_A_WHILE = 0.03  # seconds between two looks; a process that stays blocked in something else meanwhile does not serve
_MOST_SECONDS = 1.5  # for all looks together
_MOST_LOOKS = 8  # at one that is busy: if it served, it would be met waiting, or with a connection

Birthplace = Callable[[Socket], Optional[str]]


@dataclass(frozen=True)
class Evidence:
    """Clues by inode and pid, and the close-on-exec flag by (pid, descriptor, thread). ``gone`` are those who ended
    while they were looked at."""

    clues: Mapping[int, Mapping[int, Clues]] = field(default_factory=dict)
    cloexec: Mapping[tuple[int, int, int | None], bool | None] = field(default_factory=dict)
    gone: frozenset[int] = frozenset()


def gather(
    host: Host, sighting: Sighting, namespaces: tuple[Namespace, ...], birthplace: Birthplace, thorough: bool
) -> Evidence:
    """Return what was seen of all holders of sockets that several processes hold, or one that may be an heir.

    ``birthplace`` tells the cgroup path in which a socket was made, '' when that cgroup is gone, None when not known.
    """
    return _Gathering(host, sighting, birthplace, thorough).run(namespaces)


class _Gathering:
    """One pass over the holders in question."""

    def __init__(self, host: Host, sighting: Sighting, birthplace: Birthplace, thorough: bool) -> None:
        self._host = host
        self._walk = sighting.walk
        self._lineage = Lineage(host, sighting.walk.processes)
        self._birthplace = birthplace
        self._thorough = thorough
        self._sockets = {
            socket.inode: socket
            for socket in sighting.tables.sockets
            if socket.state in SERVING_STATES and socket.inode in sighting.walk.seats
        }
        self._attention = Attention(host, sighting.walk)
        self._clues: dict[tuple[int, int], Clues] = {}
        self._homes: dict[tuple[int | None, int], bool | None] = {}

    def run(self, namespaces: tuple[Namespace, ...]) -> Evidence:
        in_question = {inode: self._pids(inode) for inode in self._sockets}
        in_question = {inode: pids for inode, pids in in_question.items() if self._is_open(inode, pids)}
        pids = sorted({pid for pids in in_question.values() for pid in pids})
        first = self._attention.of(pids)
        for inode, holders in in_question.items():
            for pid in holders:
                self._clues[inode, pid] = self._look(inode, pid, first[pid])
        silent = [key for key, clues in self._clues.items() if clues.waits is None]
        if silent:
            self._look_again(silent, first, namespaces)
        clues: dict[int, dict[int, Clues]] = {}
        for (inode, pid), found in self._clues.items():
            clues.setdefault(inode, {})[pid] = found
        return Evidence(clues, self._flags(), frozenset(self._attention.gone))

    def _pids(self, inode: int) -> list[int]:
        return sorted({seat.pid for seat in self._walk.seats[inode] if seat.via != "in_flight"})

    def _is_open(self, inode: int, pids: list[int]) -> bool:
        """Return whether the part of somebody is in question: of several always, of one if he may be the last heir.

        Where ports are asked for, every holder is looked at; in a host's whole picture that would take too long.
        """
        if len(pids) != 1 or self._thorough:
            return bool(pids)
        return self._at_home(inode, pids[0]) is False or self._lineage.may_be_an_orphan(pids[0])

    def _at_home(self, inode: int, pid: int) -> bool | None:
        key = self._sockets[inode].cgroup_id, pid
        if key not in self._homes:
            made_in, lives_in = self._birthplace(self._sockets[inode]), self._walk.processes[pid].cgroup
            known = made_in is not None and lives_in is not None
            self._homes[key] = _lies_below(lives_in or "", made_in or "") if known else None
        return self._homes[key]

    def _look(self, inode: int, pid: int, waiting: Waiting | None) -> Clues:
        clues = Clues(
            ancestors=self._lineage.ancestors(pid),
            at_home=self._at_home(inode, pid),
            in_turn=waiting is not None and waiting.in_turn,
            forked=self._lineage.has_only_forked(pid),
        )
        return clues if waiting is None else clues._replace(waits=self._attention.how_it_waits(inode, pid, waiting))

    def _look_again(
        self, silent: list[tuple[int, int]], first: Mapping[int, Waiting | None], namespaces: tuple[Namespace, ...]
    ) -> None:
        """Ask who made the sockets of those who were not seen waiting, and look until it is clear that they do
        something else: one that stays blocked twice, one that is busy many times."""
        started = looked = self._host.clock()
        in_doubt = {inode for inode, pid in silent if self._may_be_an_heir(inode, pid)}
        if in_doubt:
            self._ask_who_made(in_doubt)
        open_keys = {key for key in silent if first[key[1]] is not None and not self._is_alone_with_its_own(*key)}
        for _look in range(_MOST_LOOKS):
            if not open_keys or self._host.clock() - started > _MOST_SECONDS:
                break
            self._host.pause(max(0.0, looked + _A_WHILE - self._host.clock()))
            looked = self._host.clock()
            latest = self._attention.of(sorted({pid for _inode, pid in open_keys}))
            for inode, pid in sorted(open_keys):
                clues, done = self._decide(inode, pid, first[pid], latest[pid])
                self._clues[inode, pid] = clues
                if done:
                    open_keys.discard((inode, pid))
        else:
            open_keys.clear()  # often enough
        for key in open_keys:  # there was no time to look often enough
            self._clues[key] = self._clues[key]._replace(astray=None)
        strays = {key for key in silent if self._clues[key].astray and self._may_have_accepted(*key)}
        for key in strays & self._connected(strays, namespaces):
            self._clues[key] = self._clues[key]._replace(astray=False)

    def _may_be_an_heir(self, inode: int, pid: int) -> bool:
        """Return whether a verdict may turn on who made the socket that a process does not wait on: not if it is the
        parent of one that serves it, as the main process of most servers is."""
        kept = (self._clues[inode, other] for other in self._pids(inode))
        leads = any(clues.waits is not None and pid in clues.ancestors for clues in kept)
        return not leads or self._clues[inode, pid].at_home is False

    def _ask_who_made(self, in_doubt: set[int]) -> None:
        """Note what the kernel tells, by programs that it has to be given (docs/adr/0003): only where that decides."""
        wanted: dict[int, list[int]] = {}
        for inode, pid in self._clues:
            if inode in in_doubt:
                wanted.setdefault(pid, []).append(inode)
        from .kernel.makers import who_made

        try:
            makers = who_made(self._host, wanted)
        except PortreeveError:
            makers = {}
        for (pid, inode), made_here in makers.items():
            self._clues[inode, pid] = self._clues[inode, pid]._replace(made_here=made_here)

    def _decide(self, inode: int, pid: int, before: Waiting | None, now: Waiting | None) -> tuple[Clues, bool]:
        """Return the clues after another look, and whether it is decided by now."""
        clues = self._clues[inode, pid]
        if before is None or now is None:
            return clues._replace(astray=None), True
        naps = (before.naps or now.naps) and self._never_blocks(inode, pid)
        clues = clues._replace(
            in_turn=clues.in_turn or now.in_turn, naps=clues.naps or naps, busy=clues.busy or before.busy or now.busy
        )
        waits = self._attention.how_it_waits(inode, pid, now)
        if waits is not None:
            return clues._replace(waits=waits, astray=None), True
        if pid in self._walk.rings or not (before.told and now.told):
            return clues._replace(astray=None), True  # what a ring or a thread out of sight waits for is not told
        stays = before.marks == now.marks and "" not in now.calls
        return clues._replace(astray=True), stays

    def _may_have_accepted(self, inode: int, pid: int) -> bool:
        """Return whether a connection that a process holds may be its own work: not if it runs another program than who
        made the listener, and nobody is left who would have let it accept."""
        clues = (self._clues[inode, other] for other in self._pids(inode))
        return self._clues[inode, pid].forked is True or any(one.waits or one.made_here for one in clues)

    def _is_alone_with_its_own(self, inode: int, pid: int) -> bool:
        """Return whether nothing is in question any more: who made the socket is the only one that holds it."""
        return self._clues[inode, pid].made_here is True and len(self._pids(inode)) == 1

    def _never_blocks(self, inode: int, pid: int) -> bool:
        """Return whether a process may look for connections without waiting for any (fcntl(2), O_NONBLOCK)."""
        seat = next(seat for seat in self._walk.seats[inode] if seat.pid == pid)
        try:
            with self._host.open_process(pid) as directory:
                return never_blocks(_read_fdinfo(directory, seat))
        except (Gone, NotPermitted, NotSupported):
            return False

    def _connected(self, silent: Iterable[tuple[int, int]], namespaces: tuple[Namespace, ...]) -> set[tuple[int, int]]:
        """Return those who hold a connection that came by way of the listener: they may be at work on it.

        Of several who hold the same one, only the eldest: the others have inherited it.
        """
        listeners = {inode for inode, _pid in silent if self._sockets[inode].state == "LISTEN"}
        if not listeners:
            return set()
        places: dict[tuple[int, int], list[int]] = {}
        for inode in listeners:
            places.setdefault((self._sockets[inode].namespace, self._sockets[inode].local.port), []).append(inode)
        ports = tuple(PortRange(port, port) for port in sorted({port for _namespace, port in places}))
        question = Question(ports=ports, protocols=("tcp",), every_connection=True)
        nearby = [one for one in namespaces if one.id in {namespace for namespace, _port in places}]
        connections: dict[int, set[str]] = {}
        for socket in read_tables(self._host, question, nearby, PortRanges(None, None, None)).sockets:
            if socket.inode and socket.state in ("ESTABLISHED", "CLOSE_WAIT"):
                for listener in places.get((socket.namespace, socket.local.port), ()):
                    connections.setdefault(listener, set()).add(link_of(socket.inode))
        eldest: dict[tuple[int, str], int] = {}
        for inode, links in connections.items():
            for pid in sorted(self._pids(inode), key=self._age):
                for link in links.intersection(self._links(pid)):
                    eldest.setdefault((inode, link), pid)
        return {(inode, pid) for (inode, _link), pid in eldest.items()}

    def _age(self, pid: int) -> tuple[int, int]:
        return self._walk.processes[pid].start_ticks, pid

    def _links(self, pid: int) -> list[str]:
        try:
            with self._host.open_process(pid) as directory:
                return directory.descriptor_links()[1]
        except (Gone, NotPermitted, NotSupported):
            return []

    def _flags(self) -> dict[tuple[int, int, int | None], bool | None]:
        flags: dict[tuple[int, int, int | None], bool | None] = {}
        by_process: dict[int, list[Seat]] = {}
        for inode, socket in self._sockets.items():
            if socket.state == "LISTEN" or (inode, self._walk.seats[inode][0].pid) in self._clues:
                for seat in self._walk.seats[inode]:
                    if seat.via in ("descriptor", "thread"):
                        by_process.setdefault(seat.pid, []).append(seat)
        for pid, seats in by_process.items():
            try:
                with self._host.open_process(pid) as directory:
                    for seat in seats:
                        flags[pid, seat.fd, seat.tid] = closes_on_exec(_read_fdinfo(directory, seat))
            except (Gone, NotPermitted, NotSupported):
                continue
        return flags


def _lies_below(path: str, top: str) -> bool:
    """Return whether a cgroup is another or in it; in one that is gone ('') is none."""
    return bool(top) and (path + "/").startswith(top.rstrip("/") + "/")


def _read_fdinfo(directory: ProcessDirectory, seat: Seat) -> bytes:
    return directory.read("%sfdinfo/%d" % ("task/%d/" % seat.tid if seat.tid else "", seat.fd))
