# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the applications that must listen do. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ...module_utils.portreeve_agent.ports import PortRange
from ..fleet.host_picture import Listener
from ..fleet.port_sets import ranges_of
from . import sentences
from .case import Broken, Case, Untold, told_apart
from .fitting import is_address_declared, is_owner_declared
from .records import MUST, Declaration


def judge_silence(case: Case) -> Iterator[Broken | Untold]:
    """Yield not_listening."""
    for declaration in case.policy.declarations:
        if declaration.listen == MUST:
            for place in told_apart(declaration):
                yield from _judge(case, declaration, place)


def _judge(case: Case, declaration: Declaration, place: PortRange) -> Iterator[Broken | Untold]:
    protocol = place.protocol or "tcp"
    silent, untold = set(), False
    for port in range(place.low, place.high + 1):
        listener = case.own.get((port, protocol))
        if listener is not None and listener.serves:
            if _is_for_others(case, listener, declaration):
                silent.add(port)
        elif not case.picture.sockets_complete and (listener is None or listener.verdict == "unknown"):
            untold = True
        else:
            silent.add(port)
    if untold:
        yield Untold("not_listening", str(place), "not all sockets of the host could be seen")
    if silent:
        yield _broken(case, declaration, place, silent)


def _broken(case: Case, declaration: Declaration, place: PortRange, silent: set[int]) -> Broken:
    missing = ranges_of(silent, place.protocol)
    first = case.own.get((min(silent), place.protocol or "tcp"))
    said, advice = sentences.not_listening(place, missing, declaration, first)
    evidence = (first.summary or "") if first is not None and first.verdict != "free" else ""
    told = (declaration.name, "", said, advice, evidence, declaration.severity)
    return Broken("not_listening", str(place), missing, *told)


def _is_for_others(case: Case, listener: Listener, declaration: Declaration) -> bool:
    """Return whether all that listens are other applications that are declared there, each where it should be.

    Whoever is allowed there listens in its place; of whom is wrong there that is said already.
    """
    declared = case.declared.at(listener.port, listener.protocol)
    others = [one for one in declared if one.is_application and one is not declaration]
    serving = [one for one in listener.bound if one.serving]
    return bool(others) and all(
        not (is_owner_declared(declaration, bound) and is_address_declared(declaration, bound))
        and any(is_owner_declared(other, bound) and is_address_declared(other, bound) for other in others)
        for bound in serving
    )
