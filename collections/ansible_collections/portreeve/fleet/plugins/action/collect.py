# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asks a host who holds which port and keeps the answer on the controller; documented in plugins/modules/collect.py."""

from __future__ import annotations

import pathlib
import time
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ..plugin_utils.compliance.answers import Answer, write_answer
from ..plugin_utils.compliance.course import moment_of
from ..plugin_utils.compliance.question import answer_of, declared_ports
from ..plugin_utils.fleet.picture import plain
from ..plugin_utils.fleet.translation import translated

_ARGUMENTS = {
    "policy": {"type": "list", "elements": "dict", "required": True},
    "answers": {"type": "path", "required": True},
}


class ActionModule(ActionBase):
    """Runs port_audit on the host."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return how the host answered, and no more: the answer itself would stay in Ansible's memory."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, arguments = self.validate_argument_spec(argument_spec=_ARGUMENTS)
        self._variables = task_vars or {}
        return {**result, **translated(self._collected, AnsibleActionFail)(arguments)}

    def _collected(self, arguments: dict[str, Any]) -> dict[str, Any]:
        policy = plain(arguments["policy"])[0]
        found: dict[str, Any] = {"failed": True, "msg": "the run was ended before it answered"}
        try:
            found = self._execute_module(
                module_name="portreeve.fleet.port_audit",
                module_args={"declared": declared_ports(policy)},
                task_vars=self._variables,
            )
        except AnsibleConnectionFailure as error:  # raised, Ansible would print a page about it
            found = {"unreachable": True, "msg": str(error)}
        except Exception as error:
            found = {"failed": True, "msg": str(error)}
            raise
        finally:
            host = plain(self._variables["inventory_hostname"])
            answer = answer_of(host, moment_of(time.time()), policy, found)
            write_answer(pathlib.Path(arguments["answers"]), answer)
        return _told(answer, found)


def _told(answer: Answer, found: dict[str, Any]) -> dict[str, Any]:
    carried = {key: found[key] for key in ("unreachable", "failed", "warnings", "deprecations") if key in found}
    return {
        **carried,
        "changed": False,
        "msg": answer.reason or "The host was seen in full.",
        "status": answer.status,
        "ports": len((answer.result or {}).get("ports", [])),
        "complete": bool(answer.result and answer.result.get("complete")),
    }
