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
notes:
  - Each entry has C(name), up to 64 letters, digits and C(. _ @ -); C(ports), each a number such as V(8080) or a text
    such as V(8000-8010) or V(53/udp); and C(reserve), one of V(auto), V(always) and V(never).
  - A mistake is told in one sentence that names the variable, the entry and what is accepted.
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
"""

RETURN = r"""
_list:
  description: The applications by name, with C(name), C(ports) and C(reserve).
  type: list
  elements: dict
  sample:
    - name: billing
      ports: ["36601", "37601-37610"]
      reserve: auto
"""

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ..plugin_utils.fleet.applications import is_declaration, merge_applications
from ..plugin_utils.fleet.translation import translated


class LookupModule(LookupBase):
    """Reads the variables of the host at hand."""

    def run(self, terms, variables=None, **kwargs):
        """Return the applications as they would be declared in a single list."""
        if terms or kwargs:
            raise AnsibleLookupError("The lookup of applications takes no arguments.")
        declared = {name: self._templar.template(value) for name, value in variables.items() if is_declaration(name)}
        return [one.to_wire() for one in translated(merge_applications, AnsibleLookupError)(declared)]
