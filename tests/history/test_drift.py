# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What becomes of a finding from one look at its host to the next, and over several."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.history.drift import between, follow, out_of_sight
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.findings import Unjudged
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.runs import (
    NEW,
    PERSISTING,
    RESOLVED,
    UNSEEN,
    Tracked,
)

from tests.history.fleets import away, finding, ok

FOUND = finding("a")
T1, T2, T3 = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"


def tracked(standing, first=T1, last=T2, found=FOUND):
    return Tracked(found, standing, first, last)


def blind(rule="undeclared", place="8080/tcp"):
    return Unjudged("a", rule, place, "not root")


STALE = dataclasses.replace(away("a"), status="stale", taken_at=T1)
FAILED = dataclasses.replace(away("a"), status="failed")

LOOKS = [
    # before, the host now, what has become of it
    ([], ok("a", T3, [FOUND]), [tracked(NEW, T3, T3)]),
    ([tracked(NEW)], ok("a", T3, [FOUND]), [tracked(PERSISTING, T1, T3)]),
    ([tracked(PERSISTING)], ok("a", T3, [FOUND]), [tracked(PERSISTING, T1, T3)]),
    ([tracked(UNSEEN)], ok("a", T3, [FOUND]), [tracked(PERSISTING, T1, T3)]),
    ([tracked(RESOLVED)], ok("a", T3, [FOUND]), [tracked(NEW, T3, T3)]),
    ([tracked(RESOLVED)], ok("a", T3), []),
    ([tracked(NEW)], ok("a", T3), [tracked(RESOLVED)]),
    ([tracked(UNSEEN)], ok("a", T3), [tracked(RESOLVED)]),
    ([tracked(NEW)], away("a"), [tracked(UNSEEN)]),
    ([tracked(NEW)], FAILED, [tracked(UNSEEN)]),
    ([tracked(NEW)], STALE, [tracked(UNSEEN)]),
    ([tracked(UNSEEN)], away("a"), [tracked(UNSEEN)]),
    # what could not be judged is resolved neither there nor, without a place, anywhere
    ([tracked(NEW)], ok("a", T3, unjudged=[blind()]), [tracked(UNSEEN)]),
    ([tracked(NEW)], ok("a", T3, unjudged=[blind(place="")]), [tracked(UNSEEN)]),
    ([tracked(NEW)], ok("a", T3, unjudged=[blind(place="8081/tcp")]), [tracked(RESOLVED)]),
    ([tracked(NEW)], ok("a", T3, unjudged=[blind(rule="wrong_owner")]), [tracked(RESOLVED)]),
    ([tracked(NEW)], ok("a", T3, [FOUND], [blind()]), [tracked(PERSISTING, T1, T3)]),
    # it is the same finding however it is said, waived or rated
    (
        [tracked(NEW)],
        ok("a", T3, [FOUND._replace(said="Otherwise.", waived="a reason", severity="info", who="another")]),
        [
            tracked(
                PERSISTING, T1, T3, FOUND._replace(said="Otherwise.", waived="a reason", severity="info", who="another")
            )
        ],
    ),
    (
        [tracked(NEW)],
        ok("a", T3, [finding("a", "9/udp")]),
        [tracked(NEW, T3, T3, finding("a", "9/udp")), tracked(RESOLVED)],
    ),
]


@pytest.mark.parametrize(("before", "host", "expected"), LOOKS)
def test_from_one_look_to_the_next(before, host, expected):
    assert follow(before, host, T3) == tuple(expected)


SPANS = [
    # by the earlier look, by the last, what has become of it in between
    ([], [tracked(PERSISTING)], [tracked(NEW)]),
    ([tracked(RESOLVED)], [tracked(PERSISTING)], [tracked(NEW)]),
    ([tracked(NEW, T1, T1)], [tracked(PERSISTING)], [tracked(PERSISTING)]),
    ([tracked(NEW, T1, T1)], [tracked(NEW, T3, T3)], [tracked(PERSISTING, T3, T3)]),
    ([tracked(NEW, T1, T1)], [tracked(RESOLVED)], [tracked(RESOLVED)]),
    ([tracked(NEW, T1, T1)], [], [tracked(RESOLVED, T1, T1)]),
    ([tracked(NEW, T1, T1)], [tracked(UNSEEN)], [tracked(UNSEEN)]),
    ([], [tracked(UNSEEN)], [tracked(UNSEEN)]),
    ([], [tracked(RESOLVED)], []),
    ([], [], []),
]


@pytest.mark.parametrize(("before", "latest", "expected"), SPANS)
def test_over_several_looks(before, latest, expected):
    assert between(before, latest) == tuple(expected)


def test_a_host_that_nobody_looked_at():
    assert out_of_sight([tracked(NEW), tracked(RESOLVED), tracked(UNSEEN)]) == (tracked(UNSEEN), tracked(UNSEEN))
