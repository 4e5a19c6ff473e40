# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes the report on a past run on the controller; documented in plugins/modules/compliance_report.py."""

from __future__ import annotations

import pathlib
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..plugin_utils.compliance.beginning import places_of
from ..plugin_utils.compliance.past import report_on, report_on_changes
from ..plugin_utils.compliance.settings import read_settings
from ..plugin_utils.compliance.telling import told
from ..plugin_utils.compliance.whole import conclude_whole
from ..plugin_utils.fleet.picture import plain
from ..plugin_utils.fleet.translation import translated
from ..plugin_utils.policy.runs import COMPLIANT, TOLERATED

_ARGUMENTS = {
    "reports": {"type": "path", "default": "reports"},
    "history": {"type": "str"},
    "run": {"type": "str"},
    "since": {"type": "str"},
    "whole": {"type": "str"},
    "keep_days": {"type": "raw"},  # these are read by read_settings(), which names all mistakes at once
    "keep_runs": {"type": "raw"},
    "stale_after": {"type": "raw"},
    "textfile": {"type": "path"},
    "notify": {"type": "raw"},
}
_APART = [("whole", "run"), ("whole", "since")]


class ActionModule(ActionBase):
    """Reads the history, and contacts no host."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the run had come to, or what has changed, and where the report is."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, arguments = self.validate_argument_spec(argument_spec=_ARGUMENTS, mutually_exclusive=_APART)
        return {**result, **translated(self._written, AnsibleActionFail)(plain(arguments))}

    def _written(self, arguments: dict[str, Any]) -> dict[str, Any]:
        reports = pathlib.Path(arguments["reports"]).absolute()
        history = arguments["history"] or str(reports / "history.sqlite")
        run, since, check = arguments["run"], arguments["since"], self._task.check_mode
        if arguments["whole"]:
            return self._merged(arguments)
        if since:
            return report_on_changes(history, since, run, reports, check)
        return report_on(history, run, reports, check)

    def _merged(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if self._task.check_mode:
            return {"skipped": True, "msg": "Slices are not made one run in check mode."}
        settings, wrong = read_settings(arguments)
        if wrong:
            raise AnsibleActionFail(" ".join(wrong))
        ended = conclude_whole(arguments["whole"], places_of(arguments, settings), settings.stale_after)
        return {**told(ended), "failed": ended.run.state not in (COMPLIANT, TOLERATED)}
