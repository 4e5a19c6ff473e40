# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What is asked and expected: exit codes, and one sentence for what cannot be asked."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from .stage import ROOT, stage

CLIENT = """
server = listening(7000)
client = bound(7001)
client.connect(server.getsockname())
ready()
"""

SECRET = """
import subprocess

server = listening(7400)
os.set_inheritable(server.fileno(), True)
command = [sys.executable, "-c", "input()", "--password=hunter2"]
holder = subprocess.Popen(command, stdin=subprocess.PIPE, close_fds=False)
server.close()
ready()
"""

CANNOT_BE_ASKED = [
    ([], "VERB"),
    (["who"], "'who'"),
    ([""], "''"),
    (["owner"], "PORT"),
    (["owner", "0"], "'0' is out of range: accepted are ports from 1 to 65535"),
    (["owner", "70000"], "'70000' is out of range: accepted are ports from 1 to 65535"),
    (["owner", "abc"], "'abc' is not a port: accepted are"),
    (["owner", "9-3"], "'9-3' is reversed: accepted are"),
    (["owner", "8080/sctp"], "'sctp' is not known: accepted are tcp and udp"),
    (["owner", ""], "'' is not a port"),
    (["owner", "80\n81"], r"'80\n81' is not a port"),
    (["owner", "80", "--\x1b[2J"], r"--\x1b[2J"),
    (["owner", "80", "--expect-uni=x"], "--expect-uni=x"),
    (["owner", "53/udp", "--protocol", "tcp"], "53/udp"),
    (["owner", "80", "--protocol", "sctp"], "'sctp'"),
    (["owner", "80", "--address", "localhost"], "'localhost' is not an address: accepted is"),
    (["owner", "80", "--address", ""], "'' is not an address"),
    (["owner", "80", "--bind", "here"], "'here' is not an address: accepted is"),
    (["owner", "80", "--bind", "0.0.0.0,reuse"], "'reuse' is not an option of a bind: accepted is"),
    (["owner", "80", "--bind", "user=no\x1bsuch"], r"user 'no\x1bsuch' is not on this host: accepted is"),
    (["owner", "80", "--protocol", "tcp", "--bind", "protocol=udp"], "the bind is one of udp, which is not asked"),
    (["owner", "80/tcp", "--bind", "protocol=udp"], "the bind is one of udp, which is not asked"),
    (["list", "--bind", "0.0.0.0"], "--bind"),
    (["release", "0"], "'0' is not one port: accepted is a number from 1 to 65535"),
    (["release", "8000-8010"], "'8000-8010' is not one port: accepted is"),
    (["release", "80", "81"], "81"),
    (["release", "53/udp", "--protocol", "tcp"], "'53/udp' does not go with protocol tcp"),
    (["release", "80", "--apply", "abc"], "--apply takes the digest of a plan: accepted are the 64"),
    (["release", "80", "--strategy", "kill"], "--strategy 'kill' is not known: accepted are auto, destroy"),
    (
        ["release", "80", "--strategy", "stop", "--at-most", "detach"],
        "--at-most detach does not go as far as --strategy stop",
    ),
    (["release", "80", "--grace=-1"], "grace '-1' is not accepted: accepted are seconds, or a time such as 30s"),
    (["release", "80", "--grace=2h"], "grace '2h' is not accepted: accepted are seconds, or a time such as 30s"),
    (["release", "80", "--override", "1"], "nothing is done to PID 1, whatever --override names"),
    (["release", "80", "--run", "../trail"], "'../trail' cannot name a run: accepted are up to 64 letters"),
    (["release", "80", "--reason="], "'' is no reason: accepted are 1 to 500 characters"),
    (["release", "80", "--protect="], "protect has an empty name"),
    (["release", "80", "--start", "a", "--restart", "b"], "then says start and restart: accepted is"),
    (["release", "80", "--start="], "'' is not a unit of systemd"),
    (["release", "80", "--bind", "protocol=udp"], "the bind is one of udp, the port of tcp: accepted is the same"),
    (["release", "80", "--expect-free"], "--expect-free"),
    (["owner", "80", "--expect-unit", ""], "the expected unit is empty"),
    (["owner", "80", "--namespace", "attic"], "namespace 'attic' is not on this host; accepted are all, host"),
    (["list", "--namespace", ""], "namespace '' is not on this host"),
    (["list", "8080"], "8080"),
    (["snapshot", "--scanner", "ebpf"], "'ebpf'"),
    (["list", "--expect-free"], "--expect-free"),
]


