# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which rules cannot be said to be kept on a host of which not all could be seen. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from .asking import are_all_asked
from .case import Broken, Case, Untold

#: What somebody breaks who cannot be seen among the holders of a port.
_OF_HOLDERS = (
    "orphaned_listener", "leaked_to_heirs", "hung_listener", "descriptor_pressure", "deleted_executable",
    "close_wait_pileup", "dual_stack_split", "inheritable_listener",
)  # fmt: skip
#: What somebody breaks whose socket cannot be seen; whose holder cannot be is told port by port, as it is that nobody
#: listens.
_OF_SOCKETS = ("wrong_owner", "wrong_address", "undeclared", "undeclared_automatic", "squatted")


def judge_blindness(case: Case) -> Iterator[Broken | Untold]:
    """Yield each rule that may be broken where nothing was seen; the place is then the whole host.

    What was found of it stands all the same.
    """
    if not are_all_asked(case.policy.declarations):
        yield Untold("squatted", "", "more ports are declared than a host can be asked for, so some were not looked at")
    if not case.picture.sockets_complete:
        for rule in (*_OF_SOCKETS, *_OF_HOLDERS):
            yield Untold(rule, "", "not all sockets of the host could be seen")
    elif not case.complete:
        for rule in _OF_HOLDERS:
            yield Untold(rule, "", "not all holders of ports could be seen")
