# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A service manager of systemd, asked and told by systemctl(1): the system's, or a user's own."""

from __future__ import annotations

from contextlib import suppress

from ...errors import Gone, NotApplied, NotPermitted, NotSupported
from ...host import Host
from ...masking import mask_secrets
from ...typed import Sequence
from ...verdicts.wording import one_line
from .unit_state import PROPERTIES, UnitState, is_unit_name, parse_units

_SECONDS = 10.0  # for systemctl to be answered; it does not wait for what it has ordered
_LONGEST_LINE = 300  # characters of a message in the journal


class Systemctl:
    """The manager that ``user`` names, None for the system's.

    A user's manager lets nobody else in, not even root, and a message bus by which root could ask for it (systemctl
    --machine) need not be there. So a second process becomes that user and connects to the manager's own socket, which
    is in the user's XDG_RUNTIME_DIR (tried on systemd 252, with and without a bus). What it says is what that user
    lets it say.
    """

    def __init__(self, host: Host, user: str | None) -> None:
        """Raises InvalidInput for a user who is not known on this host."""
        self._host = host
        self._uid = None if user is None else host.user_id(user)

    def show(self, *units: str) -> list[UnitState]:
        """Return the units in the order asked for, also those it does not know. Raises NotSupported, NotPermitted."""
        for unit in units:
            if not is_unit_name(unit):
                raise NotSupported("%s is not the name of a unit" % ascii(unit))
        found = parse_units(self._systemctl(["show", "--property=" + ",".join(PROPERTIES), "--", *units]))
        if len(found) != len(units):
            raise NotSupported("systemctl told of %d units, not of %d" % (len(found), len(units)))
        return found

    def order(self, verb: Sequence[str], *units: str) -> None:
        """Have something done to units that it was asked about before. Raises NotApplied where systemd refuses."""
        try:
            self._systemctl([*verb, "--no-ask-password", "--", *units])
        except NotSupported as error:
            raise NotApplied(str(error)) from error

    def last_words(self, unit: UnitState, seconds: float) -> str | None:
        """Return the last line that the unit's run wrote to the journal, else that the unit wrote within the last
        ``seconds``, else what systemd wrote of it then; None where that cannot be told. Secrets are masked.

        Of what a process wrote that has ended at once, journald may know the unit but not the run any more, and of a
        user's process neither.
        """
        recent = "--since=-%.1fs" % (seconds + 0.5)
        by, of = ("_SYSTEMD_UNIT", "UNIT") if self._uid is None else ("_SYSTEMD_USER_UNIT", "USER_UNIT")
        matches = [["%s=%s" % (by, unit.id), recent], ["%s=%s" % (of, unit.id), recent]]
        if unit.birth and unit.birth.isalnum():
            matches.insert(0, ["_SYSTEMD_INVOCATION_ID=" + unit.birth])
        with suppress(NotSupported):  # not before systemd 228
            self._host.run(["journalctl", "--sync"])  # what was written is there only when journald has read it
        try:
            for match in matches:
                # with --since alone, --lines counts from there on
                text = self._host.run(["journalctl", "--quiet", "--output=cat", "--reverse", "--lines=1", *match])
                line = text.rstrip().rpartition("\n")[2].strip()
                if line:
                    return one_line(mask_secrets((line,))[0][:_LONGEST_LINE])
        except NotSupported:
            pass
        return None

    def _systemctl(self, arguments: Sequence[str]) -> str:
        if self._uid is None:
            return self._run(["systemctl", *arguments])
        return self._as_user(self._uid, arguments)

    def _run(self, argv: list[str]) -> str:
        try:
            return self._host.run(argv, _SECONDS)
        except NotSupported as error:
            cause = error.__cause__
            if isinstance(cause, FileNotFoundError):
                raise NotSupported("there is no systemctl on this host: nothing can be done to its units") from error
            if cause is not None and not isinstance(cause, OSError):
                raise NotSupported("systemd has not answered within %d s" % _SECONDS) from error
            raise NotSupported(" ".join(str(error).split())) from error

    def _as_user(self, uid: int, arguments: Sequence[str]) -> str:
        place = "/run/user/%d" % uid
        try:
            self._host.inode(place + "/systemd/private")
        except Gone:
            raise NotSupported("uid %d has no service manager that runs" % uid) from None

        def work() -> str | NotSupported | NotPermitted:
            try:
                self._host.become(uid)
                return self._run(["env", "XDG_RUNTIME_DIR=" + place, "systemctl", "--user", *arguments])
            except (NotSupported, NotPermitted) as error:
                return error

        said = self._host.in_second_process(work, 2 * _SECONDS)()
        if isinstance(said, str):
            return said
        raise said
