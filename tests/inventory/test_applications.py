# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""From the variables of a host to its applications, and from these to what needs to be reserved."""

from __future__ import annotations

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import InvalidInput
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.applications import (
    Application,
    merge_applications,
    mistakes_in,
    ports_to_reserve,
    say_all,
    unmet,
)
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.declarations import (
    hidden,
    is_declaration,
    near_misses,
)
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.port_sets import compress, merge

ALL, WEB = "portreeve_applications", "portreeve_applications_web"
AUTOMATIC = (32768, 60999)


def told(**declared: object) -> list[dict]:
    return [one.to_wire() for one in merge_applications(declared)]


def application(ports: object, reserve: str = "auto") -> Application:
    return Application("billing", merge(ports), reserve)


def test_no_level_hides_another():
    assert told(
        portreeve_applications=[{"name": "monitoring", "ports": [9100]}],
        portreeve_applications_web=[{"name": "shop", "ports": "8080,8081"}, {"name": "billing", "ports": ["53/udp"]}],
        portreeve_applications_web1=[{"name": "billing", "ports": [36601, "37601-37610"], "reserve": "always"}],
    ) == [
        {"name": "billing", "ports": ["53/udp", "36601", "37601-37610"], "reserve": "always"},
        {"name": "monitoring", "ports": ["9100"], "reserve": "auto"},
        {"name": "shop", "ports": ["8080-8081"], "reserve": "auto"},
    ]
    assert told() == told(portreeve_applications=[]) == []


def test_what_was_merged_can_be_declared():
    once = told(portreeve_applications=[{"name": "b", "ports": [1, "2/tcp"]}, {"name": "a", "ports": 3}])
    assert told(portreeve_applications=once) == once


@pytest.mark.parametrize(
    ("variable", "declares"),
    [(ALL, True), (WEB, True), ("portreeve_applications2", False), ("my_portreeve_applications", False)],
)
def test_which_variables_declare(variable, declares):
    assert is_declaration(variable) is declares


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (None, "portreeve_applications_web is no list"),
        ({"name": "a"}, "portreeve_applications_web is no list"),
        ("[]", "portreeve_applications_web is a text"),
        (["billing"], "entry 1 of portreeve_applications_web is no application"),
        ([{"ports": [1]}], "entry 1 of portreeve_applications_web has no name: accepted are"),
        ([{"name": -7, "ports": [1]}], "entry 1 of portreeve_applications_web has no name that will do: '-7' is not"),
        ([{"name": 1.1, "ports": [1]}], "entry 1 of portreeve_applications_web has a name that is 1.1 to YAML"),
        ([{"name": True, "ports": [1]}], "entry 1 of portreeve_applications_web has a name that is True to YAML"),
        (
            [{"name": "a b", "ports": [1]}],
            "entry 1 of portreeve_applications_web has no name that will do: 'a b' is not",
        ),
        ([{"name": "-a", "ports": [1]}], "entry 1 of portreeve_applications_web has no name that will do: '-a' is not"),
        (
            [{"name": "a\n", "ports": [1]}],
            "entry 1 of portreeve_applications_web has no name that will do: 'a\\n' is not",
        ),
        ([{"name": "a" * 65, "ports": [1]}], "entry 1 of portreeve_applications_web has no name that will do: 'aaa"),
        (
            [{"name": "ok", "ports": [1]}, {"name": "shop", "port": 80}],
            "entry 2 of portreeve_applications_web (shop) has the key 'port', which is not known",
        ),
        ([{"name": "shop"}], "entry 1 of portreeve_applications_web (shop) has no ports"),
        ([{"name": "shop", "ports": []}], "entry 1 of portreeve_applications_web (shop) has no ports"),
        (
            [{"name": "shop", "ports": [80, "http"]}],
            "entry 1 of portreeve_applications_web (shop) has ports that cannot be read: 'http' is not a port",
        ),
        (
            [{"name": "shop", "ports": None}],
            "entry 1 of portreeve_applications_web (shop) has ports that cannot be read: None is not a port",
        ),
        (
            [{"name": "shop", "ports": 80, "reserve": "yes"}],
            "entry 1 of portreeve_applications_web (shop) has reserve: 'yes'",
        ),
        ([{"name": "shop", "ports": 80, "reserve": True}], "entry 1 of portreeve_applications_web (shop) has reserve"),
        ([{"name": "shop", "ports": 80, "reserve": []}], "entry 1 of portreeve_applications_web (shop) has reserve"),
    ],
)
def test_a_mistake_names_variable_and_entry_and_what_is_accepted(value, sentence):
    with pytest.raises(InvalidInput) as refused:
        told(portreeve_applications=[{"name": "monitoring", "ports": [9100]}], portreeve_applications_web=value)

    assert str(refused.value).startswith(sentence)
    assert "accepted" in str(refused.value)
    assert str(refused.value).count("\n") == 0
    assert refused.value.__cause__ is None  # Ansible would say it once more


