# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What is recorded comes back as it was, in SQLite and in PostgreSQL."""

from __future__ import annotations

import dataclasses
import pathlib

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import InvalidInput
from ansible_collections.portreeve.fleet.plugins.plugin_utils.history.store import (
    changes,
    check,
    list_runs,
    merge_slices,
    read_run,
    record,
    sight_of,
)

from tests.history.fleets import away, finding, four_days, moment, ok, run


def standings(tracked):
    return [(one.finding.host, one.finding.place, *one[1:]) for one in tracked]


def test_every_run_comes_back_as_it_was(url):
    recorded = {judged.name: record(url, judged) for judged in four_days()}

    assert {name: read_run(url, name) for name in recorded} == recorded
    assert read_run(url) == recorded["run-3"]
    assert [past.name for past in recorded["run-3"].past] == ["run-0", "run-1", "run-2"]
    assert list_runs(url)[:3] == recorded["run-3"].past


def test_what_is_in_a_run_is_what_was_judged(url):
    judged = four_days()[1]
    run_again = record(url, judged)

    for before, after in zip(judged.hosts, run_again.judged.hosts, strict=True):
        assert before.picture.to_wire() == after.picture.to_wire()
        assert before.findings == after.findings
        assert (before.declared, before.ignored, before.unjudged) == (after.declared, after.ignored, after.unjudged)
    assert before.picture.listeners[0].summary is not None
    assert after.picture.listeners[0].summary is None


def test_findings_are_new_then_persist_then_are_resolved(url):
    days = [
        [ok("a", moment(0, 7), [finding("a")])],
        [ok("a", moment(1, 7), [finding("a", said="Said otherwise.")])],
        [away("a")],
        [ok("b", moment(3))],
        [ok("a", moment(4, 7))],
        [ok("a", moment(5, 7), [finding("a")])],
    ]

    told = [standings(record(url, run(day, hosts)).tracked) for day, hosts in enumerate(days)]

    assert told == [
        [("a", "8080/tcp", "new", moment(0, 7), moment(0, 7))],
        [("a", "8080/tcp", "persisting", moment(0, 7), moment(1, 7))],
        [("a", "8080/tcp", "unseen", moment(0, 7), moment(1, 7))],
        [],
        [("a", "8080/tcp", "resolved", moment(0, 7), moment(1, 7))],
        [("a", "8080/tcp", "new", moment(5, 7), moment(5, 7))],
    ]


def test_only_looking_leaves_no_trace(url, tmp_path):
    first, second, *_later = four_days()
    looked = record(url, first, only_look=True)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InvalidInput, match=r"no run yet|no history"):
        read_run(url)

    assert record(url, first) == looked
    looked = record(url, second, only_look=True)
    assert [past.name for past in list_runs(url)] == ["run-0"]
    assert record(url, second) == looked


def test_a_check_leaves_no_trace(url, tmp_path):
    check(url)

    assert list(tmp_path.iterdir()) == []
    record(url, four_days()[0])
    check(url)


def test_a_host_that_stays_as_it_is_costs_no_document(tmp_path):
    import sqlite3

    path = tmp_path / "history.sqlite"
    for day in range(5):
        record(str(path), run(day, [ok("a", moment(day), [finding("a")]), ok("b", moment(day))]))

    rows = sqlite3.connect(path)
    assert rows.execute("SELECT count(*) FROM portreeve_picture").fetchone() == (2,)
    assert rows.execute("SELECT count(*) FROM portreeve_outcome").fetchone() == (3,)  # a new, a persisting, b


def test_a_name_is_given_once(url):
    record(url, four_days()[0])

    with pytest.raises(InvalidInput, match=r"^A run called 'run-0' is recorded already: give this one another name\.$"):
        record(url, four_days()[0])
    assert len(list_runs(url)) == 1


def test_a_host_is_in_a_run_once(tmp_path):
    with pytest.raises(InvalidInput, match=r"more than once there are: a\.$"):
        record(str(tmp_path / "history.sqlite"), run(0, [away("a"), away("a")]))


def test_a_run_that_is_not_there_is_said(url):
    record(url, four_days()[0])

    with pytest.raises(InvalidInput, match=r"has no run 'x'\.$"):
        read_run(url, "x")
    with pytest.raises(InvalidInput, match=r"has no run 'y'\.$"):
        changes(url, "run-0", "y")


