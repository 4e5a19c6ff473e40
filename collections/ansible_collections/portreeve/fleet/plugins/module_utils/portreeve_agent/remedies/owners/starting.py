# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Starting units of systemd: again what was stopped, or what a port is for. What does not come up says why."""

from __future__ import annotations

from ...errors import Moved, NotApplied
from ...typed import Sequence
from ...verdicts.wording import listed, one_line
from ...writing import ActingHost
from ..prove import settle
from ..records import OwnerMark
from .company import read_company
from .systemctl import Systemctl
from .unit_state import UnitState, is_unit_name, say_obstacle, say_state

SECONDS_TO_START = 30.0
_STEADY = 0.5  # seconds that a service must last which systemd calls active before it has done anything
_WAITING = "auto-restart"  # a start would wait until RestartSec is over, too
_FORGET_FAILURE = ("reset-failed",)


def start(host: ActingHost, mark: OwnerMark, others: Sequence[str] = ()) -> str:
    """Start a unit again that was stopped, and ``others`` that stopped with it: each only if it does not run by then.

    ``others`` are the triggers and dependants in its ``Condition`` of before: systemd forgets a socket unit that has
    ended. Returns what came of it, in one sentence. Raises NotApplied where a unit does not start.
    """
    systemd = Systemctl(host, mark.user)
    name = mark.id or mark.name
    services = [one for one in others if one.endswith(".service")]
    states = systemd.show(*(one for one in others if one not in services), name, *services)
    runs = any(one.lives for one in states if one.id == name)
    started, barred = [], []
    for one in states:
        if one.lives:
            continue
        if runs and one.id.endswith(".socket"):
            barred.append(one.id)
            continue
        _start(host, systemd, one, "start", SECONDS_TO_START)
        started.append(one.id)
    said = [listed(started) + (" was" if len(started) == 1 else " were") + " started again"] if started else []
    if runs:
        said.append("%s runs already" % name)
    if barred:
        said.append("systemd does not start %s while what it starts runs" % listed(barred))
    return one_line("; ".join(said) or "%s runs already" % name)


def start_unit(host: ActingHost, unit: str, verb: str, seconds: float, others: Sequence[str] = ()) -> str:
    """Start or restart (``verb``) a unit of the system's manager and wait until it is active, at most ``seconds``.

    ``others`` may stop because of it, and nobody else: raises Moved, before anything is done, where somebody would.

    Earlier failures are forgotten first: a service that failed for want of its port may be at its limit of starts. One
    that systemd calls active as soon as it is executed must last half a second. Returns what came of it, in one
    sentence. Raises NotApplied, with what the unit said last, when it does not come up.
    """
    systemd = Systemctl(host, None)
    (seen,) = systemd.show(unit if is_unit_name(unit) else unit + ".service")
    if verb == "start" and seen.active == "active":
        return "%s was active already" % seen.id
    company = read_company(systemd, seen)
    falling = company.rivals + (company.dependants if verb == "restart" else ())
    unknown = [one.id for one in falling if one.id not in others]
    if unknown:
        raise Moved("%s would stop because %s is %sed, which was not so when it was planned" % (
            listed(unknown), seen.id, verb,
        ))  # fmt: skip
    _start(host, systemd, seen, verb, seconds)
    return "%s was %sed" % (seen.id, verb)


def await_start(host: ActingHost, systemd: Systemctl, unit: UnitState, begun: float, seconds: float) -> None:
    """Return once a unit whose start was ordered at ``begun`` is active, or has done what it had to (Type=oneshot).

    ``unit`` is its state of before. Raises NotApplied when it has failed, or is not active within ``seconds``.
    """
    deadline = host.clock() + seconds
    while True:
        (seen,) = settle(host, lambda: systemd.show(unit.id), _is_decided, deadline - host.clock())
        if seen.active == "active" and not seen.has_job:
            if unit.says_when_ready:
                return
            host.pause(_STEADY)
            (later,) = systemd.show(unit.id)
            if later.active == "active" and later.birth == seen.birth:
                return
        elif not seen.lives and unit.type == "oneshot" and seen.active == "inactive":
            return
        elif not seen.lives or host.clock() > deadline:
            raise NotApplied(_say_failed(systemd, seen, host.clock() - begun))


def _is_decided(seen: Sequence[UnitState]) -> bool:
    return not seen[0].has_job and (seen[0].active == "active" or not seen[0].lives)


def _start(host: ActingHost, systemd: Systemctl, unit: UnitState, verb: str, seconds: float) -> None:
    obstacle = say_obstacle(unit)
    if obstacle:
        raise NotApplied("%s was not started: %s" % (unit.id, obstacle))
    if unit.active in ("failed", "activating"):
        systemd.order(_FORGET_FAILURE, unit.id)
    if unit.sub.startswith(_WAITING):
        verb = "restart"
    begun = host.clock()
    systemd.order((verb, "--no-block"), unit.id)
    await_start(host, systemd, unit, begun, seconds)


def _say_failed(systemd: Systemctl, unit: UnitState, elapsed: float) -> str:
    said = "%s did not come up: it is %s" % (unit.id, say_state(unit))
    if unit.result not in ("", "success"):
        said += ", Result=%s" % unit.result
    words = systemd.last_words(unit, elapsed)
    return '%s; the last it said is "%s"' % (said, words) if words else said
