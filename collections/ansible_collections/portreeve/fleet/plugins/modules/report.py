# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: report
short_description: Write what an audit found as files for people and programs
version_added: 0.1.0
description:
  - Merges what M(portreeve.fleet.port_audit) registered on each host and writes one report on all of them, on the
    controller.
  - Each report gets a directory of its own, named after the time in UTC. The link C(latest) beside it leads to the
    newest and is turned only when the report is whole.
  - C(report.html) is one file without outside resources. C(report.json) holds everything the hosts answered.
  - Hosts that were unreachable, that failed, that did not answer or that saw only a part are listed apart.
extends_documentation_fragment:
  - portreeve.fleet.attributes.controller
options:
  hosts:
    description:
      - Names of the hosts to report on, as in the inventory.
      - All hosts of the play when not given, also those that became unreachable.
    type: list
    elements: str
  variable:
    description:
      - Name of the variable that the audit registered on each host.
    type: str
    default: portreeve_audit
  directory:
    description:
      - Where the reports are kept, on the controller. It is made when it does not exist.
      - A relative path starts where Ansible was started.
    type: path
    default: reports
seealso:
  - module: portreeve.fleet.port_audit
author:
  - Portreeve contributors (@portreeve)
"""

EXAMPLES = r"""
- name: See who holds which port
  portreeve.fleet.port_audit:
  register: portreeve_audit
  ignore_unreachable: true
  ignore_errors: true

- name: Write the report
  portreeve.fleet.report:
    directory: /var/lib/portreeve/reports
  run_once: true
  delegate_to: localhost
"""

RETURN = r"""
msg:
  description: One sentence with where the report is and which hosts were not seen in full.
  returned: success
  type: str
  sample: "The report on 3 hosts was written to /srv/reports/2026-05-04T130211Z. Not seen in full: web3 (unreachable)."
directory:
  description: The directory of this report.
  returned: success
  type: str
  sample: /srv/reports/2026-05-04T130211Z
latest:
  description: The link that leads to the newest report.
  returned: success
  type: str
  sample: /srv/reports/latest
files:
  description: Paths of the files by format.
  returned: success
  type: dict
  sample:
    html: /srv/reports/2026-05-04T130211Z/report.html
    json: /srv/reports/2026-05-04T130211Z/report.json
proposals:
  description:
    - For each port that the kernel may give to any outgoing connection, a number that it never chooses and that is free
      on every host seen in full.
  returned: success
  type: list
  elements: str
  sample: ["36601 → 26601, free on all 3 hosts"]
summary:
  description: The counts of the report.
  returned: success
  type: dict
  contains:
    hosts:
      description: How many hosts there are (RV(ignore:total)) and how many have each status.
      type: dict
      returned: always
    ports:
      description: How many ports are in use.
      type: int
      returned: always
    attention:
      description: How many of them need attention.
      type: int
      returned: always
    holder_not_seen:
      description: How many are held by something that could not be seen.
      type: int
      returned: always
    verdicts:
      description: How many ports have each verdict.
      type: dict
      returned: always
    risks:
      description: How many ports and hosts have each risk.
      type: dict
      returned: always
  sample:
    hosts: {failed: 0, incomplete: 0, ok: 2, total: 3, unreachable: 1}
    ports: 24
    attention: 0
    holder_not_seen: 0
    verdicts: {owned: 20, shared_workers: 4}
    risks: {}
"""
