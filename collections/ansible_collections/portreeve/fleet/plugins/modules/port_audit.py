#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The whole picture of a host's ports."""

from __future__ import annotations

DOCUMENTATION = r"""
module: port_audit
short_description: Report every port of a host with all holders, owners and verdicts
version_added: 0.1.0
description:
  - The host's whole picture in a size that suits thousands of hosts. Sockets that listen, are bound, or are in trouble
    are reported in full; ordinary connections are only counted by state.
  - Adds what concerns the host as a whole, namely its automatic and reserved port ranges, its network namespaces, and
    how near it and its processes are to their limits of open descriptors.
  - Ports that lie in the automatic range, are not reserved, and are listened on or declared, carry the risk
    V(ephemeral_unreserved).
  - What could not be seen is reported in RV(blind_spots), never guessed. Run it as root for complete answers.
extends_documentation_fragment:
  - portreeve.fleet.attributes
  - portreeve.fleet.attributes.read_only
  - portreeve.fleet.look
options:
  declared:
    description:
      - Ports that applications on the host need, whether they run now or not, such as V(8080), V(8000-8010) or
        V(53/udp). At most 4096 ports.
      - Each of them is answered for in RV(ports), also when it is free, or held by no more than an outgoing connection.
    type: list
    elements: raw
    default: []
seealso:
  - module: portreeve.fleet.port_owner
author:
  - Portreeve contributors (@portreeve)
"""

EXAMPLES = r"""
- name: Take the picture
  portreeve.fleet.port_audit:
  register: audit

- name: See what has the ports that the applications need, and whether the kernel may give them away
  portreeve.fleet.port_audit:
    declared: [36601, 37601, "38601-38605/tcp"]

- name: Name what listens on TCP
  ansible.builtin.debug:
    msg: "{{ audit.ports | selectattr('protocol', 'eq', 'tcp') | map(attribute='summary') | list }}"
"""

RETURN = r"""
format:
  description: Name and version of this result's shape.
  returned: success
  type: str
  sample: portreeve.port_audit/1
complete:
  description: Whether everything relevant could be seen.
  returned: success
  type: bool
  sample: true
sockets_complete:
  description: >-
    Whether every socket of the host's own network namespace could be seen, be it without all its holders. Then a port
    without an answer is free.
  returned: success
  type: bool
  sample: true
blind_spots:
  description: What could not be seen, why, and how many of it.
  returned: success
  type: list
  elements: dict
  sample: []
agent:
  description: Version, sources read, and time taken in milliseconds.
  returned: success
  type: dict
  sample: {"version": "0.1.0", "scanner": "sock_diag", "elapsed_ms": 48}
host:
  description: Name, system, kernel and boot id of the machine that answered.
  returned: success
  type: dict
  sample: {"name": "web1", "system": "Linux", "kernel": "6.12.9", "boot_id": "0d8b7c5e-58a5-4f0b-9a26-4ed2f0a2c0c1"}
ports:
  description: One answer per held or declared port, as in the module M(portreeve.fleet.port_owner).
  returned: success
  type: list
  elements: dict
  sample: []
declared:
  description: The ports that were declared, merged and sorted.
  returned: success
  type: list
  elements: str
  sample: ["36601", "38601-38605/tcp"]
namespaces:
  description: The network namespaces of the host, by id (nsfs inode), name, kind and the path that opens them.
  returned: success
  type: list
  elements: dict
  sample: [{"id": 4026531840, "name": "host", "kind": "host", "path": "/proc/self/ns/net"}]
connections:
  description: Connections by namespace, protocol and state.
  returned: success
  type: list
  elements: dict
  sample: [{"namespace": 4026531840, "protocol": "tcp", "states": {"ESTABLISHED": 212, "TIME_WAIT": 40}}]
ranges:
  description: The range of automatic ports, the ports reserved from it, and the first unprivileged port.
  returned: success
  type: dict
  sample: {"automatic": [32768, 60999], "reserved": "36601,37601", "unprivileged_start": 1024}
descriptors:
  description: Open descriptors of the host, the most there may be, and the processes nearest to their own limit.
  returned: success
  type: dict
  sample: {"used": 9120, "maximum": 1048576, "nearest": [{"pid": 812, "name": "java", "open": 901, "limit": 1024}]}
risks:
  description: Dangers to the host as a whole, by id and summary.
  returned: success
  type: list
  elements: dict
  sample: [{"id": "descriptor_pressure", "summary": "java[812] uses 901 of 1024 descriptors."}]
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.portreeve_agent.packed import compile_once

compile_once()

from ..module_utils.portreeve_agent.errors import one_sentence
from ..module_utils.portreeve_agent.host import Host
from ..module_utils.portreeve_agent.looking import take_picture
from ..module_utils.portreeve_agent.model import PROTOCOLS
from ..module_utils.portreeve_agent.ports import SCANNERS

OPTIONS = {
    "declared": {"type": "list", "elements": "raw", "default": []},
    "protocol": {"type": "list", "elements": "str", "choices": list(PROTOCOLS), "default": list(PROTOCOLS)},
    "namespaces": {"type": "str", "default": "all"},
    "scanner": {"type": "str", "choices": list(SCANNERS), "default": "auto"},
    "show_secrets": {"type": "bool", "default": False},
}


def main() -> None:
    """Take the picture, or say in one sentence why not."""
    module = AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True)
    try:
        module.exit_json(**take_picture(Host(), module.params))
    except Exception as error:
        module.fail_json(msg=one_sentence(error))


if __name__ == "__main__":
    main()
