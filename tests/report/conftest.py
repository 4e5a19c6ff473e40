# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Answers of hosts to report on: as an audit registers them, and what a careless or hostile host may send."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.picture import merge
from ansible_collections.portreeve.fleet.plugins.plugin_utils.report.view import Report, report_of

FIXTURES = pathlib.Path(__file__).parent / "fixtures"

UNREACHABLE = {
    "unreachable": True,
    "changed": False,
    "msg": "Failed to connect to the host via ssh: ssh: connect to host 198.18.0.9 port 22: No route to host\r\n",
}
FAILED = {
    "failed": True,
    "rc": 127,
    "msg": "MODULE FAILURE\nSee stdout/stderr for the exact error",
    "module_stderr": "Shared connection to 198.18.0.8 closed.\n/bin/sh: 1: /usr/bin/python3: not found\n",
}


def load(name: str) -> dict[str, Any]:
    """Return one fixture: a result as the module of its format gives it."""
    return json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture
def answer() -> Callable[[str], dict[str, Any]]:
    """Return a function that loads one fixture by name."""
    return load


@pytest.fixture
def report() -> Report:
    """Return a report on a small fleet with something of everything."""
    registered = {name: load(name) for name in ("web1", "web2", "db1", "hostile")}
    return report_of(merge({**registered, "web3": UNREACHABLE, "old1": FAILED}), "2026-05-04T13:02:11Z")
