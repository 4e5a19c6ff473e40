# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The timer on a real control host: it fires, one run at a time, makes up for what was missed, and leaves nothing."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.fleet.conftest import INVENTORY, fleet  # noqa: F401
from tests.fleet.harness.command import FleetError, wait_for
from tests.fleet.harness.host import Host
from tests.inventory.conftest import BIN, Run

from . import control

pytestmark = [pytest.mark.slow, pytest.mark.needs("root", "systemd-nspawn")]

UNIT = "portreeve-compliance"
DIRECTORY = f"/etc/{UNIT}"
REPORTS = f"{control.PROJECT}/reports"
NEVER = "2099-01-01"
GIVEN = {
    "schedule_ansible_playbook": control.PROGRAM,
    "schedule_project": control.PROJECT,
    "schedule_inventory": "inventory",
    "schedule_calendar": NEVER,
    "schedule_jitter": "0",
    "schedule_accuracy": "1us",
    "schedule_variables": {"portreeve_fail_on": "never"},
}
EVERYTHING = [{"name": "anything", "ports": ["1-65535", "1-65535/udp"]}]
PATIENCE = 90
READ_HISTORY = f"""
import sqlite3
history = sqlite3.connect("file:{REPORTS}/history.sqlite?mode=ro", uri=True)
print(*(name for name, in history.execute("select name from portreeve_run order by id")))
"""
HOOK = "[Service]\nExecStart=/usr/bin/touch /tmp/hooked\n"
WHERE = ["/etc", "/usr/local", "/var/lib/systemd", "/var/spool", "/run/systemd/system"]

Schedule = Callable[..., Run]


@pytest.fixture(scope="module")
def host(fleet: dict[str, Host], collection: pathlib.Path) -> Iterator[Host]:  # noqa: F811
    """Yield a control host, which has itself and another host in its inventory."""
    host, other = fleet["alder"], fleet["cedar"]
    here = {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"}
    hosts = {"all": {"hosts": {host.name: here, other.name: control.way_to(other)}}}
    hosts["all"]["vars"] = {"portreeve_allowed": EVERYTHING}  # type: ignore[assignment]
    control.equip(host, collection, hosts)
    host.run(
        "mkdir", "-p", "/var/lib/systemd/timers"
    )  # systemd's own, made with the first timer that makes up for a run
    yield host
    control.clear(host)


@pytest.fixture(scope="module")
def schedule(host: Host, root: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Schedule]:
    """Return the playbook `schedule`, run on the control host with variables of the role."""
    place = tmp_path_factory.mktemp("schedule")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "LC_"))},
        "ANSIBLE_CONFIG": str(root / "ansible.cfg"),
        "ANSIBLE_HOME": str(place),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
        "ANSIBLE_NOCOLOR": "1",
        "LC_ALL": "C.UTF-8",
    }

    def schedule(*options: str, **variables: Any) -> Run:
        extra = json.dumps({"portreeve_control": host.name, **GIVEN, **variables})
        command = [str(BIN / "ansible-playbook"), "-i", INVENTORY, "playbooks/schedule.yml", "-e", extra, *options]
        done = subprocess.run(
            [sys.executable, *command],
            cwd=root,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        return Run(done.returncode, done.stdout)

    yield schedule
    told(host, "systemctl", "stop", UNIT)
    schedule(schedule_state="absent")


def told(host: Host, *command: str) -> str:
    """Return what a command says on the host, whatever its exit code."""
    return host.run("sh", "-c", '"$@" 2>&1 || true', "sh", *command)


def files(host: Host) -> set[str]:
    """Return the paths of everything that an installation could be part of."""
    return set(told(host, "find", *WHERE).splitlines())


def runs(host: Host) -> list[str]:
    """Return the names of the runs in the history, the oldest first."""
    return host.run("/usr/bin/python3", "-c", READ_HISTORY).split()


def known_runs(host: Host) -> list[str]:
    """Return the same, none before there is a history."""
    try:
        return runs(host)
    except FleetError:
        return []


def journal(host: Host) -> list[str]:
    """Return what the runs have said, line by line."""
    return host.run("journalctl", "-u", UNIT, "-o", "cat", "--no-pager").splitlines()


def is_idle(host: Host) -> bool:
    """Return whether no run of the unit is going on."""
    return told(host, "systemctl", "is-active", UNIT).strip() in ("inactive", "failed")


def result(host: Host) -> str:
    """Return how the last run of the unit ended."""
    return host.run("systemctl", "show", "-P", "Result", UNIT).strip()


def test_what_is_wrong_is_said_before_anything_is_changed(host: Host, schedule: Schedule) -> None:
    before = files(host)

    run = schedule(
        schedule_calendar=["daily", "whenever"],
        schedule_timeout="4 eons",
        schedule_inventory="nowhere",
        schedule_ansible_playbook="ansible-playbook",
    )

    assert run.code == 2
    assert "schedule_calendar is 'whenever', which is no time that systemd knows" in run.said
    assert "schedule_timeout is '4 eons', which is no span of time" in run.said
    assert "schedule_inventory is 'nowhere', which is not there" in run.said
    assert "schedule_ansible_playbook is 'ansible-playbook', which is no command here" in run.said
    assert run.recap(host.name)["changed"] == 0
    assert files(host) == before


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            {"schedule_playbook": "portreeve.fleet.nothing"},
            f"{control.PROGRAM} --syntax-check portreeve.fleet.nothing as root in {control.PROJECT} ends with: ",
        ),
        pytest.param(
            {"schedule_environment": {"ANSIBLE_COLLECTIONS_PATH": "/nowhere"}},
            "the playbook: portreeve.fleet.compliance could not be found",
            marks=pytest.mark.full,
        ),
        pytest.param({"schedule_user": "nobody"}, "as nobody in /srv/portreeve ends with: ", marks=pytest.mark.full),
    ],
    ids=["no such playbook", "no collection from there", "not for this user"],
)
def test_a_run_that_could_not_begin_is_said_before_anything_is_changed(
    host: Host, schedule: Schedule, wrong: dict[str, Any], said: str
) -> None:
    before = files(host)

    run = schedule(**wrong)

    assert run.code == 2
    assert said in run.said
    assert run.recap(host.name)["changed"] == 0
    assert files(host) == before


