# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""`portreeve sweep` over real sshd hosts: the module's answers in the callback's words; refused, partial and kept."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator

import pytest

from ..callback.conftest import BIN, PATIENCE, _all_of
from ..sshd_hosts.hosts import COMMANDS, SshdHosts, sshd_hosts
from .commands import ROOT, Commands, answers

pytestmark = pytest.mark.needs("root", *COMMANDS)
#: What differs from look to look.
MOVING = {"elapsed_ms", "scanner"}


@pytest.fixture(scope="module")
def hosts(needs) -> Iterator[SshdHosts]:
    needs("root", *COMMANDS)
    with sshd_hosts(2, "refuses", "stuck", "no-sudo") as found:
        yield found


@pytest.fixture
def commands(tmp_path) -> Commands:
    return Commands(tmp_path)


def settled(answer):
    """Return an answer without what differs from look to look."""
    if isinstance(answer, dict):
        return {key: settled(value) for key, value in answer.items() if key not in MOVING}
    return [settled(one) for one in answer] if isinstance(answer, list) else answer


@pytest.mark.parametrize(
    "question", ["port=8080,9", 'port=8080 expect={"free":true}', "port=8080 bind={'address':'::'}"]
)
def test_the_answers_are_those_of_the_module(commands, hosts, question):
    words = {"expect": ["--expect-free"], "bind": ["--bind", "::"]}
    port, _space, more = question.removeprefix("port=").partition(" ")
    asked = commands(
        "ansible", "-i", hosts.inventory, "fleet", "-m", "port_owner", "-a", question, PORTREEVE_OUTPUT="json"
    )

    swept = commands.sweep("-i", hosts.inventory, "fleet", "-p", port, "--json", *words.get(more.partition("=")[0], []))

    assert settled(answers(swept)) == settled(answers(asked))
    assert {one["host"] for one in answers(swept).values()} == {"host01", "host02"}
    assert swept.code == (4 if "expect" in question else 0)


def test_an_audit_is_that_of_the_module(commands, hosts):
    asked = commands("ansible", "-i", hosts.inventory, "host01", "-m", "port_audit", PORTREEVE_OUTPUT="json")

    swept = commands.sweep("-i", hosts.inventory, "host01", "--json")

    one, other = (settled(answers(run))["host01"]["result"] for run in (asked, swept))
    for result in (one, other):
        result.pop("descriptors"), result.pop("connections")  # the one who asks has some of its own
        result["ports"] = [{**port, "connections": {}} for port in result["ports"]]
    assert one == other


def test_the_table_is_the_callbacks(commands, hosts):
    by_ansible = commands("ansible", "-i", hosts.inventory, "fleet", "-m", "port_owner", "-a", "port=8080")

    swept = commands.sweep("-i", hosts.inventory, "fleet", "-p", "8080")

    table, counts = swept.lines[:-3], swept.lines[-3:]
    assert sorted(table) == sorted(by_ansible.lines)
    assert table[0].startswith("HOST")
    assert counts[0] == "Hosts   2 hosts: 2 seen in full"


def test_who_was_not_reached_is_listed_apart_and_counted(commands, hosts):
    run = commands.sweep("-i", hosts.inventory, "host01,refuses,no-sudo", "-p", "9")

    assert run.code == 4
    assert re.search(r"^refuses: unreachable\. .*refused$", run.output, re.MULTILINE)
    assert re.search(r"^no-sudo: failed\. sudo: ", run.output, re.MULTILINE)
    assert "Hosts   3 hosts: 1 seen in full, 1 unreachable, 1 failed" in run.lines
    assert run.output.index("9/tcp") < run.output.index("refuses: unreachable")


def test_a_host_seen_in_part_is_never_taken_for_fine(commands, hosts):
    run = commands.sweep("-i", hosts.inventory, "no-sudo", "-e", "ansible_become=false", "-p", "8080")

    assert run.code == 3
    assert "no-sudo: incomplete. Not seen: " in run.output


