#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A port got back with the least harm, and proven."""

from __future__ import annotations

DOCUMENTATION = r"""
module: port_release
short_description: Get a port back with the least harm, and prove it
version_added: 0.1.0
description:
  - Frees a port from whoever holds it, or from everybody but the owner that should have it, and starts a service on it
    if asked to. Afterwards it tries the very bind that the service needs, in that network namespace and as that user.
  - Takes the least harmful act that the verdict allows and that does it, in this order. V(destroy) ends connections
    that linger or squat; no process ends. V(detach) takes an inherited listener from the processes that do not serve
    it; they live on. Then come V(restart) and V(stop) of the owner, by its own manager, V(terminate) of processes, and
    V(kill).
  - It never goes further than O(at_most), which is V(detach) unless something else is said. What goes too far is told
    as the refusal, with the harm it would do.
  - Nobody is touched for being connected to the port as a client.
  - Immediately before each act it looks again whether the victim is still the one that was found, by the boot, the
    process's start, the socket's cookie, and the run of the unit or container. If not, it refuses and says what moved.
  - Check mode tells the same plan without acting. Its RV(plan) can be given as O(approved) to a later run, which then
    does this and nothing else, or refuses.
  - Each act leaves a line in C(/var/log/portreeve/trail.jsonl) on the host before it is done. A run goes on when the
    connection of the task breaks; what a killed run began, the next one finishes.
extends_documentation_fragment:
  - portreeve.fleet.attributes
  - portreeve.fleet.attributes.acting
attributes:
  check_mode:
    details: Predicts the plan of the run, and fails where the run would refuse. What owners do then is not predicted.
  diff_mode:
    details: One line for each holder of the port, before and after.
options:
  port:
    description:
      - The port, one number.
      - It may name its protocol as V(53/udp).
    type: raw
    required: true
  protocol:
    description: The protocol. If left out, that of O(port), or else V(tcp).
    type: str
    choices: [tcp, udp]
  address:
    description:
      - Only sockets that a bind to this address would meet are in the way.
      - If left out, all that have the port.
    type: str
  namespace:
    description:
      - The network namespace.
      - V(host) for the one the agent runs in, or the name or number of another one.
      - A container's namespace goes by the container's name.
    type: str
    default: host
  expect:
    description:
      - Who should have the port. If it is so already, and the owner serves, nothing is done.
      - All suboptions that are given must be true of a holder. If left out, the port is to be free.
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
  strategy:
    description:
      - V(auto) chooses the least harmful act that the verdict allows.
      - The others name one. Where that act does not free the port, the run refuses and says so.
    type: str
    choices: [auto, destroy, detach, restart, stop, terminate]
    default: auto
  at_most:
    description:
      - The most harmful act that is allowed. V(kill) is C(SIGKILL), for what has not ended after O(grace).
      - If left out, V(detach) for O(strategy=auto), and for another strategy the act that it names.
    type: str
    choices: [destroy, detach, restart, stop, terminate, kill]
  grace:
    description:
      - How long an owner or a process gets to end, in seconds or as V(30s), V(5m), up to V(1h).
    type: str
    default: 10s
  protect:
    description:
      - Programs, units, containers and pids that nothing is to be done to, besides those that are protected anyway.
      - Protected anyway are the process with the number 1, kernel threads, the processes through which the task runs,
        ssh and sshd, message buses, the login manager, network managers, container engines and service managers of
        users.
    type: list
    elements: str
    default: []
  override_protection:
    description:
      - Programs, paths, units and containers that may be acted on although they are protected. What is not named stays.
        A pid is not accepted, since it may be another process by then.
      - The process with the number 1, kernel threads, the processes through which the task runs, the SSH connection in
        use, and what O(protect) names are never acted on, whatever is named here.
    type: list
    elements: str
    default: []
  then:
    description:
      - What is done once the port is free, one of its suboptions. The run succeeds only when the unit is active
        afterwards and the port is held by whom O(expect) says, or by that unit if it says nothing.
    type: dict
    suboptions:
      start:
        description: The systemd unit to start; V(.service) may be left out.
        type: str
      restart:
        description: The systemd unit to restart, or to start if it is not active.
        type: str
  bind:
    description:
      - The bind that must succeed in the end, as the service does it. What is left out is as a plain server has it,
        with C(SO_REUSEADDR) on TCP.
      - V(detach) counts on C(SO_REUSEADDR), so with O(bind.reuseaddr=false) it is not an act that frees the port.
    type: dict
    suboptions:
      address:
        description: The address. If left out, that of O(address), or else every one.
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
        description: Who binds, by name or uid; root if left out.
        type: str
  undo:
    description:
      - Whether a run that fails in the end starts again what it had stopped. RV(undone) and RV(not_undone) tell what
        came of it.
    type: bool
    default: true
  approved:
    description:
      - The RV(plan) that an earlier run in check mode returned, unchanged. Then only its acts are done, and only to its
        victims. The other options are to be those of that run; where they do not go as far as the plan, or mean
        something else, the run refuses.
      - The run refuses, and touches nothing, when the host has booted since, or when anybody else would be concerned. A
        victim that is gone by itself is fine.
    type: dict
  run:
    description:
      - The name of this run in the trail, up to 64 letters, digits and any of C(._:@-), a letter or digit first.
      - If left out, one is made up.
    type: str
  reason:
    description: Why the port is released, for the trail.
    type: str
seealso:
  - module: portreeve.fleet.port_owner
  - module: portreeve.fleet.port_reservation
author:
  - Portreeve contributors (@portreeve)
"""

