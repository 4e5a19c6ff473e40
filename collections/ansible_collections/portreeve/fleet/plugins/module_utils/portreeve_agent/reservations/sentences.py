# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What stands and what a run has come to, in words: from the plain result, on the host and on the controller. Pure."""

from __future__ import annotations

from ..ports import compress, port_set
from ..typed import Any, Iterator, Mapping
from ..verdicts.wording import one_line

WHAT_A_BOOT_RESERVES = "what a boot reserves"  # the blind spot where not all files can be read

_WIDEST = 100  # characters of a list of ports in a line
_NONE: frozenset[int] = frozenset()
#: In words, in what is reserved, in what a name asks for, and what it asks for at the other time alone.
_TIMES = (
    ("now", "runtime", "runtime", "only_after_boot"),
    ("after a boot", "after_boot", "persistent", "only_now"),
)


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
        said.append("still reserved for others: " + name_ports(result["still_reserved"]))
    said.extend("no longer reserved%s: %s" % one for one in by_time(_lost(result, "runtime"), _lost(result, "file")))
    said.extend("brought back %s: %s" % one for one in _repaired(result))
    for kind in ("squatters", "lingering"):
        there, gone = (sum(one["evicted"] is evicted for one in result[kind]) for evicted in (False, True))
        said.extend("%s: %d" % (words, count) for words, count in ((kind, there), (kind + " evicted", gone)) if count)
    said.extend("under no name%s: %s" % one for one in by_time(*unnamed(result)))
    if left is not None:
        said.append("automatic ports left: %d" % left)
    return "; ".join(said)


def _when(result: Mapping[str, Any], one: Mapping[str, Any]) -> str:
    """Return the ports of a name, and when they are reserved in truth: others may have the last word on the list."""
    times = [(words, place) for words, place, flag, _other in _TIMES if one[flag]]
    if one["only_now"] or one["only_after_boot"]:
        return ", ".join("%s: %s" % (words, _with_truth(result, one, place)) for words, place in times)
    held = {words: holds(result, one, place) for words, place in times}
    told = " and ".join(words for words, truth in held.items() if truth == "yes")
    but = ["%s: %s" % (words, truth) for words, truth in held.items() if truth != "yes"]
    return ", ".join(filter(None, [name_ports(one["ports"]), told, *but]))


def _with_truth(result: Mapping[str, Any], one: Mapping[str, Any], place: str) -> str:
    truth = holds(result, one, place)
    return name_ports(compress(_asked(one, place))) + ("" if truth == "yes" else " (%s)" % truth)


def holds(found: Mapping[str, Any], one: Mapping[str, Any], place: str) -> str:
    """Return whether a name's ports are in the kernel's list (``runtime``) or in that of the next boot: yes, in part,
    no, or unknown."""
    asked, text = _asked(one, place), found["reserved"][place]
    if not asked:
        return "no"
    if text is None:
        return "unknown"
    missing = asked - _set(text)
    return "yes" if not missing else "in part" if missing < asked else "no"


def _asked(one: Mapping[str, Any], place: str) -> frozenset[int]:
    """Return the ports that a name reserves at a time."""
    flag, other = next((flag, other) for _words, where, flag, other in _TIMES if where == place)
    return _set(one["ports"]) - _set(one[other]) if one[flag] else _NONE


def by_time(now: str, then: str) -> Iterator[tuple[str, str]]:
    """Yield when and what, once where it is the same."""
    apart = ((" now", now), (" after a boot", then))
    for when, text in ((" now and after a boot", now),) if now == then else apart:
        if text:
            yield when, name_ports(text)


def _repaired(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield when which ports are reserved again that somebody had taken away."""
    for when, place, where in (("now", "runtime", "runtime"), ("after a boot", "after_boot", "file")):
        lost = _NONE.union(*(_set(one["missing"]) for one in result["drift"] if one["where"] == where))
        back = lost & _set(result["reserved"][place])
        if back:
            yield when, name_ports(compress(back))


def _lost(result: Mapping[str, Any], place: str) -> str:
    return compress(_NONE.union(*(_set(result[how][place]) for how in ("given_back", "removed", "dropped"))))


def unnamed(found: Mapping[str, Any]) -> tuple[str, str]:
    """Return what is reserved under no name now, and after a boot."""
    named = _NONE.union(*(_set(one["ports"]) for one in found["reservations"] if one["persistent"]))
    return found["foreign"]["runtime"], compress(_set(found["reserved"]["after_boot"]) - named)


def _set(text: str | None) -> frozenset[int]:
    return port_set(text) or _NONE


def name_ports(text: str | None) -> str:
    """Return a list of ports for a sentence; a long one ends with how many ranges it has."""
    if text is None:
        return "what the kernel refuses"
    if len(text) <= _WIDEST:
        return text or "none"
    return "%s, … (%d ranges)" % (text[: text.rindex(",", 0, _WIDEST // 2)], text.count(",") + 1)
