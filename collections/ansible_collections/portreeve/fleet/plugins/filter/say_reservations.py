# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Says in one line what is reserved on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
name: say_reservations
author:
  - Portreeve contributors (@portreeve)
version_added: 0.1.0
short_description: Say in one line what is reserved on a host
description:
  - Says which ports are reserved by name, which are under no name, and how many automatic ports are left.
positional: host
options:
  _input:
    description: What M(portreeve.fleet.port_reservation) returned.
    type: dict
    required: true
  host:
    description: The name of the host.
    type: str
    required: true
seealso:
  - module: portreeve.fleet.port_reservation
"""

EXAMPLES = r"""
# web1 reserves 36601, now and after a boot; under no name now and after a boot: 3200-3299; automatic ports left: 28231
- name: Say what is reserved
  ansible.builtin.debug:
    msg: "{{ registered | portreeve.fleet.say_reservations(inventory_hostname) }}"
"""

RETURN = r"""
_value:
  description: The line.
  type: str
"""

from ansible.errors import AnsibleFilterError

from ..plugin_utils.fleet.applications import say_all
from ..plugin_utils.fleet.translation import translated


class FilterModule:
    """Makes the filter known to Ansible."""

    def filters(self):
        """Return the filter by its name."""
        return {"say_reservations": translated(say_all, AnsibleFilterError)}