def test_hosts_go_out_of_sight_and_come_back(url):
    days = [
        [ok("a", moment(0)), away("b"), ok("c", moment(0))],
        [away("a"), ok("b", moment(1)), ok("c", moment(1)), away("d")],
        [away("a"), ok("b", moment(2)), ok("c", moment(2)), ok("d", moment(2))],
    ]

    assert [sight_of(url, record(url, run(day, hosts))) for day, hosts in enumerate(days)] == [
        (("b",), ()),
        (("a", "d"), ("b",)),
        ((), ("d",)),
    ]
    limited = dataclasses.replace(run(3, [ok("a", moment(3))], "limited"), limit="a")
    assert sight_of(url, record(url, limited)) == ((), ("a",))
    parts = [slice_run(1, [ok("a", moment(5)), ok("b", moment(5))]), slice_run(2, [away("c")]), slice_run(3, [])]
    assert [sight_of(url, record(url, part)) for part in parts] == [((), ()), (("c",), ()), ((), ())]
    for _time in range(2):
        assert sight_of(url, merge_slices(url, "W-5")) == (("c",), ())


def test_a_run_that_was_limited_is_not_one_of_the_trend(url):
    for day in range(6):
        limit = "a" if day in (1, 3, 5) else None
        record(url, dataclasses.replace(run(day, [ok("a", moment(day))]), limit=limit))

    assert read_run(url).judged.name == "run-4"
    assert [past.name for past in read_run(url).past] == ["run-0", "run-2"]
    last = read_run(url, "run-5")
    assert (last.judged.limit, [past.name for past in last.past]) == ("a", ["run-1", "run-3"])
    assert [past.name for past in record(url, slice_run(1, [], 6, 1)).past] == []
    assert [past.name for past in merge_slices(url, "W-6").past] == ["run-0", "run-2", "run-4"]


def test_findings_of_slices_are_not_told_from_a_limited_run(url):
    record(url, run(0, [ok("a", moment(0), [finding("a")])]))
    record(url, dataclasses.replace(run(1, [ok("a", moment(1))]), limit="a"))
    record(url, slice_run(1, [ok("a", moment(6))], 6, 1))

    assert [one.standing for one in merge_slices(url, "W-6").tracked] == ["resolved"]


def test_an_answer_that_is_too_old_beside_the_others_is_stale(url):
    record(url, slice_run(1, [ok("a", moment(0), [finding("a")])]))
    record(url, slice_run(2, [ok("b", moment(1)), away("c")]))
    record(url, slice_run(3, [ok("d", moment(2, 1))]))

    merged = merge_slices(url, "W-5", stale_after=86401)
    assert {host.name: host.status for host in merged.judged.hosts} == {
        "a": "stale",
        "b": "ok",
        "c": "unreachable",
        "d": "ok",
    }
    assert merged.judged.hosts[0].reason.startswith(f"its answer is from {moment(0)}, ")
    assert standings(merged.tracked) == [("a", "8080/tcp", "unseen", moment(0), moment(0))]
    assert read_run(url) == merged
    assert [host.status for host in merge_slices(url, "W-5", stale_after=10**6).judged.hosts].count("ok") == 3


def test_changes_between_any_two_runs(url):
    for judged in four_days():
        record(url, judged)
    web, db = (host.name for host in four_days()[0].hosts)

    assert [(*one[:3],) for one in standings(changes(url, "run-0", "run-2"))] == [
        (web, "8080/tcp", "unseen"),
        (web, "53/udp", "resolved"),
        (db, "", "new"),
        (db, "8080/tcp", "unseen"),
    ]
    assert [(*one[:3],) for one in standings(changes(url, "run-1", "run-3"))] == [
        (web, "8080/tcp", "persisting"),
        (db, "8080/tcp", "resolved"),
        (db, "", "resolved"),
    ]
    assert standings(changes(url, "run-3", "run-3")) == [(web, "8080/tcp", "persisting", moment(0, 5), moment(3, 5))]


def test_a_host_that_the_second_run_does_not_have_is_unseen(url):
    record(url, run(0, [ok("a", moment(0), [finding("a")]), ok("b", moment(0), [finding("b")])]))
    record(url, run(1, [ok("b", moment(1))]))

    assert [one[:3] for one in standings(changes(url, "run-0", "run-1"))] == [
        ("b", "8080/tcp", "resolved"),
        ("a", "8080/tcp", "unseen"),
    ]


def test_what_was_resolved_between_two_runs_is_so_on_a_host_that_the_second_does_not_have(url):
    record(url, run(0, [ok("a", moment(0), [finding("a"), finding("a", "53/udp")]), ok("b", moment(0))]))
    record(url, run(1, [ok("a", moment(1), [finding("a", "53/udp")])]))
    record(url, run(2, [ok("b", moment(2))]))

    assert [one[:3] for one in standings(changes(url, "run-0", "run-2"))] == [
        ("a", "53/udp", "unseen"),
        ("a", "8080/tcp", "resolved"),
    ]


