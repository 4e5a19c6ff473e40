# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names ports that are free on every host."""

from __future__ import annotations

DOCUMENTATION = r"""
name: propose_ports
author:
  - Portreeve contributors (@portreeve)
version_added: 0.1.0
short_description: Name ports that are free on every host
description:
  - Names as many ports as an application needs that are outside of the automatic and the privileged range of every
    host, and neither held nor declared nor reserved on any of them, for TCP and UDP.
  - They are in one range where there is one, which starts at a number as round as can be; else in the fewest ranges.
  - A host of which not every socket was seen, or whose ranges are not known, is never taken for one on which a port is
    free. It is named and left out.
positional: count
options:
  _input:
    description: For each host by its name what M(portreeve.fleet.port_audit) returned there.
    type: dict
    required: true
  count:
    description: How many ports are needed.
    type: int
    required: true
seealso:
  - module: portreeve.fleet.port_audit
"""

EXAMPLES = r"""
- name: Say which 20 ports are free everywhere
  ansible.builtin.debug:
    msg: "{{ (audits | portreeve.fleet.propose_ports(20)).summary }}"
  vars:
    audits: "{{ dict(ansible_play_hosts_all | zip(ansible_play_hosts_all | map('extract', hostvars, 'audit'))) }}"
  run_once: true
"""

RETURN = r"""
_value:
  description:
    - C(ports) are the proposed ports and ranges, an empty list when there are too few.
    - C(hosts) is on how many hosts these are free, C(unknown) are the names of the others, C(available) is how many
      ports would do at all, and C(summary) says it in a sentence.
  type: dict
  sample:
    ports: ["20000-20019"]
    hosts: 3
    unknown: []
    available: 31744
    summary: "20 ports free on all 3 hosts, outside of every automatic range: 20000-20019"
"""

from ansible.errors import AnsibleFilterError

from ..plugin_utils.fleet.picture import merge
from ..plugin_utils.fleet.proposals import find_free
from ..plugin_utils.fleet.translation import translated


def propose_ports(registered, count):
    """Return the proposal and what it rests on."""
    if not isinstance(registered, dict):
        raise AnsibleFilterError("propose_ports takes what port_audit returned, by the name of the host.")
    found = find_free(merge(registered), count)
    return {
        "ports": [str(one) for one in found.ranges],
        "hosts": found.hosts,
        "unknown": list(found.unknown),
        "available": found.available,
        "summary": str(found),
    }


class FilterModule:
    """Makes the filter known to Ansible."""

    def filters(self):
        """Return the filter by its name."""
        return {"propose_ports": translated(propose_ports, AnsibleFilterError)}
