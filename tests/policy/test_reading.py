# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""From the variables that a host sees to its policy, and what is wrong with them."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
import yaml
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import InvalidInput
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.expectations import Expectation
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.applications import merge_applications, mistakes_in
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.declarations import POLICY, hidden, near_misses
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.reading import (
    mistakes_in_policy,
    read_policy,
    waivers_for_nobody,
)
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.records import Policy, policy_from_wire
from hypothesis import given, settings
from hypothesis import strategies as st

APPLICATIONS, ALLOWED = "portreeve_applications", "portreeve_allowed"
WAIVERS, SEVERITIES = "portreeve_waivers", "portreeve_severities"
WAIVER = {"reason": "until it is replaced", "expires": "2026-12-31"}
INVENTORY = {"all": {"web1", "web2"}, "web": {"web1", "web2"}, "web2": {"web2"}, "db": set()}


def hosts_matching(pattern: str) -> set[str]:
    if pattern not in INVENTORY:
        raise InvalidInput(f"{pattern} is no pattern: accepted is another")
    return INVENTORY[pattern]


def is_matched(pattern: str, host: str) -> bool:
    return host in hosts_matching(pattern)


def policy(host: str = "web1", **declared: object) -> Policy:
    read = read_policy(declared, is_matched, host)
    assert policy_from_wire(read.to_wire()) == read
    return read


def mistakes(**declared: object) -> tuple[str, ...]:
    return mistakes_in_policy(declared, is_matched, "web1", lambda variable, position, key: None)


def test_nothing_is_declared_by_nothing():
    assert policy() == policy(portreeve_allowed=[], portreeve_severities={}, other=[1]) == Policy()


def test_entries_of_one_application_are_united():
    owner = [{"unit": "shop.service"}, {"user": "shop", "container": "shop"}]
    (shop,) = policy(
        portreeve_applications=[{"name": "shop", "ports": [8080, "53/udp"], "owner": owner, "severity": "low"}],
        portreeve_applications_web=[{"name": "shop", "ports": "8081-8090", "owner": owner[::-1], "listen": "may"}],
    ).declarations

    assert [str(one) for one in shop.ports] == ["53/udp", "8080-8090/tcp"]
    assert set(shop.owners) == {Expectation(unit="shop.service"), Expectation(user="shop", container="shop")}
    assert (shop.listen, shop.address, shop.severity, shop.reserve) == ("may", "any", "low", "auto")
    assert shop.is_application


def test_what_is_left_out_is_as_the_page_says():
    shop, ssh = policy(
        portreeve_applications=[{"name": "shop", "ports": 80}], portreeve_allowed=[{"name": "ssh", "ports": 22}]
    ).declarations

    assert (shop.listen, shop.address, shop.severity, shop.reserve, shop.owners) == ("must", "any", None, "auto", ())
    assert (ssh.listen, ssh.address, ssh.severity, ssh.reserve, ssh.owners) == ("may", "any", None, "never", ())
    assert not ssh.is_application


def test_allowed_entries_of_one_name_stand_each_for_itself():
    local = {"name": "agent", "ports": ["1024-65535"], "owner": {"exe": "agentd"}, "address": "[0::1]"}
    wide = {"name": "agent", "ports": ["9100"], "reason": "scraped"}

    found = policy(portreeve_allowed=[wide, local], portreeve_allowed_web=[local]).declarations

    assert {(one.address, str(one.ports[0])) for one in found} == {("::1", "1024-65535/tcp"), ("any", "9100/tcp")}
    assert len(found) == 2


def test_a_waiver_is_for_the_hosts_of_its_pattern():
    waivers = [
        {**WAIVER, "hosts": "web2"},
        {**WAIVER, "rule": ["undeclared", "wrong_owner"], "ports": [80, "53/udp"], "hosts": ["web"]},
        {**WAIVER, "rule": "all"},
    ]

    here, there = (policy(host, portreeve_waivers=waivers).waivers for host in ("web1", "web2"))

    assert [one.where for one in here] == ["entry 3 of portreeve_waivers", "entry 2 of portreeve_waivers"]
    everything, some = here
    assert (everything.rules, everything.ports, everything.hosts) == ((), (), "all")
    assert (some.rules, [str(one) for one in some.ports]) == (("undeclared", "wrong_owner"), ["53/udp", "80/tcp"])
    assert {one.expires for one in there} == {datetime.date(2026, 12, 31)}
    assert len(there) == 3


