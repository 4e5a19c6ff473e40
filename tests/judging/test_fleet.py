# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What shows only when many hosts are seen together: outliers, alike findings, collisions, candidates, the matrix."""

from __future__ import annotations

import sys

import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.candidates import find_candidates
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.collisions import find_collisions
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.folding import fold
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.matrix import Cell, build_matrix
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.outliers import find_outliers
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.runs import NEW, PERSISTING, RESOLVED, Tracked

from .hosts import (
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
    unit,
    waiver,
)

SHOPS = {"unit": "shop"}


def _fleet(many, *listeners, declared=(), first=1, **more):
    """Return hosts web1, web2 … that are alike."""
    numbers = range(first, first + many)
    return [judge(picture(*listeners, **more), *declared, name=f"web{number}") for number in numbers]


def _outliers(*hosts):
    return [one.said for one in find_outliers([one for some in hosts for one in some])]


def test_who_is_not_as_on_most_hosts_is_named():
    billing = _fleet(97, held("8080/tcp", unit("billing")))
    by_somebody = _fleet(3, held("8080/tcp", in_session("java", 4)), first=98)

    [outlier] = find_outliers([*billing, *by_somebody])

    assert (outlier.place, outlier.usual, outlier.usual_hosts) == ("8080/tcp", "billing.service", 97)
    assert outlier.others[0].hosts == ("web98", "web99", "web100")
    assert outlier.said == (
        "8080/tcp is billing.service on 97 hosts, but java in a login session of ada on 3 (web98, web99 and web100)."
    )


def test_a_majority_has_to_be_clear_and_of_enough_hosts():
    def split(most, few):
        return _outliers(_fleet(most, held("8080/tcp", SHOP)), _fleet(few, held("8080/tcp", WEB), first=100))

    assert len(split(4, 1)) == 1
    assert split(3, 1) == []  # too few hosts
    assert split(7, 2) == []  # 78 %
    assert len(split(8, 2)) == 1


def test_who_is_unseen_is_no_outlier():
    assert _outliers(_fleet(9, held("8080/tcp", SHOP)), _fleet(1, held("8080/tcp"), first=10)) == []


def test_a_port_that_few_hosts_lack_is_named():
    agents = _fleet(9, held("9100/tcp", unit("node-exporter")))

    assert _outliers(agents, _fleet(1, first=10)) == [
        "9100/tcp is served by node-exporter.service on 9 hosts, but not on 1 (web10)."
    ]
    assert _outliers(agents, _fleet(2, first=10)) == []
    assert _outliers(agents[:3], _fleet(1, first=10)) == []
    assert _outliers(agents, _fleet(1, first=10, sockets_complete=False)) == []
    assert _outliers(agents, [judge(picture(), name="web10", status="unreachable")]) == []


def test_bound_ports_and_those_of_clients_are_no_outliers():
    bound_only = listener("9100/tcp", bound("0.0.0.0", SHOP, serving=False))

    assert _outliers(_fleet(9, bound_only), _fleet(1, first=10)) == []
    assert _outliers(_fleet(9, held("40000/udp", SHOP)), _fleet(1, first=10)) == []


def _tracked(hosts, standing=NEW, first="2026-11-20T10:00:00Z", last="2026-11-21T10:00:00Z"):
    return [Tracked(finding, standing, first, last) for host in hosts for finding in host.findings]


def test_the_same_finding_of_many_hosts_is_one():
    declared = (app("shop", "8080", SHOPS),)
    alike = _fleet(11, held("8080/tcp", JAVA, summary="java[7]"), declared=declared)
    other = _fleet(1, held("8080/tcp", WEB), declared=declared, first=12)

    folded = fold(_tracked([*reversed(alike), *other]))

    assert [(one.who, len(one.hosts)) for one in folded] == [("process java of ada", 11), ("web.service", 1)]
    assert folded[0].hosts[:3] == ("web1", "web2", "web3")
    assert folded[0].hosts[-2:] == ("web10", "web11")
    assert folded[0].evidence == "java[7]"


def test_what_is_not_alike_is_not_one():
    undeclared = _fleet(1, held("9000/tcp", WEB))
    waived = _fleet(1, held("9000/tcp", WEB), declared=(waiver(),), first=2)
    severe = [judge(picture(held("9000/tcp", WEB)), name="web3", undeclared="high")]
    elsewhere = _fleet(1, held("9001/tcp", WEB), first=4)

    together = [
        *_tracked([*undeclared, *waived, *severe, *elsewhere]),
        *_tracked(_fleet(1, held("9000/tcp", WEB)), RESOLVED),
    ]
    folded = fold([*together, *_tracked(_fleet(1, held("9000/tcp", WEB), first=5), PERSISTING)])

    assert [(one.severity, one.place, bool(one.waived), one.standing) for one in folded] == [
        ("high", "9000/tcp", False, NEW),
        ("medium", "9000/tcp", False, NEW),
        ("medium", "9000/tcp", False, PERSISTING),
        ("medium", "9001/tcp", False, NEW),
        ("medium", "9000/tcp", True, NEW),
        ("medium", "9000/tcp", False, RESOLVED),
    ]


