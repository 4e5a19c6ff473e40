# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The role `agent` on hosts of many kinds at once, and what it makes of mistakes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.sshd_hosts.hosts import COMMANDS, SshdHosts, sshd_hosts

from .conftest import Play

FULL = pytest.mark.full


@pytest.fixture(scope="module")
def hosts(needs: Callable[..., None]) -> Iterator[SshdHosts]:
    """Yield two hosts with nothing odd, one without Python and one whose shell says much."""
    needs("root", *COMMANDS)
    with sshd_hosts(2, "no-python", "noisy") as hosts:
        yield hosts


@pytest.mark.slow
@pytest.mark.full
def test_each_host_gets_what_it_is_to_have_or_is_told_what_it_lacks(hosts: SshdHosts, play: Play) -> None:
    state = "{{ 'absent' if inventory_hostname == 'host01' else 'present' }}"

    run = play(str(hosts.inventory), "all", agent_state=state)

    assert run.code == 2
    changed = {name: run.recap(name)["changed"] for name in ("host01", "host02", "no-python", "noisy")}
    assert changed == {"host01": 0, "host02": 1, "no-python": 0, "noisy": 1}, run.output
    (failed,) = [line for line in run.output.splitlines() if line.startswith("fatal: ")]
    assert "[no-python]" in failed
    assert "python3 is no command here: agent_python names a Python, 3.8 or newer." in failed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"agent_units": {"../cron": [80], "web.timer": [], "a b": []}},
            "agent_units names ../cron, web.timer, a b: accepted are services and sockets, such as web or web.service.",
        ),
        pytest.param(
            {"agent_path": "/usr/bin/python3"},
            "agent_path is '/usr/bin/python3': accepted is a full path",
            marks=FULL,
        ),
        pytest.param({"agent_path": "portreeve.pyz"}, "accepted is a full path", marks=FULL),
        pytest.param({"agent_path": "/srv/../etc/portreeve"}, "accepted is a full path", marks=FULL),
        pytest.param({"agent_path": "/opt/portreeve\n"}, "accepted is a full path", marks=FULL),
        pytest.param({"agent_units": {"web": ["eighty"]}}, "'eighty'", marks=FULL),
        pytest.param(
            {"agent_units": {"shard@": [8701]}},
            "agent_units names ports for shard@.service, of which each instance has its own",
            marks=FULL,
        ),
        pytest.param(
            {"agent_recorder": True, "agent_owner": "deploy"}, "agent_owner is deploy, agent_mode 0755", marks=FULL
        ),
        pytest.param({"agent_units": {"web": []}, "agent_mode": "0775"}, "agent_mode 0775: the recorder", marks=FULL),
    ],
    ids=["units", "another's file", "no full path", "up", "two lines", "ports", "template", "owner", "mode"],
)
def test_a_mistake_is_said_before_anything_is_changed(
    hosts: SshdHosts, play: Play, given: dict[str, Any], said: str
) -> None:
    run = play(str(hosts.inventory), "host01", agent_state="present", **given)

    assert run.code == 2
    assert said in run.said, run.output
    assert run.recap("host01")["changed"] == 0
