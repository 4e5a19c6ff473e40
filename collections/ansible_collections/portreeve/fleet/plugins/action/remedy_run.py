# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Begins, follows and ends the run of a plan on a fleet; documented in plugins/modules/remedy_run.py."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..plugin_utils.fleet.picture import plain
from ..plugin_utils.fleet.translation import translated
from ..plugin_utils.remediation.budgets import read_limits
from ..plugin_utils.remediation.places import record_at
from ..plugin_utils.remediation.running import Order, begin, close, end_here
from ..plugin_utils.report.sentences import counted

_LIMITS = ("most_hosts", "most_failed", "most_owners_per_host", "most_owners_per_group")
_ARGUMENTS = {
    "phase": {"type": "str", "required": True, "choices": ["begin", "wave", "healthy", "end"]},
    "record": {"type": "path"},
    "plan": {"type": "path"},
    "digest": {"type": "str", "default": ""},
    "records": {"type": "path", "default": "reports/remediation"},
    "stop_file": {"type": "path"},
    "window": {"type": "str"},
    "health": {"type": "raw"},
    **{name: {"type": "raw"} for name in _LIMITS},
}
_TOLD = ("outcome", "as_approved", "why", "fell")
_NEEDED = [
    ("phase", "begin", ["plan"]),
    *(("phase", phase, ["record"]) for phase in ("wave", "healthy", "end")),
]


class ActionModule(ActionBase):
    """Keeps the record of a run."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return where the record is, whether the run goes on, or what came of it."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, arguments = self.validate_argument_spec(argument_spec=_ARGUMENTS, required_if=_NEEDED)
        phase = getattr(self, "_" + arguments["phase"])
        return {**result, **translated(phase, AnsibleActionFail)(arguments, task_vars or {})}

    def _begin(self, arguments: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        given = {name: arguments[name] for name in ("plan", "digest", "records", "stop_file", "window", "health")}
        order = Order(**plain(given), limits=read_limits(arguments), check=self._task.check_mode)
        record, header = begin(order, set(variables["ansible_play_hosts_all"]), variables["groups"])
        if not header["hosts"]:
            close(record)  # no other play will come to it
        said = f"To be done on {counted(len(header['hosts']), 'host')}. Recorded in {record.directory}."
        return {
            "changed": False,
            "record": str(record.directory),
            "hosts": header["hosts"],
            "health": header["health"],
            "msg": " ".join([*header["earlier"], said]),
            "_ansible_verbose_always": True,
        }

    def _wave(self, arguments: dict[str, Any], _variables: dict[str, Any]) -> dict[str, Any]:
        why = end_here(record_at(arguments["record"]))
        said = f"The run ends here, because {why}." if why else "The run goes on."
        return {"changed": False, "ended": why is not None, "msg": said, "_ansible_verbose_always": why is not None}

    def _healthy(self, arguments: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        record_at(arguments["record"]).journal.append("healthy", host=plain(variables["inventory_hostname"]))
        return {"changed": False}

    def _end(self, arguments: dict[str, Any], _variables: dict[str, Any]) -> dict[str, Any]:
        record = record_at(arguments["record"])
        found = close(record)
        return {
            "changed": False,
            "msg": f"{found['summary']} Recorded in {record.directory}.",
            "hosts": {name: {key: one[key] for key in _TOLD} for name, one in found["hosts"].items()},
            "all_done": all(one["as_approved"] and not one["fell"] for one in found["hosts"].values()),
            "_ansible_verbose_always": True,
        }
