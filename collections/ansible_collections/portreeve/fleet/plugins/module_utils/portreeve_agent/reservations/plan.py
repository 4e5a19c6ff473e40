# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run makes of what it finds: sets of ports before and after, now and for the next boot. Pure."""

from __future__ import annotations

from ..model import SettingFile
from ..ports import port_set
from ..record import dataclass, field, replace
from .ledger import NOBODY, Account, Names, OwnFile, Pending, union


@dataclass(frozen=True)
class Wish:
    """What is asked: that ``name`` reserves exactly ``ports``, or nothing any more (not ``present``).

    ``persistent``: for the next boot (None: where a boot concerns the namespace), ``runtime``: now. ``exclusive``:
    nothing stays that no name holds; ``adopt``: whatever no name holds becomes this name's, and it gives nothing back.
    """

    name: str
    ports: frozenset[int]
    present: bool = True
    persistent: bool | None = None
    runtime: bool = True
    exclusive: bool = False
    adopt: bool = False


@dataclass(frozen=True)
class Running:
    """The kernel's list of one network namespace, and the account of who reserves what in it."""

    ports: frozenset[int] = NOBODY
    account: Account = field(default_factory=Account)

    @property
    def foreign(self) -> frozenset[int]:
        """The ports that somebody reserves by other means, be it beside a name."""
        pending = self.account.pending
        ports = pending.finished(self.ports) if pending else self.ports
        return (ports - union(self.account.names)) | (ports & self.account.foreign)


@dataclass(frozen=True)
class Configured:
    """What the next boot will reserve: our file, and the others that set the list ``earlier`` and ``later``; the last
    of all wins (sysctl.d(5)). Files that are ``unreadable`` may set it as well."""

    own: OwnFile = field(default_factory=OwnFile)
    earlier: tuple[SettingFile, ...] = ()
    later: tuple[SettingFile, ...] = ()
    unreadable: tuple[str, ...] = ()

    @property
    def shadowed(self) -> frozenset[int]:
        """The ports that would be reserved if our file were not there, by the last one that the kernel takes."""
        values = (port_set(file.value) for file in reversed(self.earlier))
        return next((ports for ports in values if ports is not None), NOBODY)

    @property
    def overlooked(self) -> frozenset[int]:
        """What another file has come to set since ours was written, which sorts later: a boot leaves it out."""
        if self.own.value is None or self.later:
            return NOBODY
        return self.shadowed - self.own.left_out - self.own.value

    @property
    def after_boot(self) -> frozenset[int] | None:
        """The ports that will be reserved, None where not all files can be read, or the last has what the kernel
        refuses."""
        if self.unreadable:
            return None
        if self.later:
            return port_set(self.later[-1].value)
        if self.own.value is not None:
            return self.own.value
        return port_set(self.earlier[-1].value) if self.earlier else NOBODY


@dataclass(frozen=True)
class Places:
    """All that is reserved; ``configured`` is None where no boot concerns the namespace."""

    running: Running
    configured: Configured | None

    @property
    def promised(self) -> Names:
        """What names hold for the next boot: a name whose line is gone from our file has not let go, and our file is
        behind where a run was killed half-way."""
        own, account = self.configured.own.names if self.configured else {}, self.running.account
        return account.persistent if account.pending else {**account.persistent, **own}


def make_plan(before: Places, wish: Wish) -> Places:
    """Return what is to stand after the run."""
    ports = wish.ports
    if wish.adopt:
        if before.configured and wish.persistent:
            own = before.configured.own
            ports = ports | before.promised.get(wish.name, NOBODY) | own.by_hand
            ports = ports | (before.configured.shadowed - own.left_out)
        if wish.runtime:
            ports = ports | before.running.account.names.get(wish.name, NOBODY) | before.running.foreign
    as_well = NOBODY  # what a boot has left out, so the kernel lacks it until it is told again
    if before.configured and wish.persistent and not (wish.exclusive or wish.adopt):
        as_well = before.configured.overlooked
    running = _run(before.running, wish, ports, as_well) if wish.runtime else before.running
    configured, promised = before.configured, before.promised
    if configured and wish.persistent:
        configured = _configure(configured, _renamed(promised, wish, ports), wish)
        promised = configured.own.names
    account = replace(running.account, persistent=promised)
    if before.running.account.pending and configured and configured.own.names != promised and wish.runtime:
        account = replace(account, pending=Pending(running.ports, running.ports))  # our file is behind as before
    return Places(replace(running, account=account), configured)


def _run(before: Running, wish: Wish, ports: frozenset[int], as_well: frozenset[int]) -> Running:
    names = _renamed(before.account.names, wish, ports)
    foreign = NOBODY if wish.exclusive or wish.adopt else before.foreign | as_well
    return Running(union(names) | foreign, Account(names, foreign & union(names)))


def _configure(before: Configured, names: Names, wish: Wish) -> Configured:
    left_out = before.shadowed if wish.exclusive else before.own.left_out & before.shadowed
    by_hand = NOBODY if wish.exclusive or wish.adopt else before.own.by_hand
    kept = before.shadowed - left_out
    own = OwnFile(names, kept, by_hand, left_out, union(names) | kept | by_hand)
    if not (names or by_hand or left_out):
        own = OwnFile()  # nothing of ours is left: the other files speak for themselves
    return Configured(own, before.earlier, before.later)


def _renamed(names: Names, wish: Wish, ports: frozenset[int]) -> Names:
    others = {name: held for name, held in names.items() if name != wish.name}
    return {**others, wish.name: ports} if wish.present and ports else others
