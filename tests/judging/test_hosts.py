# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Whether applications listen, are reserved, are in trouble, are waived; and what is said of hosts not seen in full."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.rules import RISK_RULES, RULES, VERDICT_RULES

from .hosts import (
    JAVA,
    SHOP,
    WEB,
    allowed,
    app,
    bound,
    by_hand,
    held,
    judge,
    listener,
    picture,
    the_one,
    told,
    unit,
    untold,
    waiver,
)

SHOPS = {"unit": "shop"}
SILENT = ("not_listening", "8080/tcp", "shop")
SQUATTED = listener("8080/tcp", verdict="squatted", summary="backup[7] has it.")


SILENCE = {
    "it listens": (app("shop", "8080"), [held("8080/tcp", SHOP)], {}, set()),
    "nothing there": (app("shop", "8080"), [], {}, {SILENT}),
    "it takes datagrams": (app("shop", "8080/udp"), [held("8080/udp", SHOP)], {}, set()),
    "on the other protocol": (
        app("shop", "8080/udp"), [held("8080/tcp", SHOP)], {},
        {("not_listening", "8080/udp", "shop"), ("undeclared", "8080/tcp", "shop.service")},
    ),
    "free": (app("shop", "8080"), [listener("8080/tcp", verdict="free")], {}, {SILENT}),
    "only bound": (
        app("shop", "8080"), [listener("8080/tcp", bound("0.0.0.0", SHOP, serving=False))], {}, {SILENT},
    ),
    "lingering": (app("shop", "8080"), [listener("8080/tcp", verdict="lingering")], {}, {SILENT}),
    "squatted": (app("shop", "8080"), [SQUATTED], {}, {SILENT, ("squatted", "8080/tcp", "shop")}),
    "in another namespace": (app("shop", "8080"), [held("8080/tcp", SHOP, namespace="edge")], {}, {SILENT}),
    "held by another": (
        app("shop", "8080", SHOPS), [held("8080/tcp", JAVA)], {}, {("wrong_owner", "8080/tcp", "shop")},
    ),
    "kept by heirs": (app("shop", "8080", SHOPS), [held("8080/tcp", by_hand("ntpd", role="heir"))], {}, set()),
    "it may be silent": (app("shop", "8080", listen="may"), [], {}, set()),
    "some of several": (app("shop", "8080,8082"), [held("8082/tcp", SHOP)], {}, {SILENT}),
    "neighbours apart": (app("shop", "8080-8081"), [held("8081/tcp", SHOP)], {}, {SILENT}),
    "sixteen apart": (
        app("shop", "8080-8095"), [], {}, {("not_listening", f"{port}/tcp", "shop") for port in range(8080, 8096)},
    ),
    "more as one": (
        app("shop", "8080-8096"), [held("8090/tcp", SHOP)], {}, {("not_listening", "8080-8096/tcp", "shop")},
    ),
    "all of many": (app("shop", "8080-8096"), [held(f"{p}/tcp", SHOP) for p in range(8080, 8097)], {}, set()),
}  # fmt: skip


@pytest.mark.parametrize(("declared", "seen", "more", "expected"), SILENCE.values(), ids=SILENCE)
def test_silence(declared, seen, more, expected):
    judged = judge(picture(*seen, **more), declared)

    assert (told(judged), untold(judged)) == (expected, set())


def test_silence_is_not_told_where_a_socket_may_be_missing():
    half = {"sockets_complete": False}

    for seen in ([], [listener("8080/tcp", verdict="unknown")]):
        judged = judge(picture(*seen, **half), app("shop", "8080"))
        assert told(judged) == set()
        assert ("not_listening", "8080/tcp") in untold(judged)
    judged = judge(picture(SQUATTED, **half), app("shop", "8080"))
    assert SILENT in told(judged)
    assert ("not_listening", "8080/tcp") not in untold(judged)