EXAMPLES = r"""
- name: Show who would be concerned, and how
  portreeve.fleet.port_release:
    port: 7766
  become: true
  check_mode: true
  diff: true

- name: Free the port without ending anybody
  portreeve.fleet.port_release:
    port: 7766
  become: true

- name: Give the port back to billing, whoever has it, and start it
  portreeve.fleet.port_release:
    port: 7766
    expect:
      unit: billing.service
    at_most: stop
    then:
      start: billing.service
  become: true

- name: Get the resolver's port for ourselves, on one address
  portreeve.fleet.port_release:
    port: 53
    protocol: udp
    address: 127.0.0.1
    expect:
      unit: dnsmasq.service
    at_most: stop
    protect:
      - systemd-resolved.service
    then:
      restart: dnsmasq.service
  become: true

- name: Terminate a process that no manager knows, and kill it after half a minute
  portreeve.fleet.port_release:
    port: 8080
    strategy: terminate
    at_most: kill
    grace: 30s
    bind:
      address: 127.0.0.1
      user: www-data
  become: true

- name: Make a plan
  portreeve.fleet.port_release:
    port: 7766
    at_most: stop
  become: true
  check_mode: true
  register: rehearsal

- name: Do what was planned, and nothing else
  portreeve.fleet.port_release:
    port: 7766
    at_most: stop
    approved: "{{ rehearsal.plan }}"
    run: change-4711
    reason: billing does not start since its upgrade
  become: true

# The same from a shell, and first as a rehearsal:
#   ansible all -b -m portreeve.fleet.port_release -a 'port=7766' --check --diff
#   ansible all -b -m portreeve.fleet.port_release -a 'port=7766'
"""

