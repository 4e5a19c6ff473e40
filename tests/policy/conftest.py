# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""An inventory on disk, and what Ansible makes of it; no host is ever contacted."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
from typing import Any

import pytest
import yaml

BIN = pathlib.Path(sys.executable).parent


class Inventory:
    """A directory with hosts and variables, and a playbook beside it."""

    def __init__(self, root: pathlib.Path, place: pathlib.Path) -> None:
        self.root = root
        self.place = place
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PORTREEVE_"))}
        self.environment = {
            **kept,
            "ANSIBLE_COLLECTIONS_PATH": str(root / "collections"),
            "ANSIBLE_STDOUT_CALLBACK": "minimal",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_HOME": str(place / "ansible"),
            "LC_ALL": "C.UTF-8",
            "COLUMNS": "4000",  # ansible-core wraps its warnings
        }

    def write(self, name: str, text: str) -> None:
        """Write a file of the inventory, such as ``group_vars/web.yml``."""
        path = self.place / "inventory" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def play(self, expression: str, *arguments: str, once: bool = False, **variables: object) -> tuple[Any, str]:
        """Return what an expression is on each host, or once, and everything that was printed."""
        task = {"ansible.builtin.debug": {"msg": "{{ %s }}" % expression}, "run_once": once}
        play = {"hosts": "all", "gather_facts": False, "tasks": [task], "vars": variables}
        (self.place / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, str(BIN / "ansible-playbook"), "-i", "inventory", "play.yml", *arguments],
            cwd=self.place,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        found = re.findall(r"^(\S+) \| SUCCESS => (\{.*?^\})", done.stdout, re.MULTILINE | re.DOTALL)
        told = {host: json.loads(answer)["msg"] for host, answer in found}
        said = " ".join(done.stdout.split())
        return (next(iter(told.values()), None) if once else told), said

    def policies(self, *arguments: str, **variables: object) -> dict[str, Any]:
        """Return the policy of each host."""
        told, said = self.play("query('portreeve.fleet.policy')", *arguments, **variables)
        assert told, said
        return {host: policy for host, (policy,) in told.items()}

    def mistakes(self, *arguments: str, **variables: object) -> tuple[list[str], str]:
        """Return the mistakes of all hosts, and everything that was printed."""
        expression = "query('portreeve.fleet.policy', mistakes=ansible_play_hosts_all)"
        found, said = self.play(expression, *arguments, once=True, **variables)
        assert found is not None, said
        return found, said


@pytest.fixture
def inventory(root: pathlib.Path, tmp_path: pathlib.Path) -> Inventory:
    """Return an inventory of two hosts of the group web, one of them of canary as well, and one of db."""
    inventory = Inventory(root, tmp_path)
    inventory.write("hosts", "[web]\nweb1\nweb2\n[canary]\nweb2\n[db]\ndb1\n[all:vars]\nansible_connection=local\n")
    return inventory
