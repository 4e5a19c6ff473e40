# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What is refused and what is told, with the figures that somebody needs who reads it."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import InvalidInput, NotPermitted
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import SettingFile
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations import guards
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations.ledger import (
    Account,
    OwnFile,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations.plan import (
    Configured,
    Places,
    Running,
    Wish,
)

from .steps import ports_of

BOUNDS = (32768, 32867)  # 100 automatic ports
OURS = "/etc/sysctl.d/zz-portreeve-reserved-ports.conf"
LATER = "/etc/sysctl.d/zzz-last.conf"


def places(now: str, then: str | None = None, later: str | None = None, names: str = "") -> Places:
    """Return what stands; ``names`` are the ports that one name holds, now and then."""
    held = {"web": ports_of(names)} if names else {}
    configured = Configured(
        OwnFile(names=held, value=ports_of(now if then is None else then)),
        later=() if later is None else (SettingFile(LATER, later),),
    )
    return Places(Running(ports_of(now), Account(held)), configured)


def wish(**options: object) -> Wish:
    return Wish(**{"name": "web", "ports": ports_of("80"), "persistent": True, **options})  # type: ignore[arg-type]


class Refusal(NamedTuple):
    wish: Wish
    is_hosts_own: bool
    accepted: str | None  # None where nothing is refused


WISHES = {
    "as most are": Refusal(wish(), True, None),
    "now only": Refusal(wish(persistent=False), True, None),
    "for the next boot only": Refusal(wish(runtime=False), True, None),
    "neither": Refusal(wish(persistent=False, runtime=False), True, "persistent, runtime or both"),
    "for a boot that does not concern the namespace": Refusal(wish(), False, "persistent=false"),
    "now, in another namespace": Refusal(wish(persistent=False), False, None),
    "no port": Refusal(wish(ports=frozenset()), True, "ports such as 8080"),
    "no port, but what there is": Refusal(wish(ports=frozenset(), adopt=True), True, None),
    "nothing any more": Refusal(wish(ports=frozenset(), present=False), True, None),
    "nothing any more, with the ports it had": Refusal(wish(present=False), True, None),
    "nothing any more, but what there is": Refusal(wish(present=False, adopt=True), True, "state=present"),
}


@pytest.mark.parametrize("case", WISHES.values(), ids=WISHES)
def test_a_wish_that_contradicts_itself_is_refused(case: Refusal) -> None:
    if case.accepted is None:
        guards.check_wish(case.wish, case.is_hosts_own)
        return
    with pytest.raises(InvalidInput, match=rf"accepted (is|are) .*{case.accepted}"):
        guards.check_wish(case.wish, case.is_hosts_own)


def test_a_floor_below_nothing_is_refused() -> None:
    with pytest.raises(InvalidInput, match="minimum_automatic is -5: accepted are numbers of ports from 0"):
        guards.check_wish(wish(), True, -5)


class Floor(NamedTuple):
    before: Places
    after: Places
    floor: int
    refused: str | None
    automatic: guards.Bounds = BOUNDS


MOST = "32768-32857"  # leaves 10 of them
FLOORS = {
    "as many as the floor": Floor(places(""), places(MOST), 10, None),
    "one fewer": Floor(
        places(""), places(MOST), 11, "until the next boot, only 10 of the 100 automatic ports (32768-32867)"
    ),
    "fewer, but no fewer than now": Floor(places(MOST), places(MOST), 50, None),
    "fewer, but more than now": Floor(places(MOST), places("32768-32800"), 90, None),
    "fewer than now, when it was too few already": Floor(
        places("32768-32856"), places(MOST), 50, "until the next boot, only 10 of the 100 automatic ports"
    ),
    "none at all": Floor(
        places(""), places("32768-32867"), 1, "until the next boot, only 0 of the 100 automatic ports"
    ),
    "none at all, without a floor": Floor(places(""), places("32768-32867"), 0, None),
    "all outside of the range": Floor(places(""), places("1-32767,32868-65535"), 100, None),
    "too few after a boot": Floor(
        places("", then=""), places("", then=MOST), 11, "after the next boot, only 10 of the 100 automatic ports"
    ),
    "too few by our file, which does not count": Floor(
        places("", then="", later="80"), places("", then=MOST, later="80"), 11, None
    ),
    "what comes after a boot is not known": Floor(
        places("", then="", later="http"), places("", then=MOST, later="http"), 11, None
    ),
    "the range is not known": Floor(places(""), places("1-65535"), 1024, None, automatic=None),
}


@pytest.mark.parametrize("case", FLOORS.values(), ids=FLOORS)
def test_the_floor_is_kept_and_told_with_its_figures(case: Floor) -> None:
    if case.refused is None:
        guards.check_plan(case.before, case.after, case.automatic, case.floor)
        return
    with pytest.raises(NotPermitted) as told:
        guards.check_plan(case.before, case.after, case.automatic, case.floor)
    sentence = str(told.value)
    assert case.refused in sentence
    assert f"minimum_automatic={case.floor}" in sentence and sentence.endswith("nothing was changed")


DRIFTS = {
    "none": (places("80,81", names="80"), {}),
    "from the kernel": (places("81", then="80-83", names="80,82"), {"runtime": ("80,82", "kernel")}),
    "from our file": (places("80", then="", names="80"), {"file": ("80", OURS)}),
    "from both": (places("", names="80"), {"runtime": ("80", "kernel"), "file": ("80", OURS)}),
    "after a boot, by a later file": (places("80", later="81", names="80"), {"file": ("80", LATER)}),
    "not by a later file that has them, too": (places("80", later="79-81", names="80"), {}),
    "after a boot, by a list that the kernel refuses": (
        places("80", later="http", names="80"),
        {"file": ("80", LATER)},
    ),
}


@pytest.mark.parametrize("before, lost", DRIFTS.values(), ids=DRIFTS)
def test_what_names_have_lost_is_told_with_its_place(before: Places, lost: dict[str, tuple[str, str]]) -> None:
    found = {one.where: one for one in guards.drift_of(before, OURS)}
    assert {where: one.missing for where, one in found.items()} == {
        where: ports_of(ports) for where, (ports, _place) in lost.items()
    }
    for where, (ports, place) in lost.items():
        assert ports in found[where].summary and place in found[where].summary


def test_only_the_kernel_drifts_where_no_boot_concerns_the_namespace() -> None:
    before = Places(Running(ports_of("81"), Account({"web": ports_of("80")})), None)
    assert [one.where for one in guards.drift_of(before, OURS)] == ["runtime"]


def test_what_does_nothing_is_told_with_the_range() -> None:
    asked = wish(ports=ports_of("80,32767-32768,32867-32868,40000"))
    assert guards.outside(BOUNDS, asked.ports) == ports_of("80,32767,32868,40000")
    (told,) = guards.warnings_of(places(""), asked, BOUNDS)
    assert "from 32768 to 32867" in told and told.endswith(": 80,32767,32868,40000.")
    assert list(guards.warnings_of(places(""), wish(ports=ports_of("32768")), BOUNDS)) == []
    assert list(guards.warnings_of(places(""), wish(present=False), BOUNDS)) == []
    assert list(guards.warnings_of(places(""), asked, None)) == []


def test_a_file_that_sets_the_list_again_is_told() -> None:
    inside = wish(ports=ports_of("32768"))
    (told,) = guards.warnings_of(places("", later="81"), inside, BOUNDS)
    assert LATER in told and told.endswith("81.")
    (told,) = guards.warnings_of(places("", later=""), inside, BOUNDS)
    assert told.endswith("to nothing.")
    two = Places(Running(), Configured(later=(SettingFile("/etc/sysctl.d/zzy.conf", "1"), SettingFile(LATER, "2"))))
    (told,) = guards.warnings_of(two, inside, BOUNDS)  # the last one wins
    assert LATER in told and told.endswith("2.")
    now_only = wish(ports=ports_of("32768"), persistent=False)
    assert list(guards.warnings_of(places("", later="81"), now_only, BOUNDS)) == []


def test_a_file_that_sets_what_the_kernel_refuses_is_not_called_empty() -> None:
    (told,) = guards.warnings_of(places("", later="8080 9000"), wish(ports=ports_of("32768")), BOUNDS)
    assert "nothing" not in told and "refuse" in told


LISTS = {"": "", "80": "80", "80-82,9000": "80,81,82,9000"}


@pytest.mark.parametrize("shown", LISTS)
def test_ports_are_named_as_ranges(shown: str) -> None:
    assert guards.name_ports(ports_of(LISTS[shown])) == shown


def test_a_list_too_long_for_a_sentence_ends_with_how_many_there_are() -> None:
    sparse = frozenset(range(1, 60001, 2))
    shown = guards.name_ports(sparse)
    assert shown.startswith("1,3,5,") and shown.endswith(", … (30000 ports)") and len(shown) < 130
    for size in range(1, 60):
        assert len(guards.name_ports(frozenset(range(10001, 10001 + 2 * size, 2)))) < 130
