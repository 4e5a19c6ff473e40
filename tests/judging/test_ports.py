# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Whether what listens is declared, whose it is and where: each rule broken and kept, as tables."""

from __future__ import annotations

import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.host_answer import parse_picture
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.host_picture import from_wire

from .hosts import (
    IN_KERNEL,
    JAVA,
    SHOP,
    WEB,
    allowed,
    app,
    bound,
    by_hand,
    held,
    in_session,
    judge,
    listener,
    picture,
    the_one,
    told,
    unit,
    untold,
)

SHOPS = {"unit": "shop"}
WEBS = {"unit": "web"}
LOCAL = {"address": "loopback", "reserve": "never"}
HEIR = by_hand("ntpd", role="heir")
WRONG_OWNER = ("wrong_owner", "8080/tcp", "shop")
WRONG_ADDRESS = ("wrong_address", "8080/tcp", "shop")


def _at(address, *holdings, **more):
    return listener("8080/tcp", bound(address, *holdings, **more))


OWNERS = {
    "held by its owner": (app("shop", "8080", SHOPS), held("8080/tcp", SHOP), set()),
    "held by another": (app("shop", "8080", SHOPS), held("8080/tcp", JAVA), {WRONG_OWNER}),
    "shared with another": (app("shop", "8080", SHOPS), held("8080/tcp", SHOP, JAVA), {WRONG_OWNER}),
    "inherited by another": (app("shop", "8080", SHOPS), held("8080/tcp", SHOP, HEIR), set()),
    "kept by heirs alone": (app("shop", "8080", SHOPS), held("8080/tcp", HEIR), set()),
    "anybody may": (app("shop", "8080"), held("8080/tcp", JAVA), set()),
    "any of several": (app("shop", "8080", WEBS, SHOPS), held("8080/tcp", SHOP), set()),
    "all of several at once": (app("shop", "8080", WEBS, SHOPS), held("8080/tcp", SHOP, WEB), set()),
    "none of several": (app("shop", "8080", WEBS, SHOPS), held("8080/tcp", JAVA), {WRONG_OWNER}),
    "all that is said must hold": (
        app("shop", "8080", {"unit": "shop", "user": "root"}), held("8080/tcp", SHOP), {WRONG_OWNER},
    ),
    "by number of the user": (app("shop", "8080", {"user": "1000"}), held("8080/tcp", JAVA), set()),
    "by executable": (app("shop", "8080", {"exe": "java"}), held("8080/tcp", JAVA), set()),
    "in the kernel": (app("shop", "8080", SHOPS), listener("8080/tcp", IN_KERNEL), {WRONG_OWNER}),
    "in the kernel, for anybody": (app("shop", "8080"), listener("8080/tcp", IN_KERNEL), set()),
    "one address right, another wrong": (
        app("shop", "8080", SHOPS),
        listener("8080/tcp", bound("127.0.0.1", SHOP), bound("198.18.0.1", JAVA)),
        {WRONG_OWNER},
    ),
    "allowed for its owner": (allowed("shop", "8080", SHOPS), held("8080/tcp", SHOP), set()),
    "allowed for another": (allowed("shop", "8080", SHOPS), held("8080/tcp", JAVA), {WRONG_OWNER}),
    "in the middle of a range": (app("shop", "8000-8100", SHOPS, listen="may"), held("8080/tcp", JAVA), {WRONG_OWNER}),
    "the first of a range": (app("shop", "8080-9000", SHOPS, listen="may"), held("8080/tcp", SHOP), set()),
    "the last of a range": (app("shop", "7000-8080", SHOPS, listen="may"), held("8080/tcp", SHOP), set()),
    "below a range": (allowed("shop", "8081-9000", SHOPS), held("8080/tcp", SHOP), {
        ("undeclared", "8080/tcp", "shop.service")}),
    "above a range": (allowed("shop", "7000-8079", SHOPS), held("8080/tcp", SHOP), {
        ("undeclared", "8080/tcp", "shop.service")}),
    "the other protocol of a range": (allowed("shop", "8000-9000/udp", SHOPS), held("8080/tcp", SHOP), {
        ("undeclared", "8080/tcp", "shop.service")}),
    "the other protocol": (allowed("shop", "8080/udp", SHOPS), held("8080/tcp", SHOP), {
        ("undeclared", "8080/tcp", "shop.service")}),
    "bound and not served": (app("shop", "8080", SHOPS, listen="may"), _at("0.0.0.0", JAVA, serving=False), set()),
}  # fmt: skip


