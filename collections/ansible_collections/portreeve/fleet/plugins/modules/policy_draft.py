# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: policy_draft
short_description: Draft a policy from what hosts show
version_added: 0.1.0
description:
  - Makes files of variables from what M(portreeve.fleet.port_audit) registered on each host, on the controller. A host
    that is held against them as it was is compliant, so they are a place to start from and to be read first.
  - What all hosts show goes to C(group_vars/all.yml), what all hosts of a group show to that group, the rest to
    C(host_vars). A host lacks nothing that its group shows; two hosts are the fewest that share something.
  - What is in trouble, such as a leaked or orphaned listener, is not declared but named in a comment. Hosts whose
    sockets were not all seen take no part; these, and those on which not every holder was seen, are named.
  - Each draft gets a directory of its own, named after the time in UTC, so that no file that somebody has edited is
    written over. The link C(latest) beside it leads to the newest.
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
    default: portreeve_audit
  directory:
    description:
      - Where the drafts are kept. It is made when it does not exist.
      - A relative path starts where Ansible was started.
    type: path
    default: reports/policy
seealso:
  - module: portreeve.fleet.port_audit
  - plugin: portreeve.fleet.policy
    plugin_type: lookup
author:
  - Portreeve contributors (@portreeve)
"""

EXAMPLES = r"""
- name: See who holds which port
  portreeve.fleet.port_audit:
  register: portreeve_audit
  ignore_unreachable: true
  ignore_errors: true

- name: Draft a policy
  portreeve.fleet.policy_draft:
  run_once: true
  delegate_to: localhost
"""

RETURN = r"""
msg:
  description: One sentence with where the draft is, what it declares, and which hosts were not seen in full.
  returned: success
  type: str
  sample: "The draft declares 12 applications in 3 files: /srv/reports/policy/2026-05-04T130211Z."
directory:
  description: The directory of this draft.
  returned: success
  type: str
  sample: /srv/reports/policy/2026-05-04T130211Z
latest:
  description: The link that leads to the newest.
  returned: success
  type: str
  sample: /srv/reports/policy/latest
files:
  description: Paths of the files below the directory.
  returned: success
  type: list
  elements: str
  sample: [group_vars/all.yml, group_vars/web.yml]
unseen:
  description: Hosts that were not seen in full.
  returned: success
  type: list
  elements: str
  sample: [web3]
"""
