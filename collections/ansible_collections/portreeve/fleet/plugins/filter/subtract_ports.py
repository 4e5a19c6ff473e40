# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Takes ports away from others."""

from __future__ import annotations

DOCUMENTATION = r"""
name: subtract_ports
author:
  - Portreeve contributors (@portreeve)
version_added: 0.1.0
short_description: Take ports away from others
description:
  - Returns those of the ports that none of the others is, as the fewest ranges, sorted.
  - A port without a protocol stands for that port of every protocol.
positional: ports
options:
  _input:
    description:
      - Ports, each a number such as V(8080) or a text such as V(8000-8010), V(53/udp) or V(8080,9000-9010), or lists
        of these in lists of any depth.
      - An empty text and an empty list hold no port.
    type: raw
    required: true
  ports:
    description: Ports to take away, in the same forms, as many as needed.
    type: raw
seealso:
  - plugin: portreeve.fleet.merge_ports
    plugin_type: filter
  - plugin: portreeve.fleet.compress_ports
    plugin_type: filter
"""

EXAMPLES = r"""
# ['9000-9004', '9006-9010']
- name: Show what is left of a range
  ansible.builtin.debug:
    msg: "{{ '9000-9010' | portreeve.fleet.subtract_ports(9005, ['9011-9020']) }}"
"""

RETURN = r"""
_value:
  description: The ports and ranges.
  type: list
  elements: str
"""

from ansible.errors import AnsibleFilterError

from ..plugin_utils.fleet.port_sets import subtract
from ..plugin_utils.fleet.translation import translated


def subtract_ports(*values):
    """Return the ports and ranges as texts."""
    return [str(one) for one in subtract(*values)]


class FilterModule:
    """Makes the filter known to Ansible."""

    def filters(self):
        """Return the filter by its name."""
        return {"subtract_ports": translated(subtract_ports, AnsibleFilterError)}
