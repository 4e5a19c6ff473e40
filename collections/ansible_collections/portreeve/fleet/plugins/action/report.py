# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes the report on the controller; documented in plugins/modules/report.py."""

from __future__ import annotations

import datetime
import pathlib
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..plugin_utils.fleet.picture import merge
from ..plugin_utils.report.as_json import summary
from ..plugin_utils.report.directory import LATEST, ReportNotKept, check, free_name, keep
from ..plugin_utils.report.formats import RENDERERS
from ..plugin_utils.report.sentences import closing
from ..plugin_utils.report.view import report_of

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
        now = datetime.datetime.now(datetime.UTC)
        report = report_of(
            merge({host: _registered(variables["hostvars"], host, arguments["variable"]) for host in hosts}),
            now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
        directory = pathlib.Path(arguments["directory"]).absolute()
        name = free_name(directory, now.strftime("%Y-%m-%dT%H%M%SZ"))
        try:
            if self._task.check_mode:
                check(directory)
            else:
                keep(directory, name, {renderer.file_name: renderer.render(report) for renderer in RENDERERS})
        except ReportNotKept as error:
            raise AnsibleActionFail(str(error)) from error
        return {
            **result,
            "changed": True,
            "msg": closing(report, directory / name, written=not self._task.check_mode),
            "directory": str(directory / name),
            "latest": str(directory / LATEST),
            "files": {renderer.name: str(directory / name / renderer.file_name) for renderer in RENDERERS},
            "proposals": [str(proposal) for proposal in report.proposals],
            "summary": summary(report),
            "_ansible_verbose_always": True,  # the sentence is what the task is for: show it without -v
        }


def _registered(hostvars: Any, host: str, variable: str) -> Any:
    if host not in hostvars:
        raise AnsibleActionFail(f"The inventory has no host {host}: nothing can be reported on it.")
    return hostvars[host].get(variable)
