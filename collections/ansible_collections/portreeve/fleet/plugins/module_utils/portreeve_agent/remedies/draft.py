# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The steps of a plan while they are gathered: each owner, process and socket once, nobody who is protected. Pure."""

from __future__ import annotations

from ..expectations import is_expected
from ..model import HeldSocket, Holder
from ..record import replace
from ..typed import Iterable
from ..verdicts.case import identity
from ..verdicts.wording import name_owner, name_process
from .harm import (
    harm_of_destroying,
    harm_of_detaching,
    harm_of_remains,
    harm_to_owner,
    harm_to_process,
    name_seats,
    name_wanted,
)  # fmt: skip
from .protection import why_left_alone, why_not
from .records import ACTS, SocketMark, Step, Then, Wish
from .sight import (
    OwnerKey,
    Sight,
    expectation_of,
    mark_processes,
    mark_socket,
)  # fmt: skip

_MANAGED = ("unit", "socket_unit", "container", "program")
_ORDER = ("destroy", "stop", "restart", "terminate", "detach")


class Draft:
    """``blocked`` says why something needed may not be done, ``withheld`` the same of what would only follow."""

    def __init__(self, sight: Sight, wish: Wish) -> None:
        self.sight = sight
        self.wish = wish
        self.blocked: list[str] = []
        self.withheld: list[str] = []
        self.restart_of_the_rightful: Then | None = None
        self._ended: set[OwnerKey] = set()
        self._steps: list[Step] = []
        self._later: list[Step] = []

    @property
    def ends_somebody(self) -> bool:
        """Whether any process ends, which may leave remains of its connections."""
        return bool(self._ended)

    def steps(self) -> tuple[Step, ...]:
        """Return the steps in the order in which they are taken: sockets of the manager before what they start."""

        def place(step: Step) -> tuple[int, bool]:
            return _ORDER.index(step.act), step.owner is None or step.owner.kind != "socket_unit"

        return tuple(sorted(_merged(self._steps), key=place)) + tuple(_merged(self._later))

    def block(self, why: str, needed: str | None = None) -> None:
        """Note why a step that is needed may not be taken; ``needed`` is the act that would help."""
        if needed is None:
            self.blocked.append(why)
        elif self.wish.strategy == "auto":
            self.blocked.append("%s, which at_most: %s would allow" % (why, needed))
        else:
            self.blocked.append("%s (strategy %s would)" % (why, needed))

    def is_ended(self, seat: Holder) -> bool:
        """Return whether a holder ends by a step that there is already."""
        return ("process", seat.pid) in self._ended or (
            identity(seat.owner) in self._ended and not self._is_left_behind(seat)
        )

    def _is_left_behind(self, seat: Holder) -> bool:
        """Return whether an heir lives on when its owner ends; with SIGKILL allowed, what is left gets that."""
        condition = self.sight.condition_of(seat.owner)
        survives = condition is not None and seat.pid in condition.survivors
        return survives and seat.role == "heir" and self.wish.at_most != "kill"

    def lets_go(self, seat: Holder) -> bool:
        """Return whether a holder is to end, or was to but may not."""
        return self.is_ended(seat) or bool(self.blocked)

    def sweep(self, if_still_held: bool) -> Step:
        """Return the step about what no process has any more."""
        return Step(
            "destroy",
            if_still_held=if_still_held,
            why="What remains of connections keeps %s from being bound." % name_wanted(self.sight),
            harm=harm_of_remains(self.sight),
        )

    def destroy(self, held: HeldSocket) -> None:
        """Have a connection destroyed, and what holds it restarted or ended if that does not help and may be."""
        why = self._left_alone(held.holders)
        if why:
            self.blocked.append(why)
        else:
            self._steps.append(
                Step(
                    "destroy",
                    (mark_socket(held.socket),),
                    mark_processes(held.holders),
                    why="%s %s %s as a local port."
                    % (name_seats(held.holders), _have(held.holders), name_wanted(self.sight)),
                    harm=harm_of_destroying((held,)),
                )
            )
            self._go_on(held, held.holders)

    def detach(self, held: HeldSocket, heirs: tuple[Holder, ...]) -> None:
        """Have a socket taken from its heirs, who live on; should that not help, they are restarted or ended."""
        why = self._left_alone(heirs)
        if why:
            self.blocked.append(why)
        elif not self._is_allowed("detach"):
            self.block("%s only inherited it" % name_seats(heirs), "detach")
        else:
            self._steps.append(
                Step(
                    "detach",
                    (mark_socket(held.socket),),
                    mark_processes(heirs),
                    why="%s only inherited the socket, whose creator is gone or goes." % name_seats(heirs),
                    harm=harm_of_detaching(self.sight, heirs),
                )
            )
            self._go_on(held, heirs)

    def let_go(self, held: HeldSocket, seats: Iterable[Holder], act: str, because: str = "") -> None:
        """Have all owners of some holders stopped or restarted, as their managers can, or processes ended; ``because``
        says why nothing less harmful does."""
        for seat in seats:
            if self.is_ended(seat):
                continue
            wanted = self._act_for(seat, act)
            if wanted is None:
                continue
            why = why_not(self.sight, self.wish, seat, wanted)
            if why:
                self.blocked.append(why)
            elif not self._is_allowed(wanted):
                self.block(self._say_needed(held, seat, wanted, because), wanted)
            else:
                self._ended.add(("process", seat.pid) if wanted == "terminate" else identity(seat.owner))
                self._steps.append(self._ending(held, seat, wanted))

    def _say_needed(self, held: HeldSocket, seat: Holder, act: str, because: str) -> str:
        """Return what would have to be done, what it would cost, and why nothing less does."""
        victim = name_process(seat) if act == "terminate" else name_owner(seat.owner)
        told = "%s has to be %s for it" % (victim, _PAST[act])
        harm = self._ending(held, seat, act).harm.rstrip(".")
        costs = [one for one in (harm.partition(_COSTS[act])[2].strip(",; "), because) if one]
        return told + (" (%s)" % "; ".join(costs) if costs else "")

    def renew_apart(self, others: tuple[Holder, ...]) -> None:
        """Have an owner that was to be restarted stopped, and started once its heirs have let go of its socket."""
        for seat in others:
            condition = self.sight.condition_of(seat.owner)
            if condition is None or seat.owner.kind != "unit" or seat.owner.user or not self.is_ended(seat):
                continue
            for index, step in enumerate(self._steps):
                if step.act == "restart" and step.owner == condition.mark:
                    if not condition.revivable:
                        self.blocked.append("%s could not be started again" % name_owner(seat.owner))
                    self.blocked += [why for why in (why_not(self.sight, self.wish, seat, "stop"),) if why]
                    harm = harm_to_owner(self.sight, self.wish, seat.owner, condition, "stop")
                    self._steps[index] = replace(step, act="stop", others=condition.others("stop"), harm=harm)
                    self.restart_of_the_rightful = Then("start", seat.owner.id or seat.owner.name)

    def _go_on(self, held: HeldSocket, seats: tuple[Holder, ...]) -> None:
        """Add what is done should the first step not help, where it may be done at all."""
        if self.wish.strategy != "auto":
            return
        for seat in seats:
            act = "restart" if self.is_managed(seat) and not self._is_left_behind(seat) else "terminate"
            why = why_not(self.sight, self.wish, seat, act)
            if not self._is_allowed(act) or any(self._names(step, seat) for step in self._later):
                continue
            if why:
                self.withheld.append(why + ".")
            else:
                self._later.append(self._ending(held, seat, act, if_still_held=True))

    def _names(self, step: Step, seat: Holder) -> bool:
        if step.owner is not None:
            condition = self.sight.condition_of(seat.owner)
            return condition is not None and step.owner == condition.mark
        return any(one.pid == seat.pid for one in step.processes)

    def _act_for(self, seat: Holder, act: str) -> str | None:
        """Return what is to be done to a holder, None where a reason not to was noted."""
        strategy, managed = self.wish.strategy, self.is_managed(seat)
        if strategy == "terminate" or (identity(seat.owner) in self._ended and self._is_left_behind(seat)):
            return "terminate"
        if managed and strategy == "restart" and act == "stop":
            self.block("%s would take it again once it is restarted" % name_owner(seat.owner), "stop")
            return None
        if managed:
            return act if strategy == "auto" else strategy
        condition = self.sight.condition_of(seat.owner)
        if condition is not None and condition.obstacle and seat.owner.kind in _MANAGED:
            self.blocked.append("%s: %s" % (name_owner(seat.owner), condition.obstacle))
        elif strategy == "auto":
            return "terminate"
        else:
            self.block("nobody manages %s, so it cannot be %s" % (name_process(seat), _PAST[strategy]), "terminate")
        return None

    def _ending(self, held: HeldSocket, seat: Holder, act: str, if_still_held: bool = False) -> Step:
        condition = self.sight.condition_of(seat.owner)
        kill = self.wish.at_most == "kill"
        why = "%s holds %s%s." % (name_seats([seat]), name_wanted(self.sight), self._say_expected(seat))
        sockets = (mark_socket(held.socket),)
        if act == "terminate" or condition is None:
            harm = harm_to_process(self.sight, self.wish, seat)
            return Step(act, sockets, mark_processes([seat]), None, if_still_held, kill, (), why, harm)
        together = [
            one
            for one in held.holders
            if identity(one.owner) == identity(seat.owner) and (one == seat or not self._is_left_behind(one))
        ]
        harm = harm_to_owner(self.sight, self.wish, seat.owner, condition, act)
        others = condition.others(act)
        return Step(act, sockets, mark_processes(together), condition.mark, if_still_held, kill, others, why, harm)

    def _say_expected(self, seat: Holder) -> str:
        expected = expectation_of(self.wish)
        if not expected.holder or is_expected(expected, seat):
            return ""
        return ", which should be held by " + expected.holder

    def _left_alone(self, seats: Iterable[Holder]) -> str | None:
        whys = (why_left_alone(self.sight, self.wish, seat.process, seat.owner) for seat in seats)
        return next((why for why in whys if why), None)

    def is_managed(self, seat: Holder) -> bool:
        """Return whether somebody can stop and start the owner of a holder."""
        condition = self.sight.condition_of(seat.owner)
        return seat.owner.kind in _MANAGED and condition is not None and not condition.obstacle

    def _is_allowed(self, act: str) -> bool:
        return ACTS.index(act) <= ACTS.index(self.wish.at_most)


_COSTS = {"restart": " is restarted", "stop": " is stopped", "terminate": " gets SIGTERM"}  # what harm begins with
_PAST = {"restart": "restarted", "stop": "stopped", "terminate": "ended"}


def _have(seats: tuple[Holder, ...]) -> str:
    return "has" if len({seat.pid for seat in seats}) == 1 else "have"


def _merged(steps: Iterable[Step]) -> list[Step]:
    """Return the steps with those that are about the same victims put together."""
    found: dict[tuple[object, ...], Step] = {}
    for step in steps:
        key = (step.act, step.owner, step.processes if step.owner is None else None, step.if_still_held)
        there = found.get(key)
        if there is None:
            found[key] = step
        else:
            sockets: tuple[SocketMark, ...] = tuple(dict.fromkeys(there.sockets + step.sockets))
            processes = tuple(dict.fromkeys(there.processes + step.processes))
            found[key] = replace(there, sockets=sockets, processes=processes)
    return list(found.values())