OWNED = {"name": "shop", "ports": [8080, "53/udp"], "owner": {"user": "shop", "unit": "shop.service"}}


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"owner": "shop.service"}, "has owner: 'shop.service': accepted is a dictionary of at least one of unit, exe"),
        ({"owner": {}}, "has owner: an empty dictionary: accepted is a dictionary"),
        ({"owner": {"unit": "a", "program": "b"}}, "has an owner with program: accepted is"),
        ({"owner": {"unit": ""}}, "has an owner with unit: '': accepted is the name of one."),
        ({"owner": {"user": True}}, "has an owner with user: True: accepted is the name of one."),
        ({"service": ["shop"]}, "has service: a value of type list: accepted is the name of a systemd unit."),
        (
            {"strategy": "gently"},
            "has strategy: 'gently': accepted are auto, destroy, detach, restart, stop, terminate",
        ),
        ({"at_most": None}, "has at_most: None: accepted are destroy, detach, restart, stop, terminate, kill."),
    ],
)
def test_a_mistake_in_how_ports_are_got_back_says_what_is_accepted(more, sentence):
    (mistake,) = mistakes_in({ALL: [{**OWNED, **more}]})
    assert mistake.startswith("entry 1 of portreeve_applications (shop) " + sentence)


def test_what_is_said_in_vain_is_a_mistake():
    (mistake,) = mistakes_in({ALL: [{"name": "shop", "ports": 80, "service": "shop.service"}]})
    assert mistake.startswith(
        "entry 1 of portreeve_applications (shop) says service, but no entry of shop says owner: accepted is"
    )
    assert mistakes_in({ALL: [{"name": "shop", "ports": 80, "service": "shop.service"}], WEB: [OWNED]}) == ()


def test_two_owners_of_one_application_contradict_each_other():
    (mistake,) = mistakes_in({ALL: [OWNED], WEB: [{**OWNED, "owner": {"unit": "shop2.service"}}]})
    assert mistake == (
        "entry 1 of portreeve_applications (shop) says owner: unit shop.service, user shop, but entry 1 of "
        "portreeve_applications_web (shop) says owner: unit shop2.service: accepted is one of them for all entries of "
        "a name."
    )


