# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The playbook `agent`, run against a real host or this machine, with variables of the role."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.inventory.conftest import BIN, Run

Play = Callable[..., Run]


@pytest.fixture(scope="module")
def play(root: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> Play:
    """Return the playbook, run on a host of an inventory."""
    foreign = ("ANSIBLE_", "LC_", "COLUMNS")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(foreign)},
        "ANSIBLE_CONFIG": str(root / "ansible.cfg"),
        "ANSIBLE_HOME": str(tmp_path_factory.mktemp("ansible")),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
        "ANSIBLE_NOCOLOR": "1",
        "LC_ALL": "C.UTF-8",
    }

    def play(inventory: str, host: str, *options: str, **variables: Any) -> Run:
        extra = json.dumps({"portreeve_hosts": host, **variables})
        command = [str(BIN / "ansible-playbook"), "-i", inventory, "playbooks/agent.yml", "-e", extra, *options]
        done = subprocess.run(
            [sys.executable, *command],
            cwd=root,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        return Run(done.returncode, done.stdout)

    return play
