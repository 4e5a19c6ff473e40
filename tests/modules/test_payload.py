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
from functools import cache

import pytest

MOST_FILES = 120  # of the agent: each is compiled on the host
MOST_BYTES = 480_000  # with what every module of Ansible has, 169,000
ACTING = {"watch", "recording", "remedies", "reservations", "cli.py", "cli_options.py", "words.py"}
ACTING_MODULES = ("port_release", "port_reservation")

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
    module_args={"nothing": "to do"},  # refused once all is imported
    templar=Templar(DataLoader()),
    task_vars={"ansible_python_interpreter": "/usr/bin/python3"},
    module_compression="ZIP_DEFLATED",
)
sys.stdout.buffer.write(built[0] if isinstance(built, tuple) else built.b_module_data)
"""


COUNT = """
import collections, runpy, sys
compiled = collections.Counter()

def note(event, arguments):
    if event == "compile" and "/portreeve_agent/" in str(arguments[1]):
        compiled[str(arguments[1]).partition("/portreeve_agent/")[2]] += 1

sys.addaudithook(note)
sys.argv[:] = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    print(*(f"{number} {name}" for name, number in compiled.items()), sep="\\n", file=sys.stderr)
"""


@cache
def built(root, module):
    name = f"portreeve.fleet.{module}"
    return subprocess.run(
        [sys.executable, "-c", BUILD, name], cwd=root, check=True, capture_output=True, timeout=120
    ).stdout


@pytest.mark.parametrize("module", ["port_owner", "port_audit"])
def test_a_module_that_looks_takes_only_the_looking_part(root, module):
    wrapped = built(root, module)
    [packed] = re.findall(rb"[\"']([A-Za-z0-9+/=]{100000,})[\"']", wrapped)
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(packed))) as payload:
        rooms = [
            entry.partition("/portreeve_agent/")[2] for entry in payload.namelist() if "/portreeve_agent/" in entry
        ]

    assert 50 < len(rooms) <= MOST_FILES
    assert len(wrapped) <= MOST_BYTES
    assert ACTING.isdisjoint(room.partition("/")[0] for room in rooms)


@pytest.mark.parametrize(
    "module",
    ["port_owner", "port_audit", *(pytest.param(acting, marks=pytest.mark.full) for acting in ACTING_MODULES)],
)
def test_the_host_compiles_each_file_of_the_agent_once(root, tmp_path, module):
    wrapper = tmp_path / f"{module}.py"
    wrapper.write_bytes(built(root, module))

    done = subprocess.run(
        [sys.executable, "-c", COUNT, str(wrapper)], capture_output=True, text=True, timeout=120, check=False
    )

    times = {name: int(number) for number, _, name in (line.partition(" ") for line in done.stderr.splitlines())}
    assert len(times) > 10
    assert {name for name, number in times.items() if number > 1} <= {"__init__.py", "packed.py"}
