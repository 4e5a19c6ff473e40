# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The lookup on real inventories: levels that are merged, where a mistake was made, whom a waiver is for."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.policy.conftest import BIN, Inventory

WAIVER = "reason: why, expires: 2026-12-31"


def names(policy: dict) -> list[str]:
    return [one["name"] for one in policy["declarations"]]


def test_all_levels_count(inventory: Inventory):
    inventory.write("group_vars/all.yml", "portreeve_allowed:\n  - {name: ssh, ports: 22}\n")
    inventory.write(
        "group_vars/web.yml", "portreeve_applications_web: [{name: shop, ports: ['{{ low }}-82']}]\nlow: 81\n"
    )
    inventory.write("group_vars/canary.yml", "portreeve_severities_canary: {undeclared: high}\n")
    inventory.write(
        "host_vars/web2.yml",
        "portreeve_applications_web2: '{{ [one] }}'\none: {name: shop, ports: 443, owner: [{unit: a}, {unit: b}]}\n",
    )

    web1, web2, db1 = (inventory.policies(portreeve_allowed_play=[{"name": "x", "ports": 1}])[h] for h in HOSTS)

    assert [names(one) for one in (web1, web2, db1)] == [["shop", "ssh", "x"], ["shop", "ssh", "x"], ["ssh", "x"]]
    assert [one["declarations"][0]["ports"] for one in (web1, web2)] == [["81-82/tcp"], ["81-82/tcp", "443/tcp"]]
    assert web2["declarations"][0]["owners"] == [{"unit": "a"}, {"unit": "b"}]
    assert [one["severities"] for one in (web1, web2, db1)] == [{}, {"undeclared": "high"}, {}]


HOSTS = ("web1", "web2", "db1")


def test_a_waiver_is_for_whom_a_play_would_be(inventory: Inventory):
    patterns = ["web2", "web", "web:!canary", "web,&canary", "*1", "~(web|db)1", "web[0]", "all", "[canary, db]"]
    entries = "\n".join(f"  - {{hosts: {one if one[0] == '[' else json.dumps(one)}, {WAIVER}}}" for one in patterns)
    inventory.write("group_vars/all.yml", f"portreeve_waivers:\n{entries}\n")

    policies = inventory.policies("--limit", "web2,db1")

    hosts = {host: sorted(one["hosts"] for one in policy["waivers"]) for host, policy in policies.items()}
    assert hosts == {
        "web2": ["all", "canary,db", "web", "web,&canary", "web2"],
        "db1": ["*1", "all", "canary,db", "~(web|db)1"],
    }
    assert policies["db1"]["waivers"][0]["expires"] == "2026-12-31"
    assert "no host of the inventory" not in inventory.mistakes("--limit", "db1")[1]


def test_a_mistake_is_told_with_hosts_file_and_line(inventory: Inventory):
    inventory.write(
        "group_vars/web.yml", "---\nportreeve_applications_web:\n  - name: shop\n    ports: [80]\n    onwer: x\n"
    )
    inventory.write(
        "group_vars/all.yml",
        f"portreeve_waivers:\n  - {{{WAIVER}}}\n  - rule: undeclard\n    reason: why\n    expires: 2026-12-31\n",
    )
    inventory.write(
        "host_vars/db1.yml", 'x: 1\nportreeve_allowed_db1: "{{ nothing }}"\nportreeve_severities: {squatted: off}\n'
    )

    found, _said = inventory.mistakes()

    where = {one.rpartition(" See ")[2]: one for one in found}
    assert set(where) == {
        "inventory/group_vars/web.yml:5.", "inventory/group_vars/all.yml:3.", "inventory/host_vars/db1.yml:2.",
        "inventory/host_vars/db1.yml:3.",
    }  # fmt: skip
    assert where["inventory/group_vars/web.yml:5."].startswith(
        "web1, web2: entry 1 of portreeve_applications_web (shop)"
    )
    assert where["inventory/group_vars/all.yml:3."].startswith("entry 2 of portreeve_waivers has rule: 'undeclard'")
    assert where["inventory/host_vars/db1.yml:2."].startswith("db1: portreeve_allowed_db1 cannot be worked out: ")
    assert not any(".." in one for one in where.values())
    assert where["inventory/host_vars/db1.yml:3."].startswith("db1: portreeve_severities has squatted: False")


def test_an_entry_that_a_template_has_made_is_told_by_its_variable(inventory: Inventory):
    inventory.write("group_vars/all.yml", "\nportreeve_allowed_made: \"{{ [{'name': 'a', 'prots': 1}] }}\"\n")
    inventory.write("group_vars/web.yml", 'portreeve_allowed_web: "{{ nothing }}"\n')
    found, undefined = sorted(inventory.mistakes()[0])
    assert found.startswith("entry 1 of portreeve_allowed_made (a) has the key 'prots'")
    assert found.endswith(" See inventory/group_vars/all.yml:2.")
    assert undefined.startswith("web1, web2: portreeve_allowed_web cannot be worked out: ")


def test_what_one_list_comes_to_on_each_host_is_its_own(inventory: Inventory):
    inventory.write("group_vars/all.yml", "portreeve_allowed: [{name: a, ports: '{{ wanted }}'}]\nwanted: 80\n")
    inventory.write("host_vars/web2.yml", "wanted: http\n")
    inventory.write("host_vars/db1.yml", "wanted: ssh\n")

    found, _said = inventory.mistakes()

    assert [one.partition(": accepted")[0] for one in found] == [
        "web2: entry 1 of portreeve_allowed (a) has ports that cannot be read: 'http' is not a port",
        "db1: entry 1 of portreeve_allowed (a) has ports that cannot be read: 'ssh' is not a port",
    ]


def test_what_counts_for_nothing_is_warned_of_once(inventory: Inventory):
    inventory.write("group_vars/all.yml", f"portreeve_waiver: []\nportreeve_waivers:\n  - {{{WAIVER}, hosts: shop}}\n")
    inventory.write("group_vars/web.yml", "portreeve_severities: {undeclared: low}\n")
    inventory.write("host_vars/web1.yml", "portreeve_severities: {undeclared: high}\n")

    found, said = inventory.mistakes()

    assert found == []
    assert said.count("The variable portreeve_waiver declares nothing: accepted are portreeve_waivers,") == 1
    assert said.count("portreeve_severities of group web counts for nothing where that of host web1 hides it") == 1
    assert said.count("entry 1 of portreeve_waivers has hosts: 'shop': no host of the inventory is matched by it.") == 1


def test_a_mistake_ends_the_query_of_one_host(inventory: Inventory):
    inventory.write("group_vars/all.yml", "portreeve_allowed: [{name: ssh}]\nportreeve_severities: []\n")
    told, said = inventory.play("query('portreeve.fleet.policy')")
    assert told == {}
    assert "entry 1 of portreeve_allowed (ssh) has no ports: accepted are" in said
    assert "portreeve_severities is no dictionary" in said
    assert "Traceback" not in said
    assert "takes no argument but mistakes" in inventory.play("query('portreeve.fleet.policy', 'web1')")[1]


def test_it_has_documentation(inventory: Inventory):
    done = subprocess.run(
        [sys.executable, str(BIN / "ansible-doc"), "--type", "lookup", "--json", "portreeve.fleet.policy"],
        env=inventory.environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    (found,) = json.loads(done.stdout).values()
    assert set(found["doc"]["options"]) == {"_terms", "mistakes"}
    assert found["return"]["_list"]["sample"][0]["format"] == "portreeve.policy/1"
