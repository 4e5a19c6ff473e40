# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is said of a broken rule, and the least harmful next step. Pure.

Every function returns both, one line each. They name nothing that is another on each host, such as a pid, so that the
same finding of many hosts reads the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ...module_utils.portreeve_agent.ports import PortRange, describe
from ...module_utils.portreeve_agent.verdicts.wording import listed
from ..fleet.entries import AUTO
from ..fleet.host_picture import Bound, Listener
from .records import ANY, LOOPBACK, WILDCARD, Declaration, Waiver

Said = tuple[str, str]

_UNSEEN = "somebody who could not be seen"
_ALL = "all addresses"


def undeclared(place: str, bound: tuple[Bound, ...], who: str) -> Said:
    """Say that nobody declared what listens."""
    said = f"{place} is not declared, but held by {who or _UNSEEN} on {_addresses(bound)}."
    return said, "Declare it in portreeve_applications or portreeve_allowed, or stop it."


def undeclared_automatic(who: str) -> Said:
    """Say that somebody takes datagrams on ports that the kernel chose."""
    said = f"Undeclared ports of the automatic range take datagrams: held by {who or _UNSEEN}."
    return said, "Nothing to do for a client; declare a fixed port for a server."


def wrong_owner(place: str, declaration: Declaration, bound: tuple[Bound, ...], who: str) -> Said:
    """Say that a port is another's."""
    said = f"{place} of {declaration.name} should be held by {_owners(declaration)}, but is held by {who}"
    if declaration.is_application and len(declaration.owners) == 1:
        advice = f"`make plan` shows the least harmful way to get it back for {declaration.name}."
    else:
        advice = f"Move {who} to another port, or name it as an owner."
    return f"{said} on {_addresses(bound)}.", advice


def wrong_address(place: str, declaration: Declaration, bound: tuple[Bound, ...], who: str) -> Said:
    """Say that a port is bound where it was not declared."""
    said = f"{place} of {declaration.name} should be on {_declared_address(declaration.address)}, but is on "
    said += f"{_addresses(bound)}{f' ({who})' if who else ''}."
    return said, f"Set the address that {who or declaration.name} listens on and restart it, or correct the policy."


def not_listening(
    place: PortRange, missing: tuple[PortRange, ...], declaration: Declaration, listener: Listener | None
) -> Said:
    """Say that an application does not listen; ``listener`` is what there is of the first of its ports."""
    many = place.low != place.high and f"{describe(missing)} of {declaration.name}"
    said = f"Nobody listens on {many or f'{place} of {declaration.name}'}"
    if listener is None or listener.verdict == "free":
        return f"{said}.", f"Start {declaration.name} and see why it ended."
    if listener.serves:
        return f"{said} for it, only others whose port it is as well.", f"Start {declaration.name}."
    advice = "`make plan` shows" if len(declaration.owners) == 1 else "`port_owner` shows who has it, `port_release`"
    return f"{said}: {listener.verdict}.", f"{advice} the least harmful way to get the port back."


def not_reserved(ports: tuple[PortRange, ...], declaration: Declaration, automatic: tuple[int, int] | None) -> Said:
    """Say that the kernel may give ports of an application to a connection."""
    said = f"{describe(ports)} of {declaration.name} should be reserved, but {_is(ports)} not"
    if automatic is not None and declaration.reserve == AUTO:
        said += f": the kernel chooses from {automatic[0]} to {automatic[1]}"
    return f"{said}.", "`make reserve` reserves what the applications need, and keeps what is reserved already."


def waiver_expired(waiver: Waiver, about: str, covered: int) -> Said:
    """Say that a waiver is over."""
    still = {0: "nothing it covered is found any more", 1: "1 finding it covered stands"}
    said = f"The waiver of {about} ended on {waiver.expires.isoformat()}: "
    said += still.get(covered, f"{covered} findings it covered stand") + "."
    if not covered:
        return said, "Remove the waiver."
    return said, "Mend what it covered, or give it a new date and a reason that holds."


def _orphaned(place: str, _who: str, heirs: str) -> Said:
    said = f"Who served {place} is gone, and its port is kept by {heirs or _UNSEEN}: inherited, not served."
    return said, "`make plan` shows how to detach it without ending anybody, where its owner is declared."


def _leaked(place: str, who: str, heirs: str) -> Said:
    said = f"{place} belongs to {who}, but was inherited by {heirs or _UNSEEN}: a restart would not free it."
    return said, "Set close-on-exec where the socket is made; before a restart, `make plan` shows how to detach it."


def _hung(place: str, who: str, _heirs: str) -> Said:
    return f"{place} takes no connection any more: held by {who or _UNSEEN}.", f"Restart {who or 'its owner'}."


def _squatted(place: str, who: str, _heirs: str) -> Said:
    by = f" of {who}" if who else ""
    said = f"{place} is the local port of an outgoing connection{by}, to which the kernel gave it."
    return said, "Reserve it with `evict: true` (port_reservation): the connection is destroyed, nobody is ended."


#: Verdict → what to say, given the place, the owners and those who inherited it.
VERDICTS: Mapping[str, Callable[[str, str, str], Said]] = {
    "orphaned_listener": _orphaned,
    "leaked_to_heirs": _leaked,
    "hung_listener": _hung,
    "squatted": _squatted,
}

_DANGERS: Mapping[str, Said] = {
    "reservation_drift": (
        "What is reserved now is not what will be reserved after the next boot.",
        "`make reserve` sets both for what is declared; write the rest to the file of sysctl.d that sorts last.",
    ),
    "reservation_overridden": (
        "A file of sysctl.d wipes the ports that another one reserves.",
        "`make reserve` keeps all of them in one file that sorts last; remove one that sorts even later.",
    ),
    "descriptor_pressure": ("The descriptors of {} are nearly used up.", "Raise the limit, or find the leak."),
    "deleted_executable": (
        "The program of {} was replaced or removed since it was started.",
        "Restart it at a time of your choosing.",
    ),
    "close_wait_pileup": (
        "Connections that clients have closed are not closed by {}.",
        "Restart it to gain time, and report the fault.",
    ),
    "dual_stack_split": (
        "IPv4 and IPv6 clients are not served alike by {}.",
        "Bind both families to one service, or give the other one a port of its own.",
    ),
    "inheritable_listener": (
        "Every program that {} starts inherits its port.",
        "Set close-on-exec on the listening socket.",
    ),
}


def danger(rule: str, place: str, who: str) -> Said:
    """Say what endangers a port, or the host where there is none."""
    said, advice = _DANGERS[rule]
    subject = f"{who or _UNSEEN} on {place}" if place else "the host"
    return said.replace("{}", subject), advice


def _addresses(bound: Iterable[Bound]) -> str:
    named = [f"[{one.address}]" if ":" in one.address else one.address for one in bound]
    on = [f"{name}%{one.device}" if one.device else name for name, one in zip(named, bound, strict=True)]
    return listed(list(dict.fromkeys(on)))


def _declared_address(address: str) -> str:
    return {ANY: "any address", LOOPBACK: "loopback only", WILDCARD: _ALL}.get(address, address)


def _owners(declaration: Declaration) -> str:
    return " or ".join(owner.holder for owner in declaration.owners)


def _is(ports: tuple[PortRange, ...]) -> str:
    return "is" if len(ports) == 1 and ports[0].low == ports[0].high else "are"
