# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What the rules say where something is not known, and how they name what is in the way."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.bind_rules import (
    forecast,
    forecast_listen,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.bind_wish import checked_bind, parse_bind
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.binding import (
    BindForecast,
    BindOptions,
    BindRequest,
    BindWish,
    Endpoint,
    request_for,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import InvalidInput
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import (
    HeldSocket,
    PortRanges,
    Socket,
    SocketOptions,
)

USUAL = PortRanges((32768, 60999), "", 1024)
NEITHER, ADDRESS, PORT, BOTH = (SocketOptions(*flags) for flags in ((0, 0), (1, 0), (0, 1), (1, 1)))


def held(state: str = "LISTEN", options: SocketOptions | None = None, **row: Any) -> HeldSocket:
    family = 6 if ":" in row.get("address", "") else 4
    socket = Socket(
        row.get("protocol", "tcp"), family, state, Endpoint(row.get("address", "0.0.0.0"), row.get("port", 8080)), None,
        row.get("inode", 7), None, 1, row.get("uid", 0), row.get("device"), row.get("v6only"),
        None, None, row.get("timer_ms"), None,
    )  # fmt: skip
    return HeldSocket(socket, (), None, None, options)


def ask(*sockets: HeldSocket, port: int = 8080, ranges: PortRanges = USUAL, **wish: Any) -> BindForecast:
    grounds = {name: wish.pop(name) for name in ("address_is", "tried") if name in wish}
    protocol = wish.pop("protocol", "tcp")
    request = request_for(protocol, BindWish(**wish), uid=int(wish.get("user") or 0))
    return forecast(port, request, sockets, ranges, grounds.get("address_is"), grounds.get("tried"))


NOT_KNOWN = [
    ("a listener hinders a bind without SO_REUSEPORT whatever it has set", held(), {}, "EADDRINUSE"),
    ("a listener may share by SO_REUSEPORT", held(), {"reuseport": True}, "unknown"),
    ("a bound socket may share by SO_REUSEADDR", held("BOUND"), {}, "unknown"),
    ("no socket shares with a bind that sets nothing", held("BOUND"), {"reuseaddr": False}, "EADDRINUSE"),
    ("nobody knows what a TIME_WAIT has", held("TIME_WAIT", inode=0), {}, "unknown"),
    ("whose a remainder was is not known", held("LAST_ACK", PORT, inode=0, uid=None), {"reuseport": True}, "unknown"),
    ("nor does it matter for a TIME_WAIT", held("TIME_WAIT", PORT, inode=0, uid=None), {"reuseport": True}, "ok"),
    ("nor for a FIN_WAIT2", held("FIN_WAIT2", PORT, inode=0, timer_ms=9, uid=None), {"reuseport": True}, "ok"),
    ("a connection request keeps no port", held("SYN_RECV", inode=0), {}, "ok"),
    ("UDP may share", held("UNCONNECTED", protocol="udp"), {"protocol": "udp", "reuseaddr": True}, "unknown"),
    ("plain UDP does not", held("UNCONNECTED", protocol="udp"), {"protocol": "udp"}, "EADDRINUSE"),
    ("a wildcard that may be v6only", held(address="::"), {}, "unknown"),
    ("the same to IPv6", held(address="::"), {"address": "::"}, "EADDRINUSE"),
    ("a remainder that may be v6only", held("TIME_WAIT", NEITHER, inode=0, address="::1"), {}, "unknown"),
    ("the same with what both have set", held("TIME_WAIT", ADDRESS, inode=0, address="::1"), {}, "ok"),
    ("a device known by its number only", held(device="#3"), {"device": "eth0"}, "unknown"),
    ("a device by name", held(device="eth1"), {"device": "eth0"}, "ok"),
    ("an address that could not be tried", held(address="127.0.0.1"), {"address": "192.0.2.1"}, "unknown"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "socket", "wish", "result"), NOT_KNOWN, ids=[case[0] for case in NOT_KNOWN])
def test_what_is_not_known_is_not_guessed(what, socket, wish, result):
    told = ask(socket, **wish)

    assert told.result == result
    assert (told.listen is None) == (result == "EADDRINUSE")
    assert told.because or result == "ok"


@pytest.mark.parametrize(
    ("options", "wish", "rule"),
    [
        (NEITHER, {"reuseaddr": False}, "the bind sets no SO_REUSEADDR"),
        (NEITHER, {}, "it has not set SO_REUSEADDR"),
        (NEITHER, {"reuseport": True}, "it has not set SO_REUSEADDR or SO_REUSEPORT"),
        (NEITHER, {"reuseaddr": False, "reuseport": True}, "it has not set SO_REUSEPORT"),
        (PORT, {"reuseaddr": False, "reuseport": True, "user": "33"}, "both set SO_REUSEPORT, but for different users"),
        (BOTH, {"reuseport": True}, "both set SO_REUSEADDR, and it does not listen"),
        (None, {"reuseport": True}, "whether it has set SO_REUSEADDR or SO_REUSEPORT could not be read"),
    ],
)
def test_a_rule_says_what_decided(options, wish, rule):
    told = ask(held("BOUND", options), **wish)

    assert [reason.rule for reason in told.because] == [rule]
    assert told.because[0].socket is not None
    assert told.because[0].socket.local == ("0.0.0.0", 8080)


def test_remains_are_told_from_their_listener():
    told = ask(held("TIME_WAIT", NEITHER, inode=0))

    assert [reason.rule for reason in told.because] == ["its old socket had not set SO_REUSEADDR"]


def test_a_connection_in_the_queue_has_what_its_only_listener_has():
    waiting = held("ESTABLISHED", address="127.0.0.1", inode=0, uid=None)
    once, twice = [held(options=PORT)], [held(options=PORT), held(options=PORT, inode=8)]

    assert ask(waiting, *once, reuseaddr=False, reuseport=True).result == "ok"
    assert ask(waiting, *twice, reuseaddr=False, reuseport=True).result == "unknown"


@pytest.mark.parametrize(
    ("predicted_from", "tried", "result", "reasons"),
    [
        (held("TIME_WAIT", inode=0), "ok", "ok", 0),
        (held("TIME_WAIT", inode=0), "EADDRINUSE", "EADDRINUSE", 1),
        (held("TIME_WAIT", ADDRESS, inode=0), "EADDRINUSE", "EADDRINUSE", 0),
    ],
)
def test_what_was_tried_decides(predicted_from, tried, result, reasons):
    told = ask(predicted_from, tried=tried)

    assert (told.result, len(told.because), told.tried) == (result, reasons, True)


@pytest.mark.parametrize(
    ("wish", "ranges", "address_is", "result"),
    [
        ({"user": "33"}, USUAL, None, "EACCES"),
        ({"user": "33"}, PortRanges(None, None, 80), None, "ok"),
        ({"user": "33"}, PortRanges(None, None, None), None, "unknown"),
        ({}, PortRanges(None, None, None), None, "ok"),
        ({"user": "33", "address": "192.0.2.1"}, USUAL, "EADDRNOTAVAIL", "EADDRNOTAVAIL"),
        ({"user": "33", "address": "2001:db8::1"}, USUAL, "EADDRNOTAVAIL", "EACCES"),
        ({"address": "::ffff:127.0.0.1", "v6only": True}, USUAL, "ok", "EINVAL"),
        ({"device": "eth9"}, USUAL, "ENODEV", "ENODEV"),
    ],
)
def test_the_host_refuses_before_any_socket_counts(wish, ranges, address_is, result):
    told = ask(port=80, ranges=ranges, address_is=address_is, **wish)

    assert told.result == result
    assert [reason.socket for reason in told.because] == [None] * (result != "ok")


@pytest.mark.parametrize(
    ("ranges", "taken", "result"),
    [
        (PortRanges((50000, 50001), "", 1024), (), "ok"),
        (PortRanges((50000, 50001), "50000-50001", 1024), (), "EADDRINUSE"),
        (PortRanges((50000, 50001), "50000", 1024), (50001,), "EADDRINUSE"),
        (PortRanges((50000, 50002), "", 1024), (50000, 50001), "unknown"),
        (PortRanges(None, "", 1024), (), "unknown"),
    ],
)
def test_a_port_of_the_kernels_choice(ranges, taken, result):
    assert ask(*(held("BOUND", ADDRESS, port=port) for port in taken), port=0, ranges=ranges).result == result


def test_listening_without_knowing_ones_own_options_is_not_predicted():
    assert forecast_listen(held("BOUND"), [held()])[0] == "unknown"
    assert forecast_listen(held("BOUND", ADDRESS), [])[0] == "ok"
    assert forecast_listen(held("BOUND", PORT), [held("BOUND")])[0] == "unknown"


def test_a_plain_server():
    tcp, udp = (request_for(protocol, BindWish()) for protocol in ("tcp", "udp"))

    assert tcp == BindRequest("tcp", "0.0.0.0", BindOptions(reuseaddr=True), 0, True)
    assert udp == BindRequest("udp", "0.0.0.0", BindOptions(), 0, True)


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("0.0.0.0", BindWish("0.0.0.0")),
        ("[::1],reuseaddr=no,reuseport,user=www", BindWish("::1", reuseaddr=False, reuseport=True, user="www")),
        ("device=eth0,protocol=udp", BindWish(protocol="udp", device="eth0")),
        ("v6only", BindWish(v6only=True)),
    ],
)
def test_a_bind_is_written_in_one_word(text, wish):
    assert parse_bind(text) == wish


@pytest.mark.parametrize(
    "text",
    [
        "", "localhost", "0.0.0.0,", "0.0.0.0,reuse", "reuseaddr=maybe", "reuseaddr=", "user=", "user", "user=a,user=b",
        "0.0.0.0,v6only", "protocol=sctp", "device=a/b", "device=interface-of-16ch", "0.0.0.0,::", "user=\n,x",
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused_in_one_sentence(text):
    with pytest.raises(InvalidInput) as refusal:
        parse_bind(text)

    assert "accepted" in str(refusal.value)
    assert str(refusal.value).isprintable()


def test_options_that_are_none_are_as_a_plain_server_has_them():
    assert checked_bind({"address": None, "reuseaddr": None, "user": None}) == BindWish()
