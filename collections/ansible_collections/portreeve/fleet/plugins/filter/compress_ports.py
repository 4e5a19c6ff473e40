# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes ports as one short text."""

from __future__ import annotations

DOCUMENTATION = r"""
name: compress_ports
author:
  - Portreeve contributors (@portreeve)
version_added: 0.1.0
short_description: Write ports as one short text
description:
  - Returns the ports of everything given as the fewest ranges, sorted, in one text with commas between them.
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
    description: More of the same, as many as needed.
    type: raw
seealso:
  - plugin: portreeve.fleet.subtract_ports
    plugin_type: filter
  - plugin: portreeve.fleet.merge_ports
    plugin_type: filter
"""

EXAMPLES = r"""
# '8080-8082,9000'
- name: Show ports as the kernel writes its list of reserved ones
  ansible.builtin.debug:
    msg: "{{ [8082, 8080, 8081, '9000'] | portreeve.fleet.compress_ports }}"
"""

RETURN = r"""
_value:
  description: The ports and ranges, empty when there is none.
  type: str
"""

from ansible.errors import AnsibleFilterError

from ..plugin_utils.fleet.port_sets import compress
from ..plugin_utils.fleet.translation import translated


class FilterModule:
    """Makes the filter known to Ansible."""

    def filters(self):
        """Return the filter by its name."""
        return {"compress_ports": translated(compress, AnsibleFilterError)}
