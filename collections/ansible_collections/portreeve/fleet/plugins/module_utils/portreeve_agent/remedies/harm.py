# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a step is for and what it costs, one sentence each. Pure."""

from __future__ import annotations

from ..model import HeldSocket, Holder, Owner
from ..record import replace
from ..typed import Iterable
from ..verdicts.case import distinct_processes, identity
from ..verdicts.wording import listed, name_mark, name_owner, name_peers, name_processes, one_line
from .records import Condition, Step, Then, Wish
from .sight import Sight


def name_wanted(sight: Sight) -> str:
    """Return ``8080/tcp``, with the namespace where it is not the host's own."""
    answer = sight.answer
    port = "%d/%s" % (answer.port, answer.protocol)
    if answer.namespace.kind == "host":
        return port
    return "%s in namespace %s" % (port, one_line(answer.namespace.name))


def name_seats(seats: Iterable[Holder]) -> str:
    """Return processes by name, those of one owner together: ``billing.service (java[812] and java[813])``."""
    together: dict[str, list[Holder]] = {}
    for one in sorted({seat.pid: seat for seat in seats}.values(), key=lambda seat: seat.pid):
        together.setdefault("" if one.owner.kind == "process" else name_owner(one.owner), []).append(one)
    return listed(
        [
            "%s (%s)" % (owner, name_processes(tuple(some))) if owner else name_processes(tuple(some))
            for owner, some in together.items()
        ]
    )


def harm_of_destroying(connections: tuple[HeldSocket, ...]) -> str:
    """Return what becomes of connections and who has them."""
    one = len(connections) == 1
    return "%s of %s with %s %s reset, and what was not delivered yet is lost; no process ends." % (
        "The connection" if one else "%d connections" % len(connections),
        name_processes(distinct_processes(connections)),
        name_peers(connections),
        "is" if one else "are",
    )


def harm_of_remains(sight: Sight) -> str:
    """Return what becomes of connections that no process has."""
    states = listed(["%d %s" % (n, state) for state, n in sorted(sight.answer.connections.items())], 5)
    return "What is left of connections that no process has any more goes%s." % (": " + states if states else "")


def harm_of_detaching(sight: Sight, heirs: Iterable[Holder]) -> str:
    """Return what becomes of heirs, and of whoever else may hold their socket."""
    said = "Nobody ends; what %s inherited leads nowhere any more" % name_seats(heirs)
    return said + ("; not every holder may have been seen: %s." % sight.hiding if sight.hiding else ".")


def harm_to_owner(sight: Sight, wish: Wish, owner: Owner, condition: Condition, act: str) -> str:
    """Return what it costs to restart or stop an owner."""
    said = "%s %s" % (name_owner(owner), "is restarted" if act == "restart" else "is stopped")
    if condition.members:
        said += ", %d process%s" % (len(condition.members), "" if len(condition.members) == 1 else "es")
    others = sight.serves.get(identity(owner), ())
    if others:
        said += "; it also serves " + listed(list(others), 6)
    first = condition.revivers if act == "stop" else ()
    if first:
        said += "; before it " + _named(first)
    if act == "stop" and not condition.revivable:
        said += "; it is gone then, and cannot be started again"
    if act == "stop" and condition.enabled:
        said += "; as it is enabled, it starts again at the next boot"
    left = [name_mark(one) for one in condition.members if one.pid in condition.survivors]
    if left and wish.at_most != "kill":
        said += "; it leaves %s behind" % listed(left)
    together = condition.dependants + (condition.deserted if act == "stop" else ())
    if together:
        said += "; with it " + _named(together)
    if act == "restart" and condition.rivals:
        said += "; %s because it starts: %s" % (_stops(condition.rivals), _named(condition.rivals))
    said += _say_answers(condition)
    if wish.at_most == "kill":
        said += "; SIGKILL follows after %g s" % wish.grace
    return said + "."


def with_company(sight: Sight, then: Then, steps: Iterable[Step]) -> Then:
    """Return what is done in the end with the units that stop because of it, unless they have stopped by then."""
    condition = sight.condition_of_unit(then.unit)
    if condition is None:
        return then
    stops = [one for one in steps if one.act == "stop" and not one.if_still_held]
    stopped = {name for one in stops for name in one.others}
    stopped |= {name for one in stops if one.owner for name in (one.owner.name, one.owner.id) if name}
    others = tuple(one for one in condition.others(then.verb) if one not in stopped)
    harm = "As %s is %sed, %s: %s." % (one_line(then.unit), then.verb, _stops(others), _named(others))
    return replace(then, others=others, harm=harm if others else "")


def _say_answers(condition: Condition) -> str:
    """Return what the end of a unit sets off."""
    if not condition.answers:
        return ""
    return "; when it has ended, systemd may start %s (OnFailure=, OnSuccess=)" % _named(condition.answers)


def _named(units: tuple[str, ...]) -> str:
    return listed([one_line(one) for one in units], 6)


def _stops(units: tuple[str, ...]) -> str:
    return "one unit stops" if len(units) == 1 else "%d units stop" % len(units)


def harm_to_process(sight: Sight, wish: Wish, holder: Holder) -> str:
    """Return what it costs to end a process."""
    said = "%s gets SIGTERM" % name_processes((holder,))
    if wish.at_most == "kill":
        said += ", and SIGKILL after %g s" % wish.grace
    condition = sight.condition_of(holder.owner)
    if condition is not None and condition.revives:
        said += "; " + one_line(condition.revives)
    said += _say_answers(condition) if condition is not None else ""
    others = sight.serves.get(("process", holder.pid), ())
    if others:
        said += "; it also serves " + listed(list(others), 6)
    return said + "."
