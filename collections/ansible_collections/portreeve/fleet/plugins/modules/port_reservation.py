#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ports kept out of the kernel's automatic choice, by whose they are."""

from __future__ import annotations

DOCUMENTATION = r"""
module: port_reservation
short_description: Reserve ports so that the kernel never gives them to an outgoing connection
version_added: 0.1.0
description:
  - Keeps the ports of applications out of the kernel's automatic choice (C(net.ipv4.ip_local_reserved_ports)), now and
    after every boot.
  - Each reservation has a name, of the application for instance, and is a set of ports. All of them are merged into the
    one list that the kernel has. A port that several reserve stays until the last of them gives it back.
  - What others reserve, in the kernel or in a file of sysctl.d, is kept and shown. Only O(exclusive=true) removes it.
  - Compares sets of ports, never text, so a second run changes nothing. A list of any length is written whole, read
    back, and put back as it was where it does not come out right.
  - A run repairs the reservations of all names, not only its own, and tells in RV(drift) what somebody had taken away.
  - An explicit bind to a reserved port works as before, and whoever has a port already is not disturbed. RV(squatters)
    and RV(lingering) name those in the way; O(evict) frees the ports from them without ending a process.
extends_documentation_fragment:
  - portreeve.fleet.attributes
  - portreeve.fleet.attributes.acting
attributes:
  check_mode:
    details: Predicts the same result that the run would have.
  diff_mode:
    details: One line for each port or range, for the kernel's list, for the list after a boot, and for each name.
options:
  name:
    description:
      - Whose reservation it is. One task for a name says all of its ports.
      - Up to 64 letters, digits and any of C(._@-), a letter or digit first.
    type: str
    required: true
  ports:
    description:
      - The ports, as numbers, ranges such as V(37601-37610), or several in one string such as V(8080,9000-9010).
      - With O(state=present), the reservation is exactly these afterwards; what it held beyond them is given back.
        Needed then, unless O(adopt) is set.
      - With O(state=absent), they are not looked at.
      - The kernel reserves a port for every protocol, so V(53/udp) reserves the same as V(53).
    type: list
    elements: raw
  state:
    description:
      - V(present) makes it so that O(name) reserves O(ports), V(absent) that it reserves nothing any more.
    type: str
    choices: [present, absent]
    default: present
  persistent:
    description:
      - Whether the reservation is for the time after the next boot, through
        C(/etc/sysctl.d/zz-portreeve-reserved-ports.conf).
      - If left out, it is in the host's own network namespace. A boot concerns no other, so there V(true) is refused.
      - With V(false), that file is left as it is.
    type: bool
  runtime:
    description:
      - Whether the reservation is for the time until the next boot, in the running kernel.
      - With V(false), the kernel's list is left as it is.
    type: bool
    default: true
  exclusive:
    description:
      - Whether ports that no name reserves go. Run it in check mode with C(--diff) first; RV(removed) tells which went.
      - Files of others stay as they are. What they set is left out of the list that wins after a boot.
    type: bool
    default: false
  adopt:
    description:
      - Whether everything that is reserved without a name becomes part of this reservation, which gives nothing back in
        that run.
      - Meant for the first run on a host that has a list already. RV(ports) is what to declare from then on.
    type: bool
    default: false
  evict:
    description:
      - Whether to free O(ports) from outgoing connections that have them as their automatic local port, and from what
        is left of such. The connections are destroyed; no process ends. The peer sees a reset, the process an error,
        and what was not delivered yet is lost.
      - Never those that a server accepted, none whose program bound the port itself, and none that the SSH connection
        in use or a process through which the task runs needs. Where any of it is not known, the connection is left
        alone.
      - Nor what a protected program holds, which are the process with the number 1, service managers of users as well,
        ssh and sshd, message buses, the login manager, network managers and container engines.
      - Who opened a TCP connection is known since Linux 4.19. Of what is left in TIME_WAIT, or without a process in
        FIN_WAIT2, nothing is known but its addresses, but nothing undelivered is lost with it.
      - The kernel needs C(CONFIG_INET_DIAG_DESTROY), the task C(CAP_NET_ADMIN); check mode asks for both.
      - Accepted with O(runtime=true) only, as the kernel would give the ports away again.
      - What was done is read again and told for each in RV(squatters) and RV(lingering).
    type: bool
    default: false
  minimum_automatic:
    description:
      - How many ports the kernel must have left to choose from. A run that would leave fewer, and fewer than there are,
        changes nothing and fails.
      - V(0) lets everything pass. When none is left, no program gets an outgoing connection any more.
    type: int
    default: 1024
  namespace:
    description:
      - The network namespace whose list it is.
      - V(host) for the one the agent runs in, or the name or number of another one.
      - A container's namespace goes by the container's name.
    type: str
    default: host
seealso:
  - module: portreeve.fleet.port_owner
  - module: portreeve.fleet.port_audit
  - name: The kernel's documentation of ip_local_reserved_ports
    description: What the list does, and what it does not.
    link: https://docs.kernel.org/networking/ip-sysctl.html
author:
  - Portreeve contributors (@portreeve)
"""