@pytest.mark.parametrize(("declared", "seen", "expected"), OWNERS.values(), ids=OWNERS)
def test_owners(declared, seen, expected):
    assert told(judge(picture(seen), declared)) == expected


ADDRESSES = {
    ("any", "0.0.0.0"): True,
    ("any", "127.0.0.1"): True,
    ("loopback", "127.0.0.1"): True,
    ("loopback", "127.0.0.53"): True,
    ("loopback", "::1"): True,
    ("loopback", "::ffff:127.0.0.1"): True,
    ("loopback", "::"): False,
    ("loopback", "0.0.0.0"): False,
    ("loopback", "198.18.0.1"): False,
    ("loopback", "::ffff:198.18.0.1"): False,
    ("wildcard", "0.0.0.0"): True,
    ("wildcard", "::"): True,
    ("wildcard", "::ffff:0.0.0.0"): True,
    ("wildcard", "127.0.0.1"): False,
    ("wildcard", "fd00::1"): False,
    ("198.18.0.1", "198.18.0.1"): True,
    ("198.18.0.1", "::ffff:198.18.0.1"): True,
    ("198.18.0.1", "198.18.0.2"): False,
    ("198.18.0.1", "0.0.0.0"): False,
    ("fd00::1", "fd00::1"): True,
    ("FD00:0::1", "fd00::1"): True,
    ("fd00::1", "::"): False,
    ("0.0.0.0", "0.0.0.0"): True,
    ("0.0.0.0", "::"): True,
    ("0.0.0.0", "127.0.0.1"): False,
    ("loopback", "?"): False,
}


@pytest.mark.parametrize(("declared", "address"), ADDRESSES)
def test_addresses(declared, address):
    judged = judge(picture(_at(address, SHOP)), app("shop", "8080", SHOPS, address=declared))

    assert told(judged) == (set() if ADDRESSES[declared, address] else {WRONG_ADDRESS})


def test_all_addresses_of_the_loopback_device_are_loopback():
    on_device = picture(_at("0.0.0.0", SHOP, device="lo"))

    assert told(judge(on_device, app("shop", "8080", address="loopback"))) == set()
    assert told(judge(on_device, app("shop", "8080", address="wildcard"))) == {WRONG_ADDRESS}
    assert told(judge(picture(_at("0.0.0.0", SHOP, device="eth0")), app("shop", "8080", **LOCAL))) == {WRONG_ADDRESS}


def test_several_wrong_addresses_are_one_finding():
    both = listener("8080/tcp", bound("0.0.0.0", SHOP), bound("::", SHOP), bound("127.0.0.1", SHOP))

    found = the_one(judge(picture(both), app("shop", "8080", SHOPS, address="loopback")))

    assert found.said == "8080/tcp of shop should be on loopback only, but is on 0.0.0.0 and [::] (shop.service)."


TWO = (
    app("shop", "8080", SHOPS, address="127.0.0.1"),
    app("web", "8080", WEBS, address="198.18.0.1"),
)
TOGETHER = {
    "each on its own address": ((("127.0.0.1", SHOP), ("198.18.0.1", WEB)), set()),
    "each on the other's": (
        (("127.0.0.1", WEB), ("198.18.0.1", SHOP)),
        {("wrong_address", "8080/tcp", "web"), WRONG_ADDRESS},
    ),
    "one on both": ((("127.0.0.1", SHOP), ("198.18.0.1", SHOP)), {WRONG_ADDRESS}),
    "a stranger on the second": (
        (("127.0.0.1", SHOP), ("198.18.0.1", JAVA)),
        {("wrong_owner", "8080/tcp", "web")},
    ),
    "one of them away": ((("127.0.0.1", SHOP),), {("not_listening", "8080/tcp", "web")}),
}


@pytest.mark.parametrize(("addresses", "expected"), TOGETHER.values(), ids=TOGETHER)
def test_two_applications_on_one_port(addresses, expected):
    seen = listener("8080/tcp", *(bound(*one) for one in addresses))

    assert told(judge(picture(seen), *TWO)) == expected


