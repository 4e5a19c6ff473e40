# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What speaks against a plan, and what a reservation cannot do. Pure."""

from __future__ import annotations

from ..errors import InvalidInput, NotPermitted
from ..model import SettingFile
from ..ports import compress, port_set
from ..record import dataclass
from ..typed import Iterator, Optional, Tuple
from .ledger import NOBODY, union
from .plan import Places, Wish

Bounds = Optional[Tuple[int, int]]  # of the automatic range, None where it is not known

_SHORT = 100  # characters of a list in a sentence
_UNFINISHED = "An earlier run was killed half-way; the next one to write the kernel's list finishes its work."
_FINISHED = "An earlier run was killed half-way; this one has finished its work."


@dataclass(frozen=True)
class Drift:
    """Ports that names reserve and a place lacks: ``runtime``, the kernel's list, or ``file``, for the next boot."""

    where: str
    missing: frozenset[int]
    summary: str


def check_wish(wish: Wish, at_boot: bool, floor: int = 0, evicting: bool = False) -> None:
    """Raise InvalidInput where a wish contradicts itself. ``at_boot``: the namespace's list is set at a boot."""
    if floor < 0:
        raise InvalidInput("minimum_automatic is %d: accepted are numbers of ports from 0" % floor)
    if not (wish.persistent or wish.runtime):
        raise InvalidInput("nothing is to be done: accepted are persistent, runtime or both, not neither")
    if evicting and not wish.runtime:
        raise InvalidInput("evict frees ports that the running kernel keeps free: accepted is evict with runtime=true")
    if wish.persistent and not at_boot:
        raise InvalidInput("no boot concerns a namespace other than the host's own: accepted is persistent=false there")
    if wish.adopt and not wish.present:
        raise InvalidInput("state=absent lets go of ports, adopt takes some: accepted is adopt with state=present")
    if wish.present and not wish.ports and not wish.adopt:
        raise InvalidInput("no port was given: accepted are ports such as 8080 or 8000-8010, or state=absent")


def check_plan(before: Places, after: Places, automatic: Bounds, floor: int) -> None:
    """Raise NotPermitted where fewer automatic ports would be left than ``floor``, and fewer than there are."""
    left_now = left(automatic, before.running.ports)
    left_then = left(automatic, after.running.ports)
    _check_floor("until the next boot", left_now, left_then, automatic, floor)
    if before.configured and after.configured:
        boots = (before.configured.after_boot, after.configured.after_boot)
        left_now, left_then = (None if ports is None else left(automatic, ports) for ports in boots)
        _check_floor("after the next boot", left_now, left_then, automatic, floor)


def left(automatic: Bounds, reserved: frozenset[int]) -> int | None:
    """Return how many ports the kernel may still choose from, None where its range is not known."""
    if automatic is None:
        return None
    low, high = automatic
    return high - low + 1 - len(reserved.intersection(range(low, high + 1)))


def outside(automatic: Bounds, ports: frozenset[int]) -> frozenset[int]:
    """Return the ports that the kernel does not choose anyway."""
    if automatic is None:
        return NOBODY
    return ports.difference(range(automatic[0], automatic[1] + 1))


def drift_of(places: Places, own_path: str, finished: bool = False) -> Iterator[Drift]:
    """Yield where names have lost ports: somebody has set the kernel's list, edited our file, or set the list later.

    ``finished``: what is told is a run that has done what an earlier one, which was killed, has left undone.
    """
    missing = union(places.running.account.names) - places.running.ports
    if places.running.account.pending:
        yield Drift("runtime", missing, _FINISHED if finished else _UNFINISHED)
    elif missing:
        text = "Reserved by name, but not in the kernel's list any more: %s." % name_ports(missing)
        yield Drift("runtime", missing, text)
    configured = places.configured
    if configured is None or configured.unreadable:
        return
    missing = union(places.promised) - (configured.after_boot or NOBODY)
    if missing:
        place = configured.later[-1].path if configured.later else own_path
        text = "Reserved by name, but not after the next boot, by what %s says: %s." % (place, name_ports(missing))
        yield Drift("file", missing, text)


def overlooked(places: Places) -> frozenset[int]:
    """Return what another file has come to set since ours was written, which sorts later and lacks it."""
    return places.configured.overlooked if places.configured else NOBODY


def say_overlooked(ports: frozenset[int]) -> str:
    """Return a sentence about what ``overlooked`` returned."""
    told = "Another file sets these since ours was written; ours sorts later, so a boot would leave them out: %s."
    return told % name_ports(ports)


def overriding(places: Places) -> tuple[SettingFile, ...]:
    """Return the files that set the list again after ours, the last one wins."""
    return places.configured.later if places.configured else ()


def warnings_of(after: Places, wish: Wish, automatic: Bounds) -> Iterator[str]:
    """Yield what to know of a plan that is carried out, one sentence each."""
    beyond = outside(automatic, wish.ports) if wish.present else NOBODY
    if beyond and automatic:
        yield "The kernel chooses ports from %d to %d only, so reserving these does nothing: %s." % (
            *automatic,
            name_ports(beyond),
        )
    if left(automatic, after.running.ports) == 0 and wish.runtime:
        yield "No automatic port is left: no program gets an outgoing connection any more."
    for file in overriding(after)[-1:] if wish.persistent else ():
        ports = port_set(file.value)
        yield "%s sorts after our file and sets the whole list again, at a boot to %s." % (
            file.path,
            "what the kernel refuses" if ports is None else name_ports(ports) or "nothing",
        )


def name_ports(ports: frozenset[int]) -> str:
    """Return ports as ranges, fit for a sentence: what is too long ends with how many there are."""
    text = compress(ports)
    if len(text) <= _SHORT:
        return text
    return "%s, … (%d ports)" % (text[: text.rindex(",", 0, _SHORT)], len(ports))


def _check_floor(when: str, now: int | None, then: int | None, automatic: Bounds, floor: int) -> None:
    if automatic is None or now is None or then is None or then >= min(now, floor):
        return
    raise NotPermitted(
        "refused: %s, only %d of the %d automatic ports (%d-%d) would be left, fewer than minimum_automatic=%d allows; "
        "nothing was changed" % (when, then, automatic[1] - automatic[0] + 1, *automatic, floor)
    )
