# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What travels to a host with each module that only looks: the size is paid for once per host and task."""

from __future__ import annotations

import base64
import io
import re
import subprocess
import sys
import zipfile

import pytest

MOST_FILES = 120  # of the agent: each is compiled on the host
MOST_BYTES = 480_000  # with what every module of Ansible has, 169,000
ACTING = {"watch", "recording", "remedies", "reservations", "cli.py", "cli_options.py", "words.py"}

BUILD = """
import sys
from ansible.plugins.loader import init_plugin_loader, module_loader

init_plugin_loader([])
from ansible.executor.module_common import modify_module
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

name = sys.argv[1]
built = modify_module(
    module_name=name,
    module_path=module_loader.find_plugin_with_context(name).plugin_resolved_path,
    module_args={},
    templar=Templar(DataLoader()),
    task_vars={"ansible_python_interpreter": "/usr/bin/python3"},
    module_compression="ZIP_DEFLATED",
)
sys.stdout.buffer.write(built[0] if isinstance(built, tuple) else built.b_module_data)
"""


@pytest.mark.parametrize("module", ["port_owner", "port_audit"])
def test_a_module_that_looks_takes_only_the_looking_part(root, module):
    name = f"portreeve.fleet.{module}"
    done = subprocess.run([sys.executable, "-c", BUILD, name], cwd=root, check=True, capture_output=True, timeout=120)
    [packed] = re.findall(rb"[\"']([A-Za-z0-9+/=]{100000,})[\"']", done.stdout)
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(packed))) as payload:
        rooms = [
            entry.partition("/portreeve_agent/")[2] for entry in payload.namelist() if "/portreeve_agent/" in entry
        ]

    assert 50 < len(rooms) <= MOST_FILES
    assert len(done.stdout) <= MOST_BYTES
    assert ACTING.isdisjoint(room.partition("/")[0] for room in rooms)
