# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All verdicts in order of precedence: the first that has something to say decides.

An explicit tuple, because Ansible ships to a host only what it can see imported.
"""

from __future__ import annotations

from ..record import dataclass
from ..typed import Callable, Optional
from . import (
    bound_not_listening,
    container_published,
    free,
    hung_listener,
    kernel_held,
    leaked_to_heirs,
    lingering,
    orphaned_listener,
    owned,
    passed_descriptor,
    reuseport_group,
    shared_workers,
    socket_activated,
    squatted,
    unknown,
)  # fmt: skip
from .case import Case, Judgement


@dataclass(frozen=True)
class Verdict:
    """A verdict's id and the function that judges by it."""

    id: str
    judge: Callable[[Case], Optional[Judgement]]


VERDICTS = tuple(
    Verdict(module.ID, module.judge)
    for module in (
        free,
        lingering,
        squatted,
        kernel_held,
        leaked_to_heirs,
        orphaned_listener,
        passed_descriptor,
        hung_listener,
        container_published,
        socket_activated,
        reuseport_group,
        bound_not_listening,
        shared_workers,
        owned,
        unknown,
    )
)


def judge(case: Case) -> tuple[str, Judgement]:
    """Return the id of the verdict that decides and what it says."""
    for verdict in VERDICTS:
        judgement = verdict.judge(case)
        if judgement is not None:
            return verdict.id, _with_doubt(case, judgement)
    raise AssertionError("the last verdict judges every case")


def _with_doubt(case: Case, judgement: Judgement) -> Judgement:
    """Say that others may hold a port as well, whom only root can see."""
    if not case.holders or "not root" not in case.unseen_holders:
        return judgement
    return Judgement(judgement.summary, judgement.advice[:-1] + "; but others may hold it as well: look again as root.")
