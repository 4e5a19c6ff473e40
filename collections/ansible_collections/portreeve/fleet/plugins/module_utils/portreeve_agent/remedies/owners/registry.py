# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who can act on an owner: one row for each kind that a manager starts and stops."""

from __future__ import annotations

from ...errors import NotSupported
from ...host import Host
from ...model import Owner
from ...record import NamedTuple
from ...typed import Callable, Sequence
from ...writing import ActingHost
from ..records import Condition, OwnerMark
from . import containers, programs, starting, units


class Hands(NamedTuple):
    """What can be done to owners of some kinds, and by whose functions."""

    kinds: tuple[str, ...]
    condition: Callable[[Host, Owner], Condition]
    stop: Callable[[ActingHost, OwnerMark, float, bool], str]
    restart: Callable[[ActingHost, OwnerMark, float, bool], str]
    start: Callable[[ActingHost, OwnerMark, Sequence[str]], str]


HANDS = (
    Hands(("unit", "socket_unit"), units.condition, units.stop, units.restart, starting.start),
    Hands(("container",), containers.condition, containers.stop, containers.restart, containers.start),
    Hands(("program",), programs.condition, programs.stop, programs.restart, programs.start),
)
_NOBODY = {
    "session": "nobody starts a login session again: only processes in it can be ended",
    "process": "no manager knows of it: only the process itself can be ended",
    "kernel": "the kernel itself holds the port",
}


def condition(host: Host, owner: Owner) -> Condition:
    """Return an owner as its manager knows it now; ``obstacle`` says why nobody can act on it."""
    hands = _hands(owner.kind)
    if hands is not None:
        return hands.condition(host, owner)
    mark = OwnerMark(owner.kind, owner.name, owner.manager, owner.id, owner.user)
    return Condition(mark, active=True, obstacle=_why_nobody(owner.kind))


def stop(host: ActingHost, mark: OwnerMark, grace: float, kill: bool) -> str:
    """Stop the run that ``mark`` means and return what came of it, in one sentence; ``grace`` is in seconds.

    With ``kill`` what has not ended by then is killed. Raises Moved when it is another run by now, NotSupported or
    NotPermitted when nobody can, nothing was done then; and NotApplied when it has not come about in time.
    """
    return _able(mark).stop(host, mark, grace, kill)


def restart(host: ActingHost, mark: OwnerMark, grace: float, kill: bool) -> str:
    """Restart the run that ``mark`` means and return what came of it, in one sentence; raises as ``stop`` does."""
    return _able(mark).restart(host, mark, grace, kill)


def start(host: ActingHost, mark: OwnerMark, others: Sequence[str] = ()) -> str:
    """Start an owner again that was stopped, and ``others`` that stopped with it: each only if it does not run by then.

    ``others`` are the triggers and dependants of its ``Condition`` before it was stopped.
    """
    return _able(mark).start(host, mark, others)


def knows_unit(host: Host, unit: str, user: str | None = None) -> bool | None:
    """Return whether a manager of systemd has such a unit, be it stopped; None where it does not tell."""
    return units.is_known(host, unit, user)


def _hands(kind: str) -> Hands | None:
    return next((hands for hands in HANDS if kind in hands.kinds), None)


def _able(mark: OwnerMark) -> Hands:
    hands = _hands(mark.kind)
    if hands is None:
        raise NotSupported("%s: %s" % (mark.name, _why_nobody(mark.kind)))
    return hands


def _why_nobody(kind: str) -> str:
    return _NOBODY.get(kind, "nobody here can act on a %s" % kind)
