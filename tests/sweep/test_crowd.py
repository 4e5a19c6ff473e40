# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Many hosts at once: nobody waits for one that hangs, and what was answered is there whatever happens then."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep.crowd import Limits, sweep
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep.target import Outcome, Target

from .engine import ARCHIVE, PYTHON, place, question

FAR = ("-F", "none", "-o", "ConnectTimeout=60", "-o", "IdentityFile=none")


def hanging(name: str) -> Target:
    """Return a host on which nothing is ever said."""
    return Target(name, name, local=True, interpreter="/bin/sh -c 'exec sleep 600'")


def ask(*targets: Target, **limits) -> dict[str, Outcome]:
    return {found.name: found for found in sweep([(one, question()) for one in targets], ARCHIVE, Limits(**limits))}


def assert_gone(mark: str) -> None:
    """Wait until no process has the mark in its command line."""
    for _look in range(100):
        found = subprocess.run(["pgrep", "-f", mark], capture_output=True, text=True, check=False)
        if found.returncode:
            break
        threading.Event().wait(0.05)
    assert (found.returncode, found.stdout) == (1, "")


@pytest.fixture(scope="module")
def here(needs) -> Iterator[Target]:
    """Have this machine as a host, with a place of its own to keep things."""
    needs("root", "unshare", "nsenter")
    with place() as found:
        inside = f"nsenter --target {found.pid} --mount --wd=/ -- {PYTHON}"
        yield Target("here", "here", local=True, interpreter=inside)


@pytest.fixture
def silent():
    """Return the port of somebody who takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        yield listening.getsockname()[1]


def test_this_machine_is_asked_without_a_connection(here):
    outcome = ask(here)["here"]

    assert outcome.status == "ok", outcome.reason
    assert outcome.result["host"]["name"]


def test_a_host_that_hangs_is_given_up_and_delays_nobody(here):
    outcomes = []
    for outcome in sweep(((one, question()) for one in (hanging("slow"), here)), ARCHIVE, Limits(seconds=3)):
        outcomes.append((outcome.name, outcome.status, outcome.reason))

    assert outcomes == [
        ("here", "ok", ""),
        ("slow", "failed", "timed out after 3 s while looking at its ports"),
    ]


def test_hosts_wait_only_for_room(here):
    hung = [hanging(f"slow{number}") for number in range(3)]

    outcomes = ask(*hung, here, at_once=3, seconds=2)

    assert [outcomes[one.name].status for one in (*hung, here)] == ["failed", "failed", "failed", "ok"]


def test_nothing_is_left_of_a_host_that_was_given_up():
    mark = f"600.{os.getpid()}"
    ask(Target("slow", "slow", local=True, interpreter=f"/bin/sh -c 'exec sleep {mark}'"), seconds=1)

    assert_gone(mark)


def test_somebody_who_says_nothing_is_named(silent):
    target = Target("far", "127.0.0.1", arguments=("-o", f"Port={silent}", "-o", "ConnectTimeout=1", *FAR))

    outcome = ask(target, seconds=30)["far"]

    assert outcome.status == "unreachable"
    assert outcome.reason == f"127.0.0.1 port {silent} took the connection and then said nothing for 1 s"


def test_a_name_that_is_looked_up_for_ever_delays_nobody(here, monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_given: release.wait(60))

    outcomes = ask(Target("far", "far.example", arguments=FAR), here, seconds=3)
    release.set()

    assert outcomes["here"].status == "ok"
    assert (outcomes["far"].status, outcomes["far"].reason) == (
        "unreachable",
        "timed out after 3 s while looking up far.example",
    )


def test_a_hindrance_is_told_and_the_host_left_alone():
    outcome = ask(Target("odd", "odd", hindrance="its connection is docker"))["odd"]

    assert (outcome.status, outcome.reason, outcome.result) == ("failed", "its connection is docker", None)


def test_targets_are_taken_as_there_is_room():
    taken = []

    def targets():
        for name in ("first", "second", "third"):
            taken.append(name)
            yield Target(name, name, hindrance="none"), question()

    outcomes = sweep(targets(), ARCHIVE, Limits(at_once=1))
    next(outcomes)

    assert taken == ["first"]
    assert len(list(outcomes)) == 2


def test_what_was_answered_is_there_when_the_rest_is_ended(here):
    outcomes = sweep([(here, question()), (hanging("slow"), question())], ARCHIVE, Limits(seconds=600))

    first = next(outcomes)
    outcomes.close()

    assert (first.name, first.status) == ("here", "ok")


INTERRUPTED = """
import os, signal, sys, threading
sys.path.insert(0, "collections")
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep.crowd import Limits, sweep
from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep.target import Question, Target
begun, mark = sys.argv[1:]
def interrupt():
    open(begun).close()
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt, daemon=True).start()
slow = Target("slow", "slow", local=True, interpreter=f"/bin/sh -c 'echo > {begun}; exec sleep {mark}'")
try:
    list(sweep([(slow, Question("port_owner", {}))], b"", Limits(seconds=600)))
except KeyboardInterrupt:
    print("ended")
"""


def test_an_interrupt_ends_what_is_under_way(root, tmp_path):
    begun, mark = tmp_path / "begun", f"601.{os.getpid()}"
    os.mkfifo(begun)

    command = [sys.executable, "-c", INTERRUPTED, begun, mark]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, check=False)

    assert (done.stdout, done.stderr, done.returncode) == ("ended\n", "", 0)
    assert_gone(mark)


def test_a_host_that_never_stops_talking_is_given_up(here):
    """Each thing it says comes within the time that is left, and none is an answer."""
    mark = f"602.{os.getpid()}"
    said = {"flood": f"echo {mark * 4} >&2", "trickle": "printf .; sleep 0.01", "moan": "printf . >&2; sleep 0.01"}
    talking = [
        Target(name, name, local=True, interpreter=f"/bin/sh -c 'while :; do {words}; done # {mark}'")
        for name, words in said.items()
    ]

    outcomes = ask(*talking, here, seconds=3)

    assert outcomes["here"].status == "ok", outcomes["here"].reason
    assert {name: outcomes[name].status for name in said} == dict.fromkeys(said, "failed")
    assert {outcomes[name].reason for name in ("trickle", "moan")} == {"timed out after 3 s while looking at its ports"}
    assert_gone(mark)


def test_a_fault_of_ours_is_one_hosts_failure(here, monkeypatch):
    from ansible_collections.portreeve.fleet.plugins.plugin_utils.sweep import crowd

    converse = crowd.converse
    monkeypatch.setattr(
        crowd, "converse", lambda wire, target, *rest: 1 / 0 if target.name == "odd" else converse(wire, target, *rest)
    )

    outcomes = ask(Target("odd", "odd", local=True), here)

    assert outcomes["odd"].reason == "a fault in Portreeve, please report it: ZeroDivisionError: division by zero"
    assert outcomes["here"].status == "ok"


def test_a_thread_that_cannot_be_started_is_one_hosts_failure(here, monkeypatch):
    start, started = threading.Thread.start, []

    def scarce(thread: threading.Thread) -> None:
        started.append(thread)
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", scarce)

    outcomes = {found.name: found for found in sweep([(here, question()), (hanging("odd"), question())], ARCHIVE)}

    assert outcomes["here"].status == "ok"
    assert outcomes["odd"].reason == "it was not asked: can't start new thread here; ask fewer hosts at once (--forks)"
