# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What a fleet shows, drafted as a policy: on which level, in which words, and what is left out."""

from __future__ import annotations

import re

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import InvalidInput
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import Owner
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.host_picture import Bound, Holding

from tests.drafting.fleets import declared, held_against, pages
from tests.judging.hosts import IN_KERNEL, JAVA, SHOP, WEB, bound, by_hand, held, in_session, listener, picture, unit

SSH = unit("ssh")
GROUPS = {"all": ["w1", "w2", "d1"], "web": ["w1", "w2"], "db": ["d1"]}


def owned(kind, name, *, exe="/usr/bin/x", user="root", owner_user=None, role="creator", **detail):
    """Return a holding of an owner of any kind."""
    return Holding(Owner(kind, name, None, None, owner_user, detail or None), "x", exe, user, 0, role)


def only_entry(seen, variable="portreeve_applications_h"):
    """Return what alone is declared of a host named h that is alone in its fleet."""
    variables = declared(pages({"h": seen}))["host_vars/h.yml"]
    (entry,) = variables[variable]
    return entry


def test_what_hosts_share_goes_to_their_level():
    files = pages(
        {
            "w1": picture(held("22/tcp", SSH), held("80/tcp", WEB)),
            "w2": picture(held("22/tcp", SSH), held("80/tcp", WEB), held("9000/tcp", SHOP)),
            "d1": picture(held("22/tcp", SSH)),
        },
        GROUPS,
    )

    assert declared(files) == {
        "group_vars/all.yml": {
            "portreeve_applications_all": [
                {
                    "name": "ssh",
                    "ports": [22],
                    "owner": {"unit": "ssh.service"},
                    "address": "wildcard",
                    "listen": "must",
                }
            ]
        },
        "group_vars/web.yml": {
            "portreeve_applications_web": [
                {
                    "name": "web",
                    "ports": [80],
                    "owner": {"unit": "web.service"},
                    "address": "wildcard",
                    "listen": "must",
                }
            ]
        },
        "host_vars/w2.yml": {
            "portreeve_applications_w2": [
                {
                    "name": "shop",
                    "ports": [9000],
                    "owner": {"unit": "shop.service"},
                    "address": "wildcard",
                    "listen": "must",
                }
            ]
        },
    }


def test_of_groups_with_the_same_hosts_the_deepest_counts():
    groups = {**GROUPS, "frontend": ["w1", "w2"]}
    seen = {"w1": picture(held("80/tcp", WEB)), "w2": picture(held("80/tcp", WEB)), "d1": picture()}

    assert "group_vars/web.yml" in pages(seen, groups, {"web": 2, "frontend": 1})
    assert "group_vars/frontend.yml" in pages(seen, groups, {"web": 1, "frontend": 2})


def test_a_group_with_a_host_that_lacks_it_does_not_share_it():
    seen = {"w1": picture(held("80/tcp", WEB)), "w2": picture(), "d1": picture()}

    assert set(pages(seen, GROUPS)) == {"group_vars/all.yml", "host_vars/w1.yml"}


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        (["0.0.0.0"], "wildcard"),
        (["0.0.0.0", "::"], "wildcard"),
        (["127.0.0.53", "127.0.0.54", "::1"], "loopback"),
        (["::ffff:127.0.0.1"], "loopback"),
        (["10.0.0.1"], "10.0.0.1"),
        (["fe80::1%eth0"], "fe80::1"),
        (["10.0.0.1", "127.0.0.1"], None),
        (["10.0.0.1", "10.0.0.2"], None),
        (["?"], None),
    ],
)
def test_addresses(addresses, expected):
    entry = only_entry(picture(listener("80/tcp", *(bound(one, WEB) for one in addresses))))

    assert entry.get("address") == expected


