# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a port is held by whom it should be. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from .model import Holder, PortAnswer


@dataclass(frozen=True)
class Expectation:
    """Who should hold a port. All that is given must hold; ``free`` alone asks for a free port, together with
    the others it reads 'free or already mine'."""

    unit: str | None = None
    exe: str | None = None
    user: str | None = None
    container: str | None = None
    free: bool = False

    def __str__(self) -> str:
        wanted = [
            "%s %s" % (kind, value)
            for kind, value in (
                ("unit", self.unit),
                ("executable", self.exe),
                ("user", self.user),
                ("container", self.container),
            )
            if value
        ]
        return " or ".join((["free"] if self.free else []) + ([" and ".join(wanted)] if wanted else []))


def disappointment(expectation: Expectation, answer: PortAnswer) -> str | None:
    """Return the sentence that says why ``answer`` is not as expected, None when it is."""
    if answer.verdict == "free":
        if expectation.free:
            return None
    elif any((expectation.unit, expectation.exe, expectation.user, expectation.container)):
        holders = [holder for held in answer.sockets for holder in held.holders]
        held_by_all = all(held.holders for held in answer.sockets if held.socket.inode)
        if holders and held_by_all and all(_is_expected(expectation, holder) for holder in holders):
            return None
    return "%d/%s should be %s, but: %s" % (answer.port, answer.protocol, _should(expectation), answer.summary)


def _should(expectation: Expectation) -> str:
    text = str(expectation)
    return text if text == "free" else text.replace("free or ", "free or held by ") if expectation.free else "held by " + text


def _is_expected(expectation: Expectation, holder: Holder) -> bool:
    process, owner = holder.process, holder.owner
    if expectation.unit and not _is_unit(expectation.unit, holder):
        return False
    if owner.kind == "socket_unit" and expectation.unit:
        return True  # the manager's own executable and user say nothing about the unit it holds the port for
    if expectation.exe and expectation.exe not in (process.exe, (process.exe or "").rpartition("/")[2]):
        return False
    if expectation.user and expectation.user not in (process.user, str(process.uid)):
        return False
    if expectation.container:
        named = owner.kind == "container" and owner.name == expectation.container
        return named or bool(owner.id and len(expectation.container) >= 12 and owner.id.startswith(expectation.container))
    return True


def _is_unit(expected: str, holder: Holder) -> bool:
    wanted = expected if "." in expected else expected + ".service"
    detail = holder.owner.detail or {}
    return wanted in (holder.owner.name, detail.get("unit"), detail.get("triggers"))
