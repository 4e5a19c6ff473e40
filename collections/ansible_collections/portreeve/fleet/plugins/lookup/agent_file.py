# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Builds the agent's file on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
name: agent_file
author:
  - Portreeve contributors (@portreeve)
version_added: 0.1.0
short_description: Build portreeve.pyz, the agent as one file, on the controller
description:
  - Packs the agent of this collection into one file that runs on any Linux with Python 3.8 or newer.
  - The same version of the collection gives the same bytes on every controller, so that the digest tells whether a host
    has the same.
options:
  _terms:
    description: Nothing.
notes:
  - The file lies in Ansible's temporary directory on the controller, and goes with it at the end of the run.
seealso:
  - name: The agent as a file on hosts
    description: The role C(portreeve.fleet.agent), which installs it.
    link: https://github.com/portreeve/portreeve/blob/main/docs/agent.md
"""

EXAMPLES = r"""
- name: Put the agent into an image that is being built
  ansible.builtin.copy:
    src: "{{ lookup('portreeve.fleet.agent_file').path }}"
    dest: /srv/image/usr/local/bin/portreeve.pyz
    mode: "0755"
  delegate_to: localhost
"""

RETURN = r"""
_raw:
  description: One dictionary.
  type: list
  elements: dict
  contains:
    path:
      description: Where the file lies on the controller.
      type: str
    digest:
      description: Its SHA-256.
      type: str
    version:
      description: The version of Portreeve.
      type: str
  sample:
    - path: /root/.ansible/tmp/ansible-local-4242k_0s1/portreeve-30da288914df….pyz
      digest: 30da288914df…
      version: 0.1.0
"""

from pathlib import Path

from ansible import constants as C
from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ..plugin_utils.agent_file.archive import archive, digest, keep, version


class LookupModule(LookupBase):
    """Builds the file."""

    def run(self, terms, variables=None, **kwargs):
        """Return where the file lies, its digest and its version."""
        if terms or kwargs:
            raise AnsibleLookupError("The lookup of agent_file takes no arguments.")
        content = archive()
        try:
            path = keep(content, Path(C.DEFAULT_LOCAL_TMP))
        except OSError as error:
            raise AnsibleLookupError(f"The agent's file could not be written on the controller: {error}") from error
        return [{"path": str(path), "digest": digest(content), "version": version(content)}]
