# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a pattern of hosts, as after ``hosts:`` in a play, chooses one host, without a look at all the others."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection
from typing import Any

from ansible.inventory.manager import order_patterns, split_host_pattern


def is_chosen(inventory: Any, pattern: str, host: str) -> bool | None:
    """Return whether a pattern chooses a host of Ansible's inventory, None where others have to be looked at for that.

    They have to for positions, such as ``web[0]``, and for what is not in the inventory or no pattern.
    """
    known = inventory.get_host(host) if host in inventory.hosts else None
    if known is None:
        return None
    groups = {group.name for group in known.get_groups()} | {"all"}
    chosen = False
    for term in order_patterns(split_host_pattern(pattern)):
        bare = term[1:] if term[0] in "!&" else term
        matched = _matches(inventory, bare, host, groups)
        if matched is None:
            return None
        if term[0] == "!":
            chosen = chosen and not matched
        elif term[0] == "&":
            chosen = chosen and matched
        else:
            chosen = chosen or matched
    return chosen


def _matches(inventory: Any, term: str, host: str, groups: Collection[str]) -> bool | None:
    if term in inventory.hosts:
        return None if term in inventory.groups else term == host
    is_expression = term[:1] == "~"
    if not term or ("[" in term and not is_expression):
        return None
    try:
        wanted = re.compile(term[1:] if is_expression else fnmatch.translate(term))
    except re.error:
        return None
    if any(wanted.match(group) for group in groups):
        return True
    if not is_expression and not any(special in term for special in ".?*"):
        return False  # the name of another group, or of nothing
    return bool(wanted.match(host))
