#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who holds a port on a host, and what that means."""

from __future__ import annotations

DOCUMENTATION = r"""
module: port_owner
short_description: Tell who holds a port, all of its holders, and what it means
version_added: 0.1.0
description:
  - Reads the kernel's socket tables and every process's descriptors, and names all holders of the ports asked for
    with their owners (systemd unit, container, supervised program, login session or bare process), a verdict in one
    sentence, and the least harmful way to free the port.
  - Sees what is bound but not listening, connections that linger without a process, descriptors held by threads, in
    flight in a UNIX socket or registered with an io_uring, in every network namespace of the host.
  - What could not be seen is reported in RV(blind_spots), never guessed. Run it as root for complete answers.
extends_documentation_fragment:
  - portreeve.fleet.attributes
  - portreeve.fleet.attributes.read_only
  - portreeve.fleet.look
options:
  port:
    description:
      - The ports to ask about, as numbers, ranges such as V(8000-8010), or with a protocol such as V(53/udp).
      - Without it, every port that something holds.
      - A port that nothing holds is answered as well, unless more than 4096 ports are asked for.
    type: list
    elements: raw
  address:
    description:
      - Only sockets that a bind to this address would meet count.
      - A socket bound to a wildcard address meets every address of its family; V(::) meets IPv4 too unless
        IPV6_V6ONLY is set.
    type: str
  bind:
    description:
      - A bind that somebody is to do, or that failed. RV(ports[].bind) says what would come of it and why.
      - Only with O(port). What is left out is as a plain server has it.
    type: dict
    suboptions:
      address:
        description: The address. If left out, V(0.0.0.0), or V(::) with O(bind.v6only).
        type: str
      protocol:
        description: V(tcp) or V(udp); if left out, each of O(protocol).
        type: str
      reuseaddr:
        description: Whether SO_REUSEADDR is set. If left out, it is on TCP and is not on UDP.
        type: bool
      reuseport:
        description: Whether SO_REUSEPORT is set; if left out, it is not.
        type: bool
      v6only:
        description: Whether IPV6_V6ONLY is set; if left out, it is not.
        type: bool
      device:
        description: The interface to which SO_BINDTODEVICE limits the socket.
        type: str
      user:
        description:
          - Who binds, by name or uid; root if left out.
          - Anybody else is taken to lack CAP_NET_BIND_SERVICE.
        type: str
  expect:
    description:
      - Who should hold the ports. The task fails with one sentence when somebody else does, or nobody.
      - All suboptions that name a holder must be true of every holder of the port.
      - A port asked for without a protocol may be held on one protocol and free on the other.
      - Ports are looked at in the host's own network namespace, or in the one of O(namespaces).
    type: dict
    suboptions:
      unit:
        description:
          - A systemd unit such as V(nginx.service); V(.service) may be left out.
          - A socket unit counts for its service.
        type: str
      exe:
        description: The executable, as a path or as its last part.
        type: str
      user:
        description: The user that the process runs as, by name or uid.
        type: str
      container:
        description: The container's name, or at least the first 12 characters of its id.
        type: str
      free:
        description:
          - The port may be free. Alone it must be free.
          - Together with the other suboptions this reads "free or already mine", the check before an installation.
        type: bool
        default: false
author:
  - Portreeve contributors (@portreeve)
"""

EXAMPLES = r"""
- name: Who holds 8080?
  portreeve.fleet.port_owner:
    port: 8080
  register: owner

- name: Say it in one sentence per port
  ansible.builtin.debug:
    msg: "{{ owner.ports | map(attribute='summary') | list }}"

- name: Before an installation, these must be free or already ours
  portreeve.fleet.port_owner:
    port: [80, 443]
    protocol: tcp
    expect:
      unit: nginx.service
      free: true

- name: Why can a second worker not bind?
  portreeve.fleet.port_owner:
    port: 8080
    protocol: tcp
    bind:
      address: 127.0.0.1
      reuseport: true
      user: www-data
  register: second

- name: Say what bind() would return
  ansible.builtin.debug:
    msg: "{{ second.ports[0].bind.result }}: {{ second.ports[0].bind.because | map(attribute='rule') | list }}"

- name: The resolver on loopback only, on UDP and TCP
  portreeve.fleet.port_owner:
    port: 53
    address: 127.0.0.1
    expect:
      unit: dnsmasq

# The same from a shell:
#   ansible all -m portreeve.fleet.port_owner -a 'port=8080'
"""

