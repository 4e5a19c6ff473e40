# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is reserved, as text for a terminal. Pure."""

from __future__ import annotations

from ..model import BlindSpot
from ..ports import port_set
from ..typed import Any, Iterator, Mapping
from ..verdicts.wording import one_line
from ..words import columns, paragraph, say_blind_spots
from .guards import say_overlooked
from .sentences import WHAT_A_BOOT_RESERVES, by_time, holds, name_ports, unnamed

_SERVED = {True: "by nobody", False: "yes", None: "unknown"}


def say_reservations(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines about what ``survey`` returned: the whole list, whose it is, and what is amiss."""
    yield "Reserved now:          " + name_ports(found["reserved"]["runtime"])
    if any(one["what"] == WHAT_A_BOOT_RESERVES for one in found["blind_spots"]):
        yield "Reserved after a boot: unknown"
    elif found["foreign"]["files"] or found["overridden_by"] or found["reserved"]["after_boot"] is not None:
        yield "Reserved after a boot: " + name_ports(found["reserved"]["after_boot"])
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


def _row(found: Mapping[str, Any], one: Mapping[str, Any]) -> tuple[str, ...]:
    held = (holds(found, one, place) for place in ("runtime", "after_boot"))
    return (one["name"], *held, _SERVED[one["unused"]], name_ports(one["ports"]))


def _others(found: Mapping[str, Any]) -> Iterator[str]:
    for one in found["reservations"]:
        for place, when in (("only_now", "now"), ("only_after_boot", "after a boot")):
            if one[place]:
                yield "%s reserves %s %s only." % (one["name"], name_ports(one[place]), when)
    for when, text in by_time(*unnamed(found)):
        yield "Under no name%s: %s." % (when, text)
    for file in found["foreign"]["files"]:
        yield "%s sets %s." % (one_line(file["path"]), name_ports(file["ports"]))
    if found["left_out"]:
        yield "Left out after a boot, by an exclusive run: %s." % name_ports(found["left_out"])
    for file in found["overridden_by"]:
        yield "%s sets the whole list again at a boot: %s." % (one_line(file["path"]), name_ports(file["ports"]))
    if found["overlooked"]:
        yield say_overlooked(port_set(found["overlooked"]) or frozenset())
    for one in found["drift"]:
        yield one["summary"]
