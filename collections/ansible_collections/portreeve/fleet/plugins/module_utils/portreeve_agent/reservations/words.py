# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is reserved, as text for a terminal. Pure."""

from __future__ import annotations

from typing import Any, Iterator, Mapping

from ..model import BlindSpot
from ..ports import compress, port_set
from ..verdicts.wording import one_line
from ..words import columns, paragraph, say_blind_spots

_WIDEST = 50  # characters of a list of ports in a line
_NONE: frozenset[int] = frozenset()
#: In words, in what is reserved, and in what a name asks for.
_TIMES = (("now", "runtime", "runtime"), ("after a boot", "after_boot", "persistent"))
_SERVED = {True: "by nobody", False: "yes", None: "unknown"}


def say_reservations(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines about what ``survey`` returned: the whole list, whose it is, and what is amiss."""
    yield "Reserved now:          " + _ports(found["reserved"]["runtime"])
    if found["foreign"]["files"] or found["overridden_by"] or found["reserved"]["after_boot"] is not None:
        yield "Reserved after a boot: " + _ports(found["reserved"]["after_boot"])
    automatic = found["automatic"]
    if automatic["left"] is not None:
        yield "Automatic ports left:  %(left)d, of %(low)d-%(high)d" % automatic
    if found["reservations"]:
        yield ""
        rows = [_row(found, one) for one in found["reservations"]]
        yield from columns([("NAME", "NOW", "AFTER A BOOT", "SERVED", "PORTS"), *rows])
    others = [line for sentence in _others(found) for line in paragraph(sentence, indent="")]
    if others:
        yield ""
        yield from others
    yield from say_blind_spots(BlindSpot(**one) for one in found["blind_spots"])


def say_run(result: Mapping[str, Any], foretold: bool = False) -> str:
    """Return in one line what a run has come to: ``billing reserves 36601, now and after a boot; automatic …``.

    The run's warnings, which tell the rest, are not repeated. ``foretold``: it was in check mode.
    """
    name, left = result["name"], result["automatic"]["left"]
    where = "" if result["namespace"]["kind"] == "host" else " in namespace %s" % one_line(result["namespace"]["name"])
    reserves = "%s%s %s " % (name, where, "would reserve" if foretold else "reserves")
    mine = next((one for one in result["reservations"] if one["name"] == name), None)
    said = [reserves + (_when(result, mine) if mine else "nothing")]
    if result["still_reserved"]:
        said.append("still reserved for others: " + _ports(result["still_reserved"]))
    said.extend("no longer reserved%s: %s" % one for one in _by_time(_lost(result, "runtime"), _lost(result, "file")))
    said.extend("brought back %s: %s" % one for one in _repaired(result))
    for kind in ("squatters", "lingering"):
        if result[kind]:
            said.append("%s: %d" % (kind, len(result[kind])))
    said.extend("under no name%s: %s" % one for one in _by_time(*_foreign(result)))
    if left is not None:
        said.append("automatic ports left: %d" % left)
    return "; ".join(said)


def _when(result: Mapping[str, Any], one: Mapping[str, Any]) -> str:
    """Return the ports of a name, and when they are reserved in truth: others may have the last word on the list."""
    asked = [(words, place) for words, place, flag in _TIMES if one[flag]]
    held = {words: _holds(result, one, place) for words, place in asked}
    told = " and ".join(words for words, holds in held.items() if holds == "yes")
    but = ["%s: %s" % (words, holds) for words, holds in held.items() if holds != "yes"]
    return ", ".join(filter(None, [_ports(one["ports"]), told, *but]))


def _holds(found: Mapping[str, Any], one: Mapping[str, Any], place: str) -> str:
    """Return whether a name's ports are in the kernel's list (``runtime``) or in that of the next boot: yes, in part,
    no, or unknown."""
    text = found["reserved"][place]
    if not any(one[flag] for _words, where, flag in _TIMES if where == place):
        return "no"
    if text is None:
        return "unknown"
    missing = _set(one["ports"]) - _set(text)
    return "yes" if not missing else "in part" if missing < _set(one["ports"]) else "no"


def _by_time(now: str, then: str) -> Iterator[tuple[str, str]]:
    """Yield when and what, once where it is the same."""
    apart = ((" now", now), (" after a boot", then))
    for when, text in ((" now and after a boot", now),) if now == then else apart:
        if text:
            yield when, _ports(text)


def _repaired(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield when which ports are reserved again that somebody had taken away."""
    for when, place, where in (("now", "runtime", "runtime"), ("after a boot", "after_boot", "file")):
        lost = _NONE.union(*(_set(one["missing"]) for one in result["drift"] if one["where"] == where))
        back = lost & _set(result["reserved"][place])
        if back:
            yield when, _ports(compress(back))


def _lost(result: Mapping[str, Any], place: str) -> str:
    return compress(_NONE.union(*(_set(result[how][place]) for how in ("given_back", "removed", "dropped"))))


def _foreign(found: Mapping[str, Any]) -> tuple[str, str]:
    """Return what is reserved under no name now, and after a boot."""
    named = _NONE.union(*(_set(one["ports"]) for one in found["reservations"] if one["persistent"]))
    return found["foreign"]["runtime"], compress(_set(found["reserved"]["after_boot"]) - named)


def _set(text: str | None) -> frozenset[int]:
    return port_set(text) or _NONE


def _row(found: Mapping[str, Any], one: Mapping[str, Any]) -> tuple[str, ...]:
    held = (_holds(found, one, place) for place in ("runtime", "after_boot"))
    return (one["name"], *held, _SERVED[one["unused"]], _ports(one["ports"]))


def _others(found: Mapping[str, Any]) -> Iterator[str]:
    for one in found["reservations"]:
        for place, when in (("only_now", "now"), ("only_after_boot", "after a boot")):
            if one[place]:
                yield "%s reserves %s %s only." % (one["name"], _ports(one[place]), when)
    for when, text in _by_time(*_foreign(found)):
        yield "Under no name%s: %s." % (when, text)
    for file in found["foreign"]["files"]:
        yield "%s sets %s." % (one_line(file["path"]), _ports(file["ports"]))
    if found["left_out"]:
        yield "Left out after a boot, by an exclusive run: %s." % _ports(found["left_out"])
    for file in found["overridden_by"]:
        yield "%s sets the whole list again at a boot: %s." % (one_line(file["path"]), _ports(file["ports"]))
    for one in found["drift"]:
        yield one["summary"]


def _ports(text: str | None) -> str:
    if text is None:
        return "what the kernel refuses"
    if len(text) <= _WIDEST:
        return text or "none"
    return "%s, … (%d ranges)" % (text[: text.rindex(",", 0, _WIDEST)], text.count(",") + 1)
