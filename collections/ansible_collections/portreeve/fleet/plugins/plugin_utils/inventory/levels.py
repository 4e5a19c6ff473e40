# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the groups of a host and the host itself say, each for itself: of all of it a host sees one value only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible.utils.display import Display
from ansible.vars.plugins import get_vars_from_inventory_sources, get_vars_from_path

from ..fleet.declarations import Family, hidden, is_declaration, near_misses


class Levels:
    """The levels of an inventory, of which each is read once."""

    def __init__(self, loader: Any, variables: Mapping[str, Any], families: Iterable[Family]) -> None:
        self._loader = loader
        # Ansible tells of groups and of what each says only here; without it nobody is warned.
        self._inventory: Any = getattr(variables.get("hostvars"), "_inventory", None)
        self._directory = variables.get("playbook_dir") or "."
        self._families = tuple(families)
        self._read: dict[tuple[type, str], dict[str, Any]] = {}

    def warn(self, name: str | None, seen: Mapping[str, Any]) -> None:
        """Warn of what the host of that name does not see, though somebody wanted to declare it."""
        host = self._inventory.get_host(name) if self._inventory and name else None
        levels = {f"group {one.name}": self._said(one) for one in host.get_groups()} if host else {}
        if host:
            levels[f"host {name}"] = self._said(host)
        for sentence in (*near_misses(seen, self._families), *hidden(levels, seen, self._families)):
            Display().warning(sentence)

    def _said(self, entity: Any) -> dict[str, Any]:
        key = type(entity), entity.name
        if key not in self._read:
            beside_the_inventory = get_vars_from_inventory_sources(
                self._loader, self._inventory._sources, [entity], "task"
            )
            beside_the_play = get_vars_from_path(self._loader, self._directory, [entity], "task")
            found = {**entity.get_vars(), **beside_the_inventory, **beside_the_play}
            self._read[key] = {name: value for name, value in found.items() if is_declaration(name, self._families)}
        return self._read[key]
