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
