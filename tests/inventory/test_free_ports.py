# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Ports for an application that is still to come: free on every host, guessed on none."""

from __future__ import annotations

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import InvalidInput
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.picture import merge
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.port_sets import compress, numbers
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.proposals import find_free
from hypothesis import given, settings
from hypothesis import strategies as st

NARROW = (1100, 65535)  # leaves 1024 to 1099 as numbers that may be proposed


def port(number: int, verdict: str = "owned", kind: str = "host", protocol: str = "tcp") -> dict:
    return {"port": number, "protocol": protocol, "verdict": verdict, "namespace": {"kind": kind}, "risks": []}


def host(*ports: dict, automatic=(32768, 60999), reserved="", unprivileged_start=1024, **more: object) -> dict:
    ranges = {
        "automatic": automatic and list(automatic),
        "reserved": reserved,
        "unprivileged_start": unprivileged_start,
    }
    known = {"format": "portreeve.port_audit/1", "complete": True, "ports": list(ports), "ranges": ranges}
    return {**known, "declared": [], **more}


def ports(count: int, **hosts: object) -> str:
    return compress(find_free(merge(hosts), count).ranges)


def sentence(count: int, **hosts: object) -> str:
    return str(find_free(merge(hosts), count))


def test_the_sentence():
    hosts = {"web1": host(port(20005)), "web2": host(), "web3": host()}
    assert sentence(20, **hosts) == "20 ports free on all 3 hosts, outside of every automatic range: 21000-21019"
    assert sentence(1, web2=host()) == "1 port free on the only host, outside of every automatic range: 20000"


@pytest.mark.parametrize(
    "taken",
    [
        host(port(20005)),
        host(port(20005, protocol="udp")),
        host(port(20005, verdict="unknown")),
        host(port(20005, verdict="squatted")),
        host(declared=["20005"]),
        host(declared=["19000-20000/udp"]),
        host(reserved="20005"),
        host(reserved="5000,20019-20050"),
        host(automatic=(20010, 20500)),
        host(unprivileged_start=20001),
    ],
)
def test_a_number_that_is_taken_on_any_host_is_not_proposed(taken: dict):
    assert ports(20, web1=host(), web2=taken) == "21000-21019"


@pytest.mark.parametrize("free", [host(port(20005, verdict="free")), host(port(20005, kind="process"))])
def test_a_number_that_is_free_on_the_host_itself_is_proposed(free: dict):
    assert ports(20, web1=free) == "20000-20019"


@pytest.mark.parametrize(
    ("automatic", "count", "proposed"),
    [
        ((20000, 65535), 20, "19000-19019"),
        ((20000, 65535), 1500, "18000-19499"),
        ((10000, 65535), 20, "9000-9019"),
        ((1400, 65535), 20, "1300-1319"),
        (NARROW, 20, "1080-1099"),
        (NARROW, 65, "1030-1094"),
        (NARROW, 76, "1024-1099"),
    ],
)
def test_the_range_starts_at_a_round_number(automatic: tuple[int, int], count: int, proposed: str):
    assert ports(count, web1=host(automatic=automatic)) == proposed


def test_without_one_range_the_fewest_are_taken():
    narrow = host(port(1030), port(1060), port(1090), automatic=NARROW)  # leaves 6, 29, 29 and 9 ports
    assert ports(40, web1=narrow) == "1031-1059,1061-1071"
    assert ports(60, web1=narrow) == "1031-1059,1061-1089,1091-1092"


def test_too_few_are_none_and_that_is_said():
    assert sentence(77, web1=host(automatic=NARROW), web2=host()) == (
        "77 ports wanted, but only 76 are free on all 2 hosts, outside of every automatic range"
    )
    assert sentence(1, web1=host(automatic=(1024, 65535))) == (
        "1 port wanted, but none is free on the only host, outside of every automatic range"
    )


@pytest.mark.parametrize(
    "unseen",
    [
        {"unreachable": True, "msg": "No route to host"},
        {"failed": True, "msg": "no python"},
        None,
        host(complete=False),
        host(complete=False, sockets_complete=False),
        host(automatic=None),
        host(reserved=None),
        host(reserved="all"),
        host(reserved=5),
        host(ranges=None),
    ],
)
def test_a_host_not_seen_in_full_is_named_and_not_guessed(unseen: object):
    found = find_free(merge({"web1": host(), "web10": unseen, "web9": unseen}), 2)

    assert (found.hosts, found.unknown) == (1, ("web9", "web10"))
    assert str(found) == (
        "2 ports free on the only host seen in full, unknown on 2 (web9, web10), outside of every automatic range:"
        " 20000-20001"
    )
    assert sentence(2, web3=unseen) == "no host was seen in full, so no port can be called free (not seen: web3)"


def test_many_unknown_hosts_are_counted_and_some_named():
    assert "unknown on 7 (h1, h2, h3, h4, h5, ...)" in sentence(2, web1=host(), **{f"h{n}": None for n in range(1, 8)})
    assert sentence(1) == "no host was seen in full, so no port can be called free (not seen: there is no host)"


def test_a_host_whose_holders_alone_are_out_of_sight_is_seen():
    assert find_free(merge({"web1": host(complete=False, sockets_complete=True)}), 1).hosts == 1


@pytest.mark.parametrize("count", [0, -1, True, 1.5, "", "many", "1e3", None, "²", [20], 10**6])
def test_a_count_that_is_none_is_refused(count: object):
    with pytest.raises(InvalidInput, match="is no number of ports: accepted are"):
        find_free([], count)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sets(st.integers(1024, 1099))), st.integers(1, 80))
def test_what_is_proposed_is_free_everywhere_and_as_many_as_wanted(taken: list[set[int]], count: int):
    hosts = {f"h{n}": host(*map(port, sorted(one)), automatic=NARROW) for n, one in enumerate(taken)}
    found = find_free(merge({"h": host(automatic=NARROW), **hosts}), count)
    free = set(range(1024, 1100)).difference(*taken)

    assert found.available == len(free)
    assert numbers(found.ranges) <= free
    assert len(numbers(found.ranges)) == (count if len(free) >= count else 0)
