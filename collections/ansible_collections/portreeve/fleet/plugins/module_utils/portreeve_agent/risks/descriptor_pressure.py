# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""descriptor_pressure: a process, or the host, is near to its most descriptors (getrlimit(2), proc_sys_fs(5))."""

from __future__ import annotations

from ..model import Snapshot
from ..typed import Iterator
from ..verdicts.case import Case
from ..verdicts.wording import name_process, one_line

ID = "descriptor_pressure"

_PRESSURE = 0.8  # share of a descriptor limit from which accept() may soon fail with EMFILE or ENFILE


def of_port(case: Case) -> Iterator[str]:
    """Name the holders that are near to their own limit."""
    for holder in case.holders:
        use = holder.process.descriptors
        if use and use.limit and use.open >= _PRESSURE * use.limit:
            yield "%s uses %d of %d descriptors." % (name_process(holder), use.open, use.limit)


def of_host(snapshot: Snapshot) -> Iterator[str]:
    """Say when the host is near to its limit, and name the processes that are near to theirs."""
    descriptors = snapshot.descriptors
    if descriptors is None:
        return
    if descriptors.used >= _PRESSURE * descriptors.maximum:
        yield "The host uses %d of %d descriptors." % (descriptors.used, descriptors.maximum)
    for process in descriptors.nearest:
        if process["open"] >= _PRESSURE * process["limit"]:
            use = one_line(process["name"]), process["pid"], process["open"], process["limit"]
            yield "%s[%d] uses %d of %d descriptors." % use
