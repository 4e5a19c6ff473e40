# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Dangers beside the verdict. Pure."""

from __future__ import annotations

from .model import Risk, Snapshot
from .verdicts.case import Case
from .verdicts.wording import name_process, one_line

_PRESSURE = 0.8  # share of a descriptor limit from which accept() may soon fail with EMFILE or ENFILE
_PILE = 20  # connections in CLOSE_WAIT from which the server forgets to close them


def port_risks(case: Case) -> tuple[Risk, ...]:
    """Return what is dangerous about one port, sorted by id."""
    risks = []
    for holder in case.holders:
        if holder.process.exe_deleted:
            risks.append(
                Risk("deleted_executable", "%s runs a program that was replaced or removed." % name_process(holder))
            )
        use = holder.process.descriptors
        if use and use.limit and use.open >= _PRESSURE * use.limit:
            risks.append(
                Risk(
                    "descriptor_pressure", "%s uses %d of %d descriptors." % (name_process(holder), use.open, use.limit)
                )
            )
    piled = case.connections.get("CLOSE_WAIT", 0)
    if piled >= _PILE:
        risks.append(Risk("close_wait_pileup", "%d connections were closed by the peer but not by the server." % piled))
    return tuple(sorted(risks, key=lambda risk: (risk.id, risk.summary)))


def host_risks(snapshot: Snapshot) -> tuple[Risk, ...]:
    """Return what is dangerous about the host as a whole."""
    descriptors = snapshot.descriptors
    if descriptors is None:
        return ()
    risks = []
    if descriptors.used >= _PRESSURE * descriptors.maximum:
        text = "The host uses %d of %d descriptors." % (descriptors.used, descriptors.maximum)
        risks.append(Risk("descriptor_pressure", text))
    for process in descriptors.nearest:
        if process["open"] >= _PRESSURE * process["limit"]:
            use = one_line(process["name"]), process["pid"], process["open"], process["limit"]
            text = "%s[%d] uses %d of %d descriptors." % use
            risks.append(Risk("descriptor_pressure", text))
    return tuple(risks)