def test_what_is_allowed_to_anybody_excuses_nothing_of_an_application():
    everything = allowed("rest", "1024-65535")

    assert told(judge(picture(held("8080/tcp", JAVA)), app("shop", "8080", SHOPS), everything)) == {WRONG_OWNER}
    assert told(judge(picture(held("8080/tcp", SHOP)), app("shop", "8080", SHOPS, **LOCAL), everything)) == {
        WRONG_ADDRESS
    }
    assert (
        told(judge(picture(held("8081/tcp", JAVA), held("8080/tcp", SHOP)), app("shop", "8080"), everything)) == set()
    )


def test_what_is_allowed_to_somebody_excuses_it():
    proxy = allowed("proxy", "8000-9000", WEBS)

    assert told(judge(picture(held("8080/tcp", WEB)), app("shop", "8080", SHOPS), proxy)) == set()


def test_who_is_unseen_is_not_judged_where_somebody_is_declared():
    unseen = picture(held("8080/tcp"))

    judged = judge(unseen, app("shop", "8080", SHOPS, address="loopback"))

    assert told(judged) == set()
    assert untold(judged) == {("wrong_owner", "8080/tcp"), ("wrong_address", "8080/tcp")}
    assert untold(judge(unseen, app("shop", "8080", SHOPS))) == {("wrong_owner", "8080/tcp")}


def test_who_only_binds_beside_the_owner_does_not_count():
    beside = listener("8080/tcp", bound("127.0.0.1", SHOP), bound("198.18.0.1", JAVA, serving=False))

    assert told(judge(picture(beside), app("shop", "8080", SHOPS, address="loopback"))) == set()


def test_who_is_unseen_does_not_matter_where_anybody_may_on_that_address():
    declared = app("shop", "8080", SHOPS, listen="may"), allowed("probe", "8080", address="loopback")

    inside, outside = (judge(picture(_at(address)), *declared) for address in ("127.0.0.1", "198.18.0.1"))

    assert (told(inside), untold(inside)) == (set(), set())
    assert untold(outside) == {("wrong_owner", "8080/tcp"), ("wrong_address", "8080/tcp")}


def test_who_is_unseen_does_not_matter_where_anybody_may():
    unseen = picture(held("8080/tcp"))

    assert (told(judge(unseen, app("shop", "8080"))), untold(judge(unseen, app("shop", "8080")))) == (set(), set())
    assert told(judge(unseen, app("shop", "8080", address="loopback"))) == {WRONG_ADDRESS}


UNDECLARED = {
    "a unit": (held("9000/tcp", WEB), {("undeclared", "9000/tcp", "web.service")}),
    "a process and its user": (held("9000/tcp", JAVA), {("undeclared", "9000/tcp", "process java of ada")}),
    "several": (held("9000/tcp", WEB, JAVA), {("undeclared", "9000/tcp", "process java of ada, web.service")}),
    "not who inherited it": (held("9000/tcp", WEB, HEIR), {("undeclared", "9000/tcp", "web.service")}),
    "unless nobody else has it": (held("9000/tcp", HEIR), {("undeclared", "9000/tcp", "process ntpd of ada")}),
    "the kernel": (listener("9000/tcp", IN_KERNEL), {("undeclared", "9000/tcp", "the kernel")}),
    "an automatic port of TCP": (held("40000/tcp", WEB), {("undeclared", "40000/tcp", "web.service")}),
    "UDP below the automatic range": (held("32767/udp", WEB), {("undeclared", "32767/udp", "web.service")}),
    "UDP above the automatic range": (held("61000/udp", WEB), {("undeclared", "61000/udp", "web.service")}),
    "UDP at its lower end": (held("32768/udp", WEB), {("undeclared_automatic", "automatic/udp", "web.service")}),
    "UDP at its upper end": (held("60999/udp", WEB), {("undeclared_automatic", "automatic/udp", "web.service")}),
    "UDP of the kernel itself": (listener("51820/udp", IN_KERNEL), {("undeclared", "51820/udp", "the kernel")}),
    "only bound": (listener("9000/tcp", bound("0.0.0.0", WEB, serving=False)), set()),
    "in another namespace": (held("9000/tcp", WEB, namespace="edge"), set()),
    "a port that is free": (listener("9000/tcp", verdict="free"), set()),
}  # fmt: skip


@pytest.mark.parametrize(("seen", "expected"), UNDECLARED.values(), ids=UNDECLARED)
def test_undeclared(seen, expected):
    judged = judge(picture(seen))

    assert (told(judged), untold(judged)) == (expected, set())


