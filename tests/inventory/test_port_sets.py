# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Ports as sets, against plain sets of numbers."""

from __future__ import annotations

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import InvalidInput
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.port_sets import compress, merge, numbers, subtract
from hypothesis import given, settings
from hypothesis import strategies as st

PORTS = st.integers(1, 60) | st.integers(65500, 65535)
PLACES = st.sets(st.tuples(PORTS, st.sampled_from(["tcp", "udp"])))


def texts(ranges: tuple) -> list[str]:
    return [str(one) for one in ranges]


def as_given(places: set[tuple[int, str]]) -> list:
    """Return ports and protocols as somebody would give them, in a mixture of forms."""
    both = {port for port, protocol in places if (port, "udp" if protocol == "tcp" else "tcp") in places}
    single = [f"{port}/{protocol}" for port, protocol in places if port not in both]
    return [[*both], ",".join(single), [[str(port) for port in both]], (one for one in single)]


def places_of(ranges: tuple) -> set[tuple[int, str]]:
    return {
        (port, protocol)
        for one in ranges
        for port in range(one.low, one.high + 1)
        for protocol in (("tcp", "udp") if one.protocol is None else (one.protocol,))
    }


@pytest.mark.parametrize(
    ("values", "merged"),
    [
        ([], []),
        (["", [], " ", [[]]], []),
        ([8080], ["8080"]),
        (["8080"], ["8080"]),
        ([[8082, "8080", 8081]], ["8080-8082"]),
        (["9000-9010", [9011, ["9012, 9013"]], 53], ["53", "9000-9013"]),
        (["53/udp", "53/TCP"], ["53"]),
        (["53/udp", 53], ["53"]),
        (["50-54", "52-60/tcp"], ["50-54", "55-60/tcp"]),
        (["30000-32767", 65535, 1], ["1", "30000-32767", "65535"]),
        ([range(1, 4), {5, 4}, (6,)], ["1-6"]),
        (["1-65535"], ["1-65535"]),
    ],
)
def test_every_form_is_taken(values, merged):
    assert texts(merge(*values)) == merged
    assert compress(*values) == ",".join(merged)


@pytest.mark.parametrize(
    ("values", "others", "left"),
    [
        (53, ["53/udp"], ["53/tcp"]),
        ("53/udp", [53], []),
        ("9000-9010", [9005, ["9009-9020"]], ["9000-9004", "9006-9008"]),
        ([8080], [], ["8080"]),
        ([], [8080], []),
        ("1-3", [""], ["1-3"]),
    ],
)
def test_what_is_taken_away_is_gone(values, others, left):
    assert texts(subtract(values, *others)) == left


@settings(max_examples=300, deadline=None)
@given(PLACES, PLACES)
def test_they_act_as_sets(some, others):
    merged, left = merge(as_given(some), as_given(others)), subtract(as_given(some), as_given(others))

    assert places_of(merged) == some | others
    assert places_of(left) == some - others
    assert numbers(merged) == {port for port, _protocol in some | others}
    assert merge(texts(merged)) == merge(compress(merged)) == merge(merged) == merged
    assert list(merged) == sorted(merged, key=lambda one: (one.low, one.high, one.protocol or ""))


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (0, "0 is out of range"),
        (65536, "65536 is out of range"),
        (-2767, "-2767 is out of range"),  # 30000-32767 that was not quoted in an expression
        (80.0, "80.0 is not a port"),
        (True, "True is not a port"),
        (None, "None is not a port"),
        ("80-", "'80-' is not a port"),
        ("80,,81", "'80,,81' has a comma without a port beside it"),
        ("90-80", "'90-80' is reversed"),
        ("53/sctp", "protocol 'sctp' is not known"),
        ({"port": 80}, "a value of type dict is not a port"),
        (b"80", "a value of type bytes is not a port"),
        ([80, [["http"]]], "'http' is not a port"),
    ],
)
def test_anything_else_is_refused_in_one_sentence(value, named):
    for refusing in (merge, compress, subtract, lambda bad: subtract(80, [bad])):
        with pytest.raises(InvalidInput) as refused:
            refusing(value)
        assert str(refused.value).startswith(named)
        assert "accepted" in str(refused.value)