RETURN = r"""
format:
  description: Name and version of this result's shape.
  returned: always
  type: str
  sample: portreeve.port_owner/1
complete:
  description: Whether everything relevant could be seen.
  returned: success
  type: bool
  sample: true
blind_spots:
  description: What could not be seen, why, and how many of it.
  returned: success
  type: list
  elements: dict
  sample: [{"what": "descriptors of other processes", "why": "permission denied (not root)", "count": 87}]
agent:
  description: Version, sources read, and time taken in milliseconds.
  returned: success
  type: dict
  sample: {"version": "0.1.0", "scanner": "sock_diag", "elapsed_ms": 21}
host:
  description: Name, system, kernel and boot id of the machine that answered.
  returned: success
  type: dict
  sample: {"name": "web1", "system": "Linux", "kernel": "6.12.9", "boot_id": "0d8b7c5e-58a5-4f0b-9a26-4ed2f0a2c0c1"}
ports:
  description: One answer per port, protocol and network namespace, sorted.
  returned: success
  type: list
  elements: dict
  contains:
    port:
      description: The port.
      type: int
    protocol:
      description: V(tcp) or V(udp).
      type: str
    namespace:
      description: The network namespace, by id (nsfs inode), name, kind and the path that opens it.
      type: dict
    verdict:
      description:
        - What the state of the port means.
        - One of V(free), V(owned), V(shared_workers), V(reuseport_group), V(socket_activated), V(container_published),
          V(leaked_to_heirs), V(orphaned_listener), V(passed_descriptor), V(hung_listener), V(bound_not_listening),
          V(lingering), V(squatted), V(kernel_held), V(unknown).
      type: str
    summary:
      description: The verdict as one plain sentence.
      type: str
    advice:
      description: The least harmful next step as one sentence.
      type: str
    risks:
      description: Dangers beside the verdict, by id and summary.
      type: list
      elements: dict
    connections:
      description: How many connections have this local port, by state.
      type: dict
    unaccepted:
      description: How many of them still wait for their listener's accept(), by state; null where that cannot be told.
      type: dict
    bind:
      description: >-
        What the bind of O(bind), or else that of a plain server, would return now. Null without O(port), and for the
        other protocol where O(bind.protocol) names one.
      type: dict
      contains:
        address:
          description: The address that would be bound.
          type: str
        options:
          description: What would be set before, as in O(bind).
          type: dict
        result:
          description: >-
            V(ok), the name of an errno such as V(EADDRINUSE), or V(unknown) if what decides could not be seen.
          type: str
        listen:
          description: What listen() would return after it, null where bind() fails.
          type: str
        because:
          description: >-
            Which sockets decide, by state, local address, inode and process ids, each with the rule by which it
            does. The socket is null where a setting of the host decides.
          type: list
          elements: dict
        tried:
          description: >-
            Whether that very bind was tried, as is done where only connections without a process are left.
          type: bool
    sockets:
      description: >-
        Every socket of the port except the ordinary connections of a listener; with its state, addresses, kernel
        identity, backlog, creator and all C(holders), each with process, descriptor and owner.
      type: list
      elements: dict
  sample:
    - port: 8080
      protocol: tcp
      namespace: {"id": 4026531840, "name": "host", "kind": "host", "path": "/proc/self/ns/net"}
      verdict: owned
      summary: "8080/tcp on 0.0.0.0 is held by billing.service: java[812]."
      advice: To free it, restart or stop billing.service.
      risks: []
      connections: {"ESTABLISHED": 12}
      unaccepted: {}
      bind:
        address: 0.0.0.0
        options: {"reuseaddr": true, "reuseport": false, "v6only": false, "device": null, "user": null}
        result: EADDRINUSE
        listen: null
        because:
          - socket: {"state": "LISTEN", "local": {"address": "0.0.0.0", "port": 8080}, "inode": 4711, "pids": [812]}
            rule: it listens, against which SO_REUSEADDR does not help
        tried: false
      sockets: []
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.portreeve_agent.packed import compile_once

compile_once()

from ..module_utils.portreeve_agent.errors import one_sentence
from ..module_utils.portreeve_agent.host import Host
from ..module_utils.portreeve_agent.looking import look_at_ports
from ..module_utils.portreeve_agent.model import PROTOCOLS
from ..module_utils.portreeve_agent.ports import SCANNERS

EXPECT_OPTIONS = {
    **{holder: {"type": "str"} for holder in ("unit", "exe", "user", "container")},
    "free": {"type": "bool", "default": False},
}

BIND_OPTIONS = {
    **{name: {"type": "str"} for name in ("address", "protocol", "device", "user")},
    **{flag: {"type": "bool"} for flag in ("reuseaddr", "reuseport", "v6only")},
}

OPTIONS = {
    "port": {"type": "list", "elements": "raw"},
    "protocol": {"type": "list", "elements": "str", "choices": list(PROTOCOLS), "default": list(PROTOCOLS)},
    "address": {"type": "str"},
    "namespaces": {"type": "str", "default": "all"},
    "scanner": {"type": "str", "choices": list(SCANNERS), "default": "auto"},
    "show_secrets": {"type": "bool", "default": False},
    "bind": {"type": "dict", "options": BIND_OPTIONS},
    "expect": {"type": "dict", "options": EXPECT_OPTIONS},
}


def main() -> None:
    """Answer the question of the task in one sentence or in full."""
    module = AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True)
    try:
        answer(module)
    except Exception as error:
        module.fail_json(msg=one_sentence(error))


def answer(module: AnsibleModule) -> None:
    """Look at the ports, compare them with what is expected, and end the module."""
    result, disappointment = look_at_ports(Host(), module.params)
    if disappointment:
        module.fail_json(msg=disappointment, **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
