# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""One sweep over hosts of every kind that gives trouble: each is reported for what it is, and delays nobody else."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from ..callback.conftest import Run
from ..sshd_hosts.hosts import COMMANDS, SshdHosts, sshd_hosts
from ..sshd_hosts.kinds import ODD, lent_python
from .commands import Commands

pytestmark = pytest.mark.slow

PLAIN = 3
LENT = {"old-python": "3.6", "ancient-python": "2.7"}
#: For a whole conversation; long beside what an answer takes on a busy machine.
HOST_TIMEOUT = 15
ANSWER = ["jump", "behind", "noisy", "slow", "read-only", "full", "sudo", "sudo-password", "password", "keyboard"]
UNREACHABLE = {
    "refuses": "connection refused",
    "closes": "took the connection and closed it",
    "hangs": "took the connection and then said nothing",
    "drops": "no answer within",
    "changed": "its host key has changed",
    "unknown": "is not known as",
}
FAILED = {
    "stuck": f"timed out after {HOST_TIMEOUT} s",
    "no-python": "there is no /usr/bin/python3 there",
    "old-python": "Python 3.6.15 there is too old: 3.8 or newer is needed",
    "ancient-python": "Python 2 there is too old: 3.8 or newer is needed",
    "sudo-wrong": "sudo did not take the password",
    "no-sudo": "sudo: a password is required",
}
#: Those of which only a time limit tells.
WAITED_FOR = ["hangs", "drops", "stuck"]


@pytest.fixture(scope="module")
def hosts(needs) -> Iterator[SshdHosts]:
    needs("root", *COMMANDS)
    odd = [name for name in ODD if name not in LENT or lent_python(LENT[name])]
    with sshd_hosts(PLAIN, *odd) as found:
        yield found


@pytest.fixture(scope="module")
def run(hosts, tmp_path_factory) -> Run:
    """The sweep, every host of it at once."""
    commands = Commands(tmp_path_factory.mktemp("home"))
    limits = ("--host-timeout", str(HOST_TIMEOUT), "--timeout", "6", "--forks", str(len(hosts.all)))
    return commands.sweep("-i", hosts.inventory, "--port", "8080", "--json", *limits)


@pytest.fixture(scope="module")
def answers(run) -> dict[str, dict[str, Any]]:
    """What was said of each host, in the order in which it was known."""
    lines = (json.loads(line) for line in run.output.splitlines())
    return {line["host"]: line for line in lines if "host" in line}


def test_every_host_is_reported(hosts, run, answers):
    assert set(answers) == {host.name for host in hosts.all}
    assert run.code == 4
    assert "Traceback" not in run.output + run.errors


@pytest.mark.parametrize("name", [*(f"host{turn:02}" for turn in range(1, PLAIN + 1)), *ANSWER])
def test_whoever_can_answer_does(answers, name):
    told = answers[name]

    assert told["status"] == "ok", told
    assert told["result"]["host"]["name"] == name
    assert [(port["protocol"], port["verdict"]) for port in told["result"]["ports"]] == [
        ("tcp", "owned"),
        ("udp", "free"),
    ]
    (holder,) = {
        holder["process"]["name"] for socket in told["result"]["ports"][0]["sockets"] for holder in socket["holders"]
    }
    assert holder == "sshd"


@pytest.mark.parametrize(
    ("name", "status", "why"),
    [
        *((name, "unreachable", why) for name, why in UNREACHABLE.items()),
        *((name, "failed", why) for name, why in FAILED.items()),
    ],
)
def test_what_keeps_a_host_from_answering_is_said_in_one_sentence(answers, name, status, why):
    if name not in answers:
        pytest.skip(f"pyenv has no interpreter to lend to {name}")
    told = answers[name]

    assert (told["status"], "result" in told) == (status, False), told
    assert why in told["reason"]
    assert "\n" not in told["reason"]


def test_nobody_waits_for_those_that_do_not_answer(hosts, tmp_path):
    """They hold all places but one, for longer than is waited here: the others take turns at what is left."""
    plain = [host.name for host in hosts.plain]
    limits = ("--forks", str(len(WAITED_FOR) + 1), "--host-timeout", "600", "--timeout", "600")
    asked = ("-i", hosts.inventory, ",".join([*WAITED_FOR, *plain]), "--port", "8080", "--json", *limits)

    with Commands(tmp_path).sweeping(*asked) as process:
        first = [json.loads(line) for line in islice(process.stdout, PLAIN)]
        process.send_signal(signal.SIGINT)
        rest = [json.loads(line) for line in process.stdout]

    assert {told["host"]: told["status"] for told in first} == dict.fromkeys(plain, "ok")
    # An interrupt in the middle of showing an answer has it shown once more, and never lost.
    assert {told["host"]: told["reason"] for told in rest if "host" in told and told not in first} == dict.fromkeys(
        WAITED_FOR, "no answer: the sweep was interrupted"
    )
    assert process.returncode == 130
