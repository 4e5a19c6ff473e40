# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""leaked_to_heirs: beside who made or serves a socket, others hold it that only inherited its descriptor."""

from __future__ import annotations

from .case import Case, Judgement
from .heirs import heirs_of, name_heirs, others_of
from .wording import listed, name_addresses, name_owner, name_port, name_processes

ID = "leaked_to_heirs"

_WAYS = {"tcp": ("detach it from", " (port_release)"), "udp": ("end or restart", "")}


def judge(case: Case) -> Judgement | None:
    """Judge a port that has heirs beside its creator, or beside somebody who serves it, be it by another socket."""
    shared = tuple(held for held in case.serving if heirs_of((held,)) and others_of((held,)))
    held = shared or tuple(held for held in case.serving if held.holders)
    heirs, rightful = heirs_of(held), others_of(held)
    if not heirs or not rightful:
        return None
    owners = listed(list(dict.fromkeys(name_owner(one.owner) for one in rightful)))
    return Judgement(
        "%s on %s belongs to %s (%s), but %s hold%s %s: inherited, not served."
        % (
            name_port(case),
            name_addresses(held),
            owners,
            name_processes(rightful),
            name_heirs(heirs),
            "s" if len(heirs) == 1 else "",
            "it too" if shared else "a socket of it",
        ),
        "Ending %s alone does not free it: %s %s as well%s, and set close-on-exec where it is made."
        % (name_processes(rightful), *_WAYS[case.protocol][:1], name_processes(heirs), *_WAYS[case.protocol][1:]),
    )