def test_what_is_in_the_way_is_the_evidence():
    found = next(one for one in judge(picture(SQUATTED), app("shop", "8080")).findings if one.rule == "not_listening")

    assert (found.evidence, found.said) == ("backup[7] has it.", "Nobody listens on 8080/tcp of shop: squatted.")


def test_the_missing_ones_of_many_are_named():
    found = the_one(judge(picture(held("8090/tcp", SHOP)), app("shop", "8080-8096")))

    assert found.said == "Nobody listens on 8080-8089/tcp, 8091-8096/tcp of shop."


def _reserve(ports, reserve, **more):
    return allowed("shop", ports, reserve=reserve, is_application=True, **more)


RESERVED = {
    "never": (_reserve("40000", "never"), {}, set()),
    "not where the kernel does not choose": (_reserve("8080", "auto"), {}, set()),
    "where it chooses": (_reserve("40000", "auto"), {}, {"40000/tcp"}),
    "at the lower end": (_reserve("32768", "auto"), {}, {"32768/tcp"}),
    "at the upper end": (_reserve("60999", "auto"), {}, {"60999/tcp"}),
    "below it": (_reserve("32767", "auto"), {}, set()),
    "above it": (_reserve("61000", "auto"), {}, set()),
    "reserved": (_reserve("40000", "auto"), {"reserved": "39999-40001"}, set()),
    "reserved as a neighbour only": (_reserve("40000", "auto"), {"reserved": "39999,40001"}, {"40000/tcp"}),
    "always": (_reserve("8080", "always"), {}, {"8080/tcp"}),
    "always and reserved": (_reserve("8080", "always"), {"reserved": "8080"}, set()),
    "always, range not known": (_reserve("8080", "always"), {"automatic": None}, {"8080/tcp"}),
    "both protocols once": (_reserve("40000/tcp,40000/udp", "auto"), {}, {"40000/tcp"}),
    "of UDP alone": (_reserve("40000/udp", "auto"), {}, {"40000/udp"}),
    "in part": (_reserve("40000-40002", "auto"), {"reserved": "40001"}, {"40000/tcp", "40002/tcp"}),
    "many as one": (_reserve("40000-40100", "auto"), {"reserved": "40001"}, {"40000-40100/tcp"}),
    "across the lower end": (_reserve("32766-32769", "auto"), {}, {"32768/tcp", "32769/tcp"}),
}


@pytest.mark.parametrize(("declared", "more", "expected"), RESERVED.values(), ids=RESERVED)
def test_reservations(declared, more, expected):
    judged = judge(picture(**more), declared)

    assert told(judged) == {("not_reserved", place, "shop") for place in expected}
    assert untold(judged) == set()


def test_the_automatic_range_is_told_only_where_it_decides():
    auto, always = (the_one(judge(picture(), _reserve("40000", reserve))).said for reserve in ("auto", "always"))

    assert auto.endswith("but is not: the kernel chooses from 32768 to 60999.")
    assert always.endswith("but is not.")


def test_reservations_are_not_told_where_the_kernels_settings_are_not_known():
    for more in ({"automatic": None}, {"reserved": None}, {"reserved": "no list"}):
        judged = judge(picture(**more), _reserve("40000", "auto"))
        assert (told(judged), untold(judged)) == (set(), {("not_reserved", "40000/tcp")})
    assert untold(judge(picture(reserved=None), _reserve("8080", "auto"))) == set()


@pytest.mark.parametrize("rule", VERDICT_RULES)
def test_verdicts_that_are_trouble(rule):
    seen = held("8080/tcp", SHOP, by_hand("ntpd", role="heir"), verdict=rule, summary="It is so.")

    found = the_one(judge(picture(seen), app("shop", "8080", SHOPS)))
    elsewhere = the_one(judge(picture(seen._replace(namespace="edge")), app("shop", "8080", listen="may")))

    assert (found.rule, found.place, found.subject, found.evidence) == (rule, "8080/tcp", "shop", "It is so.")
    assert (elsewhere.rule, elsewhere.place, elsewhere.subject) == (rule, "8080/tcp @edge", "shop.service")
    assert judge(picture(seen._replace(verdict="owned")), app("shop", "8080", SHOPS)).findings == ()


