# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the lists of an inventory to waivers. Pure."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from ...module_utils.portreeve_agent.errors import InvalidInput
from ...module_utils.portreeve_agent.ports import describe, shown
from ..fleet import keys
from ..fleet.lists import Kind, Origin, Said, located, read_lists
from .records import Waiver
from .rules import RULES

ALL = "all"

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

#: (host pattern, host) → whether it would choose the host for a play; raises InvalidInput for what is no pattern.
IsMatched = Callable[[str, str], bool]


def read_waivers(
    declared: Mapping[str, Any], is_matched: IsMatched, host: str, origin: Origin
) -> tuple[tuple[Waiver, ...], list[str]]:
    """Return the waivers of the lists that are for a host, in order, and a sentence for each mistake."""
    entries, mistakes = read_lists(declared, _WAIVERS, origin)
    waivers = []
    for entry in entries:
        waiver = _waiver(entry)
        try:
            matched = is_matched(waiver.hosts, host)
        except InvalidInput as error:
            mistakes.append(located(f"{entry.where} has hosts: {shown(waiver.hosts)}: {error}.", entry.origin))
        else:
            waivers += [waiver] if matched else []
    return tuple(sorted(waivers, key=lambda one: (one.expires, one.rules, describe(one.ports), one.where))), mistakes


def in_vain(
    declared: Mapping[str, Any], hosts_matching: Callable[[str], Collection[str]], origin: Origin
) -> Iterator[str]:
    """Yield a sentence for each waiver whose pattern matches no host at all; such a host may come again."""
    for entry in read_lists(declared, _WAIVERS, origin)[0]:
        waiver = _waiver(entry)
        try:
            matched = hosts_matching(waiver.hosts)
        except InvalidInput:
            continue  # that is a mistake
        if not matched:
            sentence = f"{entry.where} has hosts: {shown(waiver.hosts)}: no host of the inventory is matched by it."
            yield located(sentence, entry.origin)


def _waiver(entry: Said) -> Waiver:
    said = entry.values
    return Waiver(
        said.get("rule", ()),
        said.get("ports", ()),
        said.get("hosts", ALL),
        said["reason"],
        said["expires"],
        entry.where,
    )


def _rules(where: str, key: str, given: Any) -> tuple[str, ...]:
    several = given if isinstance(given, list) else [given]
    accepted = (ALL, *(rule for rule in RULES if rule != "waiver_expired"))
    if not several:
        raise InvalidInput(f"{where} has {key}: an empty list: accepted are {', '.join(accepted)}, or a list of these.")
    found = {keys.one_of(accepted)(where, key, one) for one in several}
    return () if ALL in found else tuple(sorted(found))


def _hosts(where: str, key: str, given: Any) -> str:
    several = given if isinstance(given, list) else [given]
    if not several or not all(isinstance(one, str) and one.strip() for one in several):
        raise InvalidInput(
            f"{where} has {key}: {shown(given)}: accepted is a pattern of hosts as in a play, such as web:!web9, or a "
            "list of these."
        )
    return ",".join(one.strip() for one in several)


def _expires(where: str, key: str, given: Any) -> datetime.date:
    try:
        if isinstance(given, str) and _DATE.fullmatch(given):
            return datetime.date.fromisoformat(given)
    except ValueError:
        pass
    said = f"has {key}: {shown(given)}" if given is not None else f"does not say when it {key}"
    raise InvalidInput(
        f"{where} {said}: accepted is the last day on which it holds, in UTC, as YYYY-MM-DD, such as 2026-12-31."
    )


def _reason(where: str, key: str, given: Any) -> str:
    if given is None:
        raise InvalidInput(f"{where} says no {key}: accepted is a text that says why the findings are accepted.")
    return " ".join(keys.text("a text that says why the findings are accepted")(where, key, given).split())


_WAIVERS = Kind(
    "waiver",
    "waivers",
    {"rule": _rules, "ports": keys.ports, "hosts": _hosts, "reason": _reason, "expires": _expires},
    {"reason": None, "expires": None},
)
