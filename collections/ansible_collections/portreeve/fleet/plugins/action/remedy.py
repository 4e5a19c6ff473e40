# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gets the ports of one host back; documented in plugins/modules/remedy.py."""

from __future__ import annotations

import pathlib
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ..plugin_utils.fleet.picture import plain
from ..plugin_utils.fleet.translation import translated
from ..plugin_utils.remediation.closing import is_as_approved, outcome_of, why_of
from ..plugin_utils.remediation.course import (
    DONE,
    DUE,
    FAILED,
    NOT_DONE,
    REFUSED,
    look,
    take_back,
    with_label,
)
from ..plugin_utils.remediation.places import Record, read_text, record_at
from ..plugin_utils.remediation.plans import approved_plan
from ..plugin_utils.remediation.running import begin_host, why_not_now

_ARGUMENTS = {
    "releases": {"type": "list", "elements": "dict"},
    "plan": {"type": "path"},
    "digest": {"type": "str"},
    "record": {"type": "path"},
    "stop_file": {"type": "path"},
    "window": {"type": "str"},
    "reason": {"type": "str", "default": ""},
}


class ActionModule(ActionBase):
    """Runs port_release on the host, once for each port."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what became of each port of the host."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, arguments = self.validate_argument_spec(
            argument_spec=_ARGUMENTS, mutually_exclusive=[("releases", "plan", "record")]
        )
        self._variables = task_vars or {}
        self._host = plain(self._variables["inventory_hostname"])
        self._asked_to_check = self._task.check_mode
        self._diffs: list[Any] = []
        return {**result, **translated(self._remedied, AnsibleActionFail)(arguments)}

    def _remedied(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if arguments["record"]:
            return self._recorded(record_at(arguments["record"]))
        closed = why_not_now(arguments["stop_file"], arguments["window"])
        if closed:
            return self._result([], NOT_DONE, f"Nothing was done, because {closed}.")
        if arguments["plan"]:
            path = pathlib.Path(arguments["plan"])
            plan = approved_plan(read_text(path), str(path), arguments["digest"] or "")
            ports = (plan["hosts"].get(self._host) or {"ports": []})["ports"]
        else:
            try:
                ports = look(plain(arguments["releases"] or []), self._execute)
            except AnsibleConnectionFailure as error:  # raised, Ansible would print a page about it
                return {"unreachable": True, "msg": str(error)}
            if self._asked_to_check:
                return self._looked(ports)
        run, approved = _named(arguments), bool(arguments["plan"])
        became = list(take_back(ports, self._execute, run, lambda reserved: None, approved=approved))
        return self._result(became, outcome_of(became), why_of(became))

    def _recorded(self, record: Record) -> dict[str, Any]:
        """Do what the plan of a run says, and write what became of it into the run's journal."""
        header, *_others = record.journal.read()
        plan = approved_plan(read_text(record.plan), str(record.plan), header["digest"])
        ports = plan["hosts"][self._host]["ports"] if self._host in header["hosts"] else []
        if not ports:
            return self._result([], DONE, "The plan has nothing to do here.")
        why = begin_host(record, self._host)
        if why:
            return self._result([], NOT_DONE, f"Nothing was done, because {why}.")
        became: list[dict[str, Any]] = []
        outcome, reason = FAILED, "it could not be told what was done"
        try:
            run = {"run": header["run"], "reason": f"plan {header['digest']}"}
            for port in take_back(ports, self._execute, run, lambda one: self._reserved(record, one), approved=True):
                became.append(port)
            outcome, reason = outcome_of(became), why_of(became) or ""
        except AnsibleConnectionFailure as error:
            reason = f"unreachable: {error}"
            raise
        except Exception as error:
            reason = str(error)
            raise
        finally:
            record.journal.append("end", host=self._host, outcome=outcome, why=reason or None, ports=became)
        return self._result(became, outcome, reason)

    def _reserved(self, record: Record, port: dict[str, Any]) -> None:
        if not self._asked_to_check:
            record.journal.append("reserved", host=self._host, **port)

    def _execute(self, name: str, arguments: dict[str, Any], check: bool) -> dict[str, Any]:
        self._task.check_mode = check or self._asked_to_check
        found: dict[str, Any] = self._execute_module(module_name=name, module_args=arguments, task_vars=self._variables)
        if found.get("diff") and check == self._asked_to_check:
            self._diffs.append(found["diff"])
        return found

    def _looked(self, ports: list[dict[str, Any]]) -> dict[str, Any]:
        """Return what a look found; it has failed only where one could not look, not where something is refused."""
        found = {one["outcome"] for one in ports}
        bad = [with_label(one["options"], one["summary"]) for one in ports if one["outcome"] in (REFUSED, FAILED)]
        due = sum(one["outcome"] == DUE for one in ports)
        said = [f"To be got back: {due} of {len(ports)}."] if due else []
        outcome = next((one for one in (FAILED, REFUSED) if one in found), DONE)
        told = " ".join(said + bad) or "Nothing is to be done."
        return {**self._result(ports, outcome, told), "changed": due > 0, "failed": outcome == FAILED}

    def _result(self, ports: list[dict[str, Any]], outcome: str, said: str | None) -> dict[str, Any]:
        return {
            "format": "portreeve.remedy/1",
            "complete": True,
            "changed": any(port.get("changed") for port in ports),
            "failed": outcome != NOT_DONE and not is_as_approved(outcome, ports),
            "outcome": outcome,
            "msg": said or f"All that was to be done {'would be' if self._asked_to_check else 'is'} done.",
            "ports": ports,
            "diff": self._diffs,
        }


def _named(arguments: dict[str, Any]) -> dict[str, str]:
    return {"reason": arguments["reason"]} if arguments["reason"] else {}
