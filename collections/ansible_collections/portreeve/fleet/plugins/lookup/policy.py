# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads what the inventory holds a host against."""

from __future__ import annotations

DOCUMENTATION = r"""
name: policy
author:
  - Portreeve contributors (@portreeve)
version_added: 0.1.0
short_description: Read the policy that the inventory has for a host
description:
  - Merges what the host sees in the variables C(portreeve_applications), C(portreeve_allowed), C(portreeve_waivers) and
    C(portreeve_severities), and in every variable whose name begins with one of these and C(_). All groups, a group and
    the host itself can each have their own, none hides another.
  - Waivers whose C(hosts) do not match the host are left out.
options:
  _terms:
    description: Nothing.
  mistakes:
    description:
      - Names of hosts. What is wrong with their policies is returned then in place of a policy.
      - For the host at hand this has the variables of the play as well, for others those of the inventory.
    type: list
    elements: str
notes:
  - C(portreeve_applications) is a list as for P(portreeve.fleet.applications#lookup). C(portreeve_allowed) is a list of
    what else may listen, with C(name) and C(ports), and, if need be, C(owner), C(address), C(severity) and C(reason).
  - C(portreeve_waivers) is a list with C(reason) and C(expires), such as V(2026-12-31), and may have C(rule), C(ports)
    and C(hosts), a pattern as in a play. C(portreeve_severities) is a dictionary of severities by rule.
  - A mistake is told in one sentence that names the file and line where Ansible can tell, the variable, the entry and
    what is accepted.
  - Warns of a variable whose name is almost one of these, of one that is hidden because another group or the host
    itself has a variable of the same name, and of a waiver whose C(hosts) match no host of the inventory.
seealso:
  - plugin: portreeve.fleet.applications
    plugin_type: lookup
"""

EXAMPLES = r"""
# group_vars/pay.yml
# portreeve_applications_pay:
#   - name: ledger
#     ports: [7766]
#     owner: {unit: ledger.service}
#     address: loopback
# portreeve_waivers_pay:
#   - rule: wrong_address
#     ports: [7766]
#     hosts: pay9
#     reason: the old agent asks from outside until it is replaced
#     expires: 2026-12-31

- name: Show what a host is held against
  ansible.builtin.debug:
    msg: "{{ query('portreeve.fleet.policy') | first }}"

- name: End here if anything is wrong with the policy of any host
  ansible.builtin.assert:
    that: mistakes | length == 0
    fail_msg: "{{ mistakes }}"
  vars:
    mistakes: "{{ query('portreeve.fleet.policy', mistakes=ansible_play_hosts_all) }}"
  run_once: true
"""

RETURN = r"""
_list:
  description:
    - The policy, one dictionary with C(declarations), C(waivers) and C(severities).
    - With O(mistakes), a sentence for each mistake, after the hosts that have it where others do not; none when all is
      well.
  type: list
  elements: raw
  sample:
    - format: portreeve.policy/1
      declarations:
        - name: ledger
          ports: [7766/tcp]
          address: loopback
          owners: [{unit: ledger.service}]
          listen: must
          reserve: auto
          severity: null
          is_application: true
      waivers: []
      severities: {}
"""

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display

from ..plugin_utils.fleet.declarations import POLICY
from ..plugin_utils.fleet.translation import translated
from ..plugin_utils.inventory.variables import Inventory
from ..plugin_utils.policy.reading import mistakes_in_policy, read_policy, waivers_for_nobody


class LookupModule(LookupBase):
    """Reads the variables of the host at hand, or of others."""

    def run(self, terms, variables=None, mistakes=None, **kwargs):
        """Return the policy of the host at hand in a list, or the sentences on what is wrong."""
        if terms or kwargs:
            raise AnsibleLookupError("The lookup of a policy takes no argument but mistakes.")
        inventory = Inventory(self._loader, self._templar, variables, POLICY)
        if mistakes is None:
            seen = inventory.at_hand()
            read = translated(read_policy, AnsibleLookupError)
            return [read(seen.declared, inventory.is_matched, seen.host, seen.origin).to_wire()]
        in_vain = {}

        def mistakes_of(seen):
            in_vain.update(dict.fromkeys(waivers_for_nobody(seen.declared, inventory.hosts_matching, seen.origin)))
            return mistakes_in_policy(seen.declared, inventory.is_matched, seen.host, seen.origin)

        found = inventory.mistakes(mistakes, mistakes_of)
        for sentence in in_vain:
            Display().warning(sentence)
        return found
