# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What a reservation means, in sets and dictionaries: no files, no kernel, no order of writes. The tests' own truth.

A port stays as long as somebody holds it: a name, or whoever had it there before (foreign).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

Ports = frozenset[int]
NONE: Ports = frozenset()

OWN = "/etc/sysctl.d/zz-portreeve-reserved-ports.conf"
MAIN = "/etc/sysctl.conf"  # sysctl(8) applies it after all others
DIRECTORIES = ("/etc/sysctl.d/", "/usr/lib/sysctl.d/")  # a file hides those of its name in the directories after


class Wish(NamedTuple):
    name: str
    ports: Ports
    state: str = "present"
    persistent: bool = True
    runtime: bool = True
    exclusive: bool = False
    adopt: bool = False
    floor: int = 0


class OwnFile(NamedTuple):
    names: Mapping[str, Ports]
    kept: Ports
    by_hand: Ports
    left_out: Ports
    value: Ports


class Outcome(NamedTuple):
    """``changed`` None: refused. Of the pairs the first is the kernel's, the second the own file's."""

    changed: bool | None
    given_back: tuple[Ports, Ports] = (NONE, NONE)
    removed: tuple[Ports, Ports] = (NONE, NONE)
    missing: tuple[Ports, Ports] = (NONE, NONE)


def union(sets: Iterable[Ports]) -> Ports:
    return NONE.union(*sets)


def order(paths: Iterable[str]) -> list[str]:
    """Return the files that count, in the order in which a boot applies them: the last one wins."""
    seen = {}
    for path in sorted(paths, key=lambda one: -[one.startswith(place) for place in DIRECTORIES].index(True)):
        seen[path.rpartition("/")[2]] = path
    return [seen[name] for name in sorted(seen)]


