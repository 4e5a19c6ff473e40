# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Begins and ends a run over a fleet on the controller; documented in plugins/modules/compliance.py."""

from __future__ import annotations

import pathlib
import time
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..plugin_utils.compliance.beginning import Begun, begin, begun_at, mistakes_in, new_name, parse_slice, places_of
from ..plugin_utils.compliance.conclusion import conclude
from ..plugin_utils.compliance.course import moment_of
from ..plugin_utils.compliance.settings import read_settings
from ..plugin_utils.compliance.telling import told
from ..plugin_utils.fleet.picture import plain
from ..plugin_utils.fleet.translation import translated
from ..plugin_utils.policy.runs import COMPLIANT, ERROR, TOLERATED

_ARGUMENTS = {
    "phase": {"type": "str", "required": True, "choices": ["begin", "judge"]},
    "answers": {"type": "path"},
    "hosts": {"type": "list", "elements": "str"},
    "mistakes": {"type": "list", "elements": "str", "default": []},
    "reports": {"type": "path", "default": "reports"},
    "history": {"type": "str"},
    "keep_days": {"type": "raw"},  # these are read by read_settings(), which names all mistakes at once
    "keep_runs": {"type": "raw"},
    "textfile": {"type": "path"},
    "notify": {"type": "raw"},
    "run": {"type": "str"},
    "fail_on": {"type": "raw"},
    "stale_after": {"type": "raw"},
    "slice": {"type": "str", "default": ""},
    "whole": {"type": "str"},
}
_NEEDED = [("phase", "judge", ["answers"])]


class ActionModule(ActionBase):
    """Judges what the hosts answered."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the name and place of the run that begins, or what it has come to."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, arguments = self.validate_argument_spec(argument_spec=_ARGUMENTS, required_if=_NEEDED)
        arguments, variables = plain(arguments), task_vars or {}
        phase = translated(getattr(self, "_" + arguments["phase"]), AnsibleActionFail)
        return {**result, **phase(arguments, variables)}

    def _begin(self, arguments: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        settings, wrong = read_settings(arguments)
        places = places_of(arguments, settings)
        found = mistakes_in(places, arguments["run"], arguments["slice"], arguments["whole"])
        mistakes = [*arguments["mistakes"], *wrong, *found]
        if mistakes:
            return {"failed": True, "msg": " ".join(mistakes), "mistakes": mistakes}
        now = time.time()
        begun = begin(
            Begun(
                answers=places.runs,
                name=arguments["run"] or new_name(now),
                began_at=moment_of(now),
                fail_on=settings.fail_on,
                stale_after=settings.stale_after,
                slice_of=parse_slice(arguments["slice"], arguments["whole"]),
                whole=arguments["whole"] or None,
                limit=None if arguments["slice"] else _limit(variables),
            ),
            places,
            self._task.check_mode,
        )
        return {"changed": False, "mistakes": [], "run": begun.name, "answers": str(begun.answers)}

    def _judge(self, arguments: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        hosts = arguments["hosts"] or plain(variables.get("ansible_play_hosts_all") or [])
        settings, wrong = read_settings(arguments)
        if wrong:
            raise AnsibleActionFail(" ".join(wrong))
        begun = begun_at(pathlib.Path(arguments["answers"]))
        ended = conclude(begun, hosts, places_of(arguments, settings), self._task.check_mode)
        state = ended.run.state
        kept = {"answers": str(begun.answers)} if state == ERROR else {}
        return {**told(ended), **kept, "failed": state not in (COMPLIANT, TOLERATED)}


def _limit(variables: dict[str, Any]) -> str | None:
    """What --limit said; slices are cut by it where nobody else cuts them."""
    limit = str(plain(variables.get("ansible_limit") or "")).strip()
    return None if limit in ("", "all", "*") else limit
