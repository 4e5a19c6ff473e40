# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""deleted_executable: a holder runs a program whose file is gone (proc_pid_exe(5))."""

from __future__ import annotations

from ..typed import Iterator
from ..verdicts.case import Case
from ..verdicts.wording import name_process

ID = "deleted_executable"


def of_port(case: Case) -> Iterator[str]:
    """Name the holders whose executable was deleted."""
    for holder in case.holders:
        if holder.process.exe_deleted:
            yield "%s runs a program that was replaced or removed." % name_process(holder)