def slice_run(number, hosts, day=5, count=3):
    return run(day, hosts, f"W-{day}-{number}", (number, count), f"W-{day}")


def test_slices_become_one_run(url):
    record(url, run(4, [ok("h2", moment(4), [finding("h2")]), ok("h10", moment(4), [finding("h10")])]))
    record(url, run(4, [ok("h2", moment(4, 9))], "limited"))
    record(url, slice_run(1, [ok("h2", moment(5, 1), [finding("h2")]), ok("h1", moment(5, 2), [finding("h1")])]))
    record(url, slice_run(3, [ok("h10", moment(5, 3))]))
    merged = merge_slices(url, "W-5")

    assert merged.missing == (2,)
    assert merged.state == "not_compliant"
    assert (merged.judged.slice_of, merged.judged.whole) == (None, "W-5")
    assert [host.name for host in merged.judged.hosts] == ["h1", "h2", "h10"]
    assert standings(merged.tracked) == [
        ("h1", "8080/tcp", "new", moment(5, 2), moment(5, 2)),
        ("h2", "8080/tcp", "new", moment(5, 1), moment(5, 1)),
        ("h10", "8080/tcp", "resolved", moment(4), moment(4)),
    ]
    assert [past.name for past in merged.past] == ["run-4", "limited"]
    assert merge_slices(url, "W-5") == merged == read_run(url)


def test_a_slice_that_comes_late_completes_the_run(url):
    record(url, slice_run(1, [ok("a", moment(5, 1), [finding("a")])], count=2))
    assert merge_slices(url, "W-5").missing == (2,)
    record(url, slice_run(2, [ok("b", moment(5, 2))], count=2))
    merged = merge_slices(url, "W-5")

    assert merged.missing == ()
    assert standings(merged.tracked) == [("a", "8080/tcp", "new", moment(5, 1), moment(5, 1))]
    assert [past.name for past in list_runs(url)] == ["W-5-1", "W-5", "W-5-2"]
    assert read_run(url) == merged
    after = record(url, run(6, [ok("a", moment(6), [finding("a")])]))
    assert standings(after.tracked) == [("a", "8080/tcp", "persisting", moment(5, 1), moment(6))]
    assert [past.name for past in after.past] == ["W-5"]


def test_of_a_host_in_two_slices_the_later_answer_counts(url):
    record(url, slice_run(1, [ok("a", moment(5, 9), [finding("a")]), ok("b", moment(5, 9))]))
    record(url, slice_run(2, [ok("a", moment(5, 1)), away("b")]))
    merged = merge_slices(url, "W-5")

    assert [(host.name, host.status, host.taken_at) for host in merged.judged.hosts] == [
        ("a", "ok", moment(5, 9)),
        ("b", "ok", moment(5, 9)),
    ]
    assert standings(merged.tracked) == [("a", "8080/tcp", "new", moment(5, 9), moment(5, 9))]


def test_a_slice_that_does_not_know_its_number_gets_one(url):
    def slice_of(name, *hosts):
        judged = run(5, [ok(host, moment(5)) for host in hosts], name, (0, 3), "W")
        return record(url, judged).judged.slice_of

    assert slice_of("one", "a", "b") == (1, 3)
    assert slice_of("two", "c", "d") == (2, 3)
    assert slice_of("one again", "a", "b") == (1, 3)
    assert merge_slices(url, "W").missing == (3,)
    assert slice_of("three", "e") == (3, 3)
    assert merge_slices(url, "W").missing == ()
    assert read_run(url, "three").judged.slice_of == (3, 3)
    with pytest.raises(InvalidInput, match=r"^All 3 slices of 'W' are recorded already, and this is none of them\.$"):
        slice_of("four", "f")
    assert len(list_runs(url)) == 5


@pytest.mark.parametrize(
    ("recorded", "said"),
    [
        ([], "No slice of a run called 'W-5' is recorded."),
        ([run(5, [], "W-5", (1, 2), "W-5")], "A slice is called 'W-5' like the whole run"),
        ([slice_run(1, []), slice_run(2, [], count=4)], "The slices of 'W-5' are of 3 and 4"),
    ],
)
def test_what_are_no_slices_of_one_run_is_said(recorded, said, tmp_path):
    path = str(tmp_path / "history.sqlite")
    record(path, run(0, []))
    for judged in recorded:
        record(path, judged)

    with pytest.raises(InvalidInput) as refused:
        merge_slices(path, "W-5")
    assert str(refused.value).startswith(said)


