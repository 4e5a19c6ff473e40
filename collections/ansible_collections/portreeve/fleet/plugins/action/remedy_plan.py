# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes the plan for a fleet on the controller; documented in plugins/modules/remedy_plan.py."""

from __future__ import annotations

import getpass
import json
import os
import pathlib
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..plugin_utils.fleet.picture import plain
from ..plugin_utils.fleet.translation import translated
from ..plugin_utils.remediation.budgets import exceeded, read_limits
from ..plugin_utils.remediation.journal import moment
from ..plugin_utils.remediation.pages import plan_page
from ..plugin_utils.remediation.places import write_text
from ..plugin_utils.remediation.plans import build, hosts_to_do
from ..plugin_utils.remediation.screen import command, lines_of

_LIMITS = ("most_hosts", "most_failed", "most_owners_per_host", "most_owners_per_group")
_ARGUMENTS = {
    "hosts": {"type": "list", "elements": "str"},
    "variable": {"type": "str", "default": "portreeve_look"},
    "path": {"type": "path", "required": True},
    **{name: {"type": "raw"} for name in _LIMITS},
}


class ActionModule(ActionBase):
    """Makes one plan of what the hosts answered."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the plan's digest, where it is, and what it comes to; in check mode where it would be."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, arguments = self.validate_argument_spec(argument_spec=_ARGUMENTS)
        return {**result, **translated(self._written, AnsibleActionFail)(arguments, task_vars or {})}

    def _written(self, arguments: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        hosts = arguments["hosts"] or variables.get("ansible_play_hosts_all") or []
        looks = {host: variables["hostvars"][host].get(arguments["variable"]) for host in hosts}
        limits = read_limits(arguments)
        plan = build(looks, limits.to_wire(), moment(), _user())
        due = hosts_to_do(plan)
        too_much = list(exceeded(plan, due, variables.get("groups") or {}, limits))
        path = pathlib.Path(arguments["path"]).absolute()
        page = path.with_suffix(".md")
        if not self._task.check_mode:
            write_text(page, plan_page(plan, too_much))
            write_text(path, json.dumps(plan, indent=1, sort_keys=True) + "\n")
        sources, limit = plain(variables.get("ansible_inventory_sources") or []), variables.get("ansible_limit")
        go_on = command(arguments["path"], plan["digest"], _as_given(sources), limit, "MAKELEVEL" in os.environ)
        said = lines_of(plan, too_much, str(page), go_on)
        return {
            "changed": True,
            "msg": " ".join(said),
            "said": said,
            "digest": plan["digest"],
            "path": str(path),
            "page": str(page),
            "hosts": due,
            "exceeded": too_much,
        }


def _as_given(sources: list[str]) -> list[str]:
    """Ansible makes paths of inventories whole; those below the current directory read better without it."""
    here = f"{pathlib.Path.cwd()}{os.sep}"
    return [one.removeprefix(here) for one in sources]


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "a user without a name"