def test_whom_a_leak_was_found_with_are_the_heirs():
    seen = held("8080/tcp", SHOP, by_hand("ntpd", role="heir"), verdict="leaked_to_heirs")

    found = the_one(judge(picture(seen), allowed("rest", "1024-65535")))

    assert (found.subject, found.who) == ("shop.service", "process ntpd of ada")


PORT_RISKS = [rule for rule in RISK_RULES if not rule.startswith("reservation_")]


@pytest.mark.parametrize("rule", PORT_RISKS)
def test_dangers_to_a_port(rule):
    risky = held("8080/tcp", SHOP, risks=(rule,), dangers=((rule, "It is so."),))

    found = the_one(judge(picture(risky), app("shop", "8080")))

    assert (found.rule, found.place, found.subject, found.who) == (rule, "8080/tcp", "shop", "shop.service")
    assert found.evidence == "It is so."
    later = the_one(judge(picture(risky._replace(dangers=())), app("shop", "8080")))
    assert later.id == found.id


@pytest.mark.parametrize("rule", RISK_RULES)
def test_dangers_to_a_host(rule):
    found = the_one(judge(picture(dangers=((rule, "It is so."), (rule, "And so.")))))

    assert (found.rule, found.place, found.evidence) == (rule, "", "It is so.")


def test_other_risks_are_no_findings():
    risky = held("8080/tcp", SHOP, risks=("exposed_wildcard", "ephemeral_unreserved"))

    assert judge(picture(risky, dangers=(("weather", "x"),)), app("shop", "8080")).findings == ()


UNDECLARED = picture(held("9000/tcp", WEB))
WAIVED = {
    "of all": (waiver(), True),
    "of the rule": (waiver("wrong_owner undeclared"), True),
    "of another rule": (waiver("wrong_owner"), False),
    "of the port": (waiver("", "9000/tcp"), True),
    "of a port without a protocol": (waiver("", "9000"), True),
    "of a range": (waiver("", "8000-9000/tcp"), True),
    "of another protocol": (waiver("", "9000/udp"), False),
    "of another port": (waiver("", "9001/tcp"), False),
    "today is its last day": (waiver(expires="2026-11-21"), True),
}


@pytest.mark.parametrize(("given", "counts"), WAIVED.values(), ids=WAIVED)
def test_waivers(given, counts):
    found = the_one(judge(UNDECLARED, given))

    assert found.waived == (f"vendor, until {given.expires}" if counts else None)


def test_a_waiver_with_ports_does_not_cover_the_host_or_what_it_has_in_part():
    drift = picture(dangers=(("reservation_drift", "x"),))

    assert the_one(judge(drift, waiver("", "1-65535"))).waived is None
    assert the_one(judge(drift, waiver())).waived is not None
    many = app("shop", "8080-8180")
    assert the_one(judge(picture(), many, waiver("", "8080-8179/tcp"))).waived is None
    assert the_one(judge(picture(), many, waiver("", "8080-8180/tcp"))).waived is not None
    halves = picture(held("8130/tcp", SHOP))
    assert the_one(judge(halves, many, waiver("", "8080-8129/tcp"))).waived is None
    still = picture(held("8180/tcp", SHOP))
    assert the_one(judge(still, many, waiver("", "8080-8179/tcp"))).waived is not None


def test_a_port_in_another_namespace_can_be_waived():
    hung = picture(held("443/tcp", SHOP, namespace="edge", verdict="hung_listener"))

    assert the_one(judge(hung, waiver("", "443/tcp"))).waived is not None


