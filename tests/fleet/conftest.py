# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The real test hosts for a test run, and Ansible asking them over SSH."""

from __future__ import annotations

import functools
import json
import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .harness.fleet import COMMANDS, borrowed
from .harness.host import Host

INVENTORY = "tests/fleet/inventory.yml"
#: What the callback `minimal` writes before a host's result.
RESULT_HEAD = re.compile(r"^(\S+) \| (SUCCESS|CHANGED|FAILED!|UNREACHABLE!) => (?=\{)", re.MULTILINE)

Ask = Callable[..., dict[str, dict[str, Any]]]


@pytest.fixture(scope="session")
def fleet(needs: Callable[..., None]) -> Iterator[dict[str, Host]]:
    """The hosts by name: brought up when they are down, and then taken down at the end."""
    needs("root", *COMMANDS)
    with borrowed() as hosts:
        yield {host.name: host for host in hosts}


@pytest.fixture(scope="session")
def ask(fleet: dict[str, Host], root: pathlib.Path) -> Ask:
    """Ask every host by the command `ansible` (module, arguments, options); the same question is asked once."""

    @functools.cache
    def ask(module: str, arguments: str = "", *options: str) -> dict[str, dict[str, Any]]:
        program = pathlib.Path(sys.executable).with_name("ansible")
        command = [str(program), "-i", INVENTORY, "fleet", "-m", module, "-a", arguments, *options]
        settings = {"ANSIBLE_CONFIG": "ansible.cfg", "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal"}
        environment = {**os.environ, **settings, "ANSIBLE_NOCOLOR": "1"}
        done = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        results = parse_results(done.stdout)
        assert set(results) == set(fleet), f"{done.stdout}\n{done.stderr}"
        return results

    return ask


def parse_results(printed: str) -> dict[str, dict[str, Any]]:
    """Return the results by host from what the callback `minimal` printed.

    >>> parse_results('web1 | SUCCESS => {\\n    "ping": "pong"\\n}\\n')
    {'web1': {'ping': 'pong'}}
    """
    decoder = json.JSONDecoder()
    return {head[1]: decoder.raw_decode(printed, head.end())[0] for head in RESULT_HEAD.finditer(printed)}