@pytest.mark.parametrize("name", ["ssh", "portreeve-../ssh"])
def test_a_name_that_may_be_somebody_elses_is_refused(host: Host, schedule: Schedule, name: str) -> None:
    before = files(host)

    run = schedule(schedule_name=name, schedule_state="absent")

    assert f"schedule_name is '{name}': accepted is portreeve-" in run.said
    assert files(host) == before


def test_check_mode_shows_it_and_makes_nothing(host: Host, schedule: Schedule) -> None:
    before = files(host)

    run = schedule("--check", schedule_variables={"portreeve_notify": ["secret"]})

    assert run.code == 0, run.output
    assert run.recap(host.name)["changed"] > 0
    assert "+OnCalendar=2099-01-01" in run.output
    assert "secret" not in run.output
    assert files(host) == before


def test_it_fires_and_the_run_is_in_the_history(host: Host, schedule: Schedule) -> None:
    before = files(host)
    first = schedule(schedule_calendar=["*-*-* *:*:0/20"])
    assert first.code == 0, first.output
    wait_for(lambda: known_runs(host), "the timer has made a run", seconds=PATIENCE)
    second = schedule(schedule_calendar=["*-*-* *:*:0/20"])
    assert (second.code, second.recap(host.name)["changed"]) == (0, 0), second.output
    host.run("systemctl", "stop", f"{UNIT}.timer")
    wait_for(lambda: is_idle(host), "the run ends", seconds=PATIENCE)

    summary = json.loads(host.run("cat", f"{REPORTS}/compliance/latest/summary.json"))
    assert summary["run"] == runs(host)[-1]
    assert summary["counts"]["hosts"]["ok"] == summary["counts"]["hosts"]["total"] == 2, summary
    found = json.loads(host.run("cat", f"{REPORTS}/compliance/latest/report.json"))["findings"]
    assert (summary["state"], found) == ("compliant", [])
    said = [line for line in journal(host) if not line.startswith((UNIT, "Starting ", "Finished "))]
    assert said[-1] == summary["sentence"]
    assert result(host) == "success"

    gone = schedule(schedule_state="absent")
    assert gone.code == 0, gone.output
    assert files(host) == before
    assert told(host, "systemctl", "list-units", "--all", "--no-legend", f"{UNIT}.*") == ""
    assert told(host, "systemctl", "list-timers", "--all", "--no-legend", f"{UNIT}.*") == ""


