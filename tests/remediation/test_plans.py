# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""From what hosts answered to a plan with a digest, and back from a file that somebody may have touched."""

from __future__ import annotations

import copy
import json

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import InvalidInput
from ansible_collections.portreeve.fleet.plugins.plugin_utils.remediation.pages import plan_page
from ansible_collections.portreeve.fleet.plugins.plugin_utils.remediation.plans import (
    approved_plan,
    build,
    digest_of,
    hosts_to_do,
    places_of,
    said_of,
)
from ansible_collections.portreeve.fleet.plugins.plugin_utils.remediation.screen import command, lines_of

from .looks import REFUSAL, UNREACHABLE, look, port_found, step

NO_LIMITS = {"most_hosts": None, "most_failed": 0, "most_owners_per_host": None, "most_owners_per_group": None}


def made(looks: dict, made_at: str = "2026-05-04T13:02:11Z", made_by: str = "mara") -> dict:
    return build(looks, NO_LIMITS, made_at, made_by)


FLEET = {
    "web10": look(port_found("due", steps=[step()])),
    "web2": look(port_found("due", steps=[step()]), port_found("needless", port=8081)),
    "web3": look(port_found("needless")),
    "web4": look(port_found("refused", refusal=REFUSAL)),
    "gone": UNREACHABLE,
    "broken": {"failed": True, "msg": "MODULE FAILURE", "module_stderr": "sh: 1: /nowhere/python3: not found\n"},
    "crashed": look(port_found("failed")),
    "absent": None,
}


def test_every_host_is_in_the_plan_as_what_it_is():
    plan = made(FLEET)

    assert {name: host["status"] for name, host in plan["hosts"].items()} == {
        "absent": "failed", "broken": "failed", "crashed": "failed", "gone": "unreachable",
        "web2": "to do", "web3": "nothing", "web4": "refused", "web10": "to do",
    }  # fmt: skip
    assert hosts_to_do(plan) == ["web2", "web10"]
    assert plan["hosts"]["web2"]["in_order"] == ["8081/tcp"]
    assert places_of(plan["hosts"]["web2"]) == ["8081/tcp", "8080/tcp"]
    assert plan["hosts"]["web2"]["boot_id"] == "boot-1"
    assert "/nowhere/python3: not found" in plan["hosts"]["broken"]["problem"]
    assert said_of(plan) == (
        "Something is to be done on 2 of 8 hosts. Refused: web4. Failed: absent, broken, crashed. Unreachable: gone."
    )


def test_the_digest_stands_for_victims_and_not_for_words():
    plan = made(FLEET)
    same = copy.deepcopy(FLEET)
    same["web2"]["ports"][0]["summary"] = "other words"
    same["web2"]["ports"][0]["plan"]["steps"][0]["why"] = "other words"
    same["gone"] = {**UNREACHABLE, "msg": "No route to host"}

    assert made(same, "2026-05-05T00:00:00Z", "root")["digest"] == plan["digest"] == digest_of(plan)

    changes = [("pid", 813), ("start_ticks", 99), ("name", "tail")]
    for key, value in changes:
        other = copy.deepcopy(FLEET)
        other["web2"]["ports"][0]["plan"]["steps"][0]["processes"][0][key] = value
        assert made(other)["digest"] != plan["digest"], key
    assert made({**FLEET, "web3": UNREACHABLE})["digest"] != plan["digest"]
    assert build(FLEET, {**NO_LIMITS, "most_failed": 1}, "", "")["digest"] != plan["digest"]


@pytest.mark.parametrize("name", ["summary", "problem", "why", "harm", "plan", "hosts", "ports"])
def test_no_host_is_left_out_for_its_name(name):
    one, other = (made({name: look(port_found("due", steps=[step(pid=pid)]))}) for pid in (812, 813))
    assert one["digest"] != other["digest"]


def test_only_the_approved_plan_is_taken():
    plan = made(FLEET)
    text = json.dumps(plan)
    assert approved_plan(text, "plan.json", plan["digest"]) == plan

    reworded = {**plan, "made_by": "somebody"}
    assert approved_plan(json.dumps(reworded, indent=4), "plan.json", plan["digest"]) == reworded


@pytest.mark.parametrize(
    ("change", "digest", "sentence"),
    [
        (lambda plan: "}{", None, "plan.json is no plan: it is not JSON."),
        (lambda plan: "[]", None, "plan.json is no plan for a fleet: accepted is a file in the format"),
        (lambda plan: {**plan, "format": "portreeve.plan/2"}, None, "plan.json is no plan for a fleet"),
        (lambda plan: {**plan, "hosts": {}}, None, "plan.json has been changed since it was made"),
        (lambda plan: {**plan, "hosts": {"web1": 7}}, None, "plan.json has been changed since it was made"),
        (lambda plan: {**plan, "hosts": {"web1": {"ports": [7]}}}, None, "plan.json has been changed since it"),
        (lambda plan: {**plan, "limits": {}}, None, "plan.json has been changed since it was made"),
        (lambda plan: plan, "", "No digest was given: accepted is that of the plan that was approved, for plan.json "),
        (lambda plan: plan, "0" * 64, "plan.json is not the plan that was approved: its digest is "),
        (lambda plan: plan, "{digest}0", "plan.json is not the plan that was approved: its digest is "),
    ],
)  # fmt: skip
def test_anything_else_is_refused_in_a_sentence(change, digest, sentence):
    plan = made(FLEET)
    changed = change(plan)
    text = changed if isinstance(changed, str) else json.dumps(changed)

    with pytest.raises(InvalidInput) as refused:
        approved_plan(text, "plan.json", plan["digest"] if digest is None else digest.format(**plan))

    assert str(refused.value).startswith(sentence)
    assert str(refused.value).count("\n") == 0


