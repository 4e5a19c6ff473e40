# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: remedy_run
short_description: Begin, follow and end the run of an approved plan
version_added: 0.1.0
description:
  - Keeps the record of a run, a directory on the controller. It has the plan, a journal with a line for each host that
    is begun and ended, and in the end C(remediation.json) and C(remediation.md).
  - The playbook C(portreeve.fleet.remediate) is made of it and of M(portreeve.fleet.remedy).
extends_documentation_fragment:
  - portreeve.fleet.attributes.controller
options:
  phase:
    description:
      - V(begin) checks the plan, its digest and its budgets before any host is contacted.
      - V(wave) tells whether another wave may be begun. V(healthy) records that the host has passed its health check.
      - V(end) writes what came of the run.
    type: str
    choices: [begin, wave, healthy, end]
    required: true
  record:
    description: The record of the run, as V(begin) returned it. Needed for the other phases.
    type: path
  plan:
    description: The plan. Needed for V(begin), which keeps a copy.
    type: path
  digest:
    description: The digest of the plan that was approved.
    type: str
    default: ""
  records:
    description: Where the records of runs are kept.
    type: path
    default: reports/remediation
  stop_file:
    description: A file on the controller. While it is there, no host is begun, and no wave.
    type: path
  window:
    description: When hosts may be begun, such as V(22:00-04:00), in UTC, or V(22:00-04:00 Europe/Berlin).
    type: str
  health:
    description:
      - What must be well on all hosts that were done before another wave is begun.
      - Ports, each of which is declared with an owner on some host, and is to be held as declared; or the path of a
        file of tasks on the controller, none of which may fail. Empty for nothing.
    type: raw
  most_hosts:
    description: >-
      On how many hosts may be acted. This and the other budgets are whole numbers. Of a budget that the plan has as
      well, the smaller one counts.
    type: raw
  most_failed:
    description: After how many failed or unreachable hosts one more ends the run. Hosts under way are finished.
    type: raw
  most_owners_per_host:
    description: How many units, containers, programs and processes may be restarted, stopped or ended on a host.
    type: raw
  most_owners_per_group:
    description: How many in each group of the inventory, other than C(all) and C(ungrouped).
    type: raw
attributes:
  check_mode:
    details: The record is kept then as well, and says so; hosts are not changed.
seealso:
  - module: portreeve.fleet.remedy
  - module: portreeve.fleet.remedy_plan
author:
  - Portreeve contributors (@portreeve)
"""

EXAMPLES = r"""
- name: Check the plan, before any host is contacted
  portreeve.fleet.remedy_run:
    phase: begin
    plan: reports/plan.json
    digest: "{{ digest }}"
    most_failed: 2
  register: run
  run_once: true

- name: Do what the plan says for the host
  portreeve.fleet.remedy:
    record: "{{ run.record }}"

- name: Write what came of it
  portreeve.fleet.remedy_run:
    phase: end
    record: "{{ run.record }}"
  run_once: true
"""

RETURN = r"""
record:
  description: The directory of the run.
  returned: at begin
  type: str
  sample: /srv/reports/remediation/2026-05-04T130211Z
hosts:
  description: >-
    At V(begin), the names of the hosts on which something is to be done. At V(end), the C(outcome) of each, whether it
    is C(as_approved), C(why), and what C(fell).
  returned: at begin and end
  type: raw
  sample: [web1, web2]
health:
  description: The C(ports) to be seen after each wave, and the C(file) of tasks; null for no health check.
  returned: at begin
  type: dict
  sample: {"ports": ["8080/tcp"], "file": null}
ended:
  description: Whether the run has ended, so that no other wave may be begun.
  returned: at wave
  type: bool
  sample: false
all_done:
  description: Whether everything was done on every host that the approved plan does not refuse itself.
  returned: at end
  type: bool
  sample: true
msg:
  description: What it comes to, in a sentence.
  returned: success
  type: str
  sample: "Done on 12 of 50 hosts. Failed: 2 (web7, web9)."
"""
