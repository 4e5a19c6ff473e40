# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""A command is told what has changed, only that, and can keep no run from ending."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import pathlib

import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.notify import changes_told, notify
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.host_picture import HostPicture
from ansible_collections.portreeve.fleet.plugins.plugin_utils.fleet.picture import OK
from ansible_collections.portreeve.fleet.plugins.plugin_utils.history.sight import Sight
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.findings import Finding, JudgedHost
from ansible_collections.portreeve.fleet.plugins.plugin_utils.policy.runs import (
    NEW,
    PERSISTING,
    RESOLVED,
    STANDINGS,
    Judged,
    Past,
    Run,
    Tracked,
)

from tests.fleet.harness.command import wait_for

NOW = "2026-05-04T13:02:11Z"
BEFORE = Past("before", "2026-05-03T13:02:11Z", "not_compliant", {"high": 1}, 0, {"ok": 2})
SHELL = ["sh", "-c"]


def run_of(*standings: str, past: tuple[Past, ...] = (BEFORE,)) -> Run:
    """Return a run over web1 and web2, both of which have a finding of each standing."""
    hosts = tuple(JudgedHost(name, OK, None, NOW, HostPicture()) for name in ("web1", "web2"))
    tracked = tuple(
        Tracked(Finding(host.name, "undeclared", f"{9000 + at}/tcp", "nc", "nc", "high", "…", "…"), standing, NOW, NOW)
        for at, standing in enumerate(standings)
        for host in hosts
    )
    return Run(Judged("now", NOW, NOW, "medium", hosts), tracked, past)


