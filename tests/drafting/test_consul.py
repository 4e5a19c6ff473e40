# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What a Consul registry says of services, as entries of applications: every form of answer, and what is refused."""

from __future__ import annotations

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import InvalidInput
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.consul import applications_in
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.reading import read_policy
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.registry_nodes import UnknownNode

from tests.drafting.registry import NODE, catalog_node, instance, service

REDIS = service("redis", 8000, "127.0.0.1", portreeve_unit="redis.service")
DNS = service("dns", 53, portreeve_protocol="tcp,udp", redis_version="4.0")
OTHER = {**NODE, "Node": "web2.example.org", "Address": "10.1.10.13", "TaggedAddresses": None}
EXPECTED = (
    {"name": "dns", "ports": [53, "53/udp"]},
    {"name": "redis", "ports": [8000], "owner": {"unit": "redis.service"}, "address": "loopback"},
)
FORMS = {
    "agent": {"redis": REDIS, "dns": DNS},
    "node": catalog_node(REDIS, DNS),
    "node-services": {"Node": NODE, "Services": [REDIS, DNS]},
    "service": [instance(REDIS), instance(DNS)],
    "health": [{"Node": NODE, "Service": REDIS, "Checks": []}, {"Node": NODE, "Service": DNS, "Checks": []}],
    "list of lists": [[instance(REDIS)], [instance(DNS), instance(REDIS)]],
    "map of lists": {"redis": [instance(REDIS)], "dns": [instance(DNS)], "gone": []},
    "list of nodes": [catalog_node(REDIS, DNS)],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("node", [(), ("web1",)])
def test_every_form_of_answer(form, node):
    assert applications_in(FORMS[form], node).entries == EXPECTED


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (["web1"], "redis"),
        (["WEB1."], "redis"),
        (["web1.example.org"], "redis"),
        (["10.1.10.12"], "redis"),
        (["198.51.100.7"], "redis"),
        (["web2"], "dns"),
        (["web2.example.org"], "dns"),
        (["nowhere", "10.1.10.13"], "dns"),
    ],
)
def test_the_node_by_name_first_label_or_address(asked, found):
    answer = [instance(REDIS), instance(DNS, OTHER)]

    assert [one["name"] for one in applications_in(answer, asked).entries] == [found]


@pytest.mark.parametrize("asked", ["web", "web2.example.com", "web1x", "10.1.10.1"])
def test_a_node_that_is_not_there(asked):
    with pytest.raises(UnknownNode, match=rf"^the export does not know the node '{asked}'"):
        applications_in([instance(REDIS), instance(DNS, OTHER)], [asked])


def test_a_name_that_fits_two_nodes_or_none_asked_of_two():
    answer = [instance(REDIS, {**NODE, "Node": f"web1.{domain}.org"}) for domain in "ab"]

    with pytest.raises(InvalidInput, match="more than one node that 'web1' fits"):
        applications_in(answer, ["web1"])
    with pytest.raises(InvalidInput, match="services of 2 nodes: say which"):
        applications_in(answer)


def test_a_node_without_services_declares_nothing():
    assert applications_in(catalog_node(), ["web1"]).entries == ()
    with pytest.raises(UnknownNode):
        applications_in(None, ["web1"])


def test_instances_that_agree_are_one_application_and_others_have_their_ids():
    first, second = service("api", 5000, identity="api:1"), service("api", 5001, identity="api:2")
    local = service("api", 5002, "127.0.0.1", identity="api:3")

    assert applications_in([first, second]).entries == ({"name": "api", "ports": [5000, 5001]},)
    assert [one["name"] for one in applications_in([first, local]).entries] == ["api-1", "api-3"]


def test_all_that_meta_can_say_is_read_as_a_policy():
    said = service(
        "api",
        5000,
        "10.1.10.12",
        portreeve_exe="/usr/bin/api",
        portreeve_user="api",
        portreeve_address="wildcard",
        portreeve_listen="may",
        portreeve_reserve="never",
        portreeve_severity="low",
        portreeve_protocol="udp",
    )
    (entry,) = applications_in(catalog_node(said)).entries
    (declared,) = read_policy(
        {"portreeve_applications_consul": [entry]}, lambda _pattern, _host: False, "web1"
    ).declarations

    assert entry["ports"] == ["5000/udp"]
    assert (declared.address, declared.listen, declared.reserve, declared.severity) == (
        "wildcard",
        "may",
        "never",
        "low",
    )
    assert (declared.owners[0].exe, declared.owners[0].user) == ("/usr/bin/api", "api")


@pytest.mark.parametrize("port", [0, None, -1])
def test_a_service_without_a_port_declares_nothing_and_is_told(port):
    plain = applications_in([service("batch", port)])
    proxy = applications_in([service("api-proxy", port, kind="connect-proxy")])

    assert plain.left_out == ("the export: the service 'batch' has no port, and declares none.",)
    assert proxy.expected == (
        "the export: the service 'api-proxy' has no port, as it is a connect-proxy, and declares none.",
    )
    assert plain.entries == proxy.entries == plain.expected == proxy.left_out == ()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"web": ["v1"], "consul": []}, "names services without their ports"),
        ("text", "is no answer of a registry"),
        ([1], "is no answer of a registry"),
        ({"errors": "x"}, "is no answer of a registry"),
        ([service("a", "80")], "has the port '80': accepted is a number"),
        ([service("a", True)], "has the port True"),
        ([service("a", 65536)], "has the port 65536"),
        ([service("", 80)], "service without a name"),
        ([{**REDIS, "Meta": "x"}], "Meta that is no map"),
        ({"Node": NODE, "Services": "x"}, "in a form that is not known"),
        (
            [service("a", 80, portreeve_units="x")],
            "meta key 'portreeve-units', which is not known: accepted are portreeve-unit",
        ),
        ([service("a", 80, portreeve_unit=" ")], "meta key portreeve-unit without a text"),
        ([service("a", 80, portreeve_protocol="sctp")], "accepted are tcp, udp"),
        ([[[[[[[[[[REDIS]]]]]]]]]], "nested too deep"),
    ],
)
def test_anything_else_is_one_sentence(answer, why):
    with pytest.raises(InvalidInput) as refused:
        applications_in(answer, (), "web.json")

    assert why in str(refused.value)
    assert str(refused.value).startswith("web.json") and "\n" not in str(refused.value)