@pytest.mark.full
def test_two_runs_never_go_on_at_once(host: Host, schedule: Schedule) -> None:
    assert schedule(schedule_wait=1).code == 0
    wait_for(lambda: is_idle(host), "nothing is going on", seconds=PATIENCE)
    number = len(known_runs(host))
    host.run("sh", "-c", f"setsid {DIRECTORY}/run >/tmp/by-hand 2>&1 & echo $! > /tmp/by-hand.pid")
    pattern = "[a]nsible.cli.playbook"  # not this command line itself
    wait_for(lambda: told(host, "pgrep", "-f", pattern).strip(), "the run by hand is going on")
    host.run("pkill", "-STOP", "-f", pattern)
    try:
        told(host, "systemctl", "start", UNIT)
        assert result(host) == "exit-code"
        assert f"Another run of {UNIT} is going on: this one was not started." in journal(host)
        assert len(known_runs(host)) == number
    finally:
        host.run("pkill", "-CONT", "-f", pattern)
    wait_for(lambda: len(known_runs(host)) == number + 1, "the run by hand is recorded", seconds=PATIENCE)
    wait_for(lambda: not told(host, "pgrep", "-f", pattern).strip(), "it ends")
    told(host, "systemctl", "start", UNIT)  # nothing that it left in the background holds the lock
    assert result(host) == "success", journal(host)[-9:]
    assert len(known_runs(host)) == number + 2
    host.run("rm", "/tmp/by-hand", "/tmp/by-hand.pid")


@pytest.mark.full
def test_a_run_that_was_missed_is_made_up_for(host: Host, schedule: Schedule) -> None:
    assert schedule(schedule_calendar="daily").code == 0
    wait_for(lambda: is_idle(host), "nothing is going on", seconds=PATIENCE)
    number = len(known_runs(host))
    host.run("systemctl", "stop", f"{UNIT}.timer")
    host.run("touch", "--date=3 days ago", f"/var/lib/systemd/timers/stamp-{UNIT}.timer")
    host.run("systemctl", "start", f"{UNIT}.timer")
    wait_for(lambda: len(known_runs(host)) == number + 1, "it is made up for", seconds=PATIENCE)
    wait_for(lambda: is_idle(host), "it ends", seconds=PATIENCE)
    again = schedule(schedule_calendar=NEVER)
    assert again.recap(host.name)["changed"] == 2, again.output  # the timer's unit, and the timer
    assert schedule(schedule_state="absent").recap(host.name)["changed"] > 0
    assert schedule(schedule_state="absent").recap(host.name)["changed"] == 0


STRICT = {"portreeve_fail_on": "info", "portreeve_allowed": []}


@pytest.mark.full
@pytest.mark.parametrize(
    ("fails", "variables", "wanted"),
    [
        (True, STRICT, "exit-code"),
        (False, STRICT, "success"),
        (False, {"portreeve_allowed": ["mistake"]}, "exit-code"),
    ],
    ids=["fails", "does not", "mistake"],
)
def test_whether_the_unit_fails_when_the_hosts_do_is_chosen(
    host: Host, schedule: Schedule, fails: bool, variables: dict[str, Any], wanted: str
) -> None:
    host.run("sh", "-c", "cat > /etc/systemd/system/hook.service", given=HOOK.encode())
    chosen = {
        "schedule_noncompliant_fails": fails,
        "schedule_variables": variables,
        "schedule_on_failure": ["hook.service"],
        "schedule_limit": "cedar",
    }
    assert schedule(**chosen).code == 0
    told(host, "systemctl", "start", UNIT)

    assert result(host) == wanted
    said = "NOT COMPLIANT: " if variables is STRICT else "entry 1 of portreeve_allowed"
    assert any(said in line for line in journal(host))
    if wanted != "success":
        wait_for(lambda: "hooked" in told(host, "ls", "/tmp"), "the hook is run")
    host.run("rm", "-f", "/tmp/hooked", "/etc/systemd/system/hook.service")
    host.run("sh", "-c", "systemctl daemon-reload; systemctl reset-failed")


@pytest.mark.full
def test_another_user_runs_it(host: Host, schedule: Schedule) -> None:
    mine = f"{control.PROJECT}/mine"
    host.run("chmod", "-R", "a+rX", control.HOME, control.PROJECT)
    strict = {"portreeve_reports": mine, "ansible_ssh_private_key_file": "~/key"}
    run = schedule(schedule_user="keeper", schedule_create_user=True, schedule_limit="cedar", schedule_variables=strict)
    assert run.code == 0, run.output
    host.run("install", "-d", "-o", "keeper", mine)
    host.run("install", "-o", "keeper", "-m", "600", f"{control.PROJECT}/key", "/var/lib/keeper/key")
    told(host, "systemctl", "start", UNIT)

    summary = json.loads(host.run("sh", "-c", f"cat {mine}/compliance/*/summary.json"))
    assert summary["counts"]["hosts"]["ok"] == summary["counts"]["hosts"]["total"] == 1
    assert host.run("stat", "-c", "%U", f"{mine}/history.sqlite").strip() == "keeper"
    assert told(host, "stat", "-c", "%U %a", f"{DIRECTORY}/variables.json").strip() == "keeper 600"
    assert schedule(schedule_state="absent", schedule_user="keeper", schedule_create_user=True).code == 0
    assert "no such user" in told(host, "id", "keeper")
    host.run("rm", "-rf", "/var/lib/keeper")
