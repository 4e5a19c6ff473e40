# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Every rule has its page, and what the page shows is what is said of a host that breaks it."""

from __future__ import annotations

import re

import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.findings import Finding
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.rules import RISK_RULES, RULES, VERDICT_RULES

from .hosts import JAVA, SHOP, app, bound, by_hand, held, judge, listener, picture, unit, waiver

PAGES = "docs/rules"
PARTS = ("**What it means.**", "**How it comes about.**", "**How it looks.**", "**What to do.**")
SHOPS = {"unit": "shop.service"}
SHOPPING = app("shop", "8080", SHOPS)
LEFT_BEHIND = by_hand("backup", "root", role="heir")


def _port(verdict="owned", *holdings, **more):
    return picture(held("8080/tcp", *(holdings or (SHOP,)), verdict=verdict, **more))


EXAMPLES = {
    "wrong_owner": (_port("owned", JAVA), SHOPPING),
    "not_listening": (picture(), SHOPPING),
    "wrong_address": (
        picture(listener("8080/tcp", bound("0.0.0.0", SHOP), bound("::", SHOP))),
        app("shop", "8080", SHOPS, address="loopback"),
    ),
    "undeclared": (_port("owned", JAVA),),
    "undeclared_automatic": (picture(held("47110/udp", unit("chronyd"))),),
    "not_reserved": (picture(), app("shop", "40000", SHOPS, listen="may", reserve="auto")),
    "waiver_expired": (_port("owned", JAVA), SHOPPING, waiver("wrong_owner", "8080/tcp", "2026-10-31")),
    **{
        rule: (_port(rule, SHOP, LEFT_BEHIND) if "heir" in rule else _port(rule, LEFT_BEHIND), SHOPPING)
        for rule in ("leaked_to_heirs", "orphaned_listener")
    },
    "hung_listener": (_port("hung_listener"), SHOPPING),
    "squatted": (picture(listener("8080/tcp", verdict="squatted")), SHOPPING),
    **{
        rule: (picture(dangers=((rule, ""),)) if rule.startswith("res") else _port(risks=(rule,)), SHOPPING)
        for rule in RISK_RULES
    },
}


def found(rule: str) -> Finding:
    """Return what is found of a rule in its example."""
    return next(one for one in judge(*EXAMPLES[rule]).findings if one.rule == rule)


def shown(rule: str) -> str:
    """Return a finding as its page shows it."""
    one = found(rule)
    head = " ".join(filter(None, (one.severity, one.rule, one.place, one.subject)))
    return f"```text\n{head}\n  {one.said}\n  {one.advice}\n```"


def test_every_rule_has_its_page_and_every_page_its_rule(root):
    assert {page.stem for page in (root / PAGES).glob("*.md")} == {*RULES, "README"}


@pytest.mark.parametrize("rule", RULES)
def test_a_page_says_all_there_is_to_say(rule, root):
    page = (root / PAGES / f"{rule}.md").read_text(encoding="utf-8")

    assert page.startswith(f"# {rule}\n")
    assert [part for part in re.findall(r"^\*\*.*?\*\*", page, re.MULTILINE) if part in PARTS] == list(PARTS)
    assert shown(rule) in page


def test_the_list_of_rules_has_their_severities(root):
    listed = (root / PAGES / "README.md").read_text(encoding="utf-8")

    assert dict(re.findall(r"^\| \[`(\w+)`\]\(\1\.md\) \| (\w+) \|", listed, re.MULTILINE)) == RULES


@pytest.mark.parametrize("rule", VERDICT_RULES + RISK_RULES)
def test_a_page_leads_to_what_the_agent_says_of_it(rule, root):
    page = (root / PAGES / f"{rule}.md").read_text(encoding="utf-8")

    assert (f"](../verdicts/{rule}.md)" if rule in VERDICT_RULES else f"](../risks.md#{rule})") in page
