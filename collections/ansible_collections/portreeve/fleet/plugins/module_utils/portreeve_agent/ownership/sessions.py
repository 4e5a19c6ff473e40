# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Login sessions: a session scope of logind, or an sshd that serves a user."""

from __future__ import annotations

from ..model import Owner, Process
from ..typed import TYPE_CHECKING

if TYPE_CHECKING:
    from .case import Case


def resolve(case: Case) -> Owner | None:
    """Return the login session a process belongs to."""
    placement = case.placement
    if not placement.session and placement.unit and not placement.unit.startswith("ssh"):
        return None
    login, shell = _sshd(case)
    if login is None and not placement.session:
        return None
    user, terminal = login or (None, None)
    if placement.session and user is None and placement.uid is not None:
        user = case.scene.user(placement.uid)
    client = case.scene.environment(shell.pid).get("SSH_CONNECTION", "").partition(" ")[0]
    detail = {key: value for key, value in {"tty": terminal, "from": client}.items() if value}
    return Owner(
        kind="session",
        name=placement.unit if placement.session and placement.unit else "%s@%s" % (user, terminal or "notty"),
        manager="logind" if placement.session else "sshd",
        id=placement.session,
        user=user,
        detail=detail or None,
        evidence="cgroup " + placement.path if placement.session else "sshd is an ancestor",
    )


def _sshd(case: Case) -> tuple[tuple[str, str | None] | None, Process]:
    """Return the login that an sshd above the process serves, and the process right below that sshd."""
    below = case.process
    for process in (case.process, *case.scene.ancestors(case.process)):
        if process.cgroup != case.process.cgroup:
            break
        login = parse_title(process)
        if login:
            return login, below
        below = process
    return None, case.process


def parse_title(process: Process) -> tuple[str, str | None] | None:
    """Return (user, terminal) from the title of a session's sshd: ``sshd: alice@pts/0``, ``sshd-session: alice@notty``.

    The listener, the monitor (``[priv]``) and connections not logged in yet are no session.
    """
    program = (process.exe or process.name).rpartition("/")[2]
    if not process.name.startswith("sshd") or not program.startswith("sshd") or len(process.cmdline) != 1:
        return None
    kind, _sep, title = process.cmdline[0].partition(": ")
    if kind not in ("sshd", "sshd-session") or not title or " " in title or title.startswith(("/", "[")):
        return None
    user, _sep, terminal = title.rpartition("@")
    if user and terminal.startswith(("pts/", "tty")):
        return user, terminal
    return (user, None) if user and terminal == "notty" else (title, None)