def is_alive(process: pathlib.Path) -> bool:
    """Return whether a process is there and has not ended."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_it_is_told_what_is_new_or_resolved_folded_and_nothing_else(tmp_path: pathlib.Path) -> None:
    script = f'cat > {tmp_path}/told; echo "$PORTREEVE_STATE $PORTREEVE_RUN" > {tmp_path}/environment'

    assert notify([*SHELL, script], run_of(*STANDINGS), "/srv/reports/now", Sight()) is None

    told = json.loads((tmp_path / "told").read_text())
    assert (told["format"], told["from"], told["to"]) == ("portreeve.changes/1", "before", "now")
    assert (told["state_before"], told["state"]) == ("not_compliant", "not_compliant")
    assert told["directory"] == "/srv/reports/now"
    assert [(one["standing"], one["hosts"]) for one in told["findings"]] == [
        (NEW, ["web1", "web2"]),
        (RESOLVED, ["web1", "web2"]),
    ]
    assert [one["fails"] for one in told["findings"]] == [True, False]
    assert told["standings"] == dict.fromkeys(STANDINGS, 2)
    assert (tmp_path / "environment").read_text() == "not_compliant now\n"


def test_it_is_not_run_when_nothing_has_changed(tmp_path: pathlib.Path) -> None:
    for run in (run_of(PERSISTING), run_of(past=())):
        assert notify(["touch", str(tmp_path / "run")], run, None, Sight()) is None
    assert not (tmp_path / "run").exists()


def test_a_change_of_state_is_told() -> None:
    told = changes_told(run_of(), None, Sight())
    assert told is not None
    assert (told["state_before"], told["state"], told["findings"]) == ("not_compliant", "compliant", [])
    assert told["sentence"].endswith(" It was not compliant, and is compliant.")


@pytest.mark.parametrize(
    ("sight", "said"),
    [
        (Sight(("web2", "web3\n")), "Out of sight: 2 hosts."),
        (Sight((), ("web2",)), "Back in sight: 1 host."),
    ],
)
def test_hosts_that_go_out_of_sight_or_come_back_are_told(sight: Sight, said: str) -> None:
    tolerant = BEFORE._replace(state="tolerated")
    waived = run_of(PERSISTING, past=(tolerant,))
    tracked = tuple(one._replace(finding=one.finding._replace(waived="x")) for one in waived.tracked)
    told = changes_told(dataclasses.replace(waived, tracked=tracked), None, sight)
    assert told is not None
    assert (told["state_before"], told["state"], told["findings"]) == ("tolerated", "tolerated", [])
    assert (told["hosts_lost"], told["hosts_back"]) == (
        [name.replace("\n", "\\n") for name in sight.lost],
        [*sight.back],
    )
    assert told["sentence"].endswith(f" {said}")


def test_a_limited_run_tells_what_it_saw_and_nothing_of_the_state_of_the_fleet() -> None:
    def limited(*standings: str) -> Run:
        run = run_of(*standings)
        return dataclasses.replace(run, judged=dataclasses.replace(run.judged, limit="web1"))

    assert changes_told(limited(), None, Sight()) is None  # of a fleet that is not compliant

    told = changes_told(limited(NEW), None, Sight(("web2",)))
    assert told is not None
    assert (told["from"], told["state_before"], told["hosts_lost"]) == (None, None, ["web2"])
    assert told["sentence"] == "The run now, limited to web1. Out of sight: 1 host."


def test_slices_that_are_missing_are_named() -> None:
    told = changes_told(dataclasses.replace(run_of(), missing=(2, 4)), None, Sight())
    assert told is not None
    assert told["missing_slices"] == [2, 4]


def test_a_slice_tells_nothing(tmp_path: pathlib.Path) -> None:
    run = run_of(NEW)
    part = dataclasses.replace(run, judged=dataclasses.replace(run.judged, slice_of=(1, 2), whole="all"))
    assert notify(["touch", str(tmp_path / "run")], part, None, Sight(("web1",))) is None
    assert not (tmp_path / "run").exists()


def test_what_could_not_be_recorded_is_not_told_as_new() -> None:
    told = changes_told(dataclasses.replace(run_of(NEW, past=()), unkept=("The disk is full.",)), None, Sight())
    assert told is not None
    assert (told["state"], told["sentence"], told["findings"]) == ("error", "The disk is full.", [])


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["/nowhere/tell"], "/nowhere/tell could not be started: No such file or directory"),
        ([*SHELL, "echo no >&2; echo 'the chat\x1b is down' >&2; exit 3"], r"exit code 3: the chat\x1b is down"),
        ([*SHELL, "kill -KILL $$"], "sh was ended by signal 9"),
        ([*SHELL, "yes | head -c 9000000 >&2; exit 1"], "sh ended with exit code 1: y"),
        ([*SHELL, "exec <&-; exit 0"], None),
    ],
    ids=["nowhere", "fails", "killed", "wordy", "deaf"],
)
def test_how_it_ended_is_said_in_a_sentence(command: list[str], said: str | None) -> None:
    found = notify(command, run_of(*[NEW] * 500), None, Sight())
    if said is None:
        assert found is None
    else:
        assert found is not None
        assert found.startswith("What has changed was not told: ")
        assert said in found
        assert "\n" not in found


def test_it_is_ended_in_time_with_all_that_it_started(tmp_path: pathlib.Path) -> None:
    script = f"sleep 1000 & echo $! > {tmp_path}/pid; wait"

    found = notify([*SHELL, script], run_of(NEW), None, Sight(), patience=3)

    assert found == "What has changed was not told: sh took longer than 3 s and was ended."
    process = pathlib.Path("/proc", (tmp_path / "pid").read_text().strip())
    wait_for(lambda: not is_alive(process), "what it started is ended, too")


def test_what_it_leaves_in_the_background_is_not_waited_for(tmp_path: pathlib.Path) -> None:
    pid = tmp_path / "pid"
    assert notify([*SHELL, f"sleep 1000 & echo $! > {pid}"], run_of(NEW), None, Sight()) is None
    os.kill(int(pid.read_text()), 15)


def test_a_payload_that_nobody_reads_is_not_waited_for(tmp_path: pathlib.Path) -> None:
    pid = tmp_path / "pid"
    run = run_of(NEW)
    long = run.tracked[0].finding._replace(said="x" * 1_000_000)  # more than a pipe takes
    run = dataclasses.replace(run, tracked=(run.tracked[0]._replace(finding=long),))
    script = f"exec 3<&0; sleep 1000 <&3 & echo $! > {pid}"
    started = multiprocessing.get_context("fork").Process(target=notify, args=([*SHELL, script], run, None, Sight(), 3))
    started.start()
    started.join(60)
    ended = started.exitcode
    os.kill(int(pid.read_text()), 9)
    started.join()
    assert ended == 0


def test_a_command_that_cannot_be_ended_is_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    def refuses(_group: int, _signal: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.killpg", refuses)  # as it is with a command of another user
    monkeypatch.setattr("ansible_collections.portreeve.fleet.plugins.plugin_utils.compliance.notify._TO_BE_GONE", 0.1)
    script = f"echo $$ > {tmp_path}/pid; exec sleep 1000"

    found = notify([*SHELL, script], run_of(NEW), None, Sight(), patience=1)

    os.kill(int((tmp_path / "pid").read_text()), 9)
    assert found == "What has changed was not told: sh took longer than 1 s and could not be ended."
