# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is to be done so that a port is free, or its rightful owner's, with the least harm. Pure.

Everything that holds the port has to let go of it, so a plan does it all or nothing: where one step that is needed may
not be taken, nothing is done to the others either.
"""

from __future__ import annotations

from ..binding import request_for
from ..expectations import Expectation, is_expected
from ..model import SERVING_STATES, HeldSocket, Holder
from ..record import replace
from ..verdicts.hung_listener import hangs
from ..verdicts.wording import listed
from .approval import sealed
from .draft import Draft
from .harm import name_seats, name_wanted, with_company
from .protection import why_not_afterwards
from .records import Plan, Wish
from .sight import Sight, carries_the_run, expectation_of

_UNWELL = ("hung_listener", "bound_not_listening")


def make_plan(sight: Sight, wish: Wish) -> Plan:
    """Return what is to be done about a port, sealed with its digest."""
    answer = sight.answer
    place = (sight.boot_id, answer.namespace.id, answer.port, answer.protocol, wish.address)
    plan = Plan(*place, answer.verdict, terms=terms_of(wish))
    settled = _settled(sight, wish, plan)
    if settled is not None:
        return sealed(settled)
    expected = expectation_of(wish)
    draft = Draft(sight, wish)
    for held in answer.sockets:
        if held.socket.state in SERVING_STATES:
            _plan_serving(draft, held, expected)
        elif held.socket.inode or held.holders:
            _plan_connection(draft, held)
    _plan_heirs(draft)
    remains = _remains(sight)
    if remains and "destroy" in sight.cannot:
        draft.blocked.append("%s; %s" % (sight.cannot["destroy"], answer.summary[:-1]))
    if draft.blocked:
        return sealed(replace(plan, refusal=_refuse(sight, draft), withheld=tuple(draft.withheld)))
    steps = draft.steps()
    left_over = draft.ends_somebody or (answer.connections and any(step.act == "detach" for step in steps))
    if remains or (left_over and answer.protocol == "tcp"):
        steps += (draft.sweep(if_still_held=bool(steps)),)
    if not steps:
        why = "%s is not free, and nothing was found that could be done about it: %s"
        return sealed(replace(plan, refusal=why % (name_wanted(sight), answer.summary)))
    then = wish.then or draft.restart_of_the_rightful
    afterwards = then and with_company(sight, then, steps)
    return sealed(replace(plan, steps=steps, then=afterwards, withheld=tuple(draft.withheld)))


def _settled(sight: Sight, wish: Wish, plan: Plan) -> Plan | None:
    """Return the plan where nothing need be done, or nothing can be whoever holds the port; None where it depends."""
    expected, port = expectation_of(wish), name_wanted(sight)
    if is_in_order(sight, expected):
        return replace(plan, needless="%s is held by whom it should be: %s." % (port, expected.holder))
    barred = sight.cannot_start or sight.cannot_bind or sight.cannot_expect or why_not_afterwards(sight, wish)
    if barred:
        return replace(plan, refusal="%s is left as it is: %s." % (port, barred))
    if is_free(sight):
        then = wish.then and with_company(sight, wish.then, ())
        place = "%s on %s" % (port, wish.address) if wish.address else port
        return replace(plan, needless=_say_free(sight, place), then=then)
    if sight.unseen:
        why = "%s is not freed, as there may be sockets on it that cannot be seen: %s."
        return replace(plan, refusal=why % (port, sight.unseen))
    return None


def _say_free(sight: Sight, place: str) -> str:
    if sight.answer.verdict == "free":
        return "%s is free." % place
    if any(held.holders for held in sight.answer.sockets):
        return "%s can be bound by a server that sets SO_REUSEADDR: what heirs still hold of it is detached." % place
    return "%s can be bound as it is." % place


def terms_of(wish: Wish) -> tuple[str, ...]:
    """Return in words what of a wish decides how a plan is carried out and what it has to come to."""
    bind = request_for(wish.protocol, wish.bind)
    flags = [name for name in ("reuseaddr", "reuseport", "v6only") if getattr(bind.options, name)]
    places = [wish.bind.address or wish.address or "every address", wish.bind.device, wish.bind.user]
    said = ["expect " + (expectation_of(wish).holder or "nobody"), "grace %g s" % wish.grace]
    said.append("bind " + ",".join([str(one) for one in places if one is not None] + flags))
    return (*said, "undo" if wish.undo else "no undo")


def is_free(sight: Sight) -> bool:
    """Return whether the port can be bound now, with nobody on it but heirs of a socket that was detached before."""
    serving = (held for held in sight.answer.sockets if held.socket.state in SERVING_STATES)
    return sight.free_now is True and all(_is_detached(held) for held in serving)


def is_in_order(sight: Sight, expected: Expectation) -> bool:
    """Return whether the expected owner, and nobody else but heirs, holds the port and serves it."""
    if not expected.holder or _is_unwell(sight) or sight.unseen:
        return False
    sockets = [held for held in sight.answer.sockets if (held.socket.inode or held.holders) and not _is_detached(held)]
    serving = [held for held in sockets if held.socket.state in SERVING_STATES]
    for held in sockets:
        others = tuple(one for one in held.holders if one.role != "heir")
        if not others or _strangers(sight, others, expected):
            return False
    return bool(serving)


def _strangers(sight: Sight, others: tuple[Holder, ...], expected: Expectation) -> tuple[Holder, ...]:
    """Return who of those that are no heirs should not have the socket; not who has lent it, as supervisors do."""
    strangers = tuple(one for one in others if not (expected.holder and is_expected(expected, one)))
    lent = sight.answer.verdict == "passed_descriptor" and any(one.serving for one in others if one not in strangers)
    return tuple(one for one in strangers if one.serving is not False) if lent else strangers


def _is_unwell(sight: Sight) -> bool:
    """Return whether nobody takes connections, also where heirs beside the server are what strikes the eye first."""
    serving = (held for held in sight.answer.sockets if held.socket.state in SERVING_STATES)
    servers = (held._replace(holders=tuple(one for one in held.holders if one.role != "heir")) for held in serving)
    return sight.answer.verdict in _UNWELL or any(held.holders and hangs(held) for held in servers)


def _is_detached(held: HeldSocket) -> bool:
    """Return whether only heirs hold a socket that does not listen: in nobody's way who sets SO_REUSEADDR."""
    is_left_to_heirs = bool(held.holders) and all(one.role == "heir" for one in held.holders)
    return held.socket.state == "BOUND" and is_left_to_heirs