def test_folded_findings_span_the_times_of_all():
    hosts = _fleet(2, held("9000/tcp", WEB))
    early = _tracked(hosts[:1], first="2026-11-01T00:00:00Z", last="2026-11-20T00:00:00Z")

    [folded] = fold([*_tracked(hosts[1:]), *early])

    assert (folded.first_seen, folded.last_seen) == ("2026-11-01T00:00:00Z", "2026-11-21T10:00:00Z")


def test_what_most_hosts_have_comes_before_the_lower_port():
    few, many = _fleet(1, held("9000/tcp", WEB)), _fleet(2, held("9001/tcp", WEB), first=2)

    assert [one.place for one in fold(_tracked([*few, *many]))] == ["9001/tcp", "9000/tcp"]


def _collisions(*hosts):
    return [(one.place, [party.who for party in one.parties]) for one in find_collisions([*hosts])]


def _served(name, *addresses, place="8080/tcp", declared=()):
    return judge(picture(listener(place, *addresses)), *declared, name=name)


def test_two_owners_of_a_port_on_different_hosts_would_collide():
    hosts = [*_fleet(3, held("8080/tcp", SHOP)), *_fleet(1, held("8080/tcp", WEB), first=4)]

    [collision] = find_collisions(hosts)

    assert [(one.who, one.hosts) for one in collision.parties] == [
        ("shop.service", ("web1", "web2", "web3")),
        ("web.service", ("web4",)),
    ]
    assert collision.said == "On 8080/tcp could not run on one host: shop.service (3 hosts) and web.service (1 host)."


def test_whether_they_would_depends_on_their_addresses():
    def meet(one, other):
        return bool(_collisions(_served("web1", bound(one, SHOP)), _served("web2", bound(other, WEB))))

    assert meet("0.0.0.0", "127.0.0.1")
    assert meet("::", "127.0.0.1")
    assert meet("127.0.0.1", "127.0.0.1")
    assert meet("127.0.0.1", "::ffff:127.0.0.1")
    assert meet("198.18.0.1", "198.18.0.2")  # each has its host's own address
    assert meet("0.0.0.0", "198.18.0.2")
    assert not meet("127.0.0.1", "127.0.0.2")
    assert not meet("127.0.0.1", "::1")
    assert not meet("127.0.0.1", "198.18.0.1")
    assert not meet("0.0.0.0", "::1")
    assert not meet("198.18.0.1", "fd00::1")


def test_the_same_port_of_another_protocol_does_not_collide():
    assert (
        _collisions(_served("web1", bound("0.0.0.0", SHOP)), _served("web2", bound("0.0.0.0", WEB), place="8080/udp"))
        == []
    )


def test_an_application_and_who_rightly_holds_its_port_are_one():
    declared = app("shop", "8080", SHOPS)
    running = _served("web1", bound("0.0.0.0", SHOP), declared=(declared,))
    elsewhere = _served("web2", bound("0.0.0.0", SHOP))
    waiting = judge(picture(), app("shop", "8080", SHOPS, listen="may"), name="web3")

    assert _collisions(running, elsewhere, waiting) == []
    assert _collisions(running, elsewhere, _served("web4", bound("0.0.0.0", WEB))) == [
        ("8080/tcp", ["shop", "web.service"])
    ]


def test_declared_applications_collide_before_they_run():
    one, other = (judge(picture(), app(name, "8080-8081"), name=name) for name in ("shop", "web"))

    assert _collisions(one, other) == [("8080/tcp", ["shop", "web"]), ("8081/tcp", ["shop", "web"])]


def test_who_holds_a_port_together_is_one():
    both = _served("web1", bound("0.0.0.0", SHOP, WEB))

    assert _collisions(both, _served("web2", bound("0.0.0.0", SHOP)), _served("web3", bound("0.0.0.0", WEB))) == []


def test_heirs_and_thieves_do_not_count():
    leaked = _served("web1", bound("0.0.0.0", SHOP, by_hand("ntpd", role="heir")))
    stolen = _served("web2", bound("0.0.0.0", JAVA), declared=(app("shop", "8080", SHOPS),))

    assert _collisions(leaked, _served("web3", bound("0.0.0.0", SHOP)), stolen) == []


