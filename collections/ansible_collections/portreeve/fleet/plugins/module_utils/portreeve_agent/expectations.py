# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a port is held by whom it should be. Pure."""

from __future__ import annotations

from .errors import InvalidInput
from .model import Owner, PortAnswer
from .ports import PortRange, describe
from .record import dataclass
from .typed import Protocol

_SHORT_ID = 12  # as engines shorten the id of a container


class Program(Protocol):
    """What an expectation asks of a process; None where it is not known."""

    @property
    def exe(self) -> str | None:
        """Its executable as a path."""

    @property
    def user(self) -> str | None:
        """The name of its user."""

    @property
    def uid(self) -> int | None:
        """The number of its user."""


class Held(Protocol):
    """A holder, or several that are alike."""

    @property
    def process(self) -> Program:
        """What holds."""

    @property
    def owner(self) -> Owner:
        """Whose it is."""


@dataclass(frozen=True)
class Expectation:
    """Who should hold a port. All that is given must hold; ``free`` alone asks for a free port, together with
    the others it reads 'free or already mine'."""

    unit: str | None = None
    exe: str | None = None
    user: str | None = None
    container: str | None = None
    free: bool = False

    def __post_init__(self) -> None:
        for what, name in self._holder:
            if name == "":
                raise InvalidInput("the expected %s is empty: accepted is the name of one, or nothing at all" % what)

    @property
    def holder(self) -> str:
        """The holder in words, empty when none is expected: ``unit nginx.service and user www-data``."""
        return " and ".join("%s %s" % part for part in self._holder if part[1])

    @property
    def _holder(self) -> tuple[tuple[str, str | None], ...]:
        return ("unit", self.unit), ("executable", self.exe), ("user", self.user), ("container", self.container)

    def __str__(self) -> str:
        holder = "held by " + self.holder if self.holder else ""
        return " or ".join(part for part in ("free" if self.free else "", holder) if part)


def disappointment(
    expectation: Expectation, answers: tuple[PortAnswer, ...], asked: tuple[PortRange, ...], unseen_sockets: str
) -> str | None:
    """Return the sentence that says which port is not as expected, None when all are.

    A port asked for without a protocol may be held on one protocol and free on the other. One without an answer, as
    those of very many that nothing seems to hold, is free unless sockets may be missing: ``unseen_sockets`` says why.
    """
    if not str(expectation):
        return None
    cases: dict[tuple[int, str | None], list[PortAnswer]] = {}
    for answer in answers:
        cases.setdefault((answer.port, _asked_protocol(answer, asked)), []).append(answer)
    for together in cases.values():
        held = [answer for answer in together if answer.verdict != "free"]
        wrong = [answer for answer in held if not _is_held_as_expected(expectation, answer)]
        if wrong or (not held and not expectation.free):
            answer = (wrong or together)[0]
            return "%d/%s should be %s, but: %s" % (answer.port, answer.protocol, expectation, answer.summary)
    unlisted = {port for one in asked for port in range(one.low, one.high + 1)} - {answer.port for answer in answers}
    if not unlisted or (expectation.free and not unseen_sockets):
        return None
    found = "%s should be %s, but " % (describe(asked), expectation)
    if unseen_sockets:
        return found + "whether %d of them are free could not be seen: %s." % (len(unlisted), unseen_sockets)
    return found + "%d of them are free." % len(unlisted)


def _asked_protocol(answer: PortAnswer, asked: tuple[PortRange, ...]) -> str | None:
    named = any(one.low <= answer.port <= one.high and one.protocol == answer.protocol for one in asked)
    return answer.protocol if named else None


def _is_held_as_expected(expectation: Expectation, answer: PortAnswer) -> bool:
    if not expectation.holder:
        return False
    holders = [holder for held in answer.sockets for holder in held.holders]
    all_seen = all(held.holders for held in answer.sockets if held.socket.inode)
    return bool(holders) and all_seen and all(is_expected(expectation, holder) for holder in holders)


def is_expected(expectation: Expectation, holder: Held) -> bool:
    """Return whether a holder is all that is expected of one."""
    process, owner = holder.process, holder.owner
    if expectation.unit and not (_is_unit(expectation.unit, owner) and _is_manager_of(expectation.user, holder)):
        return False
    if owner.kind == "socket_unit" and expectation.unit:
        return True  # the manager's own executable and user say nothing about the unit it holds the port for
    if expectation.exe and expectation.exe not in (process.exe, (process.exe or "").rpartition("/")[2]):
        return False
    if expectation.user and expectation.user not in (process.user, str(process.uid)):
        return False
    if expectation.container:
        wanted = expectation.container
        named = owner.kind == "container" and owner.name == wanted
        return named or bool(owner.id and len(wanted) >= _SHORT_ID and owner.id.startswith(wanted))
    return True


def _is_unit(expected: str, owner: Owner) -> bool:
    """Anybody may give a process or a container the name of a unit: their names do not count."""
    detail = owner.detail or {}
    names = {detail.get("unit")} if owner.kind in ("container", "program") else set()
    if owner.kind in ("unit", "socket_unit"):
        names = {owner.name, owner.id, detail.get("triggers")}
    if owner.kind == "socket_unit" and "triggers" not in detail:
        names.add(owner.name.rpartition(".socket")[0] + ".service")  # unless it says otherwise, systemd.socket(5)
    return (expected if "." in expected else expected + ".service") in names


def _is_manager_of(user: str | None, holder: Held) -> bool:
    """Return whether a unit is the system's own, or that of the user who is expected by name or uid."""
    owner, process = holder.owner, holder.process
    return owner.user is None or user == owner.user or (process.user == owner.user and user == str(process.uid))
