# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A fault of the agent itself reaches a user as one sentence too; the traceback is there for who asks for it."""

from __future__ import annotations

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent import cli


@pytest.fixture(autouse=True)
def fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("two\nlines")

    monkeypatch.setattr(cli, "take_snapshot", fail)


def test_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list"]) == cli.Exit.FAILED
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "portreeve: a fault in Portreeve, please report it: ValueError: two\\nlines\n")


def test_the_traceback_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTREEVE_TRACEBACK", "1")
    with pytest.raises(ValueError, match="two"):
        cli.main(["list"])
