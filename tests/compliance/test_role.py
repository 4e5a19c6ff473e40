# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The role in a play of somebody's own, and the state as the last line under Ansible's own callback."""

from __future__ import annotations

import contextlib

import pytest
import yaml

from .conftest import PORT, SHOP, Held, listening

pytestmark = pytest.mark.slow

PLAY = {
    "name": "Look before a deployment",
    "hosts": "web",
    "gather_facts": False,
    "vars": {"portreeve_applications": [SHOP]},
    "roles": [{"role": "portreeve.fleet.compliance"}],
    "post_tasks": [{"name": "Go on", "ansible.builtin.debug": {"msg": "{{ compliance_judged.state }}: go on"}}],
}


def test_the_role_lets_a_play_go_on_where_all_is_as_declared(held: Held, ends: contextlib.ExitStack):
    held.set_up({"web": ["web1", "web2"]})
    for host in ("web1", "web2"):
        held.hold(ends, host, listening(PORT))
    (held.place / "own.yml").write_text(yaml.safe_dump([PLAY]), encoding="utf-8")

    run = held.play_own("own")
    broken = held.play_own("own", "-e", '{"portreeve_applications_more": [{"name": "till", "ports": [8082]}]}')

    assert run.code == 0, run.output
    assert run.output.count("compliant: go on") == 2
    assert "COMPLIANT: all 2 hosts are as declared." in run.output
    assert broken.code == 2
    assert "go on" not in broken.output
    assert "NOT COMPLIANT: 2 findings (medium or worse, 2 new) on 2 of 2 hosts." in broken.output


@pytest.mark.full
def test_a_setting_of_the_role_that_is_not_accepted_ends_the_play(held: Held):
    held.set_up({"web": ["web1"]})
    play = {**PLAY, "roles": [{"role": "portreeve.fleet.compliance", "compliance_fail_on": "now and then"}]}
    (held.place / "own.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")

    run = held.play_own("own")

    assert run.code == 2
    assert "now and then" in run.output
    assert held.visited() == set()


def test_ansibles_own_callback_tells_the_last_line_as_well(held: Held):
    held.open("web1")
    held.environment["ANSIBLE_STDOUT_CALLBACK"] = "ansible.builtin.default"

    verdict = held.comply()

    assert verdict.run.code == 2
    assert f'"msg": "{verdict.summary["sentence"]}"' in verdict.run.output
    assert verdict.run.recap("web1")["failed"] == 1
    assert "unreachable=0" in verdict.run.output


@pytest.mark.full
def test_ansible_itself_counts_who_was_unreachable(held: Held, ends: contextlib.ExitStack):
    held.open("web1", "gone1")
    held.hold(ends, "web1", listening(PORT))
    held.environment["ANSIBLE_STDOUT_CALLBACK"] = "ansible.builtin.default"

    verdict = held.comply()

    assert verdict.summary["state"] == "incomplete"
    assert "UNREACHABLE" in verdict.run.output
    assert verdict.run.recap("gone1")["ignored"] == 1  # as with any module
