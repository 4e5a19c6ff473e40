# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: compliance
short_description: Hold what the hosts of a run answered against their policy
version_added: 0.1.0
description:
  - Begins a run and ends it, both on the controller. In between, M(portreeve.fleet.collect) asks the hosts.
  - To begin, everything that would keep the run from its end is looked for, namely mistakes in the policy of any host
    and places that cannot be written. All of it is told at once, and no host is contacted then.
  - To end, each answer is judged, the run is recorded in the history, the report is written in all formats, and the
    task fails unless the state of the run is V(compliant) or V(tolerated).
  - The playbook C(portreeve.fleet.compliance) and the role P(portreeve.fleet.compliance#role) do all of it.
options:
  phase:
    description:
      - V(begin) makes the run and a private directory for the answers of its hosts.
      - V(judge) ends it, and removes that directory, unless something could not be kept.
    type: str
    required: true
    choices: [begin, judge]
  answers:
    description: The directory of the run, as V(begin) has returned it. Needed for V(judge).
    type: path
  hosts:
    description:
      - Names of the hosts. All hosts of the play when not given, also those that became unreachable.
      - A host without an answer has failed.
    type: list
    elements: str
  mistakes:
    description: Mistakes in the policy, as P(portreeve.fleet.policy#lookup) returns them. There must be none to begin.
    type: list
    elements: str
    default: []
  reports:
    description: Where reports are kept. A relative path starts where Ansible was started.
    type: path
    default: reports
  history:
    description:
      - Where runs are recorded, the path of an SQLite file, or a URL such as V(postgresql://USER:PASSWORD@HOST/DATABASE).
      - The file C(history.sqlite) in O(reports) when not given.
    type: str
  keep_days:
    description: For how many days runs are kept in the history, V(0) for good.
    type: int
    default: 400
  keep_runs:
    description: How many runs are kept in the history, V(0) for any number.
    type: int
    default: 0
  textfile:
    description: A file that is to have the metrics of the newest run, for the textfile collector of node_exporter.
    type: path
  notify:
    description: A command and its arguments that is told what has changed, on its standard input.
    type: list
    elements: str
    default: []
  run:
    description: The name of the run, which no other has. Made of the time when not given. Looked at by V(begin) only.
    type: str
  fail_on:
    description: The severity from which on a finding fails the run. Looked at by V(begin) only.
    type: str
    choices: [info, low, medium, high, critical, never]
    default: medium
  stale_after:
    description: After how many seconds an answer is too old to be judged. Looked at by V(begin) only.
    type: int
    default: 86400
  slice:
    description: >-
      Which part of the inventory this is and of how many, such as V(2/4), or V(*/4) where its number is not known.
      Looked at by V(begin) only.
    type: str
    default: ""
  whole:
    description: The name that all slices of one run share. Looked at by V(begin) only.
    type: str
extends_documentation_fragment:
  - portreeve.fleet.attributes.controller
attributes:
  check_mode:
    details: Everything is judged, and nothing is recorded, written or told but by the task itself.
requirements:
  - SQLAlchemy 2, on the controller
  - psycopg 3, on the controller, for a history in PostgreSQL
seealso:
  - module: portreeve.fleet.collect
  - module: portreeve.fleet.compliance_report
  - plugin: portreeve.fleet.policy
    plugin_type: lookup
author:
  - Portreeve contributors (@portreeve)
"""

EXAMPLES = r"""
- name: Begin
  portreeve.fleet.compliance:
    phase: begin
    mistakes: "{{ query('portreeve.fleet.policy', mistakes=ansible_play_hosts_all) }}"
    fail_on: high
  register: begun
  run_once: true

- name: See who holds which port
  portreeve.fleet.collect:
    policy: "{{ query('portreeve.fleet.policy') }}"
    answers: "{{ begun.answers }}"
  ignore_unreachable: true
  ignore_errors: true

- name: Judge
  portreeve.fleet.compliance:
    phase: judge
    answers: "{{ begun.answers }}"
  run_once: true
"""

RETURN = r"""
mistakes:
  description: A sentence for each mistake. With any, the task has failed.
  returned: with V(begin)
  type: list
  elements: str
  sample: []
answers:
  description:
    - The private directory of the run.
    - With V(judge) only when something could not be kept. It still holds the answers then.
  returned: with V(begin), else when RV(state) is V(error)
  type: str
  sample: /srv/reports/compliance/.answers-2026-05-04T130211Z-3f9c
run:
  description: The name of the run.
  returned: always
  type: str
  sample: 2026-05-04T130211Z-3f9c
state:
  description:
    - What the run has come to. V(compliant), nothing was found. V(tolerated), nothing but what is waived or below
      O(fail_on). V(incomplete), nothing else, but not everything could be seen. V(not_compliant), something was found.
    - V(error), the run could not be recorded, or the report not be written, whatever was found.
  returned: with V(judge)
  type: str
  sample: not_compliant
msg:
  description: One sentence on that, which begins with the state in capitals. It is the last line of a run.
  returned: with V(judge)
  type: str
  sample: "NOT COMPLIANT: 1 finding (medium or worse, 1 new) on 1 of 3 hosts."
sentence:
  description: The same.
  returned: with V(judge)
  type: str
  sample: "NOT COMPLIANT: 1 finding (medium or worse, 1 new) on 1 of 3 hosts."
said:
  description: What was found, a line each, that sentence last.
  returned: with V(judge)
  type: list
  elements: str
  sample: ["NOT COMPLIANT: 1 finding (medium or worse, 1 new) on 1 of 3 hosts."]
counts:
  description: Hosts by status, and findings by severity, rule and by what has become of them since the last run.
  returned: with V(judge)
  type: dict
  sample: {"failing": 1, "waived": 0, "unjudged": 0, "hosts": {"total": 3, "ok": 3}}
unkept:
  description: Sentences on what could not be recorded or written.
  returned: with V(judge)
  type: list
  elements: str
  sample: []
fail_on:
  description: The severity from which on a finding fails the run.
  returned: with V(judge)
  type: str
  sample: medium
began_at:
  description: When the run began, in UTC.
  returned: with V(judge)
  type: str
  sample: "2026-05-04T13:02:11Z"
ended_at:
  description: When it was judged, in UTC.
  returned: with V(judge)
  type: str
  sample: "2026-05-04T13:02:19Z"
slice:
  description: The number of the slice and how many there are, none where the run is no slice.
  returned: with V(judge)
  type: dict
  sample: {"number": 2, "of": 4}
whole:
  description: The name that the slices of one run share.
  returned: with V(judge)
  type: str
  sample: night-17
missing_slices:
  description: The numbers of slices that are not there, in a run that was merged of slices.
  returned: with V(judge)
  type: list
  elements: int
  sample: []
directory:
  description: The directory of the report, in check mode where it would be.
  returned: with V(judge)
  type: str
  sample: /srv/reports/compliance/2026-05-04T130211Z-3f9c
latest:
  description: The link that leads to the newest report.
  returned: with V(judge)
  type: str
  sample: /srv/reports/compliance/latest
files:
  description: Paths of the files by format. None in check mode.
  returned: with V(judge)
  type: dict
  sample:
    html: /srv/reports/compliance/2026-05-04T130211Z-3f9c/report.html
    summary: /srv/reports/compliance/2026-05-04T130211Z-3f9c/summary.json
"""
