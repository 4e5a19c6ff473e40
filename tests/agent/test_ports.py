# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The grammar of a question."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import InvalidInput
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.ports import (
    PortRange,
    contains,
    describe,
    parse_address,
    parse_ports,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (8080, "8080"),
        (1, "1"),
        (65535, "65535"),
        ("8080", "8080"),
        ("8000-8010", "8000-8010"),
        ("53/udp", "53/udp"),
        ("53/UDP", "53/udp"),
        ("8000-8010/tcp", "8000-8010/tcp"),
        ("80,443", "80, 443"),
        (" 80 , 443 ", "80, 443"),
        ([8080], "8080"),
        ((8080, "53/udp"), "53/udp, 8080"),
        (["80,443", 22], "22, 80, 443"),
        ("7-7", "7"),
        ([8001, 8000, 8002], "8000-8002"),
        ("1-10,5-20,8", "1-20"),
        ("1-100,5", "1-100"),
        ("80,80,80", "80"),
        ("80/tcp,81/tcp,81/udp", "80-81/tcp, 81/udp"),
        ("80,80/udp,80/tcp", "80, 80/tcp, 80/udp"),
        ("1-65535", "1-65535"),
    ],
)
def test_accepted(values: Any, expected: str) -> None:
    assert describe(parse_ports(values)) == expected


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (0, "0 is out of range: "),
        ("0", "'0' is out of range: "),
        (70000, "70000 is out of range: "),
        ("70000", "'70000' is out of range: "),
        ("1-70000", "'1-70000' is out of range: "),
        ("0-5", "'0-5' is out of range: "),
        (-1, "-1 is out of range: "),
        ("-1", "'-1' is not a port: "),
        ("+1", "'+1' is not a port: "),
        ("abc", "'abc' is not a port: "),
        ("0x50", "'0x50' is not a port: "),
        ("1e3", "'1e3' is not a port: "),
        ("080", "'080' is not a port: "),
        ("80.0", "'80.0' is not a port: "),
        pytest.param("[80]", "'[80]' is a list written as text: ", id="brackets"),
        ("", "'' is not a port: "),
        (" ", "'' is not a port: "),
        ("80,", "'80,' has a comma without a port beside it: "),
        ("\t", r"'\t' is not a port: "),
        ("80\n", r"'80\n' is not a port: "),
        ("8 0", "'8 0' is not a port: "),
        ("80 - 90", "'80 - 90' is not a port: "),
        ("80-", "'80-' is not a port: "),
        ("80-90-100", "'80-90-100' is not a port: "),
        ("\uff18\uff10", "'\uff18\uff10' is not a port: "),
        ("٨٠", "'٨٠' is not a port: "),
        ("\x1b[31m80", r"'\x1b[31m80' is not a port: "),
        ("80\u202e", r"'80\u202e' is not a port: "),
        ("\udcff", r"'\udcff' is not a port: "),
        (None, "None is not a port: "),
        (True, "True is not a port: "),
        (80.0, "80.0 is not a port: "),
        (b"80", "a value of type bytes is not a port: "),
        ({"port": 80}, "a value of type dict is not a port: "),
        ([[80]], "a value of type list is not a port: "),
        ([80, None], "None is not a port: "),
        ([], "no port was given: "),
        ("9" * 5000, "'%s...' is out of range: " % ("9" * 40)),
        ("x" * 5000, "'%s...' is not a port: " % ("x" * 40)),
        pytest.param(10**5000, "a number of more than 40 digits is out of range: ", id="5000 digits"),
    ],
)
def test_refused_with_what_is_accepted(values: Any, message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_ports(values)
    accepted = "accepted are ports from 1 to 65535 such as 8080, 8000-8010 or 53/udp, separated by commas"
    assert str(refused.value).removesuffix(", without brackets") == message + accepted


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("9-3", "'9-3' is reversed: accepted are ranges from the lower to the higher port"),
        ("8080/sctp", "protocol 'sctp' is not known: accepted are tcp and udp"),
        ("8080/", "protocol '' is not known: accepted are tcp and udp"),
        ("8080/tcp/udp", "protocol 'tcp/udp' is not known: accepted are tcp and udp"),
        ("8080/\n", r"protocol '\n' is not known: accepted are tcp and udp"),
        ("8080/" + "p" * 9000, "protocol '%s...' is not known: accepted are tcp and udp" % ("p" * 40)),
    ],
)
def test_refused_with_the_reason(values: str, message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_ports(values)
    assert str(refused.value) == message


def test_contains() -> None:
    ranges = parse_ports("53/udp,8000-8010")
    assert contains(ranges, 53, "udp")
    assert not contains(ranges, 53, "tcp")
    assert contains(ranges, 8000, "tcp")
    assert contains(ranges, 8010, "udp")
    assert not contains(ranges, 8011, "tcp")
    assert not contains((), 1, "tcp")


RANGES = st.builds(
    lambda low, length, protocol: PortRange(low, min(low + length, 65535), protocol),
    st.integers(1, 65535),
    st.integers(0, 50),
    st.sampled_from([None, "tcp", "udp"]),
)


@given(st.lists(RANGES, min_size=1), st.randoms())
def test_merging_keeps_every_port_and_no_other(ranges: list[PortRange], random: Any) -> None:
    merged = parse_ports([str(one) for one in ranges])
    shuffled = [str(one) for one in ranges]
    random.shuffle(shuffled)
    assert parse_ports(shuffled) == merged
    assert parse_ports(describe(merged)) == merged

    def ports(found: Any) -> set[tuple[int, str | None]]:
        return {(port, one.protocol) for one in found for port in range(one.low, one.high + 1)}

    assert ports(merged) == ports(ranges)
    assert sum(one.high - one.low + 1 for one in merged) == len(ports(ranges))


@given(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.lists(st.text()), st.binary()))
def test_anything_else_is_one_printable_sentence(values: Any) -> None:
    for parse in (parse_ports, parse_address):
        try:
            parse(values)
        except InvalidInput as refused:
            assert str(refused).isprintable()
            assert len(str(refused)) < 600


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "0.0.0.0"),
        ("::", "::"),
        ("[::]", "::"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("2001:DB8::0:1", "2001:db8::1"),
        ("::ffff:127.0.0.1", "::ffff:127.0.0.1"),
        ("::ffff:7f00:1", "::ffff:127.0.0.1"),
        ("::1:2", "::0.1.0.2"),
    ],
)
def test_addresses(text: str, expected: str) -> None:
    assert parse_address(text) == expected


@given(st.ip_addresses(v=6))
def test_ipv6_text_is_that_of_the_system(address: Any) -> None:
    assert parse_address(str(address)) == socket.inet_ntop(socket.AF_INET6, address.packed)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("localhost", "'localhost'"),
        ("", "''"),
        ("*", "'*'"),
        ("127.1", "'127.1'"),
        ("1.2.3.4/24", "'1.2.3.4/24'"),
        ("[127.0.0.1]", "'[127.0.0.1]'"),
        ("fe80::1%eth0", "'fe80::1%eth0'"),
        ("\x1b]0;x\x07", r"'\x1b]0;x\x07'"),
        ("a" * 500, "'%s...'" % ("a" * 40)),
        (None, "None"),
        (5, "5"),
        (b"\x7f\x00\x00\x01", "a value of type bytes"),
    ],
)
def test_refused_addresses(text: Any, shown: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_address(text)
    accepted = "accepted is an IPv4 or IPv6 address such as 127.0.0.1, 0.0.0.0 or ::1"
    assert str(refused.value) == f"{shown} is not an address: {accepted}"
