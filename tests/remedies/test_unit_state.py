# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What `systemctl show` prints of a unit, read: as systemd 252 printed it, and an old or an odd one would."""

from __future__ import annotations

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.owners.unit_state import (
    PROPERTIES,
    UnitState,
    is_unit_name,
    parse_units,
    say_fatal,
    say_obstacle,
    say_revival,
    say_state,
)

SERVICE = r"""Type=notify
Restart=always
KillMode=control-group
Result=success
ControlGroup=/system.slice/my\x2dapp.service
Id=my\x2dapp.service
RequiredBy=front.service
ConsistsOf=worker@1.service front.service
TriggeredBy="my\\x2dapp.path" "my\\x2dapp.socket"
LoadState=loaded
ActiveState=active
SubState=running
StateChangeTimestamp=Sat 2026-11-21 10:39:59 UTC
InactiveExitTimestampMonotonic=36394000482
CanStart=yes
CanStop=yes
RefuseManualStart=no
RefuseManualStop=no
Job=
InvocationID=c71681e1584a435391b2d56a7fc21cc4
"""
SOCKET = r"""Accept=yes
Result=success
Id=each.socket
Triggers=each@1-127.0.0.1:18710-127.0.0.1:60486.service each@0-127.0.0.1:18710-127.0.0.1:60476.service
LoadState=loaded
ActiveState=active
SubState=listening
CanStart=yes
CanStop=yes
Job=
InvocationID=77f14c705e4b4efa9b70d700bd039aa3
"""


def one(text: str = SERVICE, **changed: str) -> UnitState:
    """Return the unit with some of its properties changed, None for one that is not printed."""
    lines = dict(line.split("=", 1) for line in text.strip().split("\n"))
    lines.update(changed)
    (unit,) = parse_units("".join(f"{key}={value}\n" for key, value in lines.items()))
    return unit


def test_a_service_as_it_is_printed() -> None:
    unit = one()
    assert (unit.id, unit.birth, unit.lives) == (r"my\x2dapp.service", "c71681e1584a435391b2d56a7fc21cc4", True)
    assert (unit.group, unit.type, unit.has_job) == (r"/system.slice/my\x2dapp.service", "notify", False)
    assert unit.triggered_by == (r"my\x2dapp.path", r"my\x2dapp.socket")
    assert unit.dependants == ("front.service", "worker@1.service")
    assert say_revival(unit) == "systemd starts it again (Restart=always)"
    assert say_state(unit) == "active (running) since Sat 2026-11-21 10:39:59 UTC"
    assert say_obstacle(unit) is None


def test_a_unit_that_was_made_at_run_time_is_gone_once_it_has_ended() -> None:
    assert "Transient" in PROPERTIES
    assert one(Transient="yes").transient
    assert not one(Transient="no").transient
    assert not one().transient


def test_a_socket_that_starts_a_service_for_each_connection() -> None:
    unit = one(SOCKET)
    assert unit.accepts
    assert unit.triggers[1] == "each@0-127.0.0.1:18710-127.0.0.1:60476.service"
    assert (unit.group, say_revival(unit)) == (None, None)


def test_several_units_come_in_the_order_they_are_printed() -> None:
    assert [unit.id for unit in parse_units(f"{SOCKET}\n{SERVICE}")] == ["each.socket", r"my\x2dapp.service"]
    assert parse_units("") == []


def test_without_invocation_ids_a_run_is_known_by_its_beginning() -> None:
    """systemd before 232, such as that of CentOS 7."""
    assert one(InvocationID="").birth == "@36394000482"
    assert one(InvocationID="", InactiveExitTimestampMonotonic="0").birth is None


@pytest.mark.parametrize("job", ["957", "957 /org/freedesktop/systemd1/job/957"])
def test_a_job_is_seen(job: str) -> None:
    assert one(Job=job).has_job


@pytest.mark.parametrize("none", ["", "0"])
def test_no_job_is_seen_as_none(none: str) -> None:
    assert not one(Job=none).has_job