@pytest.mark.parametrize(
    "older", [{"in_order": 3}, {"ports": {}}, {"ports": [{"place": "80/tcp"}]}, {"status": "done"}, {"status": []}]
)
def test_a_plan_of_another_version_is_refused_though_its_digest_is_right(older):
    plan = made(FLEET)
    plan["hosts"]["web2"] = {**plan["hosts"]["web2"], **older}
    plan["digest"] = digest_of(plan)

    with pytest.raises(InvalidInput, match="is no plan as this version makes them: make it anew"):
        approved_plan(json.dumps(plan), "plan.json", plan["digest"])


def test_every_victim_of_a_tampered_plan_is_noticed():
    plan = made(FLEET)
    victim = plan["hosts"]["web2"]["ports"][0]["plan"]["steps"][0]["processes"][0]
    victim["pid"] = 1

    with pytest.raises(InvalidInput, match="has been changed since it was made"):
        approved_plan(json.dumps(plan), "plan.json", plan["digest"])


def test_the_page_says_who_what_why_harm_and_where():
    page = plan_page(made(FLEET), ["The plan acts on 2 hosts, but most_hosts is 1."])

    for part in (
        "- Something is to be done on 2 hosts: `web2`, `web10`.\n",
        "- Nothing is to be done on 1 host. 2 ports in order on all hosts.\n",
        "- Not known: 4 hosts, of which 1 could not be reached.\n",
        "### shop: 8080/tcp, owned, on 2 hosts\n\n`web2`, `web10`\n\nThe words below are those of `web2`.\n",
        "- **terminate** `sleep[812]`\n  - why: sleep\\[812\\] holds 8080/tcp.\n",
        "  - harm: sleep\\[812\\] gets SIGTERM.\n",
        "- shop, 8080/tcp, on `web4`: " + REFUSAL,
        "- `gone`: Connection refused\n",
        "- The plan acts on 2 hosts, but most\\_hosts is 1.\n",
        "- `web10`: `sleep[812]`\n",
        "`most_failed` 0",
    ):
        assert part in page, part


def test_the_page_says_where_nobody_will_serve():
    port = port_found("due", steps=[step()], unserved="Nobody will serve it.")
    assert "- **Nobody will serve it.**\n" in plan_page(made({"web1": look(port)}), [])


def test_names_from_hosts_are_no_markup():
    evil = step(name="x`\n# Approved\n![](http://x)")
    page = plan_page(made({"web1": look(port_found("due", steps=[evil], summary="# yes"))}), [])

    assert "x`" not in page.replace("x\\`", "")
    assert not [line for line in page.split("\n") if line.lstrip("\\").startswith(("# Approved", "!["))]
    assert page.startswith("# Plan")


def test_the_screen_says_what_a_person_needs_next():
    alike = look(port_found("refused", refusal=f"8080/tcp is not freed: {REFUSAL}"))
    plan = made({"web1": look(port_found("due", steps=[step()])), "web2": alike, "web3": alike, "gone": UNREACHABLE})

    assert lines_of(plan, [], "plan.md", "make it so") == [
        "Something is to be done on 1 of 4 hosts. Refused: web2, web3. Unreachable: gone.",
        f"Refused for shop on web2, web3: 8080/tcp is not freed: {REFUSAL}",
        "Not known: gone (unreachable): Connection refused",
        "To be read: plan.md",
        f"Digest: {plan['digest']}",
        "To do it: make it so",
    ]
    assert lines_of(plan, ["Too many."], "plan.md", "make it so")[3] == "Too many."
    for held_up in (lines_of(plan, ["Too many."], "", "make it so"), lines_of(made({"web2": alike}), [], "", "make")):
        assert not [line for line in held_up if line.startswith("To do it")]


def test_a_plan_is_applied_as_it_was_made():
    assert command("reports/plan.json", "d1", ["my hosts.yml"], "web", True) == (
        "make remediate INVENTORY='my hosts.yml' LIMIT=web DIGEST=d1"
    )
    assert command("p.json", "d1", ["a.yml"], None, True) == "make remediate INVENTORY=a.yml PLAN=p.json DIGEST=d1"
    assert command("p.json", "d1", ["a.yml", "b"], "web", False) == (
        "ansible-playbook -i a.yml -i b --limit web portreeve.fleet.remediate "
        """-e '{"portreeve_plan": "p.json", "portreeve_digest": "d1"}'"""
    )