def test_a_pattern_that_matches_nobody_is_told_but_no_mistake():
    declared = {WAIVERS: [WAIVER, {**WAIVER, "hosts": "db"}, {**WAIVER, "hosts": "~["}]}

    (sentence,) = waivers_for_nobody(declared, hosts_matching)
    (mistake,) = mistakes(**declared)

    assert sentence == "entry 2 of portreeve_waivers has hosts: 'db': no host of the inventory is matched by it."
    assert mistake == "entry 3 of portreeve_waivers has hosts: '~[': ~[ is no pattern: accepted is another."


def test_severities_of_all_variables_count():
    read = policy(portreeve_severities={"undeclared": "high"}, portreeve_severities_web={"squatted": "ignore"})
    assert read.severities == {"undeclared": "high", "squatted": "ignore"}


SHOP = {"name": "shop", "ports": [80]}
MISTAKES: list[tuple[str, Any, str, str]] = [
    (APPLICATIONS, [{**SHOP, "address": "localhost"}], "(shop) has address: 'localhost'", "any, loopback, wildcard or"),
    (APPLICATIONS, [{**SHOP, "address": "lopback"}], "(shop) has address: 'lopback'", "; loopback may be meant."),
    (APPLICATIONS, [{**SHOP, "address": 10.5}], "(shop) has address: 10.5", "an address such as 10.0.0.5 or ::1."),
    (APPLICATIONS, [{**SHOP, "listen": True}], "(shop) has listen: True (YAML takes a bare on,", "must, may."),
    (APPLICATIONS, [{**SHOP, "severity": "Hihg"}], "(shop) has severity: 'Hihg'", "; high may be meant."),
    (APPLICATIONS, [{**SHOP, "severity": "ignore"}], "(shop) has severity: 'ignore'", "info, low, medium, high, crit"),
    (APPLICATIONS, [{"ports": 80}], "has no name: accepted", "accepted are up to 64"),
    (APPLICATIONS, [{**SHOP, "owner": []}], "(shop) has owner: an empty list", "accepted is a dictionary"),
    (APPLICATIONS, [{**SHOP, "owner": [{"unit": "a"}, "b"]}], "(shop) has owner: 'b'", "accepted is a dictionary"),
    (APPLICATIONS, [{**SHOP, "owner": {"units": "a"}}], "(shop) has an owner with ", "; unit may be meant."),
    (APPLICATIONS, [{**SHOP, "owner": {"user": False}}], "(shop) has an owner with user: False", "quote it."),
    (
        APPLICATIONS,
        [{**SHOP, "owner": [{"unit": "a"}, {"unit": "b"}], "service": "a"}],
        "(shop) says service, but shop has several owners",
        "accepted is one owner beside it.",
    ),
    (ALLOWED, {"ssh": 22}, "portreeve_allowed is no list", "a list of allowed listeners, each with name and ports"),
    (ALLOWED, [22], "entry 1 of portreeve_allowed is no allowed listener", "name, ports, owner, address, severity and"),
    (ALLOWED, [{**SHOP, "listen": "may"}], "(shop) has the key 'listen', which is not known", "name, ports, owner"),
    (ALLOWED, [{**SHOP, "ports": "22:2222"}], "(shop) has ports that cannot be read: '22:2222'", "8000-8010"),
    (ALLOWED, [{**SHOP, "ports": "0443"}], "(shop) has ports that cannot be read: '0443'", "accepted are ports"),
    (ALLOWED, [{**SHOP, "ports": [True]}], "(shop) has ports that cannot be read: True", "accepted are ports"),
    (ALLOWED, [{**SHOP, "reason": ""}], "(shop) has reason: ''", "accepted is a text that says why it may listen."),
    (WAIVERS, [{}], "entry 1 of portreeve_waivers says no reason", "accepted is a text"),
    (WAIVERS, [{**WAIVER, "expires": None}], "entry 1 of portreeve_waivers does not say when it expires", "YYYY-MM-DD"),
    (WAIVERS, [{**WAIVER, "expires": "31.12.2026"}], "has expires: '31.12.2026'", "YYYY-MM-DD, such as 2026-12-31."),
    (WAIVERS, [{**WAIVER, "expires": "2026-02-30"}], "has expires: '2026-02-30'", "YYYY-MM-DD"),
    (WAIVERS, [{**WAIVER, "expires": 20261231}], "has expires: 20261231", "YYYY-MM-DD"),
    (WAIVERS, [{**WAIVER, "expires": "2026-12-31 08:00:00"}], "has expires: '2026-12-31 08", "YYYY-MM-DD"),
    (WAIVERS, [{**WAIVER, "rule": "undeclard"}], "has rule: 'undeclard': accepted are all,", "; undeclared may be"),
    (WAIVERS, [{**WAIVER, "rule": ["undeclared", 7]}], "has rule: 7", "accepted are all, wrong_owner"),
    (WAIVERS, [{**WAIVER, "rule": []}], "has rule: an empty list", "accepted are all, wrong_owner"),
    (WAIVERS, [{**WAIVER, "rule": "waiver_expired"}], "has rule: 'waiver_expired'", "accepted are all"),
    (WAIVERS, [{**WAIVER, "hosts": {}}], "has hosts: a value of type dict", "such as web:!web9, or a list"),
    (WAIVERS, [{**WAIVER, "port": 80}], "has the key 'port', which is not known", "; ports may be meant."),
    (SEVERITIES, ["undeclared"], "portreeve_severities is no dictionary", "such as {undeclared: high}, or {} for none"),
    (SEVERITIES, {"undeclard": "low"}, "has the rule 'undeclard', which is not known", "; undeclared may be meant."),
    (SEVERITIES, {"undeclared": False}, "has undeclared: False (YAML takes a bare", "high, critical, ignore."),
    (SEVERITIES, {"undeclared": "hig"}, "portreeve_severities has undeclared: 'hig'", "; high may be meant."),
]