@dataclass(frozen=True)
class Model:
    """One host. ``ledger`` is None where no name is remembered for this boot."""

    kernel: Ports = NONE
    ledger: Mapping[str, Ports] | None = None
    shared: Ports = NONE  # in the kernel before a name took them as well
    noted: Mapping[str, Ports] = field(default_factory=dict)  # what our file said of names when the last task was done
    own: OwnFile | None = None
    others: Mapping[str, Ports | None] = field(default_factory=dict)  # None: a list that the kernel refuses
    automatic: Ports = frozenset(range(32768, 61000))

    def run(self, wish: Wish) -> tuple[Model, Outcome]:
        """Return the host after a task, and what the task says."""
        names, foreign = self.names(), self.foreign()
        file = self.own or OwnFile({}, NONE, NONE, NONE, NONE)
        ports = wish.ports
        if wish.adopt and wish.runtime:
            ports |= names.get(wish.name, NONE) | foreign
        if wish.adopt and wish.persistent:
            ports |= self.promised().get(wish.name, NONE) | (self.winner_before() - file.left_out) | file.by_hand
        # whose is what is settled by the first run after a boot
        after = replace(self, ledger=names, shared=foreign, noted=self.promised())
        missing = (union(names.values()) - self.kernel, union(self.promised().values()) - (self.after_boot() or NONE))
        if wish.runtime:
            ledger = with_wish(names, wish, ports)
            shared = NONE if wish.exclusive or wish.adopt else foreign | self.wiped(wish)
            after = replace(after, ledger=ledger, shared=shared, kernel=union(ledger.values()) | shared)
        if wish.persistent:
            own = self.own_after(with_wish(self.promised(), wish, ports), wish, file.left_out)
            after = replace(after, own=own if any((own.names, own.by_hand, own.left_out)) else None, noted=own.names)
        if self.too_few(after, wish):
            return self, Outcome(None)
        lost = [self.kernel - after.kernel, (self.after_boot() or NONE) - (after.after_boot() or NONE)]
        held = [union(names.values()), union(file.names.values())]
        stood = (self.kernel, names, self.foreign(), self.own)
        changed = stood != (after.kernel, after.names(), after.foreign(), after.own)
        return after, Outcome(
            changed,
            given_back=(lost[0] & held[0], lost[1] & held[1]),
            removed=(lost[0] - held[0], lost[1] - held[1]) if wish.exclusive else (NONE, NONE),
            missing=missing,
        )

    def wiped(self, wish: Wish) -> Ports:
        """Return what a boot has left out, or will, because another file has come to set it since ours was written."""
        if self.own is None or not wish.persistent or self.files()[-1][0] != OWN:
            return NONE
        return self.winner_before() - self.own.left_out - self.own.value

    def own_after(self, names: Mapping[str, Ports], wish: Wish, left_out: Ports) -> OwnFile:
        others = self.winner_before()
        left_out = others if wish.exclusive else left_out & others
        by_hand = NONE if wish.exclusive or wish.adopt else self.by_hand()
        kept = others - left_out
        return OwnFile(names, kept, by_hand, left_out, union(names.values()) | kept | by_hand)

    def too_few(self, after: Model, wish: Wish) -> bool:
        pairs = [(self.kernel, after.kernel), (self.after_boot(), after.after_boot())]
        left = [
            (len(self.automatic - before), len(self.automatic - then))
            for before, then in pairs
            if before is not None and then is not None
        ]
        return any(then < wish.floor and then < before for before, then in left)

    def names(self) -> Mapping[str, Ports]:
        if self.ledger is not None:
            return self.ledger
        return self.own.names if self.own else {}

    def promised(self) -> Mapping[str, Ports]:
        """Return what names hold for the next boot: who has lost the line in our file has not let go."""
        return {**self.noted, **(self.own.names if self.own else {})}

    def foreign(self) -> Ports:
        shared = self.shared
        if self.ledger is None:
            shared = self.own.kept | self.by_hand() if self.own else NONE
        return (self.kernel - union(self.names().values())) | (shared & self.kernel)

    def by_hand(self) -> Ports:
        return self.own.by_hand if self.own else NONE

    def values(self) -> dict[str, Ports | None]:
        """Return what each file sets the list to, also those that do not count."""
        return dict(self.others) if self.own is None else {**self.others, OWN: self.own.value}

    def files(self) -> list[tuple[str, Ports | None]]:
        """Return the files that set the list, in the order of a boot."""
        every = self.values()
        paths = [*order(every.keys() - {MAIN}), *([MAIN] if MAIN in every else [])]
        return [(path, every[path]) for path in paths]

    def after_boot(self) -> Ports | None:
        """Return what the last file says: systemd-sysctl(8) writes no other value, and None where it is refused."""
        return self.files()[-1][1] if self.files() else NONE

    def winner_before(self) -> Ports:
        """Return what is to be kept of the files that a boot reads before ours: the last list that the kernel takes."""
        paths = order([*self.others.keys() - {MAIN}, OWN])
        lists = [self.others[path] for path in paths[: paths.index(OWN)]]
        return next((ports for ports in reversed(lists) if ports is not None), NONE)

    # What others do

    def kernel_set(self, ports: Ports) -> Model:
        return replace(self, kernel=ports)

    def edited(self, how: str, ports: Ports) -> Model:
        """Somebody edits the value line of our file, where there is one: ``set``, ``more`` or ``less``."""
        if self.own is None:
            return self
        value = {"set": ports, "more": self.own.value | ports, "less": self.own.value - ports}[how]
        added = value - union(self.own.names.values()) - self.own.kept
        return replace(self, own=self.own._replace(value=value, by_hand=added | (self.own.by_hand & value)))

    def unlisted(self, name: str | None) -> Model:
        """Somebody removes the line of a name from our file, or all of it (None). What it sets, it sets."""
        if self.own is None or name is None:
            return replace(self, own=None)
        if name not in self.own.names:
            return self
        names = {one: ports for one, ports in self.own.names.items() if one != name}
        added = self.own.value - union(names.values()) - self.own.kept
        return replace(self, own=self.own._replace(names=names, by_hand=added | self.own.by_hand))

    def written(self, path: str, ports: Ports | None) -> Model:
        """Somebody writes another file."""
        return replace(self, others={**self.removed(path).others, path: ports})

    def removed(self, path: str) -> Model:
        """Somebody removes another file."""
        return replace(self, others={one: had for one, had in self.others.items() if one != path})

    def forgotten(self) -> Model:
        """Somebody removes the ledger, and what was known by it."""
        return replace(self, ledger=None, shared=NONE, noted={})

    def booted(self) -> Model:
        return replace(self.forgotten(), kernel=self.after_boot() or NONE)


def with_wish(names: Mapping[str, Ports], wish: Wish, ports: Ports) -> Mapping[str, Ports]:
    others = {name: had for name, had in names.items() if name != wish.name}
    return {**others, wish.name: ports} if wish.state == "present" and ports else others
