# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Whether a pattern chooses one host, held against what Ansible itself chooses from the whole inventory."""

from __future__ import annotations

import pathlib

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible_collections.portreeve.fleet.plugins.plugin_utils.inventory.patterns import is_chosen

HOSTS = """
lone
[web]
web1
web2.example.com
web10
[canary]
web2.example.com
[db]
db1
db
[eu:children]
web
empty
[empty]
"""
#: With what comes of looking at one host alone: False where the others have to be looked at.
PATTERNS = {
    "all": True, "*": True, "web": True, "web1": True, "eu": True, "empty": True, "nothing": True, "ungrouped": True,
    "web*": True, "*1": True, "?b1": True, "web2.example.com": True, "*.example.com": True, "~(web|db)1": True,
    "~web[12]": True, "~eu": True, "al*": True, "ungr*": True, "web:!web1": True, "web*:!web1": True, "!web": True,
    "web,&canary": True, "eu:&canary": True, "db1,!eu,lone": True, "canary, lone": True, "&web": True, "e*": True,
    "!web*:all": True, "canary:!canary": True, "~e.*y:lone": True, "web1:web10:!empty": True,
    "db": False, "web[0]": False, "web[0:1]": False, "web:!web[0]": False, "~(": False, "web[12]*": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> InventoryManager:
    place: pathlib.Path = tmp_path_factory.mktemp("inventory") / "hosts"
    place.write_text(HOSTS)
    return InventoryManager(DataLoader(), sources=[str(place)])


@pytest.mark.parametrize(("pattern", "alone"), PATTERNS.items(), ids=PATTERNS)
def test_one_host_is_chosen_as_ansible_would(inventory: InventoryManager, pattern: str, alone: bool):
    found = {host: is_chosen(inventory, pattern, host) for host in inventory.hosts}

    if not alone:
        assert set(found.values()) == {None}
    else:
        chosen = {one.name for one in inventory.get_hosts(pattern)}
        assert {host for host, told in found.items() if told} == chosen
        assert None not in found.values()


def test_no_other_host_is_looked_at(inventory: InventoryManager, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(inventory, "get_hosts", None)

    assert is_chosen(inventory, "web*:!web1", "web10") is True
    assert is_chosen(inventory, "web*", "elsewhere") is None
