# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tells which reservations do not stand as they are needed."""

from __future__ import annotations

DOCUMENTATION = r"""
name: unmet_reservations
author:
  - Portreeve contributors (@portreeve)
version_added: 0.1.0
short_description: Tell which reservations do not stand as they are needed
description:
  - Returns of what P(portreeve.fleet.needed_reservations#filter) gives for a host the part that does not stand there
    exactly so, and what is not to be reserved and is.
positional: seen, persistent, runtime
options:
  _input:
    description: What is needed, each with C(name), C(ports) and C(state).
    type: list
    elements: dict
    required: true
  seen:
    description: The RV(portreeve.fleet.port_reservation#module:reservations) of the host.
    type: list
    elements: dict
    required: true
  persistent:
    description: Whether it is to stand after a boot.
    type: bool
    default: true
  runtime:
    description: Whether it is to stand now.
    type: bool
    default: true
seealso:
  - plugin: portreeve.fleet.needed_reservations
    plugin_type: filter
  - module: portreeve.fleet.port_reservation
"""

EXAMPLES = r"""
# ['shop']
- name: Show for which applications a run is due
  ansible.builtin.debug:
    msg: "{{ needed | portreeve.fleet.unmet_reservations(seen) | map(attribute='name') }}"
  vars:
    needed:
      - {name: billing, ports: ["36601"], state: present}
      - {name: shop, ports: ["36602-36603"], state: present}
    seen:
      - {name: billing, ports: "36601", runtime: true, persistent: true, only_now: "", only_after_boot: ""}
      - {name: shop, ports: "36602", runtime: true, persistent: true, only_now: "", only_after_boot: ""}
"""

RETURN = r"""
_value:
  description: The part of the input that is due.
  type: list
  elements: dict
"""

from ansible.errors import AnsibleFilterError

from ..plugin_utils.fleet.applications import unmet
from ..plugin_utils.fleet.translation import translated


def unmet_reservations(needed, seen, persistent=True, runtime=True):
    """Return what is due, in the order of what is needed."""
    return list(unmet(needed, seen, persistent, runtime))


class FilterModule:
    """Makes the filter known to Ansible."""

    def filters(self):
        """Return the filter by its name."""
        return {"unmet_reservations": translated(unmet_reservations, AnsibleFilterError)}
