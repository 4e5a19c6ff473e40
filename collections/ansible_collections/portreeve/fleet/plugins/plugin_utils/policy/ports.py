# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether what listens is declared, by whom, and where. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..fleet.host_picture import Bound, Listener
from ..fleet.naming import is_kernels_choice, name_holders, served
from . import sentences
from .case import Broken, Case, Untold, ports_of
from .fitting import is_address_declared, is_owner_declared, strangers
from .records import ANY, Declaration

#: The place of datagram sockets on ports that the kernel chose: any client has one for a while.
AUTOMATIC = "automatic/udp"

_UNSEEN = "not all who may hold it could be seen"


def judge_listeners(case: Case) -> Iterator[Broken | Untold]:
    """Yield wrong_owner, wrong_address, undeclared and undeclared_automatic."""
    clients: dict[str, Listener] = {}
    unseen = False
    for listener, serving in served(case.picture):
        declared = case.declared.at(listener.port, listener.protocol)
        if declared:
            yield from _compare(case, listener, serving, declared)
        elif is_kernels_choice(case.picture, listener):
            clients.setdefault(name_holders(serving), listener)
            unseen = unseen or _is_unseen(case, serving)
        elif listener.protocol == "udp" and case.picture.automatic is None:
            why = "whether the kernel chose the port cannot be told: the host's range of automatic ports is not known"
            yield Untold("undeclared", listener.place, why)
            yield Untold("undeclared_automatic", AUTOMATIC, why)
        else:
            yield from _undeclared(case, listener, serving)
    for who, first in clients.items():
        said, advice = sentences.undeclared_automatic(who)
        yield Broken("undeclared_automatic", AUTOMATIC, (), who, who, said, advice, first.summary or "")
    if unseen:
        yield Untold("undeclared_automatic", AUTOMATIC, _UNSEEN)


def _undeclared(case: Case, listener: Listener, serving: tuple[Bound, ...]) -> Iterator[Broken | Untold]:
    who = name_holders(serving)
    said, advice = sentences.undeclared(listener.place, serving, who)
    yield Broken("undeclared", listener.place, ports_of(listener), who, who, said, advice, listener.summary or "")
    if _is_unseen(case, serving):  # it may not be told any more of whom it was told before
        yield Untold("undeclared", listener.place, _UNSEEN)


def _compare(
    case: Case, listener: Listener, serving: tuple[Bound, ...], declared: tuple[Declaration, ...]
) -> Iterator[Broken | Untold]:
    wrong: dict[tuple[str, str], tuple[Declaration, list[Bound]]] = {}
    unseen = False
    for bound in serving:
        if _is_unseen(case, [bound]) and _hinges_on_owner(bound, declared):
            unseen = True
            if not bound.holdings:
                continue
        found = _wrong(bound, declared)
        if found is not None:
            rule, declaration = found
            wrong.setdefault((rule, declaration.name), (declaration, []))[1].append(bound)
    for (rule, name), (declaration, addresses) in wrong.items():
        if rule == "wrong_owner":
            say, who = sentences.wrong_owner, strangers(declaration, addresses)
        else:
            say, who = sentences.wrong_address, name_holders(addresses)
        said, advice = say(listener.place, declaration, tuple(addresses), who)
        told = (rule, listener.place, ports_of(listener), name, who, said, advice, listener.summary or "")
        yield Broken(*told, declaration.severity)
    if unseen:
        yield Untold("wrong_owner", listener.place, _UNSEEN)
        if any(one.address != ANY for one in declared):
            yield Untold("wrong_address", listener.place, _UNSEEN)


def _is_unseen(case: Case, serving: Iterable[Bound]) -> bool:
    """Return whether somebody may hold one of the addresses who was not seen; others may have been."""
    return any(not one.in_kernel and not (one.holdings and case.complete) for one in serving)


def _hinges_on_owner(bound: Bound, declared: tuple[Declaration, ...]) -> bool:
    anybody = any(not one.owners and is_address_declared(one, bound) for one in declared)
    return not anybody and any(one.owners for one in declared)


def _wrong(bound: Bound, declared: tuple[Declaration, ...]) -> tuple[str, Declaration] | None:
    """Return the rule that an address breaks, and whose port it is, None where it is as somebody declared it."""
    entitled = [one for one in declared if is_owner_declared(one, bound)]
    if any(is_address_declared(one, bound) for one in entitled):
        return None
    if entitled:
        return "wrong_address", entitled[0]
    return "wrong_owner", next((one for one in declared if is_address_declared(one, bound)), declared[0])
