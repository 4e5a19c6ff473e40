# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is reserved, as text for a terminal. Pure."""

from __future__ import annotations

from typing import Any, Iterator, Mapping

from ..model import BlindSpot
from ..verdicts.wording import one_line
from ..words import columns, paragraph, say_blind_spots

_WIDEST = 50  # characters of a list of ports in a line
_SERVED = {True: "by nobody", False: "yes", None: "unknown"}


def say_reservations(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines about what ``survey`` returned: the whole list, whose it is, and what is amiss."""
    yield "Reserved now:          " + _ports(found["reserved"]["runtime"])
    if found["namespace"]["kind"] == "host":
        yield "Reserved after a boot: " + _ports(found["reserved"]["after_boot"])
    automatic = found["automatic"]
    if automatic["left"] is not None:
        yield "Automatic ports left:  %(left)d, of %(low)d-%(high)d" % automatic
    if found["reservations"]:
        yield ""
        yield from columns([("NAME", "NOW", "AFTER A BOOT", "SERVED", "PORTS"), *map(_row, found["reservations"])])
    others = [line for sentence in _others(found) for line in paragraph(sentence, indent="")]
    if others:
        yield ""
        yield from others
    yield from say_blind_spots(BlindSpot(**one) for one in found["blind_spots"])


def say_run(result: Mapping[str, Any], foretold: bool = False) -> str:
    """Return in one line what a run has come to: ``billing reserves 36601, now and after a boot; automatic …``.

    The run's warnings, which tell the rest, are not repeated. ``foretold``: it was in check mode.
    """
    name = result["name"]
    mine = next((one for one in result["reservations"] if one["name"] == name), None)
    reserves = "would reserve" if foretold else "reserves"
    said = "%s %s nothing" % (name, reserves)
    if mine is not None:
        when = [words for words, place in (("now", "runtime"), ("after a boot", "persistent")) if mine[place]]
        said = "%s %s %s, %s" % (name, reserves, _ports(mine["ports"]), " and ".join(when))
    said += "".join("; no longer reserved %s: %s" % lost for lost in _losses(result))
    if result["automatic"]["left"] is not None:
        said += "; automatic ports left: %d" % result["automatic"]["left"]
    return said


def _losses(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield when which ports are not reserved any more."""
    now, then = (
        ", ".join(_ports(result[how][place]) for how in ("given_back", "removed") if result[how][place])
        for place in ("runtime", "file")
    )
    if now and now == then:
        yield "now and after a boot", now
        return
    if now:
        yield "now", now
    if then:
        yield "after a boot", then


def _row(one: Mapping[str, Any]) -> tuple[str, ...]:
    places = ("yes" if one[place] else "no" for place in ("runtime", "persistent"))
    return (one["name"], *places, _SERVED[one["unused"]], _ports(one["ports"]))


def _others(found: Mapping[str, Any]) -> Iterator[str]:
    if found["foreign"]["runtime"]:
        yield "Under no name: %s." % _ports(found["foreign"]["runtime"])
    for file in found["foreign"]["files"]:
        yield "%s reserves %s." % (one_line(file["path"]), _ports(file["ports"]))
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