def test_what_is_released_for_an_application():
    silent = {"name": "wiki", "ports": 81}
    more = {
        "name": "shop",
        "ports": ["9000-9001", 53],
        "service": "shop.service",
        "at_most": "stop",
        "reserve": "never",
    }
    shop, wiki = merge_applications({ALL: [OWNED, silent], WEB: [more]})

    assert list(wiki.releases()) == []
    releases = list(shop.releases())
    places = [(one["options"]["port"], one["options"]["protocol"]) for one in releases]
    assert places == [(53, "tcp"), (53, "udp"), (8080, "tcp"), (9000, "tcp"), (9001, "tcp")]
    assert {one["application"] for one in releases} == {"shop"}
    assert {one["reserve"] for one in releases} == {False}
    assert [one["options"].pop("then", None) for one in releases] == [None] * 4 + [{"start": "shop.service"}]
    assert releases[0]["options"] == {
        "port": 53, "protocol": "tcp", "expect": {"unit": "shop.service", "user": "shop"}, "at_most": "stop"
    }  # fmt: skip
    (again,) = told(portreeve_applications=[shop.to_wire()])
    assert again == shop.to_wire()
    assert again["owner"] == {"unit": "shop.service", "user": "shop"}
    assert "strategy" not in again


def test_a_name_that_is_a_whole_number_is_its_digits():
    (one,) = told(
        portreeve_applications=[{"name": 42, "ports": 80}], portreeve_applications_web=[{"name": "42", "ports": 81}]
    )
    assert one == {"name": "42", "ports": ["80-81"], "reserve": "auto"}


def test_every_mistake_is_told_once():
    never, always = ({"name": "chat", "ports": 80, "reserve": one} for one in ("never", "always"))
    declared = {ALL: [{"name": "shop"}, never, {"name": "wiki", "port": 80}], WEB: {}, ALL + "_x": [always]}

    mistakes = mistakes_in(declared)

    assert [one.partition(":")[0] for one in mistakes] == [
        "entry 1 of portreeve_applications (shop) has no ports",
        "entry 3 of portreeve_applications (wiki) has the key 'port', which is not known",
        "portreeve_applications_web is no list",
        "entry 2 of portreeve_applications (chat) says reserve",
    ]
    with pytest.raises(InvalidInput) as refused:
        merge_applications(declared)
    assert str(refused.value) == " ".join(mistakes)
    assert mistakes_in({ALL: [never]}) == ()


@pytest.mark.parametrize(
    ("variable", "told_of"),
    [
        ("portreeve_application", True),
        ("portreeve_application_web1", True),
        ("portreeve_applications2", True),
        ("portreeve_applicatons", True),
        ("Portreeve_Applications", True),
        (ALL, False),
        (WEB, False),
        ("portreeve_declared_ports", False),
        ("my_portreeve_application", False),
    ],
)
def test_which_names_only_seem_to_declare(variable, told_of):
    assert [variable in one for one in near_misses([variable])] == [True] * told_of


@pytest.mark.parametrize(
    ("levels", "seen", "sentences"),
    [
        ({"group web": {ALL: [1]}, "group db": {ALL: [2]}}, {ALL: [1]}, ["group db counts for"]),
        ({"group all": {ALL: [1]}, "host web-1": {ALL: [2]}}, {ALL: [2]}, ["group all counts for"]),
        ({"group a": {WEB: [1]}, "group b": {WEB: [1]}}, {WEB: [1]}, []),
        ({"group a": {ALL: [1]}, "group b": {WEB: [2]}}, {ALL: [1], WEB: [2]}, []),
        ({"group a": {ALL: [1]}, "host web1": {ALL: []}}, {ALL: []}, []),  # on purpose
        ({"group a": {ALL: [1]}, "group b": {ALL: [2]}}, {ALL: [3]}, []),  # by -e
        ({"group a": {"x": [1]}, "group b": {"x": [2]}}, {"x": [1]}, []),
    ],
)  # fmt: skip
def test_what_one_level_hides_of_another(levels, seen, sentences):
    said = list(hidden(levels, seen))

    assert len(said) == len(sentences)
    assert all(part in one for part, one in zip(sentences, said, strict=True))
    assert all(one.endswith(("portreeve_applications_db.", "portreeve_applications_all.")) for one in said)


STANDS = {
    "name": "shop",
    "ports": "36601-36602",
    "runtime": True,
    "persistent": True,
    "only_now": "",
    "only_after_boot": "",
}


