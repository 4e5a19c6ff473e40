# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: compliance_report
short_description: Write the report on a past run, or on what has changed between two
version_added: 0.1.0
description:
  - Reads the history of M(portreeve.fleet.compliance) and writes the report on any of its runs again, on the
    controller. It is the same report as then. No host is contacted.
  - With O(since), writes in its place which findings are new, persisting, resolved or were not seen from one run to
    another.
  - With O(whole), makes one run out of those over the slices of an inventory, and ends it as
    M(portreeve.fleet.compliance) does.
  - It does not fail for what a past run had come to, only when it cannot be read or written; with O(whole) it does.
options:
  run:
    description: The name of the run. The latest when not given.
    type: str
  since:
    description: The name of the run from which on changes are asked for.
    type: str
  whole:
    description:
      - The name that the slices of a run share, to make one run of that name out of them. It can be done again when
        slices were missing.
      - Nothing is done in check mode.
    type: str
  keep_days:
    description: As in M(portreeve.fleet.compliance), with O(whole).
    type: int
    default: 400
  keep_runs:
    description: As in M(portreeve.fleet.compliance), with O(whole).
    type: int
    default: 0
  stale_after:
    description:
      - With O(whole), for how many seconds before the newest answer of all slices one counts. Of an older one nothing
        is judged, and the run is incomplete.
    type: int
    default: 86400
  textfile:
    description: As in M(portreeve.fleet.compliance), with O(whole).
    type: path
  notify:
    description: As in M(portreeve.fleet.compliance), with O(whole). The slices themselves tell nobody.
    type: list
    elements: str
    default: []
  reports:
    description: Where reports are kept. Each of these gets a directory of its own in C(past) there.
    type: path
    default: reports
  history:
    description: Where runs are recorded, as in M(portreeve.fleet.compliance).
    type: str
extends_documentation_fragment:
  - portreeve.fleet.attributes.controller
requirements:
  - SQLAlchemy 2, on the controller
  - psycopg 3, on the controller, for a history in PostgreSQL
seealso:
  - module: portreeve.fleet.compliance
author:
  - Portreeve contributors (@portreeve)
"""

EXAMPLES = r"""
- name: Write the report on the latest run
  portreeve.fleet.compliance_report:
    history: postgresql://portreeve@db.example.com/portreeve

- name: See what has changed in the last week
  portreeve.fleet.compliance_report:
    since: 2026-04-27T130204Z-77ab

- name: Make one run out of the slices of a job of AWX
  portreeve.fleet.compliance_report:
    history: postgresql://portreeve@db.example.com/portreeve
    whole: awx-4711
"""

RETURN = r"""
run:
  description: The name of the run.
  returned: success
  type: str
  sample: 2026-05-04T130211Z-3f9c
state:
  description: What it had come to. All that M(portreeve.fleet.compliance) returns of a run is here.
  returned: without O(since)
  type: str
  sample: compliant
since:
  description: The name of the earlier run.
  returned: with O(since)
  type: str
  sample: 2026-04-27T130204Z-77ab
counts:
  description: The counts of the run, or with O(since) how many findings have which standing.
  returned: success
  type: dict
  sample: {"standings": {"new": 1, "persisting": 4, "resolved": 2, "unseen": 0}}
msg:
  description: One sentence on it.
  returned: success
  type: str
  sample: "COMPLIANT: all 3 hosts are as declared."
said:
  description: What was found or has changed, a line each, that sentence last.
  returned: success
  type: list
  elements: str
  sample: ["COMPLIANT: all 3 hosts are as declared."]
directory:
  description: The directory of the report, in check mode where it would be.
  returned: success
  type: str
  sample: /srv/reports/past/2026-05-04T130211Z-3f9c
latest:
  description: The link that leads to the newest of them.
  returned: success
  type: str
  sample: /srv/reports/past/latest
files:
  description: Paths of the files by format. None in check mode.
  returned: success
  type: dict
  sample:
    html: /srv/reports/past/2026-05-04T130211Z-3f9c/report.html
"""
