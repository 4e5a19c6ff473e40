# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes the report on the controller; documented in plugins/modules/report.py."""

from __future__ import annotations

import pathlib
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..plugin_utils.fleet.picture import merge
from ..plugin_utils.report.directory import ReportNotKept
from ..plugin_utils.report.writing import write_report

_ARGUMENTS = {
    "hosts": {"type": "list", "elements": "str"},
    "variable": {"type": "str", "default": "portreeve_audit"},
    "directory": {"type": "path", "default": "reports"},
}


class ActionModule(ActionBase):
    """Merges what the hosts answered and writes every format."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return where the report is and what it counts; in check mode where it would be."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        _checked, arguments = self.validate_argument_spec(argument_spec=_ARGUMENTS)
        hosts = arguments["hosts"] or variables.get("ansible_play_hosts_all") or []
        answers = merge({host: _registered(variables["hostvars"], host, arguments["variable"]) for host in hosts})
        try:
            written = write_report(answers, pathlib.Path(arguments["directory"]).absolute(), self._task.check_mode)
        except ReportNotKept as error:
            raise AnsibleActionFail(str(error)) from error
        # The sentence is what the task is for: show it without -v.
        return {**result, "changed": True, **written, "_ansible_verbose_always": True}


def _registered(hostvars: Any, host: str, variable: str) -> Any:
    if host not in hostvars:
        raise AnsibleActionFail(f"The inventory has no host {host}: nothing can be reported on it.")
    return hostvars[host].get(variable)
