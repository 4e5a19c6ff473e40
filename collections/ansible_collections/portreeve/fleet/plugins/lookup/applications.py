# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads the applications that the inventory declares for a host."""

from __future__ import annotations

DOCUMENTATION = r"""
name: applications
author:
  - Portreeve contributors (@portreeve)
version_added: 0.1.0
short_description: Read the applications that the inventory declares for a host
description:
  - Merges every list that the host sees in a variable called C(portreeve_applications) or C(portreeve_applications_)
    and anything more. All groups, a group and the host itself can each have their own, none hides another.
  - Entries of the same name are one application with the ports of all of them.
options:
  _terms:
    description: Nothing.
  mistakes:
    description:
      - Names of hosts. What is wrong with their declarations is returned then in place of the applications.
      - For the host at hand this has the variables of the play as well, for others those of the inventory.
    type: list
    elements: str
  releases:
    description:
      - Whether to return what M(portreeve.fleet.port_release) is to be told to get the applications' ports back, in
        place of the applications. Those without a declared owner have none.
    type: bool
    default: false
notes:
  - Each entry has C(name), up to 64 letters, digits and C(. _ @ -); C(ports), each a number such as V(8080) or a text
    such as V(8000-8010) or V(53/udp); and C(reserve), one of V(auto), V(always) and V(never).
  - Who should hold the ports is C(owner), at least one of C(unit), C(exe), C(user) and C(container). C(service) is the
    unit to start once they are free, C(strategy) and C(at_most) are as in M(portreeve.fleet.port_release).
  - A mistake is told in one sentence that names the variable, the entry and what is accepted.
  - Warns of a variable whose name is almost one that declares applications, and of one that is hidden because another
    group or the host itself has a variable of the same name.
seealso:
  - plugin: portreeve.fleet.needed_reservations
    plugin_type: filter
"""

EXAMPLES = r"""
# group_vars/all.yml
# portreeve_applications:
#   - name: monitoring
#     ports: [9100]
#
# group_vars/billing.yml
# portreeve_applications_billing:
#   - name: billing
#     ports: [36601, "37601-37610"]
#     reserve: auto

- name: Show every port that an application of the host needs
  ansible.builtin.debug:
    msg: "{{ query('portreeve.fleet.applications') | map(attribute='ports') | portreeve.fleet.compress_ports }}"

- name: End here if anything is wrong with the declarations of any host
  ansible.builtin.assert:
    that: mistakes | length == 0
    fail_msg: "{{ mistakes }}"
  vars:
    mistakes: "{{ query('portreeve.fleet.applications', mistakes=ansible_play_hosts_all) }}"
  run_once: true
"""

RETURN = r"""
_list:
  description:
    - The applications by name, with C(name), C(ports) and C(reserve), and what is declared of C(owner), C(service),
      C(strategy) and C(at_most).
    - With O(releases), for each port C(application), C(place), such as V(8080/tcp), whether to C(reserve) it, and the
      C(options) of the module.
    - With O(mistakes), a sentence for each mistake, after the hosts that have it where others do not; none when all is
      well.
  type: list
  elements: raw
  sample:
    - name: billing
      ports: ["36601", "37601-37610"]
      reserve: auto
"""

from ansible.errors import AnsibleError, AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display
from ansible.vars.plugins import get_vars_from_inventory_sources, get_vars_from_path
from jinja2.exceptions import TemplateError

from ..plugin_utils.fleet.applications import merge_applications, mistakes_in
from ..plugin_utils.fleet.declarations import hidden, is_declaration, near_misses
from ..plugin_utils.fleet.picture import plain
from ..plugin_utils.fleet.translation import translated

_MOST_HOSTS = 5  # before a sentence


class LookupModule(LookupBase):
    """Reads the variables of the host at hand, or of others."""

    def run(self, terms, variables=None, mistakes=None, releases=False, **kwargs):
        """Return the applications as they would be declared in a single list, or the sentences on what is wrong."""
        if terms or kwargs:
            raise AnsibleLookupError("The lookup of applications takes no arguments but mistakes and releases.")
        levels = _Levels(self._loader, variables)
        if mistakes is None:
            levels.warn(variables.get("inventory_hostname"), variables)
            declared = {name: self._templar.template(value) for name, value in _declarations(variables).items()}
            merged = translated(merge_applications, AnsibleLookupError)(declared)
            if releases:
                return [release for one in merged for release in one.releases()]
            return [one.to_wire() for one in merged]
        found = {}
        for host in mistakes:
            for sentence in self._mistakes_of(host, variables, levels):
                found.setdefault(sentence, []).append(host)
        return [_with_hosts(sentence, hosts, len(mistakes)) for sentence, hosts in found.items()]

    def _mistakes_of(self, host, variables, levels):
        at_hand = host == variables.get("inventory_hostname")
        raw = variables if at_hand else variables["hostvars"].raw_get(host)
        levels.warn(host, raw)
        declared, failed = {}, []
        for name, value in _declarations(raw).items():
            try:
                declared[name] = plain(self._templar.template(value) if at_hand else variables["hostvars"][host][name])
            except (AnsibleError, TemplateError) as error:
                failed.append(f"{name} cannot be worked out: {error}.")
        return [*failed, *mistakes_in(declared)]


class _Levels:
    """What the groups of a host and the host itself say, each for itself: of all of it a host sees one value only."""

    def __init__(self, loader, variables):
        self._loader = loader
        # Ansible tells of groups and of what each says only here; without it nobody is warned.
        self._inventory = getattr(variables.get("hostvars"), "_inventory", None)
        self._directory = variables.get("playbook_dir") or "."
        self._read = {}

    def warn(self, name, seen):
        """Warn of what the host of that name does not see, though somebody wanted to declare it."""
        host = self._inventory.get_host(name) if self._inventory and name else None
        levels = {f"group {one.name}": self._said(one) for one in host.get_groups()} if host else {}
        if host:
            levels[f"host {name}"] = self._said(host)
        for sentence in (*near_misses(seen), *hidden(levels, seen)):
            Display().warning(sentence)

    def _said(self, entity):
        key = type(entity), entity.name
        if key not in self._read:
            beside_the_inventory = get_vars_from_inventory_sources(
                self._loader, self._inventory._sources, [entity], "task"
            )
            beside_the_play = get_vars_from_path(self._loader, self._directory, [entity], "task")
            self._read[key] = _declarations({**entity.get_vars(), **beside_the_inventory, **beside_the_play})
        return self._read[key]


def _declarations(variables):
    return {name: value for name, value in variables.items() if is_declaration(name)}


def _with_hosts(sentence, hosts, asked):
    if len(hosts) == asked:
        return sentence
    return f"{', '.join(hosts[:_MOST_HOSTS])}{', ...' if len(hosts) > _MOST_HOSTS else ''}: {sentence}"
