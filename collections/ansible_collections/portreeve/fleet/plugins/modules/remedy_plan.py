# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: remedy_plan
short_description: Write the plan for a fleet, to be approved by its digest
version_added: 0.1.0
description:
  - Merges what M(portreeve.fleet.remedy) registered on each host in check mode and writes one plan for all of them, on
    the controller. C(plan.json) is for M(portreeve.fleet.remedy_run), C(plan.md) beside it for who approves it.
  - The digest stands for the victims on each host, by boot, process, socket and run of the owner, and for the budgets.
    Words, the time, and who made the plan are not part of it.
  - Hosts that could not be reached, that failed, or on which what should be done is refused, are named in it.
extends_documentation_fragment:
  - portreeve.fleet.attributes.controller
options:
  hosts:
    description: Names of the hosts. All hosts of the play when not given, also those that became unreachable.
    type: list
    elements: str
  variable:
    description: Name of the variable that was registered on each host.
    type: str
    default: portreeve_look
  path:
    description: Where the plan is written. A relative path starts where Ansible was started.
    type: path
    required: true
  most_hosts:
    description: On how many hosts may be acted. All budgets are whole numbers, with no limit if left out.
    type: raw
  most_failed:
    description: How many hosts may fail or be unreachable before the run ends.
    type: raw
  most_owners_per_host:
    description: How many units, containers, programs and processes may be restarted, stopped or ended on a host.
    type: raw
  most_owners_per_group:
    description: How many in each group of the inventory, other than C(all) and C(ungrouped).
    type: raw
seealso:
  - module: portreeve.fleet.remedy
  - module: portreeve.fleet.remedy_run
author:
  - Portreeve contributors (@portreeve)
"""

EXAMPLES = r"""
- name: See what stands between the applications and their ports
  portreeve.fleet.remedy:
    releases: "{{ query('portreeve.fleet.applications', releases=true) }}"
  check_mode: true
  register: portreeve_look
  ignore_unreachable: true
  ignore_errors: true

- name: Write the plan
  portreeve.fleet.remedy_plan:
    path: reports/plan.json
    most_owners_per_host: 3
  run_once: true
"""

RETURN = r"""
digest:
  description: What is to be approved.
  returned: success
  type: str
  sample: 0d5ca1a5d1a3b7f0c7f6e6a1f3b4c2d1e0f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5
path:
  description: The plan.
  returned: success
  type: str
  sample: /srv/reports/plan.json
page:
  description: The plan for people.
  returned: success
  type: str
  sample: /srv/reports/plan.md
hosts:
  description: The hosts on which something is to be done.
  returned: success
  type: list
  elements: str
  sample: [web1, web2]
said:
  description: What it comes to, what is refused and why, where to read it, and the command to go on, a line each.
  returned: success
  type: list
  elements: str
  sample: ["Something is to be done on 2 of 3 hosts."]
exceeded:
  description: A sentence for each budget that the plan exceeds as it stands.
  returned: success
  type: list
  elements: str
  sample: []
"""