EXAMPLES = r"""
- name: Reserve billing's ports, once and for all
  portreeve.fleet.port_reservation:
    name: billing
    ports:
      - 36601
      - 37601-37610 # a string to YAML, so no quotes are needed
  become: true

- name: The same in one line, and quoted
  portreeve.fleet.port_reservation:
    name: billing
    ports: "36601, 37601-37610"
  become: true

- name: Take the ports from a variable, be it a list, one number or one range
  portreeve.fleet.port_reservation:
    name: node-ports
    ports: "{{ node_ports }}"
  become: true
  vars:
    node_ports: 30000-32767

- name: Work a range out
  portreeve.fleet.port_reservation:
    name: shard
    ports: "{{ first | int }}-{{ first | int + 15 }}"
  become: true
  vars:
    first: 40000

- name: Billing needs one port only from now on; the others are given back
  portreeve.fleet.port_reservation:
    name: billing
    ports: 36601
  become: true

- name: Billing has moved to another host
  portreeve.fleet.port_reservation:
    name: billing
    state: absent
  become: true

- name: Take over what somebody once wrote into sysctl.conf
  portreeve.fleet.port_reservation:
    name: legacy
    adopt: true
  become: true
  register: legacy

- name: Say what to declare for it from now on
  ansible.builtin.debug:
    var: legacy.ports

- name: Show what would go if only named reservations stayed
  portreeve.fleet.port_reservation:
    name: billing
    ports: 36601
    exclusive: true
  become: true
  check_mode: true
  diff: true

- name: Reserve a port and get outgoing connections off it before the service starts
  portreeve.fleet.port_reservation:
    name: billing
    ports: 36601
    evict: true
  become: true
  register: reservation
  failed_when: reservation is failed or reservation.squatters | rejectattr('evicted') | list | length > 0

- name: Only until the next boot
  portreeve.fleet.port_reservation:
    name: migration
    ports: 45000-45100
    persistent: false
  become: true

- name: Inside of a container's network namespace, which lasts as long as it does
  portreeve.fleet.port_reservation:
    name: billing
    ports: 36601
    namespace: web
  become: true

# The same from a shell, and first as a rehearsal:
#   ansible all -b -m portreeve.fleet.port_reservation -a 'name=billing ports=36601,37601-37610'
#   ansible all -b -m portreeve.fleet.port_reservation -a 'name=billing ports=36601,37601-37610' --check --diff
"""