@pytest.mark.parametrize(
    ("holding", "expected"),
    [
        (SHOP, {"unit": "shop.service"}),
        (owned("unit", "app.service", owner_user="ada", user="ada"), {"unit": "app.service", "user": "ada"}),
        (owned("socket_unit", "cups.socket", triggers="cups.service"), {"unit": "cups.service"}),
        (owned("container", "shop_web_1"), {"container": "shop_web_1"}),
        (owned("program", "queue", exe="/opt/queue"), {"exe": "/opt/queue", "user": "root"}),
    ],
)
def test_owners_of_applications(holding, expected):
    assert only_entry(picture(held("80/tcp", holding)))["owner"] == expected


@pytest.mark.parametrize(
    ("holding", "expected"),
    [
        (JAVA, {"exe": "/usr/bin/java", "user": "ada"}),
        (in_session("nc", 4), {"user": "ada"}),
        (owned("process", "x", user=None), {"exe": "/usr/bin/x", "user": "0"}),
    ],
)
def test_owners_that_nothing_starts_are_allowed(holding, expected):
    entry = only_entry(picture(held("80/tcp", holding)), "portreeve_allowed_h")

    assert entry["owner"] == expected
    assert "listen" not in entry


def test_a_port_of_two_owners_is_of_either():
    entry = only_entry(picture(held("80/tcp", SHOP, WEB, unit("heiress", "heir"))))

    assert entry["owner"] == [{"unit": "shop.service"}, {"unit": "web.service"}]


def test_a_port_that_the_kernel_serves_is_allowed_to_anybody():
    assert only_entry(picture(listener("2049/tcp", IN_KERNEL)), "portreeve_allowed_h") == {
        "name": "kernel",
        "ports": [2049],
        "address": "wildcard",
    }


def test_neighbours_are_joined_and_protocols_told():
    places = ["8000/tcp", "8001/tcp", "8002/tcp", "9000/tcp", "53/udp", "53/tcp"]

    assert only_entry(picture(*(held(one, WEB) for one in places)))["ports"] == [53, "8000-8002", 9000, "53/udp"]


def test_entries_of_one_owner_on_different_addresses_have_different_names():
    seen = picture(held("80/tcp", WEB), listener("81/tcp", bound("127.0.0.1", WEB)))

    entries = declared(pages({"h": seen}))["host_vars/h.yml"]["portreeve_applications_h"]

    assert [(one["name"], one["address"]) for one in entries] == [("web", "wildcard"), ("web-loopback", "loopback")]


def test_an_address_of_each_host_is_any_for_the_group():
    seen = {
        name: picture(listener("80/tcp", bound(f"10.0.0.{number}", WEB)))
        for number, name in enumerate(["w1", "w2", "d1"])
    }
    text = pages(seen, GROUPS)["group_vars/all.yml"]

    assert "address:" not in text
    assert "an address of its own" in text


@pytest.mark.parametrize("verdict", ["orphaned_listener", "leaked_to_heirs", "hung_listener", "squatted"])
def test_trouble_is_told_and_not_declared(verdict):
    text = pages({"h": picture(held("80/tcp", WEB, verdict=verdict))})["host_vars/h.yml"]

    assert f"# not declared: 80/tcp of web.service: {verdict.replace('_', ' ')}" in text
    assert "80" not in re.sub("#.*", "", text)


def test_trouble_on_one_host_does_not_keep_the_others_from_sharing():
    seen = {
        "w1": picture(held("80/tcp", WEB)),
        "w2": picture(held("80/tcp", WEB)),
        "d1": picture(held("80/tcp", WEB, verdict="leaked_to_heirs")),
    }
    files = pages(seen, GROUPS)

    assert declared(files)["group_vars/all.yml"]["portreeve_applications_all"][0]["ports"] == [80]
    assert "not declared: 80/tcp" in files["host_vars/d1.yml"]


def test_a_holder_that_could_not_be_seen_is_told():
    text = pages({"h": picture(listener("80/tcp", Bound("0.0.0.0", None, True, False, ())))})["host_vars/h.yml"]

    assert "# not declared: 80/tcp: its holder could not be seen" in text


