# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Words the verdicts share: how ports, owners, processes and times are named in a sentence."""

from __future__ import annotations

from ..model import HeldSocket, Holder, Owner
from ..typed import Mapping, Protocol
from .case import Case

_MOST_NAMED = 3
_KINDS = {
    "unit": "", "socket_unit": "", "container": "container ", "program": "supervised program ",
    "session": "login session ", "process": "process ", "kernel": "kernel ",
}  # fmt: skip


def one_line(text: str) -> str:
    """Return ``text`` with control characters shown as escapes, so that a sentence stays one line."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def listed(items: list[str], most: int = _MOST_NAMED) -> str:
    """Return ``listed(["a", "b", "c"]) == "a, b and c"``; what goes beyond ``most`` is counted."""
    if len(items) > most:
        items = items[:most] + ["%d more" % (len(items) - most)]
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def name_owner(owner: Owner) -> str:
    """Return the owner as an operator would call it: ``nginx.service``, ``container web (docker)``."""
    name = _KINDS.get(owner.kind, "") + one_line(owner.name)
    if owner.kind == "container" and owner.manager:
        name += " (%s)" % owner.manager
    if owner.user:
        name += " of user %s" % one_line(owner.user)
    return name


def name_process(holder: Holder) -> str:
    """Return ``nginx[812]``."""
    return name_mark(holder.process)


class Numbered(Protocol):
    """A process, or what tells it from others."""

    @property
    def name(self) -> str:
        """What it calls itself, which may be anything."""

    @property
    def pid(self) -> int:
        """Its number."""


def name_mark(process: Numbered) -> str:
    """Return ``nginx[812]``, on one line whatever the process calls itself."""
    return "%s[%d]" % (one_line(process.name), process.pid)


def name_processes(holders: tuple[Holder, ...]) -> str:
    """Return the first processes by name and how many more there are."""
    return listed([name_process(holder) for holder in holders])


def name_port(case: Case) -> str:
    """Return ``8080/tcp`` with the namespace where it is not the host's own."""
    port = "%d/%s" % (case.port, case.protocol)
    return port if case.namespace.kind == "host" else "%s in namespace %s" % (port, one_line(case.namespace.name))


def name_addresses(sockets: tuple[HeldSocket, ...]) -> str:
    """Return the local addresses, each once."""
    return listed(list(dict.fromkeys(name_address(held) for held in sockets)))


def name_address(held: HeldSocket) -> str:
    """Return the local address, IPv6 in brackets."""
    address = held.socket.local.address
    return "[%s]" % address if held.socket.family == 6 else address


def name_peers(sockets: tuple[HeldSocket, ...]) -> str:
    """Return the remote ends, each once: ``192.0.2.1:443 and [2001:db8::1]:443``."""
    peers = [(held.socket.family, held.socket.remote) for held in sockets if held.socket.remote]
    named = [("[%s]:%d" if family == 6 else "%s:%d") % peer for family, peer in peers]
    return listed(list(dict.fromkeys(named)))


def say_unaccepted(unaccepted: Mapping[str, int]) -> str:
    """Return ``12 connections wait for accept(), 3 of them closed by the peer``."""
    total, closed = sum(unaccepted.values()), unaccepted.get("CLOSE_WAIT", 0)
    waiting = "1 connection waits" if total == 1 else "%d connections wait" % total
    gone = ", %s closed by the peer" % ("%d of them" % closed if total > 1 else "already") if closed else ""
    return waiting + " for accept()" + gone


def name_duration(milliseconds: int) -> str:
    """Return whole seconds, rounded up: ``name_duration(1200) == "2 s"``."""
    return "%d s" % -(-milliseconds // 1000)