RETURN = r"""
format:
  description: Name and version of this result's shape.
  returned: success
  type: str
  sample: portreeve.port_reservation/1
summary:
  description: What the run has come to, or would, as one line.
  returned: success
  type: str
  sample: "billing reserves 36601,37601-37610, now and after a boot; automatic ports left: 28221"
name:
  description: Whose reservation it is.
  returned: success
  type: str
  sample: billing
state:
  description: As asked for in O(state).
  returned: success
  type: str
  sample: present
ports:
  description: What the name reserves after the run, now or after a boot.
  returned: success
  type: str
  sample: 36601,37601-37610
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
  sample:
    - what: TCP sockets that are bound but do not listen
      why: this kernel does not list them (before Linux 6.8)
      count: 1
namespace:
  description: The network namespace, by id (nsfs inode), name and kind.
  returned: success
  type: dict
  sample: {"id": 4026531840, "name": "host", "kind": "host"}
reserved:
  description: Everything that is reserved after the run, whoever wants it.
  returned: success
  type: dict
  contains:
    runtime:
      description: The kernel's list.
      type: str
    after_boot:
      description:
        - The list that the next boot will set.
        - Null where that is not known, as with a file that the kernel would refuse, and in other namespaces than the
          host's own.
      type: str
  sample: {"runtime": "3200-3299,36601,37601-37610", "after_boot": "3200-3299,36601,37601-37610"}
reservations:
  description: All reservations after the run, sorted by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Whose reservation it is.
      type: str
    ports:
      description: What it reserves.
      type: str
    runtime:
      description: Whether it is for the time until the next boot.
      type: bool
    persistent:
      description: Whether it is for the time after the next boot.
      type: bool
    only_now:
      description: Those of its ports that it will not reserve after the next boot, where it reserves others then.
      type: str
    only_after_boot:
      description: Those that it does not reserve now, where it reserves others now.
      type: str
    unused:
      description: >-
        Whether nobody listens on, or is bound to, any of its ports now; null where that could not be seen.
      type: bool
  sample:
    - name: billing
      ports: 36601,37601-37610
      runtime: true
      persistent: true
      only_now: ""
      only_after_boot: ""
      unused: false
foreign:
  description: What is reserved without a name, and kept.
  returned: success
  type: dict
  contains:
    runtime:
      description: Ports in the kernel's list.
      type: str
    files:
      description: The files of sysctl.d that sort before that of this module, each with its ports.
      type: list
      elements: dict
    by_hand:
      description: Ports that somebody added to the file of this module.
      type: str
  sample:
    runtime: 3200-3299
    files: [{"path": "/etc/sysctl.d/50-sap.conf", "ports": "3200-3299"}]
    by_hand: ""
left_out:
  description: Ports of other files that a run with O(exclusive=true) keeps out of the list after a boot.
  returned: success
  type: str
  sample: ""
overridden_by:
  description: The files that sort later and set the whole list again, each with its ports; the last one wins at a boot.
  returned: success
  type: list
  elements: dict
  sample: [{"path": "/etc/sysctl.d/zzz-local.conf", "ports": "9000"}]
drift:
  description: >-
    What names had reserved and somebody had taken away before this run, C(where) being V(runtime) for the kernel's list
    and V(file) for that after a boot.
  returned: success
  type: list
  elements: dict
  contains:
    where:
      description: V(runtime) or V(file).
      type: str
    missing:
      description: The ports.
      type: str
    summary:
      description: The same as one sentence.
      type: str
  sample:
    - where: runtime
      missing: "36601"
      summary: "Reserved by name, but not in the kernel's list any more: 36601."
overlooked:
  description: >-
    Ports that another file of sysctl.d had come to set before this run, and that a boot would have left out. They are
    kept by a persistent run.
  returned: success
  type: str
  sample: ""
still_reserved:
  description: Ports that this name held and holds no longer, and that stay reserved because others want them as well.
  returned: success
  type: str
  sample: ""
given_back:
  description: Ports that names held and that are reserved no longer, now and after a boot.
  returned: success
  type: dict
  sample: {"runtime": "37601-37610", "file": "37601-37610"}
removed:
  description: Ports that nobody held by name and that O(exclusive=true) removed, now and after a boot.
  returned: success
  type: dict
  sample: {"runtime": "", "file": ""}
dropped:
  description: Ports that nobody held by name and that are reserved no longer because another file has given them up.
  returned: success
  type: dict
  sample: {"runtime": "", "file": ""}
automatic:
  description: >-
    The range that the kernel chooses from, how many ports of it are left after the run, and the floor of
    O(minimum_automatic).
  returned: success
  type: dict
  sample: {"low": 32768, "high": 60999, "left": 28221, "floor": 1024}
outside:
  description: Ports of this reservation that lie outside of the automatic range, where reserving them does nothing.
  returned: success
  type: str
  sample: ""
squatters:
  description: >-
    Outgoing connections that processes hold on ports of this reservation where nobody serves. A reservation does not
    end them. A connection whose program bound the port itself is its own, and not among them.
  returned: success
  type: list
  elements: dict
  contains: &occupant
    port:
      description: The local port.
      type: int
    protocol:
      description: V(tcp) or V(udp).
      type: str
    state:
      description: The state of the connection, as ss(8) calls it.
      type: str
    local:
      description: Local address and port.
      type: dict
    remote:
      description: Remote address and port.
      type: dict
    inode:
      description: The socket's inode number, 0 where no process has it any more.
      type: int
    cookie:
      description: What the kernel tells the socket from all others by.
      type: int
    uid:
      description: Whose socket it is, null where no process has it.
      type: int
    timer_ms:
      description: How long the kernel keeps what is left, in milliseconds; null where it has no end of its own.
      type: int
    holders:
      description: The processes that hold it, by pid, name and executable.
      type: list
      elements: dict
    evicted:
      description: Whether O(evict) has freed the port from it, or would in check mode.
      type: bool
    summary:
      description: One sentence, with what became of it.
      type: str
  sample:
    - port: 36601
      protocol: tcp
      state: ESTABLISHED
      local: {"address": "192.0.2.10", "port": 36601}
      remote: {"address": "192.0.2.80", "port": 443}
      inode: 48211
      cookie: 8193
      uid: 33
      timer_ms: null
      holders: [{"pid": 812, "name": "curl", "exe": "/usr/bin/curl"}]
      evicted: true
      summary: >-
        36601/tcp is the automatic local port of an outgoing connection of curl[812] to 192.0.2.80:443 (ESTABLISHED); it
        is destroyed, no process was ended.
lingering:
  description: What is left of connections on ports of this reservation without a process, as in RV(squatters).
  returned: success
  type: list
  elements: dict
  contains: *occupant
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.portreeve_agent.packed import compile_once

compile_once()

from ..module_utils.portreeve_agent.errors import one_sentence
from ..module_utils.portreeve_agent.ports import parse_ports
from ..module_utils.portreeve_agent.reservations.ledger import parse_name
from ..module_utils.portreeve_agent.reservations.plan import Wish
from ..module_utils.portreeve_agent.reservations.task import reserve
from ..module_utils.portreeve_agent.writing import ActingHost

OPTIONS = {
    "name": {"type": "str", "required": True},
    "ports": {"type": "list", "elements": "raw"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "persistent": {"type": "bool"},
    "runtime": {"type": "bool", "default": True},
    "exclusive": {"type": "bool", "default": False},
    "adopt": {"type": "bool", "default": False},
    "evict": {"type": "bool", "default": False},
    "minimum_automatic": {"type": "int", "default": 1024},
    "namespace": {"type": "str", "default": "host"},
}


def main() -> None:
    """Bring about what the task wishes, or say in one sentence why not."""
    module = AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True)
    try:
        result = run(module)
    except Exception as error:
        module.fail_json(msg=one_sentence(error))
    for warning in result.pop("warnings"):
        module.warn(warning)
    module.exit_json(**result)


def run(module: AnsibleModule) -> dict:
    """Return what became of the wish."""
    options = module.params
    present = options["state"] == "present"
    wish = Wish(
        name=parse_name(options["name"]),
        ports=wished_ports(options["ports"]) if present else frozenset(),
        present=present,
        persistent=options["persistent"],
        runtime=options["runtime"],
        exclusive=options["exclusive"],
        adopt=options["adopt"],
    )
    floor, evicting = options["minimum_automatic"], options["evict"]
    return reserve(
        ActingHost(), wish, options["namespace"], floor, evicting, pretend=module.check_mode, compared=module._diff
    )


def wished_ports(given: list | None) -> frozenset[int]:
    """Return the ports that are named, none for none; the kernel's list knows no protocols."""
    given = [one for one in given or () if one != ""]  # a variable that came out empty names none
    ranges = parse_ports(given) if given else ()
    return frozenset(port for one in ranges for port in range(one.low, one.high + 1))


if __name__ == "__main__":
    main()
