# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The lookup that builds the agent's file on the controller."""

from __future__ import annotations

import hashlib
import pathlib
import subprocess
import sys

import pytest
from ansible import constants
from ansible.errors import AnsibleLookupError
from ansible_collections.portreeve.fleet.plugins.lookup.agent_file import LookupModule


def test_it_says_where_the_file_is_and_what_it_is(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))

    (built,) = LookupModule().run([])

    content = pathlib.Path(built["path"]).read_bytes()
    printed = subprocess.run([sys.executable, built["path"], "--version"], capture_output=True, text=True, check=True)
    assert built["digest"] == hashlib.sha256(content).hexdigest()
    assert f"portreeve {built['version']}\n" == printed.stdout
    assert LookupModule().run([]) == [built]
    assert [path.name for path in tmp_path.iterdir()] == [f"portreeve-{built['digest']}.pyz"]


def test_it_takes_no_arguments() -> None:
    for terms, options in ((["web"], {}), ([], {"path": "/tmp/x"})):
        with pytest.raises(AnsibleLookupError, match="takes no arguments"):
            LookupModule().run(terms, **options)


def test_a_controller_without_room_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", "/proc/nowhere")

    with pytest.raises(AnsibleLookupError, match="The agent's file could not be written on the controller: "):
        LookupModule().run([])