def test_an_earlier_look_that_is_recorded_later_is_not_the_last_one(url):
    old, gone, both = finding("a", "1/tcp"), finding("a", "2/tcp"), finding("a", "3/tcp")
    record(url, run(0, [ok("a", moment(0), [old, both])]))
    record(url, run(2, [ok("a", moment(2, 50), [both])], "B"))
    early = record(url, run(2, [ok("a", moment(2, 5), [old, gone, both])], "A"))
    after = record(url, run(3, [ok("a", moment(3), [both])]))

    assert standings(early.tracked) == [
        ("a", "1/tcp", "persisting", moment(0), moment(2, 5)),
        ("a", "2/tcp", "new", moment(2, 5), moment(2, 5)),
        ("a", "3/tcp", "persisting", moment(0), moment(2, 5)),
    ]
    assert read_run(url, "A") == early
    assert standings(after.tracked) == [("a", "3/tcp", "persisting", moment(0), moment(3))]


def test_an_earlier_look_resolves_nothing_and_sees_no_less_than_there_was(url):
    record(url, run(0, [ok("a", moment(0), [finding("a", "1/tcp")])]))
    record(url, run(2, [ok("a", moment(2, 50), [finding("a", "1/tcp"), finding("a", "2/tcp")])], "B"))

    clean = record(url, run(2, [ok("a", moment(2, 5))], "A"))
    lost = record(url, run(1, [away("a")], "C"))

    assert clean.tracked == ()
    assert standings(lost.tracked) == [("a", "1/tcp", "unseen", moment(0), moment(2, 50))]
    assert {one[2] for one in standings(record(url, run(3, [away("a")])).tracked)} == {"unseen"}


def test_a_look_counts_after_one_that_saw_nothing(url):
    record(url, run(0, [ok("a", moment(0), [finding("a")])]))
    record(url, run(2, [away("a")], "B"))

    assert standings(record(url, run(2, [ok("a", moment(2, 5))], "A")).tracked) == [
        ("a", "8080/tcp", "resolved", moment(0), moment(0))
    ]
    assert record(url, run(3, [ok("a", moment(3))])).tracked == ()


def test_what_is_ignored_is_not_resolved(url):
    record(url, run(0, [ok("a", moment(0), [finding("a", rule="close_wait_pileup"), finding("a")])]))
    record(url, run(1, [ok("a", moment(1))]))  # which ignores the former

    assert [one.finding.rule for one in read_run(url).tracked] == ["undeclared"]
    assert [one.finding.rule for one in changes(url, "run-0", "run-1")] == ["undeclared"]


def test_a_plain_run_is_never_taken_for_one_made_of_slices(url):
    plain = record(url, run(4, [ok("a", moment(4)), ok("z", moment(4))], "nightly"))

    for refused in (
        lambda: record(url, run(5, [ok("a", moment(5))], "s1", (1, 2), "nightly")),
        lambda: check(url, whole="nightly"),
    ):
        with pytest.raises(InvalidInput, match=r"^A run called 'nightly' is recorded already, and it is none of"):
            refused()
    assert read_run(url, "nightly") == plain


def test_a_name_that_slices_share_is_given_to_no_plain_run(url):
    record(url, slice_run(1, [ok("a", moment(5))]))

    for refused in (lambda: record(url, run(6, [ok("a", moment(6))], "W-5")), lambda: check(url, name="W-5")):
        with pytest.raises(InvalidInput, match=r"^'W-5' is the name that slices share: give this run another name\.$"):
            refused()
    assert merge_slices(url, "W-5").missing == (2, 3)


def test_a_name_that_is_given_is_said_before_the_run(url):
    record(url, four_days()[0])

    with pytest.raises(InvalidInput, match=r"^A run called 'run-0' is recorded already: give this one another name\.$"):
        check(url, name="run-0")


def test_a_run_that_is_no_slice_is_no_whole_one_either(url):
    plain = record(url, run(4, [ok("a", moment(4)), ok("z", moment(4))], "nightly", None, "nightly"))

    assert plain.judged.whole is None
    assert read_run(url, "nightly") == plain


def test_a_url_of_a_file_is_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record("sqlite:///kept.sqlite", four_days()[0])

    assert (
        read_run(str(tmp_path / "kept.sqlite"))
        == read_run("kept.sqlite")
        == read_run(f"sqlite:///{tmp_path}/kept.sqlite")
    )
    assert [path.name for path in pathlib.Path(tmp_path).iterdir()] == ["kept.sqlite"]
