# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""passed_descriptor: a process handed the socket on to another on purpose, mostly by SCM_RIGHTS (unix(7))."""

from __future__ import annotations

from ..model import HeldSocket, Holder
from .case import Case, Judgement
from .wording import listed, name_addresses, name_owner, name_port, name_process, name_processes

ID = "passed_descriptor"


def judge(case: Case) -> Judgement | None:
    """Judge a port whose socket is in flight, or held under different numbers by processes that did not leak it."""
    if case.unseen:
        return None
    passed = tuple(held for held in case.serving if _in_flight(held) or _was_passed(held))
    if not passed:
        return None
    waiting = [one for held in passed for one in held.holders if one.via == "in_flight"]
    serving = tuple(one for one in case.holders if one.serving)
    keeping = tuple(one for one in case.holders if not one.serving)
    said = [_say(serving, "serve")] if serving else []
    said += [_say(keeping, "keep a copy of" if serving else "hold")] if keeping else []
    if waiting:
        how = "is in flight in a UNIX socket of %s, which has not received it yet" % name_process(waiting[0])
    else:
        how = "was handed on from process to process on purpose"
    return Judgement(
        "%s on %s %s: %s." % (name_port(case), name_addresses(passed), how, listed(said)),
        "To free it, stop or restart %s." % listed(_owners(serving + keeping)),
    )


def _say(holders: tuple[Holder, ...], verb: str) -> str:
    first, *rest = verb.split(" ", 1)
    ending = "s" if len(holders) == 1 else ""
    return "%s of %s %s%s %s" % (
        name_processes(holders),
        listed(_owners(holders)),
        first,
        ending,
        " ".join([*rest, "it"]),
    )


def _owners(holders: tuple[Holder, ...]) -> list[str]:
    return list(dict.fromkeys(name_owner(one.owner) for one in holders))


def _in_flight(held: HeldSocket) -> bool:
    return any(holder.via == "in_flight" for holder in held.holders)


def _was_passed(held: HeldSocket) -> bool:
    """Inherited descriptors keep their number, and what serves under another owner was let in by somebody."""
    numbers: dict[int, set[int]] = {}
    for holder in held.holders:
        numbers.setdefault(holder.pid, set()).add(holder.fd)
    if len(numbers) < 2 or any(holder.owner.kind == "socket_unit" for holder in held.holders):
        return False
    if not any(holder.serving for holder in held.holders):
        return False
    return not set.intersection(*numbers.values())