@pytest.mark.parametrize(("variable", "value", "sentence", "accepted"), MISTAKES)
def test_a_mistake_names_the_key_and_what_is_accepted(variable: str, value: Any, sentence: str, accepted: str):
    found = mistakes(**{variable: value})

    assert sentence in found[0]
    assert accepted in found[0]
    assert all("\n" not in one and one.endswith(".") for one in found)
    with pytest.raises(InvalidInput) as refused:
        policy(**{variable: value})
    assert str(refused.value) == " ".join(found)


def test_all_mistakes_are_told_at_once():
    found = mistakes(
        portreeve_applications=[{**SHOP, "listen": "yes", "severity": "very", "onwer": {}}, {"name": "a b"}],
        portreeve_allowed=[{"name": "ssh"}],
        portreeve_waivers=[{}],
        portreeve_severities={"a": "b", "undeclared": 1},
    )
    assert len(found) == 10


def test_each_is_told_with_its_file_and_line():
    lines = {(APPLICATIONS, 0, "listen"): "all.yml:4", (APPLICATIONS, 0, None): "all.yml:2", (ALLOWED, None, None): "x"}
    declared = {
        APPLICATIONS: [{**SHOP, "listen": "yes"}, SHOP, {**SHOP, "listen": "may"}, {**SHOP, "listen": "must"}],
        ALLOWED: "[]",
    }

    found = mistakes_in_policy(declared, is_matched, "web1", lambda *asked: lines.get(asked, "at " + str(asked[1])))

    assert [one.rpartition(" See ")[2] for one in found] == ["all.yml:4.", "at 2 and at 3.", "x."]