@pytest.mark.parametrize(
    ("needed", "found", "places", "due"),
    [
        (["36602", 36601], {}, (True, True), False),
        (["36601"], {}, (True, True), True),
        (["36601-36603"], {}, (True, True), True),
        ("36601-36602", {"persistent": False}, (True, True), True),
        ("36601-36602", {"persistent": False}, (False, True), False),
        ("36601-36602", {"runtime": False}, (True, True), True),
        ("36601-36602", {"runtime": False}, (True, False), False),
        ("36601-36602", {"only_now": "36601"}, (True, True), True),
        ("36601-36602", {"only_after_boot": "36602"}, (True, True), True),
        ("36601-36602", {"name": "wiki"}, (True, True), True),
    ],
)
def test_what_stands_exactly_so_is_not_due(needed, found, places, due):
    wanted = {"name": "shop", "ports": needed, "state": "present"}

    assert list(unmet([wanted], [{**STANDS, **found}], *places)) == [wanted] * due


def test_what_is_not_to_be_reserved_is_due_only_where_it_is():
    shop, wiki = ({"name": name, "ports": [], "state": "absent"} for name in ("shop", "wiki"))
    assert list(unmet([shop, wiki], [STANDS], True, True)) == [shop]


def test_two_levels_that_contradict_each_other_are_both_named():
    always, never = ({"name": "shop", "ports": [80], "reserve": one} for one in ("always", "never"))
    silent = {"name": "shop", "ports": [81]}

    with pytest.raises(InvalidInput) as refused:
        told(portreeve_applications_web=[never], portreeve_applications=[silent, always])  # in whatever order
    assert str(refused.value) == (
        "entry 2 of portreeve_applications (shop) says reserve: always, but entry 1 of portreeve_applications_web"
        " (shop) says reserve: never: accepted is one of them for all entries of a name."
    )
    assert told(portreeve_applications=[silent], portreeve_applications_web=[never, never]) == [
        {"name": "shop", "ports": ["80-81"], "reserve": "never"}
    ]


@pytest.mark.parametrize(
    ("declared", "reserved"),
    [
        (application([8080, 36601]), "36601"),
        (application("32760-32770"), "32768-32770"),
        (application([32767, 61000, 60999, 32768]), "32768,60999"),
        (application([8080]), ""),
        (application(["40000/udp", "40001/tcp"]), "40000-40001"),
        (application([8080, 36601], "always"), "8080,36601"),
        (application([8080, 36601], "never"), ""),
    ],
)
def test_what_needs_to_be_reserved(declared, reserved):
    assert compress(ports_to_reserve(declared, AUTOMATIC)) == reserved


def test_the_range_is_not_guessed():
    assert compress(ports_to_reserve(application(80, "always"), None)) == "80"
    assert ports_to_reserve(application(80, "never"), None) == ()
    with pytest.raises(InvalidInput, match=r"^Which ports of billing need to be reserved cannot be told"):
        ports_to_reserve(application(80), None)


def test_what_is_reserved_on_a_host_is_one_line():
    now, both = {**STANDS, "name": "chat", "ports": "40000", "persistent": False}, STANDS
    result = {
        "namespace": {"id": 1, "name": "host", "kind": "host"},
        "reserved": {"runtime": "3200,36601-36602,40000", "after_boot": "3200,36601-36602"},
        "foreign": {"runtime": "3200", "files": [], "by_hand": ""},
        "automatic": {"low": 32768, "high": 60999, "left": 28229},
        "reservations": [now, both],
    }
    assert say_all(result, "web1") == (
        "web1 reserves 36601-36602,40000, now, after a boot: in part; under no name now and after a boot: 3200;"
        " automatic ports left: 28229"
    )
    nothing = {**result, "reservations": [], "foreign": {"runtime": ""}, "reserved": {"runtime": "", "after_boot": ""}}
    assert say_all(nothing, "web1") == "web1 reserves nothing; automatic ports left: 28229"