def test_who_inherited_a_port_does_not_belong_to_its_owner():
    leaked = _served("web1", bound("0.0.0.0", SHOP, by_hand("ntpd", role="heir")))

    assert _collisions(leaked, _served("web2", bound("0.0.0.0", by_hand("ntpd")))) == [
        ("8080/tcp", ["process ntpd of ada", "shop.service"])
    ]


def test_a_declared_port_of_the_automatic_range_collides_as_any_other():
    place = {"place": "51820/udp"}
    declared, client = app("shop", "51820/udp", SHOPS), _served("web3", bound("0.0.0.0", JAVA), **place)
    one = _served("web1", bound("0.0.0.0", SHOP), declared=(declared,), **place)
    other = _served("web2", bound("0.0.0.0", WEB), declared=(app("web", "51820/udp"),), **place)

    assert _collisions(one, other, client) == [("51820/udp", ["shop", "web"])]


def test_two_applications_apart_on_one_host_are_two():
    declared = app("shop", "8080", SHOPS, address="127.0.0.1"), app("web", "8080", {"unit": "web"}, address="127.0.0.2")
    apart = _served("web1", bound("127.0.0.1", SHOP), bound("127.0.0.2", WEB), declared=declared)

    assert _collisions(apart) == []
    assert _collisions(apart, _served("web2", bound("127.0.0.2", JAVA))) == [
        ("8080/tcp", ["process java of ada", "web.service"])
    ]


def test_candidates_for_a_reservation():
    declared = (app("early", "40001-40002", listen="may"), allowed("rest", "1-65535"))
    seen = (held("40000/tcp", SHOP), held("8080/tcp", SHOP), held("41000/udp", SHOP), held("40001/tcp", SHOP))
    hosts = _fleet(2, *seen, declared=declared, reserved="40002")

    assert [(one.place, one.who, one.hosts) for one in find_candidates(hosts)] == [
        ("40000/tcp", "shop.service", ("web1", "web2")),
        ("40001/tcp", "early", ("web1", "web2")),
    ]
    assert find_candidates(hosts)[0].said == (
        "shop.service needs 40000/tcp on 2 hosts, where the kernel may give it to any connection."
    )


def test_candidates_are_at_the_ends_of_the_range_too_and_first_where_most_need_them():
    ends = _fleet(1, held("32768/tcp", SHOP), held("60999/tcp", SHOP), held("32767/tcp", SHOP), held("61000/tcp", SHOP))
    most = _fleet(2, held("60999/tcp", SHOP), first=2)

    assert [(one.place, len(one.hosts)) for one in find_candidates([*ends, *most])] == [
        ("60999/tcp", 3),
        ("32768/tcp", 1),
    ]
    assert find_candidates(_fleet(1, held("40000/tcp", SHOP), automatic=None)) == ()
    assert find_candidates(_fleet(1, held("40000/tcp", SHOP), reserved=None)) == ()


def test_a_wide_range_is_one_place_of_collisions():
    range_of = app("nodeports", "30000-32767", listen="may")
    ranged = _fleet(2, declared=(range_of,))
    inside = _served("web3", bound("127.0.0.1", SHOP), place="30500/tcp")
    outside = _served("web4", bound("0.0.0.0", WEB), place="29999/tcp")

    assert _collisions(*ranged, outside) == []
    assert _collisions(*ranged, inside, outside) == [("30000-32767/tcp", ["nodeports", "shop.service"])]
    declared = judge(picture(), app("shop", "30500", listen="may"), name="web5")
    assert _collisions(*ranged, declared) == [("30000-32767/tcp", ["nodeports", "shop"])]


def test_wide_ranges_that_overlap_meet_where_they_do():
    one = judge(picture(), app("one", "30000-31000", listen="may"), name="web1")
    other = judge(picture(), app("other", "30900-32000", listen="may"), name="web2")

    assert _collisions(one, other) == [("30900-31000/tcp", ["one", "other"])]
    assert _collisions(one, judge(picture(), app("other", "30900-32000/udp", listen="may"), name="web2")) == []


def test_who_runs_within_a_wide_range_of_its_host_does_not_collide_with_it():
    range_of, shop = app("nodeports", "30000-32767", listen="may"), app("shop", "30500", SHOPS)
    proxied = _served("web1", bound("0.0.0.0", WEB), place="30001/tcp", declared=(range_of,))
    beside = _served("web2", bound("0.0.0.0", SHOP), place="30500/tcp", declared=(range_of, shop))

    assert _collisions(proxied, beside, _served("web3", bound("0.0.0.0", WEB), place="30002/tcp")) == []