def _plan_serving(draft: Draft, held: HeldSocket, expected: Expectation) -> None:
    if not held.holders:
        draft.block(
            "%s is held by %s"
            % (name_wanted(draft.sight), "the kernel itself" if held.in_kernel else "somebody who cannot be seen")
        )
        return
    others = tuple(one for one in held.holders if one.role != "heir")
    strangers = _strangers(draft.sight, others, expected)
    strategy = draft.wish.strategy
    if strategy in ("destroy", "detach") and others:
        why = "%s %s it: %s" % (
            name_seats(others),
            "serves" if len(others) == 1 else "serve",
            "to destroy a listening socket does not free its port"
            if strategy == "destroy"
            else "only what heirs hold can be detached",
        )
        draft.block(why, _what_ends(draft, others, "stop"))
    elif strangers:
        draft.let_go(held, strangers, "stop")
    elif others and _is_unwell(draft.sight):
        draft.let_go(held, others, "restart")


def _what_ends(draft: Draft, seats: tuple[Holder, ...], act: str) -> str:
    """Return the act by which holders can be made to let go: ``act`` where somebody manages them all."""
    return act if all(draft.is_managed(one) for one in seats) else "terminate"


def _plan_heirs(draft: Draft) -> None:
    """Get sockets from heirs whose other holders let go of them, or that have no others."""
    for held in draft.sight.answer.sockets:
        if held.socket.state not in SERVING_STATES or not held.holders:
            continue
        heirs = tuple(one for one in held.holders if one.role == "heir" and not draft.is_ended(one))
        others = tuple(one for one in held.holders if one.role != "heir")
        if not heirs or not all(draft.lets_go(one) for one in others):
            continue
        draft.renew_apart(others)
        why = _why_not_detached(draft, held)
        if not why:
            draft.detach(held, heirs)
        elif draft.wish.strategy in ("destroy", "detach"):
            needed = "detach" if draft.wish.strategy == "destroy" else _what_ends(draft, heirs, "restart")
            draft.block("%s only inherited it: %s" % (name_seats(heirs), why), needed)
        else:
            draft.let_go(held, heirs, "restart", why)


def _why_not_detached(draft: Draft, held: HeldSocket) -> str:
    """Return why a socket is not taken from its heirs, empty where it can be.

    A detached socket stays bound, so only a new one that sets SO_REUSEADDR can be bound beside it (socket(7)). What
    looks like an heir may be a server that went into the background with its socket and is at work on something else
    at the moment: that is detached only where somebody says so.
    """
    strategy = draft.wish.strategy
    if strategy == "destroy":
        return "to destroy a listening socket does not free its port"
    if strategy not in ("auto", "detach"):
        return "strategy %s was chosen" % strategy
    if held.socket.protocol != "tcp":
        return "only what listens on TCP can be detached"
    if not request_for("tcp", draft.wish.bind).options.reuseaddr:
        return "a server that does not set SO_REUSEADDR cannot be bound beside a detached socket"
    if strategy == "auto" and any(_may_come_back(held, one) for one in held.holders if one.role == "heir"):
        return "it may be the server itself, at work on something else just now; strategy detach would not mind"
    return draft.sight.cannot.get("detach", "")


def _may_come_back(held: HeldSocket, heir: Holder) -> bool:
    """Return whether an heir runs what may be the very program that made the socket, and was forked with it."""
    if heir.forked is False:
        return False
    makers = [one for one in held.holders if one.role == "creator"] or list(held.holders)
    return all((one.process.exe, one.process.name) == (heir.process.exe, heir.process.name) for one in makers)


def _plan_connection(draft: Draft, held: HeldSocket) -> None:
    if carries_the_run(draft.sight, held):
        draft.block("this run came over that connection of %s" % name_wanted(draft.sight))
    elif not held.holders:
        draft.block("a connection of %s is held by somebody who cannot be seen" % name_wanted(draft.sight))
    elif draft.wish.strategy not in ("auto", "destroy", "detach"):
        draft.let_go(held, held.holders, "restart")
    else:
        why = _why_indestructible(draft.sight, held)
        if not why:
            draft.destroy(held)
        elif draft.wish.strategy == "auto":
            draft.let_go(held, held.holders, "restart", why)
        else:
            draft.block(why, _what_ends(draft, held.holders, "restart"))


def _why_indestructible(sight: Sight, held: HeldSocket) -> str:
    """Return why to destroy a connection is impossible or no use, empty when it is neither."""
    if held.socket.cookie is not None and sight.on_purpose.get(held.socket.cookie):
        return "%s bound the port itself, and keeps it without the connection" % name_seats(held.holders)
    return sight.cannot.get("destroy", "")


def _remains(sight: Sight) -> bool:
    return any(not held.socket.inode and not held.holders for held in sight.answer.sockets)


def _refuse(sight: Sight, draft: Draft) -> str:
    """Return why nothing is done, and what would have to be allowed."""
    return "%s is not freed: %s." % (name_wanted(sight), listed(list(dict.fromkeys(draft.blocked)), 4))