def test_an_interrupted_sweep_keeps_what_it_has(commands, hosts, tmp_path):
    with subprocess.Popen(
        [BIN / "portreeve", "sweep", "-i", hosts.inventory, "host01,stuck", "--json", "--report", tmp_path / "kept"],
        env=commands.environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=PATIENCE)

    assert process.returncode == 130
    assert json.loads(first)["host"] == "host01"
    assert json.loads(rest) == {
        "host": "stuck",
        "status": "unreachable",
        "reason": "no answer: the sweep was interrupted",
    }
    assert errors == ""
    kept = json.loads((tmp_path / "kept/latest/report.json").read_text("utf-8"))["hosts"]
    assert {name: one["status"] for name, one in kept.items()} == {"host01": "ok", "stuck": "unreachable"}


def test_the_report_is_that_of_an_audit(commands, hosts, tmp_path):
    run = commands.sweep("-i", hosts.inventory, "fleet,refuses", "--report", tmp_path / "reports")

    latest = tmp_path / "reports/latest"
    report = json.loads((latest / "report.json").read_text("utf-8"))
    assert {name: one["status"] for name, one in report["hosts"].items()} == {
        "host01": "ok", "host02": "ok", "refuses": "unreachable",
    }  # fmt: skip
    assert f"Report  {latest}/report.html" in run.lines
    assert (latest / "report.html").stat().st_size > 0
    assert run.lines[0].startswith("HOST")
    assert [line.split()[0] for line in run.lines[1:5]] == ["host01", "host01", "host02", "host02"]


def test_a_terminal_sees_how_far_it_is_and_keeps_the_table_alone(commands, hosts):
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [BIN / "portreeve", "sweep", "-i", hosts.inventory, "fleet", "-p", "8080"],
        env={**commands.environment, "TERM": "xterm"}, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
    ) as process:  # fmt: skip
        os.close(theirs)
        screen = _all_of(ours).decode("utf-8")
        assert process.wait(PATIENCE) == 0
    os.close(ours)

    assert re.search(r"━.*0 of 2 hosts", screen)
    stays = [line.rpartition("\x1b[K")[2] for line in screen.replace("\r\n", "\n").split("\n")]
    assert not any("of 2 hosts" in line for line in stays)
    assert sum("8080/tcp" in line for line in stays) >= 2


@pytest.mark.parametrize(
    ("code", "said", "arguments"),
    [
        (2, "'99999' is out of range", ["-p", "99999"]),
        (2, "--expect-free goes with --port only", ["--expect-free"]),
        (2, "unrecognized arguments: --wrong", ["--wrong"]),
        (2, "--forks is 0", ["-p", "80", "-f", "0"]),
        (2, "'sideways' is not an option of a bind", ["-p", "80", "--bind", "::,sideways"]),
        (1, "no hosts", ["nobody"]),
        (1, "is not a directory", ["-p", "80", "--report", "/etc/hostname/reports"]),
        (1, "vault", ["--vault-password-file", "/nonexistent"]),
    ],
)
def test_what_will_not_do_is_told_in_a_sentence(commands, code, said, arguments):
    run = commands.sweep("-i", "192.0.2.1,", *arguments)

    last = run.errors.rstrip("\n").split("\n")[-1]
    assert run.code == code
    assert run.output == ""
    assert last.startswith("portreeve sweep: ")
    assert said in last
    assert "Traceback" not in run.errors


def test_more_hosts_at_once_than_there_may_be_files_are_asked_in_turn(commands, tmp_path):
    names = "".join(f"host{number}," for number in range(6))
    with_few_files = ["prlimit", "--nofile=60:60", BIN / "portreeve", "sweep", "-i", names, "-c", "local"]

    done = subprocess.run(
        [*with_few_files, "-f", "1000", "-p", "9/tcp", "--json"], cwd=ROOT, env=commands.environment,
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip

    assert {json.loads(line)["status"] for line in done.stdout.splitlines()} == {"ok"}
    assert done.stderr == (
        "portreeve sweep: 3 hosts at once instead of 1000: only 60 open files are allowed here (ulimit -n)\n"
    )


def test_another_verb_is_told_what_there_is(commands):
    run = commands("portreeve", "fly")

    assert (run.code, run.output) == (2, "")
    assert run.errors.startswith("usage: portreeve sweep")
