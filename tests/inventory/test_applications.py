# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""From the variables of a host to its applications, and from these to what needs to be reserved."""

from __future__ import annotations

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import InvalidInput
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.applications import (
    Application,
    is_declaration,
    merge_applications,
    ports_to_reserve,
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
        ([{"ports": [1]}], "entry 1 of portreeve_applications_web has no name that will do: None is not"),
        ([{"name": 7, "ports": [1]}], "entry 1 of portreeve_applications_web has no name that will do: 7 is not"),
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
