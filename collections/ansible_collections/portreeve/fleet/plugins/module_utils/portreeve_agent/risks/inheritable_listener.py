# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""inheritable_listener: whatever a script starts will hold the script's port as well (fcntl(2), FD_CLOEXEC)."""

from __future__ import annotations

from ..typed import Iterator
from ..verdicts.case import Case
from ..verdicts.wording import name_process

ID = "inheritable_listener"

# Most servers in C leave the flag out and start nothing; what starts other programs all day are scripts.
_INTERPRETERS = ("python", "pypy", "perl", "ruby", "php", "tclsh", "lua")
_SHELLS = frozenset(("sh", "ash", "bash", "dash", "ksh", "zsh"))


def of_port(case: Case) -> Iterator[str]:
    """Name the script that alone holds a listener through a descriptor that is not close-on-exec.

    Not said of what several processes hold (they share it on purpose, or the verdict says that it leaked), nor of what
    was handed over or inherited.
    """
    for held in case.serving:
        holders = held.holders
        if held.socket.state != "LISTEN" or len({holder.pid for holder in holders}) != 1:
            continue
        script = _is_script(holders[0].process.exe) and holders[0].role != "heir"
        if script and all(one.cloexec is False and one.via == "descriptor" for one in holders):
            yield "%s leaves this port to every program it starts: not close-on-exec." % name_process(holders[0])


def _is_script(exe: str | None) -> bool:
    program = (exe or "").rpartition("/")[2]
    return program.startswith(_INTERPRETERS) or program in _SHELLS
