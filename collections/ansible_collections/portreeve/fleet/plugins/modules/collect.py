# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: collect
short_description: Ask a host who holds which port and keep the answer on the controller
version_added: 0.1.0
description:
  - Runs M(portreeve.fleet.port_audit) on the host and writes what it answers, with the policy it is held against, to a
    file on the controller, for M(portreeve.fleet.compliance). The result says no more than how the host answered, so
    that a run over thousands of hosts fits into memory.
  - A host that could not be reached, or that failed, has an answer as well, which says so.
  - Needs root on the host for a complete answer. Whatever could not be seen is said in it.
options:
  policy:
    description: What P(portreeve.fleet.policy#lookup) returns for the host.
    type: list
    elements: dict
    required: true
  answers:
    description: The directory of the run, as M(portreeve.fleet.compliance) has returned it.
    type: path
    required: true
extends_documentation_fragment:
  - portreeve.fleet.attributes.controller
attributes:
  check_mode:
    details: The host is asked in check mode as well. The answer is kept until it is judged.
seealso:
  - module: portreeve.fleet.port_audit
  - module: portreeve.fleet.compliance
author:
  - Portreeve contributors (@portreeve)
"""

EXAMPLES = r"""
- name: See who holds which port
  portreeve.fleet.collect:
    policy: "{{ query('portreeve.fleet.policy') }}"
    answers: "{{ begun.answers }}"
  ignore_unreachable: true
  ignore_errors: true
"""

RETURN = r"""
status:
  description: How the host answered.
  returned: always
  type: str
  sample: ok
ports:
  description: How many ports the answer is about.
  returned: always
  type: int
  sample: 24
complete:
  description: Whether everything relevant could be seen.
  returned: always
  type: bool
  sample: true
msg:
  description: Why the host was not seen in full, if it was not.
  returned: always
  type: str
  sample: The host was seen in full.
"""