def test_an_expired_waiver_is_a_finding_that_says_what_stands():
    seen = picture(held("9000/tcp", WEB), held("9001/tcp", WEB))
    over = waiver("undeclared", "9000-9001/tcp", "2026-11-20")

    findings = {one.rule: one for one in judge(seen, over).findings}
    covered = {one.rule: one for one in judge(seen, over, waiver("", "9001/tcp")).findings}

    assert len(judge(seen, over).findings) == 3
    assert findings["undeclared"].waived is None
    assert "ended on 2026-11-20: 2 findings it covered stand." in findings["waiver_expired"].said
    assert "1 finding it covered stands" in covered["waiver_expired"].said
    assert findings["waiver_expired"].evidence == "entry 1 of portreeve_waivers"
    assert findings["waiver_expired"].waived is None


def test_an_expired_waiver_is_a_finding_although_nothing_is_left_of_it():
    found = the_one(judge(picture(), waiver("", "", "2026-11-20"), waiver()))

    assert (found.rule, found.waived) == ("waiver_expired", None)
    assert "Remove" in found.advice


def test_expired_waivers_are_told_apart():
    judged = judge(picture(), waiver(expires="2026-01-01"), waiver("squatted", expires="2026-01-01"))

    assert len({one.id for one in judged.findings}) == 2


def test_expired_waivers_that_are_alike_are_one_finding():
    over = waiver("undeclared", "9000/tcp", "2026-01-01")

    again = dataclasses.replace(over, where="entry 2 of portreeve_waivers_x", hosts="web")

    found = judge(UNDECLARED, over, again).findings

    assert [one.rule for one in found] == ["undeclared", "waiver_expired"]
    assert found[1].evidence == "entry 1 of portreeve_waivers and entry 2 of portreeve_waivers_x"


def test_the_waiver_that_lasts_longest_is_told():
    found = the_one(judge(UNDECLARED, waiver(expires="2026-11-30"), waiver(expires="2026-12-24"), waiver("squatted")))

    assert found.waived == "vendor, until 2026-12-24"


BROKEN = picture(
    held("9000/tcp", WEB),
    held("8080/tcp", JAVA),
    held("40000/udp", WEB),
    SQUATTED._replace(port=7000),
    held("7001/tcp", WEB, verdict="orphaned_listener"),
    held("7002/tcp", WEB, verdict="leaked_to_heirs"),
    held("7003/tcp", WEB, verdict="hung_listener"),
    listener("7004/tcp", bound("0.0.0.0", SHOP)),
    dangers=tuple((rule, "x") for rule in RISK_RULES),
)
EVERYTHING = (
    app("shop", "8080,7004", SHOPS, address="loopback"),
    app("gone", "6000"),
    _reserve("41000", "auto"),
    waiver("squatted", "1", "2026-01-01"),
)


def test_every_rule_has_its_severity():
    found = {one.rule: one.severity for one in judge(BROKEN, *EVERYTHING).findings}

    assert found == RULES


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_can_be_left_out_and_made_another_severity(rule):
    left_out = judge(BROKEN, *EVERYTHING, **{rule: "ignore"})
    milder = {one.rule: one.severity for one in judge(BROKEN, *EVERYTHING, **{rule: "low"}).findings}

    assert {one.rule for one in left_out.findings} == set(RULES) - {rule}
    assert left_out.ignored == (rule,)
    assert milder == {**RULES, rule: "low"}


def test_a_declarations_severity_is_that_of_what_is_found_about_it():
    declared = (
        app("shop", "8080,7004", SHOPS, address="loopback", severity="info"), app("gone", "6000", severity="info"),
        _reserve("41000", "auto", severity="info"),
    )  # fmt: skip

    found = {one.rule: one.severity for one in judge(BROKEN, *declared, undeclared="low", wrong_owner="low").findings}

    about = {"wrong_owner", "wrong_address", "not_listening", "not_reserved"}
    assert {rule for rule, severity in found.items() if severity == "info" and RULES[rule] != "info"} == about
    assert found["undeclared"] == "low"


def test_what_is_left_out_is_not_unjudged_either():
    judged = judge(picture(held("8080/tcp")), app("shop", "8080", SHOPS), wrong_owner="ignore")

    assert (judged.findings, judged.unjudged) == ((), ())


