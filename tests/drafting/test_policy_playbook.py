# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""make policy on real listeners, and the fleet held against its own draft."""

from __future__ import annotations

import contextlib
import pathlib
import shutil

import pytest
import yaml

from tests.inventory.conftest import Fleet


@pytest.fixture
def fleet(root: pathlib.Path, tmp_path: pathlib.Path, needs):
    """Return a fleet without hosts."""
    needs("root", "unshare", "nsenter", "mount", "ip", "setpriv")
    fleet = Fleet(root, tmp_path)
    yield fleet
    for world in fleet.worlds.values():
        world.end()


def listen(port, address="0.0.0.0"):
    """Return a script that listens."""
    return f"s = socket.socket(); s.setsockopt(1, 2, 1); s.bind(('{address}', {port})); s.listen()"


@pytest.mark.full  # a draft of real hosts and the policy that it makes are case 8 of tests/field
def test_a_fleet_is_compliant_with_its_own_draft(fleet):
    drafts = fleet.place / "drafts"
    fleet.set_up({"web": ["web1", "web2"], "db": ["db1"], "lost": ["gone1"]})
    with contextlib.ExitStack() as ends:
        for host in ("web1", "web2"):
            fleet.hold(ends, host, listen(8080))
        fleet.hold(ends, "web2", listen(36601, "127.0.0.1"))
        looked = fleet.play("policy", "--check", portreeve_drafts=str(drafts))
        assert not drafts.exists() and "It would be in" in looked.said
        first = fleet.play("policy", portreeve_drafts=str(drafts))
        again = fleet.play("policy", portreeve_drafts=str(drafts))
        assert "gone1 (unreachable)" in first.said and "gone1 (unreachable)" in again.said, first.output
        kept = [path for path in drafts.iterdir() if not path.is_symlink()]
        assert len(kept) == 2
        texts = [{path.relative_to(one): path.read_text() for path in one.rglob("*.yml")} for one in kept]
        assert texts[0] == texts[1]
        latest = drafts / "latest"
        assert "gone1 (unreachable)" in (latest / "group_vars/all.yml").read_text()
        web = yaml.safe_load((latest / "group_vars/web.yml").read_text())
        assert [one["ports"] for one in web["portreeve_allowed_web"]] == [[8080]]
        own = yaml.safe_load((latest / "host_vars/web2.yml").read_text())
        assert [(one["ports"], one["address"]) for one in own["portreeve_allowed_web2"]] == [([36601], "loopback")]

        shutil.copytree(latest, fleet.inventory, dirs_exist_ok=True)
        reports = str(fleet.place / "reports")
        compliant = fleet.play("compliance", "--limit", "web,db", portreeve_reports=reports)
        assert compliant.code == 0, compliant.output
        fleet.hold(ends, "db1", listen(9999))
        assert "NOT COMPLIANT" in fleet.play("compliance", "--limit", "web,db", portreeve_reports=reports).output