def test_what_is_reserved_is_not_the_kernels_choice():
    seen = held("51820/udp", WEB), held("51821/udp", WEB)

    assert told(judge(picture(*seen, reserved="51820"))) == {
        ("undeclared", "51820/udp", "web.service"), ("undeclared_automatic", "automatic/udp", "web.service"),
    }  # fmt: skip


def test_clients_are_told_once_each():
    seen = picture(held("40000/udp", WEB), held("40001/udp", WEB), held("40002/udp", JAVA))

    assert [one.subject for one in judge(seen).findings] == ["process java of ada", "web.service"]


def test_a_declared_automatic_port_of_udp_is_held_against_its_declaration():
    seen = picture(held("51820/udp", JAVA))

    assert told(judge(seen, allowed("tunnel", "51820/udp", SHOPS))) == {("wrong_owner", "51820/udp", "tunnel")}
    assert told(judge(seen, allowed("tunnel", "51820/udp"))) == set()


def test_whether_the_kernel_chose_a_port_is_not_told_where_its_range_is_not_known():
    judged = judge(picture(held("40000/udp", WEB), held("41000/tcp", WEB), automatic=None))

    assert told(judged) == {("undeclared", "41000/tcp", "web.service")}
    assert untold(judged) == {("undeclared", "40000/udp"), ("undeclared_automatic", "automatic/udp")}


def test_an_undeclared_port_of_somebody_unseen_is_found_and_its_former_owner_left_open():
    judged = judge(picture(held("9000/tcp")), name="web1")

    assert (told(judged), untold(judged)) == ({("undeclared", "9000/tcp", "")}, {("undeclared", "9000/tcp")})
    assert "somebody who could not be seen" in the_one(judged).said


PARTLY = {
    "the stranger beside the owner": (held("8080/tcp", SHOP), {("wrong_owner", "8080/tcp")}),
    "the stranger at another address": (
        listener("8080/tcp", bound("127.0.0.1", SHOP), bound("198.18.0.1", SHOP)), {("wrong_owner", "8080/tcp")},
    ),
    "one of two on what nobody declared": (held("9090/tcp", SHOP), {("undeclared", "9090/tcp")}),
    "whose datagrams these are": (held("40000/udp"), {("undeclared_automatic", "automatic/udp")}),
    "whose datagrams others are": (held("40000/udp", WEB), {("undeclared_automatic", "automatic/udp")}),
    "nobody is left": (listener("9090/tcp", verdict="free"), set()),
    "anybody may": (held("7070/tcp", SHOP), set()),
}  # fmt: skip


@pytest.mark.parametrize(("seen", "expected"), PARTLY.values(), ids=PARTLY)
def test_who_is_unseen_beside_those_who_are_seen_is_left_open(seen, expected):
    declared = app("shop", "8080", SHOPS, listen="may"), allowed("probe", "7070")
    rules = {"wrong_owner", "wrong_address", "undeclared", "undeclared_automatic"}

    judged = judge(picture(seen), *declared, status="incomplete")

    assert {one for one in untold(judged) if one[0] in rules} == expected
    whole = judge(picture(seen), *declared)
    assert untold(whole) <= expected and told(whole) == told(judged)


def test_where_it_listens_is_left_open_with_who_does():
    judged = judge(picture(_at("127.0.0.1", SHOP)), app("shop", "8080", SHOPS, address="loopback"), status="incomplete")

    assert {("wrong_owner", "8080/tcp"), ("wrong_address", "8080/tcp")} <= untold(judged)


def test_an_unseen_socket_of_a_group_is_no_part_of_what_was_seen_of_it():
    holder = {"process": {"name": "shop"}, "owner": {"kind": "unit", "name": "shop.service"}, "role": "creator"}
    sockets = [
        {"state": "LISTEN", "local": {"address": "0.0.0.0"}, "holders": holders} for holders in ([holder], [holder], [])
    ]
    seen = parse_picture({"ports": [{"port": 8080, "protocol": "tcp", "sockets": sockets}], "sockets_complete": True})

    judged = judge(seen, app("shop", "8080", SHOPS, reserve="never"))

    assert [len(one.holdings) for one in seen.listeners[0].bound] == [0, 1]
    assert (told(judged), untold(judged)) == (set(), {("wrong_owner", "8080/tcp")})
    undeclared = the_one(judge(seen))
    assert undeclared.said == "8080/tcp is not declared, but held by shop.service on 0.0.0.0."
    assert untold(judge(seen)) == {("undeclared", "8080/tcp")}
    assert from_wire(seen.to_wire()) == seen