@pytest.mark.parametrize("status", ["unreachable", "failed", "stale"])
def test_a_host_that_is_not_seen_is_not_judged(status):
    judged = judge(BROKEN, *EVERYTHING, status=status)

    assert (judged.status, judged.findings, judged.unjudged) == (status, (), ())
    assert ("shop", "8080/tcp") in judged.declared


def test_what_was_seen_of_an_incomplete_host_is_found():
    judged = judge(dataclasses.replace(BROKEN, sockets_complete=False), *EVERYTHING, status="incomplete")

    assert {one.rule for one in judged.findings} == set(RULES) - {"not_listening"}
    assert ("not_listening", "6000/tcp") in untold(judged)
    assert {rule for rule, place in untold(judged) if not place} >= {"undeclared", "wrong_owner", "leaked_to_heirs"}


def test_holders_that_were_not_seen_leave_open_what_only_they_tell():
    whole = {rule for rule, place in untold(judge(picture(), status="incomplete")) if not place}

    assert whole >= {"leaked_to_heirs", "orphaned_listener", "close_wait_pileup", "dual_stack_split"}
    assert not whole & {"undeclared", "not_listening", "wrong_owner"}
    assert untold(judge(picture())) == set()


def test_ports_that_a_host_was_not_asked_for_leave_open_whether_they_are_squatted():
    wide, shop = app("wide", "20000-24095", listen="may"), app("shop", "8080", listen="may")

    assert untold(judge(picture(), wide, shop)) == {("squatted", "")}
    assert untold(judge(picture(), wide)) == untold(judge(picture(), shop)) == set()
    assert untold(judge(picture(), allowed("rest", "1024-65535"), wide)) == set()


def test_a_finding_is_the_same_over_runs():
    first, again = (
        {
            one.id
            for one in judge(picture(held("9000/tcp", WEB, summary=f"web[{pid}] has it."), reserved=reserved)).findings
        }
        for pid, reserved in ((7, ""), (812, "1-2"))
    )

    assert first == again
    assert first != {one.id for one in judge(picture(held("9000/tcp", WEB)), name="web2").findings}
    assert first != {one.id for one in judge(picture(held("9000/tcp", JAVA))).findings}


def test_no_two_findings_of_a_host_are_taken_for_one():
    judged = judge(BROKEN, *EVERYTHING)

    assert len({one.id for one in judged.findings}) == len(judged.findings)


def test_the_worst_comes_first_then_by_port():
    found = judge(
        picture(held("10000/tcp", WEB), held("9000/tcp", WEB), held("8080/tcp", JAVA)), app("shop", "8080", SHOPS)
    )

    assert [one.place for one in found.findings] == ["8080/tcp", "9000/tcp", "10000/tcp"]


def test_what_is_declared_is_told_as_it_was_declared():
    judged = judge(
        picture(held("8080/tcp", SHOP)),
        app("shop", "8080", SHOPS),
        allowed("rest", "1024-65535"),
        _reserve("100-900", "never"),
    )

    assert judged.declared == (("shop", "8080/tcp"), ("shop", "100-900/tcp"))


NASTY = "a\x1b[31m\n{{ 7 * 7 }}\u202e<b>"


def test_hostile_names_stay_on_their_line():
    names = unit(NASTY), by_hand(NASTY, NASTY)
    declared = app(NASTY, "8080", {"unit": NASTY}, address="loopback"), waiver(reason=NASTY, expires="2026-01-01")
    seen = picture(
        held("8080/tcp", JAVA, summary=NASTY), held("9000/tcp", *names), held("40000/udp", *names),
        held("7000/tcp", *names, namespace=NASTY, verdict="leaked_to_heirs"), dangers=(("reservation_drift", NASTY),),
    )  # fmt: skip

    findings = judge(seen, *declared, waiver("undeclared", reason=NASTY)).findings

    assert len(findings) == 6
    assert all(text is None or text.isprintable() for one in findings for text in one)
