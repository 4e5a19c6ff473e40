# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The playbook `agent`, run against a real host or this machine, with variables of the role."""

from __future__ import annotations

import io
import json
import os
import pathlib
import subprocess
import sys
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.agent_file.archive import archive, version

from tests.inventory.conftest import BIN, Run

Play = Callable[..., Run]


@pytest.fixture(scope="module")
def environment(root: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment of an ansible-playbook that the user's own settings have no say in."""
    foreign = ("ANSIBLE_", "LC_", "COLUMNS")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(foreign)},
        "ANSIBLE_CONFIG": str(root / "ansible.cfg"),
        "ANSIBLE_HOME": str(tmp_path_factory.mktemp("ansible")),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
        "ANSIBLE_NOCOLOR": "1",
        "LC_ALL": "C.UTF-8",
    }


@pytest.fixture(scope="module")
def play(root: pathlib.Path, environment: dict[str, str]) -> Play:
    """Return the playbook, run on a host of an inventory."""

    def play(inventory: str, host: str, *options: str, **variables: Any) -> Run:
        done = subprocess.run(
            command(inventory, host, *options, **variables),
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


def command(inventory: str, host: str, *options: str, **variables: Any) -> list[str]:
    """Return the command line of the playbook."""
    extra = json.dumps({"portreeve_hosts": host, **variables})
    program = [sys.executable, str(BIN / "ansible-playbook"), "-i", inventory, "playbooks/agent.yml"]
    return [*program, "-e", extra, *options]


def older() -> bytes:
    """Return an archive of another version."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive())) as new, zipfile.ZipFile(written, "w") as old:
        for entry in new.infolist():
            source = new.read(entry)
            old.writestr(entry, source.replace(b'"%s"' % version(archive()).encode(), b'"0.0.9"'))
    return written.getvalue()