def _away(called, program, port, number=7, **owner):
    process = {"name": program, "exe": f"/{program}", "user": "s", "uid": 9, "pid": number}
    holder = {"process": process, "owner": owner, "role": "creator"}
    sockets = [{"state": "LISTEN", "local": {"address": "0.0.0.0"}, "holders": [holder] if owner else []}]
    away = {"id": number, "kind": "process", "name": called}
    return {"port": port, "protocol": "tcp", "namespace": away, "verdict": "hung_listener", "sockets": sockets}


def _places(*ports):
    return [one.place for one in parse_picture({"ports": [*ports], "sockets_complete": True}).listeners]


SHOP_UNIT = {"kind": "unit", "name": "shop.service"}
AWAY = {
    "pid 9037": "8080/tcp @shop.service",
    "c55c18be5b81": "8080/tcp @shop.service",
    "cni-5f2a9c3e-11aa-4c1e-8f5e-2f1d3c4b5a69": "8080/tcp @shop.service",
    "edge": "8080/tcp @edge",
    "pidgin": "8080/tcp @pidgin",
}


@pytest.mark.parametrize(("name", "place"), AWAY.items(), ids=AWAY)
def test_a_namespace_is_called_what_it_will_be_called_tomorrow(name, place):
    assert _places(_away(name, "shop", 8080, **SHOP_UNIT)) == [place]


def test_namespaces_are_told_apart_by_whose_they_are():
    session = {"kind": "session", "name": "session-7.scope"}
    container = {"kind": "container", "name": "web", "manager": "docker"}
    ports = [
        _away("pid 7", "shop", 8080, 7, **SHOP_UNIT), _away("pid 7", "shop", 8081, 7, **SHOP_UNIT),
        _away("pid 6", "shop", 8082, 6, **SHOP_UNIT), _away("pid 9", "java", 80, 9, **session),
        _away("c55c18be5b81", "nginx", 81, 10, **container), _away("pid 11", "", 82, 11),
    ]  # fmt: skip

    assert _places(*ports) == _places(*reversed(ports)) == [
        "80/tcp @java", "81/tcp @container web (docker)", "82/tcp @unknown", "8080/tcp @shop.service",
        "8081/tcp @shop.service", "8082/tcp @shop.service 2",
    ]  # fmt: skip


def test_a_finding_in_another_namespace_is_the_same_after_a_restart():
    first, later = (
        parse_picture({"ports": [_away(f"pid {number}", "shop", 8080, number, **SHOP_UNIT)], "sockets_complete": True})
        for number in (100, 200)
    )

    assert (the_one(judge(first)).rule, the_one(judge(first)).id) == ("hung_listener", the_one(judge(later)).id)
    assert first == later


def test_who_is_wrong_is_told_without_who_is_right_and_who_inherited_it():
    found = the_one(judge(picture(held("8080/tcp", SHOP, JAVA, HEIR)), app("shop", "8080", SHOPS)))

    assert found.who == "process java of ada"
    assert found.said == (
        "8080/tcp of shop should be held by unit shop, but is held by process java of ada on 0.0.0.0."
    )
    assert "make plan" in found.advice


def test_a_plan_is_advised_only_where_it_could_tell_whose_port_it_is():
    for declared in (allowed("shop", "8080", SHOPS), app("shop", "8080", SHOPS, WEBS)):
        assert "make plan" not in the_one(judge(picture(held("8080/tcp", JAVA)), declared)).advice


def test_a_login_session_is_the_same_whatever_its_number():
    first, later = (the_one(judge(picture(held("9000/tcp", in_session("java", number))))) for number in (4, 71))

    assert (first.id, first.said) == (later.id, later.said)
    assert first.who == "java in a login session of ada"


def test_the_evidence_is_the_agents_own_sentence():
    found = the_one(judge(picture(held("9000/tcp", unit("web"), summary="web.service holds 9000/tcp with web[7]."))))

    assert found.evidence == "web.service holds 9000/tcp with web[7]."