@pytest.mark.parametrize(("question", "named"), CANNOT_BE_ASKED, ids=lambda value: repr(value)[:40])
def test_what_cannot_be_asked_gets_one_sentence(question, named):
    done = subprocess.run(
        [sys.executable, ROOT / "agent", *question], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("portreeve: ")
    assert line.isprintable()
    assert named in line


def test_exit_0_when_everything_was_seen(town):
    assert town.agent("owner", "8080").returncode == 0


@pytest.mark.parametrize(
    ("ports", "expectation", "code"),
    [
        (["8080"], ["--expect-exe", "EXE"], 0),
        (["8080"], ["--expect-exe", "PYTHON"], 0),
        (["8080"], ["--expect-exe", "nginx"], 1),
        (["8080"], ["--expect-user", "root"], 0),
        (["8080"], ["--expect-user", "0"], 0),
        (["8080"], ["--expect-user", "www-data"], 1),
        (["8080"], ["--expect-user", "root", "--expect-exe", "nginx"], 1),
        (["8080"], ["--expect-unit", "nginx"], 1),
        (["8080"], ["--expect-container", "web"], 1),
        (["8080"], ["--expect-free"], 1),
        (["8080"], ["--expect-free", "--expect-user", "root"], 0),
        (["8080"], ["--expect-free", "--expect-user", "www-data"], 1),
        (["8080/udp"], ["--expect-user", "root"], 1),
        (["8080/udp"], ["--expect-free"], 0),
        (["8080/udp"], ["--expect-free", "--expect-user", "www-data"], 0),
        (["8080", "8125"], ["--expect-user", "root"], 0),
        (["8080", "5000"], ["--expect-user", "root"], 1),
        (["8080", "5000"], ["--expect-user", "root", "--expect-free"], 0),
        (["9090"], ["--expect-free"], 1),
        (["1-60000"], ["--expect-user", "root"], 1),
        (["1-7999"], ["--expect-free"], 0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_exit_1_when_a_port_is_not_held_as_expected(town, ports, expectation, code):
    running = town.answer("owner", "8080/tcp")["ports"][0]["sockets"][0]["holders"][0]["process"]["exe"]
    real = {"EXE": running, "PYTHON": running.rpartition("/")[2]}

    done = town.agent("owner", *ports, *(real.get(word, word) for word in expectation), "--json")

    assert done.returncode == code
    assert json.loads(done.stdout)["complete"] is True
    assert len(done.stderr.splitlines()) == code
    assert re.fullmatch(r"(portreeve: [-\d, ]+(/tcp|/udp)? should be .+\n)?", done.stderr)


@pytest.mark.needs("root", "unshare", "nsenter")
def test_a_port_that_a_connection_has_is_not_free():
    with stage(CLIENT) as quay:
        done = quay.agent("owner", "7001/tcp", "--expect-free")

    assert done.returncode == 1
    assert "still has 1 connection from it" in done.stderr


def test_exit_3_when_something_could_not_be_seen(town):
    done = town.agent("owner", "8080/tcp", "--scanner", "procnet")

    assert (done.returncode, done.stderr) == (3, "")
    assert "Incomplete: details of tcp sockets" in done.stdout
    assert "web[1]" in done.stdout


def test_exit_3_yields_to_1(town):
    done = town.agent("owner", "8080/tcp", "--scanner", "procnet", "--expect-user", "www-data")

    assert done.returncode == 1


def test_exit_4_when_there_is_nowhere_to_answer(town):
    with open("/dev/full", "w", encoding="ascii") as full:
        assert town.agent("list", stdout=full).returncode == 4


def test_exit_4_when_the_source_asked_for_is_not_there():
    done = subprocess.run(
        [sys.executable, "-I", "-S", ROOT / "agent", "list", "--scanner", "psutil"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (4, "", 1)
    assert "psutil" in done.stderr


@pytest.mark.needs("root", "unshare", "nsenter")
def test_secrets_are_masked_unless_shown():
    with stage(SECRET) as vault:
        masked, shown = vault.answer("owner", "7400/tcp"), vault.answer("owner", "7400/tcp", "--show-secrets")

    assert "hunter2" not in json.dumps(masked)
    assert "--password=hunter2" in shown["ports"][0]["sockets"][0]["holders"][0]["process"]["cmdline"]