def test_candidates_for_a_reservation_are_ranges():
    declared = (app("wide", "40000-42000", listen="may"), app("few", "50000-50002,50004", listen="may"))
    hosts = _fleet(2, held("40100/tcp", SHOP), declared=declared, reserved="40500")

    assert [(one.place, one.who) for one in find_candidates(hosts)] == [
        ("40000-40499/tcp", "wide"),
        ("40501-42000/tcp", "wide"),
        ("50000-50002/tcp", "few"),
        ("50004/tcp", "few"),
    ]
    assert find_candidates(hosts)[2].said == (
        "few needs 50000-50002/tcp on 2 hosts, where the kernel may give it to any connection."
    )
    across = judge(picture(), app("wide", "30000-32800", listen="may"), name="web3")
    assert [one.place for one in find_candidates([across])] == ["32768-32800/tcp"]
    assert find_candidates([judge(picture(reserved="30000-32800"), app("wide", "30000-32800", listen="may"))]) == ()


def test_a_wide_range_with_many_holes_is_one_candidate():
    reserved = ",".join(map(str, range(40000, 42000, 2)))
    seen = judge(picture(reserved=reserved), app("wide", "40000-42000", listen="may"))

    assert [one.place for one in find_candidates([seen])] == ["40000-42000/tcp"]


@pytest.mark.parametrize("find", [find_collisions, find_candidates])
def test_a_wide_range_is_not_taken_apart(find):
    def steps(ports):
        hosts = _fleet(20, held("8080/tcp", SHOP), declared=(app("wide", ports, listen="may"), app("shop", "8080")))
        taken = 0

        def step(_frame, event, _argument):
            nonlocal taken
            taken += event == "call"

        sys.setprofile(step)
        try:
            find(hosts)
        finally:
            sys.setprofile(None)
        return taken

    steps("1024-1050")
    assert steps("30000-32767") < 2 * steps("30000-30100")


def _matrix(hosts):
    matrix = build_matrix(hosts, [finding for host in hosts for finding in host.findings])
    return matrix.hosts, {row.place: row.cells for row in matrix.rows}


def test_the_matrix_has_what_is_the_same_once():
    declared = (app("shop", "8080", SHOPS),)
    right = _fleet(10, held("8080/tcp", SHOP), declared=declared)
    wrong = _fleet(1, held("8080/tcp", JAVA, verdict="shared_workers"), declared=declared, first=11)
    silent = _fleet(1, declared=declared, first=12)

    hosts, rows = _matrix([*silent, *reversed(right), *wrong])

    assert (hosts[0], hosts[-1]) == ("web1", "web12")
    assert rows == {
        "8080/tcp": (
            Cell("shop.service", "owned", None, False, tuple(range(10))),
            Cell("process java of ada", "shared_workers", "critical", False, (10,)),
            Cell("", "", "high", False, (11,)),
        )
    }


def test_a_cell_has_the_worst_of_what_counts():
    waived = judge(picture(held("8080/tcp", JAVA)), app("shop", "8080", SHOPS), waiver(), name="web1")
    partly = judge(
        picture(held("8080/tcp", JAVA, risks=("deleted_executable",))),
        app("shop", "8080", SHOPS),
        waiver("wrong_owner"),
        name="web2",
    )

    _hosts, rows = _matrix([waived, partly])

    assert {(cell.severity, cell.waived, cell.hosts) for cell in rows["8080/tcp"]} == {
        ("critical", True, (0,)),
        ("low", False, (1,)),
    }


def test_rows_are_by_port_and_clients_share_one():
    seen = held("10000/tcp", SHOP), held("9000/tcp", SHOP), held("40000/udp", SHOP), held("40001/udp", WEB)
    elsewhere = held("443/tcp", WEB, namespace="edge"), listener("7070/tcp", bound("0.0.0.0", SHOP, serving=False))

    _hosts, rows = _matrix([judge(picture(*seen, *elsewhere, dangers=(("reservation_drift", "x"),)))])

    assert list(rows) == ["automatic/udp", "443/tcp @edge", "7070/tcp", "9000/tcp", "10000/tcp"]
    assert rows["automatic/udp"] == (Cell("shop.service, web.service", "", "info", False, (0,)),)
    assert rows["443/tcp @edge"][0].who == "web.service"


def test_a_fleet_of_nobody_is_empty():
    assert (find_outliers([]), fold([]), find_collisions([]), find_candidates([])) == ((), (), (), ())
    assert build_matrix([], []) == ((), ())