@pytest.mark.parametrize(
    ("active", "lives"),
    [("active", True), ("reloading", True), ("activating", True), ("deactivating", True), ("maintenance", True)]
    + [("inactive", False), ("failed", False)],
)
def test_only_what_has_ended_does_not_live(active: str, lives: bool) -> None:
    assert one(ActiveState=active).lives is lives


@pytest.mark.parametrize(
    ("changed", "obstacle"),
    [
        ({"RefuseManualStop": "yes"}, "systemd does not let it be stopped by hand (RefuseManualStop=yes)"),
        ({"CanStop": "no"}, "systemd does not let it be stopped by hand (RefuseManualStop=yes)"),
        ({"LoadState": "masked"}, None),  # it runs, and can be stopped
        ({"LoadState": "masked", "ActiveState": "inactive"}, "it is masked, so that systemd does not start it"),
        (
            {"LoadState": "not-found", "ActiveState": "inactive"},
            "systemd has no such unit (LoadState=not-found)",
        ),
        ({"RefuseManualStart": "yes"}, None),
        ({"RefuseManualStart": "yes", "ActiveState": "failed"}, "systemd does not let it be started by hand"),
    ],
)
def test_what_stands_in_the_way_is_said(changed: dict[str, str], obstacle: str | None) -> None:
    assert say_obstacle(one(**changed)) == obstacle


@pytest.mark.parametrize(
    "name",
    ["nginx.service", "-.mount", r"my\x2dapp.socket", "each@0-127.0.0.1:18710-[::1]:6.service".replace("[::1]", "::1")]
    + ["user@1001.service", "session-3.scope", "-rf.service"],
)
def test_names_of_units(name: str) -> None:
    assert is_unit_name(name)


@pytest.mark.parametrize(
    "name",
    ["*.service", "ngin[x].service", "?.socket", "nginx", "", "a b.service", "a\n.service", "a.service\n"]
    + ["../a.service", "a/b.service", "$(id).service", "ä.service", "a.conf", ".service", "x" * 300 + ".service"],
)
def test_what_systemctl_would_expand_or_mend_is_no_name(name: str) -> None:
    assert not is_unit_name(name)


def test_whom_a_unit_concerns_is_read_from_all_properties_there_are() -> None:
    unit = one(
        Conflicts="shutdown.target rival.service", ConflictedBy="foe.service",
        Requires="sysinit.target", Wants="aide.service",
        WantedBy="multi-user.target", RequiredBy="front.service", StopWhenUnneeded="yes",
        OnFailure="alarm.service", OnSuccess="next.service",
    )  # fmt: skip
    assert unit.rivals == ("foe.service", "rival.service", "shutdown.target")
    assert (unit.needs, unit.needed_by) == (("aide.service", "sysinit.target"), ("front.service", "multi-user.target"))
    assert (unit.goes_unneeded, unit.answers) == (True, ("alarm.service", "next.service"))


@pytest.mark.parametrize("none", [{}, {"FailureAction": "none", "SuccessAction": "none"}, {"FailureAction": ""}])
def test_most_units_do_not_take_the_host_along(none: dict[str, str]) -> None:
    assert (one(**none).fatal, say_fatal(one(**none))) == (None, None)


@pytest.mark.parametrize("active", ["active", "inactive"])
def test_a_unit_that_may_take_the_host_along_is_neither_stopped_nor_started(active: str) -> None:
    unit = one(FailureAction="reboot", SuccessAction="none", ActiveState=active)
    assert say_obstacle(unit) == say_fatal(unit) == "the host may go down when it ends (FailureAction=reboot)"
    assert one(FailureAction="reboot", SuccessAction="exit").fatal == "SuccessAction=exit, FailureAction=reboot"


@pytest.mark.parametrize(
    ("kill_mode", "main", "other"),
    [("none", True, True), ("process", False, True), ("mixed", False, False), ("control-group", False, False)],
)
def test_who_survives_the_stop_of_a_unit(kill_mode: str, main: bool, other: bool) -> None:
    unit = one(KillMode=kill_mode, MainPID="12")
    assert (unit.survives(12), unit.survives(13)) == (main, other)