MEETING = [
    ({}, {}, True),
    ({"address": "wildcard"}, {}, True),
    ({"address": "loopback"}, {"address": "loopback"}, True),
    ({"address": "loopback"}, {"address": "10.0.0.5"}, False),
    ({"address": "loopback"}, {}, False),
    ({"listen": "may"}, {}, False),
    ({"owner": [{"unit": "b"}, {"unit": "c"}]}, {}, False),  # b will do for both
    ({"ports": ["79-81/udp"]}, {}, False),
    ({"ports": ["70-79", "81"]}, {}, False),
    ({"ports": ["1-100"]}, {"ports": [7, "100-200"]}, True),
]


@pytest.mark.parametrize(("one", "other", "meet"), MEETING)
def test_two_applications_that_must_listen_in_one_place(one: dict, other: dict, meet: bool):
    first = {"name": "a", "ports": [80, 443], "owner": {"unit": "a"}, **one}
    second = {"name": "b", "ports": ["80"], "owner": {"unit": "b"}, **other}

    found = mistakes(portreeve_applications=[first], portreeve_applications_b=[second])

    assert bool(found) is meet, found
    assert all("must both listen on" in sentence and "accepted is" in sentence for sentence in found)
    assert len(found) <= 1


def test_more_ports_that_must_be_listened_on_than_a_host_can_be_asked_for_are_a_mistake():
    few, many = {"name": "web", "ports": 443}, {"name": "shop", "ports": ["20000-24095"]}
    (told,) = mistakes(portreeve_applications=[few, {**many, "ports": 80}, many])

    assert told == (
        "entry 3 of portreeve_applications (shop) has 4096 of the 4098 ports of the host on which somebody must "
        "listen: accepted are at most 4096 on a host, and listen: may for what need not be listened on."
    )
    assert mistakes(portreeve_applications=[many]) == ()
    assert mistakes(portreeve_applications=[few, {**many, "listen": "may"}]) == ()
    assert mistakes(portreeve_applications=[few], portreeve_allowed=[{**many, "ports": "1-65535"}]) == ()


def test_two_that_anybody_may_hold_can_be_the_same():
    assert mistakes(portreeve_applications=[SHOP, {**SHOP, "name": "wiki"}]) == ()


def test_two_variables_that_disagree_on_a_rule_are_both_named():
    (found,) = mistakes(portreeve_severities={"undeclared": "low"}, portreeve_severities_web={"undeclared": "high"})
    assert found == (
        "portreeve_severities says undeclared: low, but portreeve_severities_web says undeclared: high: accepted is "
        "one of them on a host."
    )


def test_several_owners_leave_nothing_to_get_back():
    owner = [{"unit": "b.service"}, {"unit": "a.service", "user": "a"}]
    (several,) = merge_applications({APPLICATIONS: [{**SHOP, "owner": owner}]})
    (one,) = merge_applications({APPLICATIONS: [{**SHOP, "owner": owner[:1]}]})

    assert list(several.releases()) == []
    assert several.to_wire()["owner"] == [{"unit": "a.service", "user": "a"}, {"unit": "b.service"}]
    assert merge_applications({APPLICATIONS: [several.to_wire()]}) == (several,)
    assert [release["options"]["expect"] for release in one.releases()] == [{"unit": "b.service"}]
    assert mistakes_in({APPLICATIONS: [{**SHOP, "owner": owner}, {**SHOP, "owner": owner[::-1]}]}) == ()


@pytest.mark.parametrize(
    ("variable", "told_of"),
    [
        ("portreeve_allow", True),
        ("portreeve_allowed2", True),
        ("portreeve_waiver_web", True),
        ("portreeve_wavers", True),
        ("portreeve_severity", True),
        ("Portreeve_Severities", True),
        ("portreeve_aplications", True),
        ("portreeve_aplications_web_eu", True),
        ("portreeve_waviers_web", True),
        ("portreeve_serverities", True),
        ("portreeve_waves", False),
        ("portreeve_history", False),
        ("portreeve_", False),
        ("reeve_aplications", False),
        ("portreeve_severities_web", False),
        ("portreeve_waivers", False),
        ("portreeve_fail_on", False),
    ],
)
def test_which_names_only_seem_to_be_a_policy(variable: str, told_of: bool):
    assert [variable in one for one in near_misses([variable], POLICY)] == [True] * told_of


