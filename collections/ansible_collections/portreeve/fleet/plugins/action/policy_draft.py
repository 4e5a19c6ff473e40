# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes a drafted policy on the controller; documented in plugins/modules/policy_draft.py."""

from __future__ import annotations

import datetime
import pathlib
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..plugin_utils.fleet.host_answer import parse_picture
from ..plugin_utils.fleet.picture import OK, merge, plain
from ..plugin_utils.fleet.translation import translated
from ..plugin_utils.policy.draft import draft
from ..plugin_utils.policy.draft_page import closing, files_of
from ..plugin_utils.report.directory import LATEST, ReportNotKept, check, free_name, keep

_ARGUMENTS = {
    "hosts": {"type": "list", "elements": "str"},
    "variable": {"type": "str", "default": "portreeve_audit"},
    "directory": {"type": "path", "default": "reports/policy"},
}


class ActionModule(ActionBase):
    """Drafts a policy of what the hosts answered."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return where the files are and what they come to; in check mode where they would be."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, arguments = self.validate_argument_spec(argument_spec=_ARGUMENTS)
        return {**result, **translated(self._written, AnsibleActionFail)(arguments, task_vars or {})}

    def _written(self, arguments: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        hosts = arguments["hosts"] or variables.get("ansible_play_hosts_all") or []
        hostvars = variables["hostvars"]
        answers = merge({host: hostvars[host].get(arguments["variable"]) for host in hosts if host in hostvars})
        pictures = {answer.name: parse_picture(answer.result) for answer in answers if answer.result}
        drafted = draft(
            {host: picture for host, picture in pictures.items() if picture.sockets_complete},
            plain(variables.get("groups") or {}),
            _depths(hostvars),
            [(answer.name, answer.status) for answer in answers if answer.status != OK],
        )
        files = files_of(drafted)
        directory = pathlib.Path(arguments["directory"]).absolute()
        now = datetime.datetime.now(datetime.UTC)
        name = free_name(directory, now.strftime("%Y-%m-%dT%H%M%SZ"))
        only_look = self._task.check_mode
        try:
            if only_look:
                check(directory)
            else:
                keep(directory, name, files)
        except ReportNotKept as error:
            raise AnsibleActionFail(str(error)) from error
        return {
            "changed": True,
            "msg": closing(drafted, str(directory / name), written=not only_look),
            "directory": str(directory / name),
            "latest": str(directory / LATEST),
            "files": sorted(files),
            "unseen": [answer.name for answer in answers if answer.status != OK],
            "_ansible_verbose_always": True,  # the sentence is what the task is for: show it without -v
        }


def _depths(hostvars: Any) -> dict[str, int]:
    """Ansible tells how deep groups are only here; without it they are told apart by their hosts alone."""
    inventory = getattr(hostvars, "_inventory", None)
    return {str(name): group.depth for name, group in inventory.groups.items()} if inventory else {}