RETURN = r"""
format:
  description: Name and version of this result's shape.
  returned: when the host was looked at
  type: str
  sample: portreeve.port_release/1
summary:
  description: What the run has come to, or would, in one line.
  returned: when the host was looked at
  type: str
  sample: "7766/tcp is free: took the socket from sleep[812] and tail[813], nobody of whom ended."
complete:
  description: Whether everything relevant could be seen.
  returned: when the host was looked at
  type: bool
  sample: true
blind_spots:
  description: What could not be seen, why, and how many of it.
  returned: when the host was looked at
  type: list
  elements: dict
  sample: []
host:
  description: Name, system, kernel and boot id of the machine.
  returned: when the host was looked at
  type: dict
  sample: {"name": "web1", "system": "Linux", "kernel": "6.12.9", "boot_id": "0d8b7c5e-58a5-4f0b-9a26-4ed2f0a2c0c1"}
port:
  description: The port.
  returned: when the host was looked at
  type: int
  sample: 7766
protocol:
  description: V(tcp) or V(udp).
  returned: when the host was looked at
  type: str
  sample: tcp
address:
  description: As asked for in O(address), null for all.
  returned: when the host was looked at
  type: str
namespace:
  description: The network namespace, by id (nsfs inode), name and kind.
  returned: when the host was looked at
  type: dict
  sample: {"id": 4026531840, "name": "host", "kind": "host"}
before:
  description: What the port was before, as one of RV(portreeve.fleet.port_owner#module:ports).
  returned: when the host was looked at
  type: dict
after:
  description: The same afterwards, null where nothing was done.
  returned: when the host was looked at
  type: dict
plan:
  description: What is to be done, to whom and why. Meant for people as well as for O(approved).
  returned: when the host was looked at
  type: dict
  contains:
    format:
      description: Name and version of the plan's shape.
      type: str
    digest:
      description: >-
        SHA-256 over everything in the plan but the words, in hexadecimal. The same digest means the same victims, of
        the same boot, on the same terms.
      type: str
    boot_id:
      description: The boot that the plan is for.
      type: str
    namespace:
      description: The network namespace, by number.
      type: int
    port:
      description: The port.
      type: int
    protocol:
      description: V(tcp) or V(udp).
      type: str
    address:
      description: As in O(address).
      type: str
    verdict:
      description: What the port's state means, as in RV(portreeve.fleet.port_owner#module:ports[].verdict).
      type: str
    steps:
      description: What is done, in this order.
      type: list
      elements: dict
      contains:
        act:
          description: V(destroy), V(detach), V(restart), V(stop) or V(terminate).
          type: str
        sockets:
          description: >-
            The sockets it is about, by protocol, state, addresses, inode and cookie. Without any, V(destroy) is about
            all that remains of connections that no process has any more.
          type: list
          elements: dict
        processes:
          description: The processes that hold them, by pid, start (in ticks since the boot), name and executable.
          type: list
          elements: dict
        owner:
          description: >-
            Whom V(restart) and V(stop) are about, by kind, name, manager, id, user, and C(birth), which tells this run
            of it from others. Null for the other acts.
          type: dict
        others:
          description: The units that stop with that owner, before it, or because it starts again.
          type: list
          elements: str
        if_still_held:
          description: Whether it is done only if the port is not free by then.
          type: bool
        kill:
          description: Whether what does not end within O(grace) gets C(SIGKILL).
          type: bool
        why:
          description: Why this act, in one sentence.
          type: str
        harm:
          description: What it costs whom, in one sentence.
          type: str
    then:
      description: What is done once the port is free; null for nothing.
      type: dict
      contains:
        verb:
          description: V(start) or V(restart).
          type: str
        unit:
          description: The systemd unit.
          type: str
        others:
          description: The units that stop because of it, for good or to start again.
          type: list
          elements: str
        harm:
          description: What that costs, in one sentence; empty where there are none.
          type: str
    terms:
      description: What else of the options decides what is done, and what counts as done.
      type: list
      elements: str
    withheld:
      description: What is not done although it would help, each with the reason, such as a protected process.
      type: list
      elements: str
    refusal:
      description: Why nothing can be done although something should be; null if not.
      type: str
    needless:
      description: Why nothing need be done; null if not.
      type: str
done:
  description: What was done, in this order; empty in check mode.
  returned: when the host was looked at
  type: list
  elements: dict
  contains:
    act:
      description: As in the plan.
      type: str
    target:
      description: Whom it was done to.
      type: str
    result:
      description: >-
        V(done), V(gone) if it had ended by itself, V(refused) if it was no longer what was planned, V(skipped) if the
        port was free by then, or V(failed).
      type: str
    summary:
      description: What happened, in one sentence.
      type: str
  sample:
    - act: detach
      target: sleep[812] and tail[813]
      result: done
      summary: The socket was taken from sleep[812] and tail[813]; nobody ended.
proof:
  description: What proves that the port is back.
  returned: when the host was looked at
  type: dict
  contains:
    free:
      description: Whether the bind of O(bind) succeeded; null where it was not tried.
      type: bool
    bind:
      description: Each bind that was tried.
      type: list
      elements: dict
      contains:
        address:
          description: The address.
          type: str
        options:
          description: What was set before, as in O(bind).
          type: dict
        result:
          description: V(ok), or the name of an errno such as V(EADDRINUSE).
          type: str
        shared:
          description: Whether it succeeds only beside others that share the port by SO_REUSEPORT.
          type: bool
    held_as_expected:
      description: Whether the owner of O(expect) has the port; null without it.
      type: bool
    unit_active:
      description: Whether the unit of O(then) is active; null without it.
      type: bool
    summary:
      description: The same in one sentence.
      type: str
collateral:
  description: Other servers that no longer serve, or that are other processes now, by port, protocol and address.
  returned: when the host was looked at
  type: list
  elements: dict
  contains:
    port:
      description: The port.
      type: int
    protocol:
      description: V(tcp) or V(udp).
      type: str
    local:
      description: The local address and port.
      type: str
    namespace:
      description: The network namespace's name.
      type: str
    expected:
      description: Whether all whom it befell are owners or processes that the run acted upon.
      type: bool
    summary:
      description: The same in one sentence.
      type: str
  sample: []
undone:
  description: What a failed run put back, a sentence each.
  returned: when the host was looked at
  type: list
  elements: str
  sample: []
not_undone:
  description: What it could not put back, a sentence each.
  returned: when the host was looked at
  type: list
  elements: str
  sample: []
touched:
  description: Whether anything was done to anybody; null where that is not known, as of a run that was killed half-way.
  returned: when the host was looked at
  type: bool
  sample: true
unfinished:
  description: Earlier runs for this port that never came to their end, a sentence each.
  returned: when the host was looked at
  type: list
  elements: str
  sample: []
gone:
  description: Who of O(approved) holds the port no longer, a sentence each.
  returned: when the host was looked at
  type: list
  elements: str
  sample: []
trail:
  description: The file on the host that has every act, and the name of this run in it.
  returned: when the host was looked at
  type: dict
  sample: {"path": "/var/log/portreeve/trail.jsonl", "run": "change-4711"}
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.portreeve_agent.packed import compile_once

compile_once()

from ..module_utils.portreeve_agent.errors import one_sentence
from ..module_utils.portreeve_agent.model import PROTOCOLS
from ..module_utils.portreeve_agent.remedies.records import ACTS, STRATEGIES, VERBS
from ..module_utils.portreeve_agent.remedies.task import release
from ..module_utils.portreeve_agent.remedies.wishes import checked_reason, checked_run, checked_wish
from ..module_utils.portreeve_agent.writing import ActingHost

BIND_OPTIONS = {
    **{name: {"type": "str"} for name in ("address", "device", "user")},
    **{flag: {"type": "bool"} for flag in ("reuseaddr", "reuseport", "v6only")},
}

OPTIONS = {
    "port": {"type": "raw", "required": True},
    "protocol": {"type": "str", "choices": list(PROTOCOLS)},
    "address": {"type": "str"},
    "namespace": {"type": "str", "default": "host"},
    "expect": {
        "type": "dict",
        "options": {holder: {"type": "str"} for holder in ("unit", "exe", "user", "container")},
    },
    "strategy": {"type": "str", "choices": list(STRATEGIES), "default": "auto"},
    "at_most": {"type": "str", "choices": list(ACTS)},
    "grace": {"type": "str", "default": "10s"},
    "protect": {"type": "list", "elements": "str", "default": []},
    "override_protection": {"type": "list", "elements": "str", "default": []},
    "then": {"type": "dict", "options": {verb: {"type": "str"} for verb in VERBS}},
    "bind": {"type": "dict", "options": BIND_OPTIONS},
    "undo": {"type": "bool", "default": True},
    "approved": {"type": "dict"},
    "run": {"type": "str"},
    "reason": {"type": "str"},
}


def main() -> None:
    """Get the port back, or say in one sentence why not."""
    module = AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True)
    try:
        result = run(module)
    except Exception as error:
        module.fail_json(msg=one_sentence(error))
    failure = result.pop("failed_because")
    if failure is not None:
        module.fail_json(msg=failure, **result)
    module.exit_json(**result)


def run(module: AnsibleModule) -> dict:
    """Return what became of the wish."""
    options = dict(module.params)
    approved, name, reason = options.pop("approved"), checked_run(options.pop("run")), options.pop("reason")
    wish = checked_wish(options)
    return release(ActingHost(), wish, approved, pretend=module.check_mode, run=name, reason=checked_reason(reason))


if __name__ == "__main__":
    main()
