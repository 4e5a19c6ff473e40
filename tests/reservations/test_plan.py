# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What a run makes of what it finds, one situation after the other; what a name needs, in sets."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import SettingFile
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations.ledger import (
    Account,
    OwnFile,
    Pending,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations.plan import (
    Configured,
    Places,
    Running,
    Wish,
    make_plan,
)

from .steps import ports_of

EARLIER, LATER = "/etc/sysctl.d/10-tuned.conf", "/etc/sysctl.d/zzz-last.conf"


@dataclass(frozen=True)
class Now:
    """What the kernel reserves, as lists."""

    ports: str = ""
    names: dict[str, str] = field(default_factory=dict)
    foreign: str = ""  # beside a name

    def running(self) -> Running:
        return Running(ports_of(self.ports), Account(sets(self.names), ports_of(self.foreign)))


@dataclass(frozen=True)
class Then:
    """What our file has, as lists; ``value`` is what the names and all others come to, unless told."""

    names: dict[str, str] = field(default_factory=dict)
    kept: str = ""
    by_hand: str = ""
    left_out: str = ""
    value: str | None = None

    def own(self) -> OwnFile:
        names = sets(self.names)
        kept, by_hand, left_out = map(ports_of, (self.kept, self.by_hand, self.left_out))
        value = kept.union(by_hand, *names.values()) if self.value is None else ports_of(self.value)
        return OwnFile(names, kept, by_hand, left_out, value)


def sets(lists: dict[str, str]) -> dict[str, frozenset[int]]:
    return {name: ports_of(ports) for name, ports in lists.items()}


def wish(name: str, ports: str = "", **options: Any) -> Wish:
    return Wish(name, ports_of(ports), **{"present": bool(ports), "persistent": True, **options})


@dataclass(frozen=True)
class Case:
    """What stands, before and after; ``then`` is None without a file of ours, ``others`` is in one that sorts first."""

    wish: Wish
    now: Now = field(default_factory=Now)
    now_after: Now = field(default_factory=Now)
    then: Then | None = None
    then_after: Then | None = None
    others: str | None = None


CASES = {
    "the first reservation": Case(
        wish("web", "80-81"),
        now_after=Now("80-81", {"web": "80-81"}),
        then_after=Then({"web": "80-81"}),
    ),
    "foreign ports stay, also in our file": Case(
        wish("web", "80"),
        Now("5000,3200"),
        Now("80,3200,5000", {"web": "80"}),
        then_after=Then({"web": "80"}, kept="3200"),
        others="3200",
    ),
    "a port that was foreign before a name took it as well stays with it": Case(
        wish("web", "80,5000"),
        Now("5000"),
        Now("80,5000", {"web": "80,5000"}, foreign="5000"),
        then_after=Then({"web": "80,5000"}),
    ),
    "and stays when the name lets go": Case(
        wish("web"),
        Now("80,5000", {"web": "80,5000"}, foreign="5000"),
        Now("5000"),
        then=Then({"web": "80,5000"}),
    ),
    "but not if it was taken from the kernel meanwhile": Case(
        wish("web"),
        Now("80", {"web": "80,5000"}, foreign="5000"),
        Now(),
        then=Then({"web": "80,5000"}),
    ),
    "a shorter list gives the rest back": Case(
        wish("web", "81"),
        Now("80-82", {"web": "80-82"}),
        Now("81", {"web": "81"}),
        then=Then({"web": "80-82"}),
        then_after=Then({"web": "81"}),
    ),
    "two names keep what both need": Case(
        wish("web"),
        Now("80-82", {"web": "80-81", "shop": "81-82"}),
        Now("81-82", {"shop": "81-82"}),
        then=Then({"web": "80-81", "shop": "81-82"}),
        then_after=Then({"shop": "81-82"}),
    ),
    "until both let go": Case(
        wish("shop"),
        Now("81-82", {"shop": "81-82"}),
        then=Then({"shop": "81-82"}),
    ),
    "who never had a reservation lets go of nothing": Case(
        wish("nobody"),
        Now("80,5000", {"web": "80"}),
        Now("80,5000", {"web": "80"}),
        then=Then({"web": "80"}, kept="3200"),
        then_after=Then({"web": "80"}, kept="3200"),
        others="3200",
    ),
    "a wiped list comes back for all names": Case(
        wish("web", "80"),
        Now("", {"web": "80", "shop": "81-82"}),
        Now("80-82", {"web": "80", "shop": "81-82"}),
        then=Then({"web": "80", "shop": "81-82"}, value=""),
        then_after=Then({"web": "80", "shop": "81-82"}),
    ),
    "exclusive: only what names hold is left, and the others' file stays left out": Case(
        wish("web", "80,5000", exclusive=True),
        Now("80-82,5000", {"web": "80", "shop": "81"}, foreign="81"),
        Now("80-81,5000", {"web": "80,5000", "shop": "81"}),
        then=Then({"web": "80", "shop": "81"}, kept="3200", by_hand="9"),
        then_after=Then({"web": "80,5000", "shop": "81"}, left_out="3200-3201"),
        others="3200-3201",
    ),
    "what was left out once stays so, what is new in the others' file is kept": Case(
        wish("web", "80"),
        Now("80", {"web": "80"}),
        Now("80,3300", {"web": "80"}),
        then=Then({"web": "80"}, left_out="3200-3201"),
        then_after=Then({"web": "80"}, kept="3300", left_out="3201"),
        others="3201,3300",
    ),
    "a file of ours stays for what it leaves out": Case(
        wish("web"),
        Now("80", {"web": "80"}),
        then=Then({"web": "80"}, left_out="3200"),
        then_after=Then(left_out="3200"),
        others="3200",
    ),
    "a file of ours that would only keep what others say is removed": Case(
        wish("web"),
        Now("80,3200", {"web": "80"}),
        Now("3200"),
        then=Then({"web": "80"}, kept="3200"),
        others="3200",
    ),
    "adopted: all that was foreign is the name's, and it gives nothing back": Case(
        wish("web", "80", adopt=True),
        Now("79,81,5000", {"web": "79", "shop": "81"}, foreign="81"),
        Now("7,9,79-81,3200,5000", {"web": "7,9,79-81,3200,5000", "shop": "81"}),
        then=Then({"web": "7"}, kept="3200", by_hand="9", left_out="3201"),
        then_after=Then({"web": "7,9,79-81,3200,5000"}, kept="3200", left_out="3201"),
        others="3200-3201",
    ),
    "adopted now only: our file is not looked at": Case(
        wish("web", "80", adopt=True, persistent=False),
        Now("5000"),
        Now("80,5000", {"web": "80,5000"}),
        then=Then({"web": "7"}, by_hand="9"),
        then_after=Then({"web": "7"}, by_hand="9"),
    ),
    "for the next boot only: the kernel is left alone, wiped as it may be": Case(
        wish("web", "80", runtime=False),
        Now("", {"shop": "81"}),
        Now("", {"shop": "81"}),
        then_after=Then({"web": "80"}),
    ),
    "now only: our file is left alone, edited as it may be": Case(
        wish("web", "80", persistent=False),
        now_after=Now("80", {"web": "80"}),
        then=Then({"shop": "81"}, value=""),
        then_after=Then({"shop": "81"}, value=""),
    ),
    "added by hand stays": Case(
        wish("web"),
        Now("80", {"web": "80"}),
        then=Then({"web": "80"}, by_hand="9,80"),
        then_after=Then(by_hand="9,80"),
    ),
    "a list that the kernel refuses is nothing to keep": Case(
        wish("web", "80"),
        now_after=Now("80", {"web": "80"}),
        then_after=Then({"web": "80"}),
        others="http",
    ),
}


def places(now: Now, then: Then | None, others: str | None) -> Places:
    earlier = () if others is None else (SettingFile(EARLIER, others),)
    return Places(now.running(), Configured(OwnFile() if then is None else then.own(), earlier, ()))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_a_run_makes_of_what_it_finds(case: Case) -> None:
    after = places(case.now_after, case.then_after, case.others)
    assert make_plan(places(case.now, case.then, case.others), case.wish) == noted(after)


def noted(after: Places) -> Places:
    """Return the same with the ledger's note of what our file says of names."""
    assert after.configured
    account = replace(after.running.account, persistent=after.configured.own.names)
    return replace(after, running=replace(after.running, account=account))


NOTED = {"web": ports_of("80"), "shop": ports_of("90")}
BEHIND = {
    "our file is gone": (None, None, wish("web", "80"), {"web": "80", "shop": "90"}),
    "a line of it is gone": (Then({"web": "80"}), None, wish("web", "81"), {"web": "81", "shop": "90"}),
    "who lets go stays away": (None, None, wish("shop"), {"web": "80"}),
    "a line that is new is taken in": (
        Then({"new": "70"}),
        None,
        wish("web", "80"),
        {"web": "80", "shop": "90", "new": "70"},
    ),
    "a line that was changed by hand stays so": (Then({"shop": "91"}), None, wish("web"), {"shop": "91"}),
    "a run was killed that changed one": (
        Then({"web": "79", "shop": "90"}),
        Pending(frozenset(), frozenset()),
        wish("shop", "90"),
        {"web": "80", "shop": "90"},
    ),
    "a run was killed that removed one": (
        Then({"old": "70", "web": "80", "shop": "90"}),
        Pending(frozenset(), frozenset()),
        wish("shop", "90"),
        {"web": "80", "shop": "90"},
    ),
}


@pytest.mark.parametrize("then, pending, asked, names", BEHIND.values(), ids=BEHIND)
def test_our_file_comes_to_say_what_it_was_to_say(
    then: Then | None, pending: Pending | None, asked: Wish, names: dict[str, str]
) -> None:
    found = places(Now(), then, None)
    account = replace(found.running.account, persistent=NOTED, pending=pending)
    before = replace(found, running=replace(found.running, account=account))
    now_only = make_plan(before, replace(asked, persistent=False))
    assert now_only.configured == before.configured
    for one in (before, now_only):
        after = make_plan(one, asked)
        assert after.configured and after.configured.own.names == sets(names)
        assert after.running.account.persistent == sets(names)
        assert after.running.account.pending is None


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_same_wish_again_changes_nothing(case: Case) -> None:
    once = make_plan(places(case.now, case.then, case.others), case.wish)
    assert make_plan(once, case.wish) == once


def test_only_the_kernel_counts_where_no_boot_concerns_the_namespace() -> None:
    before = Places(Now("5000").running(), None)
    after = make_plan(before, wish("web", "80", persistent=False))
    assert after.promised == {}
    assert after == Places(Now("80,5000", {"web": "80"}).running(), None)


FILES = {
    "no file": ((), None, (), ""),
    "others only": (("1", "2"), None, (), "2"),
    "ours wins": (("1",), "80", (), "80"),
    "ours wins, with nothing in it": (("1",), "", (), ""),
    "a later one wins": (("1",), "80", ("2", "3"), "3"),
    "a later one wins, with nothing in it": ((), "80", ("",), ""),
    "a later one that the kernel refuses": ((), "80", ("http",), None),
    "one that the kernel refuses": (("1", "8080 9000"), None, (), None),
}


@pytest.mark.parametrize("earlier, ours, later, wins", FILES.values(), ids=FILES)
def test_the_last_file_wins(
    earlier: tuple[str, ...], ours: str | None, later: tuple[str, ...], wins: str | None
) -> None:
    configured = Configured(
        OwnFile() if ours is None else OwnFile(value=ports_of(ours)),
        tuple(SettingFile(EARLIER, value) for value in earlier),
        tuple(SettingFile(LATER, value) for value in later),
    )
    assert configured.after_boot == (None if wins is None else ports_of(wins))


def test_thirty_thousand_ports_come_and_go() -> None:
    sparse = frozenset(range(1, 60001, 2))
    wanted = Wish("web", sparse, persistent=True)
    before = Places(Now("2,5").running(), Configured())
    reserved = make_plan(before, wanted)
    assert reserved.running.ports == sparse | {2} and reserved.running.account.foreign == {5}
    assert make_plan(reserved, wish("web")).running.ports == {2, 5}
