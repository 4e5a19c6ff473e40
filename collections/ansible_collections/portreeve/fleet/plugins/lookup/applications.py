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
        place of the applications. Those without a declared owner have none, nor have those with several.
    type: bool
    default: false
notes:
  - Each entry has C(name), up to 64 letters, digits and C(. _ @ -); C(ports), each a number such as V(8080) or a text
    such as V(8000-8010) or V(53/udp); and C(reserve), one of V(auto), V(always) and V(never).
  - Who should hold the ports is C(owner), at least one of C(unit), C(exe), C(user) and C(container), or a list of such
    dictionaries, any one of which may hold them. C(service) is the unit to start once they are free, C(strategy) and
    C(at_most) are as in M(portreeve.fleet.port_release).
  - C(address), C(listen) and C(severity) are for P(portreeve.fleet.policy#lookup).
  - A mistake is told in one sentence that names the variable, the entry, what is accepted and, where Ansible can tell,
    the file and line.
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
    - The applications by name, with C(name), C(ports) and C(reserve), and what is declared of C(owner), C(address),
      C(listen), C(severity), C(service), C(strategy) and C(at_most).
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

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ..plugin_utils.fleet.applications import merge_applications, mistakes_in
from ..plugin_utils.fleet.declarations import APPLICATIONS
from ..plugin_utils.fleet.translation import translated
from ..plugin_utils.inventory.variables import Inventory


class LookupModule(LookupBase):
    """Reads the variables of the host at hand, or of others."""

    def run(self, terms, variables=None, mistakes=None, releases=False, **kwargs):
        """Return the applications as they would be declared in a single list, or the sentences on what is wrong."""
        if terms or kwargs:
            raise AnsibleLookupError("The lookup of applications takes no arguments but mistakes and releases.")
        inventory = Inventory(self._loader, self._templar, variables, (APPLICATIONS,))
        if mistakes is not None:
            return inventory.mistakes(mistakes, lambda seen: mistakes_in(seen.declared, seen.origin))
        seen = inventory.at_hand()
        merged = translated(merge_applications, AnsibleLookupError)(seen.declared, seen.origin)
        if releases:
            return [release for one in merged for release in one.releases()]
        return [one.to_wire() for one in merged]
