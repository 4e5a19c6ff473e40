# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tells which reservations the applications of a host need."""

from __future__ import annotations

DOCUMENTATION = r"""
name: needed_reservations
author:
  - Portreeve contributors (@portreeve)
version_added: 0.1.0
short_description: Tell which reservations the applications of a host need
description:
  - Returns for each declared application what M(portreeve.fleet.port_reservation) is to be told on a host.
  - With C(reserve=auto) these are the application's ports in the host's range of automatic ports, with C(always) all
    of its ports, with C(never) none.
positional: low, high
options:
  _input:
    description: The applications, as P(portreeve.fleet.applications#lookup) returns them.
    type: list
    elements: dict
    required: true
  low:
    description: The lowest port that the host chooses automatically. Left out when it is not known.
    type: int
  high:
    description: The highest port that the host chooses automatically. Left out when it is not known.
    type: int
seealso:
  - plugin: portreeve.fleet.applications
    plugin_type: lookup
"""

EXAMPLES = r"""
# [{'name': 'billing', 'ports': ['36601'], 'state': 'present'}, {'name': 'shop', 'ports': [], 'state': 'absent'}]
- name: Show what needs to be reserved where the kernel chooses from 32768 to 60999
  ansible.builtin.debug:
    msg: "{{ applications | portreeve.fleet.needed_reservations(32768, 60999) }}"
  vars:
    applications:
      - name: billing
        ports: [8080, 36601]
      - name: shop
        ports: [8081]
"""

RETURN = r"""
_value:
  description: For each application its C(name), the C(ports) to reserve, and the C(state) of its reservation.
  type: list
  elements: dict
"""

from ansible.errors import AnsibleFilterError

from ..plugin_utils.fleet.applications import merge_applications, ports_to_reserve
from ..plugin_utils.fleet.translation import translated


def needed_reservations(applications, low=None, high=None):
    """Return what each application needs to have reserved, by name."""
    automatic = None if low is None or high is None else (low, high)
    return [
        {"name": one.name, "ports": [str(each) for each in ports], "state": "present" if ports else "absent"}
        for one in merge_applications({"the list of applications": applications})
        for ports in [ports_to_reserve(one, automatic)]
    ]


class FilterModule:
    """Makes the filter known to Ansible."""

    def filters(self):
        """Return the filter by its name."""
        return {"needed_reservations": translated(needed_reservations, AnsibleFilterError)}