def test_what_is_in_namespaces_bound_only_or_a_clients_is_left_out():
    files = pages(
        {
            "h": picture(
                held("80/tcp", WEB, namespace="edge"),
                listener("81/tcp", bound("0.0.0.0", WEB, serving=False)),
                held("40000/udp", WEB),
            )
        }
    )

    assert set(files) == {"group_vars/all.yml"}
    assert "# Left out: 1 socket that take" in files["group_vars/all.yml"]


def test_a_port_that_the_kernel_may_give_away_is_told_and_keeps_the_draft_compliant():
    text = pages({"h": picture(held("36601/tcp", WEB))})["host_vars/h.yml"]

    assert "reserve: never" in text
    assert "# The kernel may give 36601 to outgoing connections" in text
    assert "reserve" not in pages({"h": picture(held("36601/tcp", WEB), reserved="36601")})["host_vars/h.yml"]


def test_hosts_not_seen_in_full_are_named():
    unseen = [("w10", "unreachable"), ("w2", "failed"), ("w1", "incomplete")]
    text = pages({"w1": picture()}, unseen=unseen)["group_vars/all.yml"]

    assert "# Not part of it, as their sockets were not all seen: w2 (failed), w10 (unreachable).\n" in text
    assert "# Seen in part, so that some holders are not known: w1.\n" in text


def test_a_place_in_doubt_is_declared_for_one_service_only():
    apache = unit("apache")
    seen = {
        **{name: picture(held("80/tcp", WEB)) for name in ("w1", "w2")},
        **{name: picture(held("80/tcp", apache)) for name in ("a1", "a2")},
        "x": picture(held("80/tcp", WEB, verdict="orphaned_listener")),
    }
    groups = {"web": ["w1", "w2", "x"], "apache": ["a1", "a2", "x"]}

    held_against(pages(seen, groups), seen, groups)  # two owners that must have one port are a mistake


def test_no_name_of_a_level_hides_another():
    names = ["a-b", "a.b", "a_b"]
    seen = {name: picture(held(f"{80 + number}/tcp", WEB)) for number, name in enumerate(names)}

    variables = [name for one in declared(pages(seen)).values() for name in one]

    assert len(set(variables)) == 4
    assert all(re.fullmatch(r"portreeve_applications_\w+", one, re.ASCII) for one in variables)


HOSTILE = [
    "x: [",
    "yes",
    "*x",
    "a\nportreeve_waivers: []",
    "#",
    "'\"\\",
    "\u2028x",
    "💥",
    "&a !!python/object:x",
    "9" * 99,
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_inert(name):
    holding = owned("container", name, user=name, exe=name)
    seen = {"h": picture(held("80/tcp", holding), held("81/tcp", holding, verdict="squatted"))}
    files = pages(seen, unseen=[(name, "failed")])

    assert only_entry(seen["h"])["owner"] == {"container": name}
    assert set(declared(files)["host_vars/h.yml"]) == {"portreeve_applications_h"}
    assert not [one.rule for one in held_against(files, {"h": picture(held("80/tcp", holding))}, {})[0].findings]


@pytest.mark.parametrize("mark", ["{{ 1 }}", "{% x %}", "{# x #}"])
def test_what_ansible_would_evaluate_is_never_a_value(mark):
    holding = owned("container", mark, user=mark, exe=mark)
    text = pages({"h": picture(held("80/tcp", holding))})["host_vars/h.yml"]

    assert mark in text
    assert mark not in re.sub("#.*", "", text)


@pytest.mark.parametrize("name", ["../up", ".hidden", "a/b"])
def test_a_name_that_is_no_files_is_refused(name):
    with pytest.raises(InvalidInput, match="cannot have a file of its own"):
        pages({name: picture(held("80/tcp", by_hand("x")))})
