# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the variables of a host declare, for the host at hand of a lookup or for others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible.errors import AnsibleError
from jinja2.exceptions import TemplateError

from ...module_utils.portreeve_agent.errors import InvalidInput
from ..fleet.declarations import Family, is_declaration
from ..fleet.lists import located
from ..fleet.picture import plain
from .levels import Levels
from .origins import find_origin
from .patterns import is_chosen

_MOST_HOSTS = 5  # before a sentence


@dataclass(frozen=True)
class Seen:
    """The declaring variables that a host sees, worked out and as they were written, and a sentence for each that
    cannot be worked out."""

    host: str
    declared: Mapping[str, Any]
    written: Mapping[str, Any]
    failed: tuple[str, ...] = ()

    def origin(self, variable: str, position: int | None, key: str | None) -> str | None:
        """Return where something was said, as ``fleet.lists.Origin`` asks for it."""
        return find_origin((self.declared.get(variable), self.written.get(variable)), position, key)


class Inventory:
    """What a lookup is told of the inventory. ``families`` are the variables to look at."""

    def __init__(self, loader: Any, templar: Any, variables: Mapping[str, Any], families: tuple[Family, ...]) -> None:
        self._templar = templar
        self._variables = variables
        self._families = families
        self._levels = Levels(loader, variables, families)
        self._matching: dict[str, frozenset[str]] = {}
        # Most hosts see the same lists: what has no template is worked out once. Both are kept: an id stays theirs.
        self._fixed: dict[int, tuple[Any, Any]] = {}

    def at_hand(self) -> Seen:
        """Return what the host at hand sees; raises what Ansible raises for a template that cannot be worked out."""
        host = self._variables.get("inventory_hostname")
        self._levels.warn(host, self._variables)
        written = self._declarations(self._variables)
        return Seen(str(host), {name: self._templar.template(value) for name, value in written.items()}, written)

    def mistakes(self, hosts: Sequence[str], mistakes_of: Callable[[Seen], Iterable[str]]) -> list[str]:
        """Return a sentence for each mistake, after the hosts that have it where others do not.

        ``mistakes_of`` tells them by what is declared alone: it is not asked again for hosts that see the same.
        """
        found: dict[str, list[str]] = {}
        told: dict[frozenset[tuple[str, int]], tuple[str, ...]] = {}
        for host in hosts:
            seen = self._of(host)
            lists = frozenset((name, id(value)) for name, value in seen.written.items())
            sentences = told[lists] if lists in told else (*seen.failed, *mistakes_of(seen))
            if all(one in self._fixed for _name, one in lists):
                told[lists] = sentences
            for sentence in sentences:
                found.setdefault(sentence, []).append(host)
        return [_with_hosts(sentence, having, len(hosts)) for sentence, having in found.items()]

    def hosts_matching(self, pattern: str) -> frozenset[str]:
        """Return the hosts of the whole inventory that a pattern would choose for a play.

        Raises InvalidInput for what is no pattern.
        """
        if pattern not in self._matching:
            inventory = self._variables["hostvars"]._inventory
            try:
                hosts = inventory.get_hosts(pattern, ignore_limits=True, ignore_restrictions=True)
            except AnsibleError as error:
                accepted = "accepted is a pattern of hosts as in a play, such as web:!web9"
                raise InvalidInput(f"{str(error).rstrip('.')}: {accepted}") from None
            self._matching[pattern] = frozenset(one.name for one in hosts)
        return self._matching[pattern]

    def is_matched(self, pattern: str, host: str) -> bool:
        """Return whether a pattern would choose a host for a play. Raises InvalidInput for what is no pattern."""
        found = is_chosen(self._variables["hostvars"]._inventory, pattern, host)
        return host in self.hosts_matching(pattern) if found is None else found

    def _of(self, host: str) -> Seen:
        variables, templar = self._variables, self._templar
        if host != variables.get("inventory_hostname"):
            hostvars = variables["hostvars"]
            variables = {**hostvars.raw_get(host), "hostvars": hostvars}
            templar = templar.copy_with_new_env(available_variables=variables)
        self._levels.warn(host, variables)
        written = self._declarations(variables)
        declared, failed = {}, []
        for name, value in written.items():
            try:
                declared[name] = self._work_out(templar, value)
            except (AnsibleError, TemplateError) as error:
                sentence = f"{name} cannot be worked out: {str(error).rstrip('.')}."
                failed.append(located(sentence, find_origin((value,), None, None)))
        return Seen(host, declared, written, tuple(failed))

    def _work_out(self, templar: Any, value: Any) -> Any:
        if id(value) not in self._fixed:
            worked_out = templar.template(value)
            if plain(worked_out) != plain(value):  # Ansible's is_template() does not look into lists
                return worked_out
            self._fixed[id(value)] = value, worked_out
        return self._fixed[id(value)][1]

    def _declarations(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in variables.items() if is_declaration(name, self._families)}


def _with_hosts(sentence: str, hosts: Sequence[str], asked: int) -> str:
    if len(hosts) == asked:
        return sentence
    return f"{', '.join(hosts[:_MOST_HOSTS])}{', ...' if len(hosts) > _MOST_HOSTS else ''}: {sentence}"