def test_what_one_level_hides_of_a_policy():
    levels = {"group web": {WAIVERS: [1], SEVERITIES: {"a": 1}}, "host web1": {WAIVERS: [2], SEVERITIES: {}}}
    (sentence,) = hidden(levels, {WAIVERS: [2], SEVERITIES: {}}, POLICY)
    assert sentence.startswith("portreeve_waivers of group web counts for nothing where that of host web1 hides it")
    assert sentence.endswith("such as portreeve_waivers_web.")


names = st.sampled_from(["a", "b", "c"])
ports = st.lists(st.sampled_from([80, "53/udp", "8000-8010", "8005-8020/tcp", "1024-2000"]), min_size=1, max_size=3)
owners = st.sampled_from([{"unit": "a"}, [{"unit": "a"}], [{"exe": "x"}, {"user": "y"}], [{"user": "y"}, {"exe": "x"}]])
entries = st.fixed_dictionaries(
    {"name": names, "ports": ports},
    optional={"owner": owners, "severity": st.sampled_from(["low", "high", "hgih"]), "address": st.just("loopback")},
)
waivers = st.fixed_dictionaries(
    {"reason": st.just("why"), "expires": st.sampled_from(["2026-12-31", datetime.date(2027, 1, 1), "soon"])},
    optional={"rule": st.sampled_from(["undeclared", ["squatted", "undeclared"], "all"]), "ports": ports},
)
declarations = st.fixed_dictionaries(
    {
        APPLICATIONS: st.lists(entries, max_size=4),
        APPLICATIONS + "_x": st.lists(entries, max_size=4),
        ALLOWED: st.lists(entries, max_size=4),
        WAIVERS + "_x": st.lists(waivers, max_size=3),
        SEVERITIES: st.dictionaries(st.sampled_from(["undeclared", "squatted"]), st.sampled_from(["low", "high"])),
        SEVERITIES + "_x": st.dictionaries(st.just("undeclared"), st.sampled_from(["low", "high"])),
    }
)


def outcome(declared: dict) -> tuple[Any, int]:
    """Return what is read, waivers without where they stand, and how many mistakes there are."""
    found = mistakes_in_policy(declared, is_matched, "web1")
    if found:
        return None, len(found)
    read = read_policy(declared, is_matched, "web1").to_wire()
    return {**read, "waivers": sorted(str({**one, "where": ""}) for one in read["waivers"])}, 0


@settings(max_examples=150, deadline=None)
@given(declarations, st.randoms(use_true_random=False))
def test_the_order_in_which_it_is_declared_says_nothing(declared: dict, chance):
    shuffled = {
        name: value if isinstance(value, dict) else chance.sample(value, len(value)) for name, value in declared.items()
    }
    shuffled = dict(chance.sample(list(shuffled.items()), len(shuffled)))

    assert outcome(shuffled)[0] == outcome(declared)[0]
    assert bool(outcome(shuffled)[1]) is bool(outcome(declared)[1])


def test_the_page_declares_what_it_says(root):
    page = (root / "docs/policy.md").read_text(encoding="utf-8")
    blocks = [block.partition("```")[0] for block in page.split("```yaml\n")[1:]]
    declared = {name: value for block in blocks for name, value in yaml.safe_load(block).items()}

    read = read_policy(declared, lambda pattern, host: pattern == host, "pay9")

    assert {one.name for one in read.declarations} == {"ssh", "node-exporter", "ledger", "cache"}
    assert [(one.rules, one.expires) for one in read.waivers] == [(("wrong_address",), datetime.date(2026, 12, 31))]
    assert read.severities == {"undeclared": "high", "inheritable_listener": "ignore"}
