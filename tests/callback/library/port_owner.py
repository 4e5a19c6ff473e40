# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stands in for the module of this name and gives a result from a file, so that a test knows what is to be printed."""

from __future__ import annotations

import json
import pathlib

from ansible.module_utils.basic import AnsibleModule

module = AnsibleModule({"result": {"type": "path", "required": True}, "fail": {}}, supports_check_mode=True)
answer = json.loads(pathlib.Path(module.params["result"]).read_text(encoding="utf-8"))
if module.params["fail"]:
    module.fail_json(msg=module.params["fail"], **answer)
module.exit_json(**answer)
