# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""``portreeve release`` on a stage: it shows, it does what was shown under its digest, and nothing else."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields

import pytest
import yaml
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.remedies.collateral import Fallen
from ansible_collections.portreeve.fleet.plugins.modules import port_release

from .stage import ROOT, TOOLS, Stage, stage

SCRIPT = """
import subprocess
import sys

for place in (b"/var/log", b"/run"):
    ctypes.CDLL(None).mount(b"none", place, b"tmpfs", 0, None)


def billing():
    server = listening(7766, "0.0.0.0")
    return [subprocess.Popen(["sleep", "infinity"], pass_fds=[server.fileno()]).pid for _ in range(2)]


reader, writer = os.pipe()
maker = os.fork()
if maker == 0:
    heirs = billing()
    for heir in heirs:
        until_it_runs(heir, "sleep")
    os.write(writer, json.dumps(heirs).encode())
    os._exit(0)
os.waitpid(maker, 0)
stranger = child(lambda: (name("stranger"), listening(7700)))
ready(heirs=json.loads(os.read(reader, 99)), stranger=stranger)
"""

RETURNED = yaml.safe_load(port_release.RETURN)
Ran = subprocess.CompletedProcess[str]
Ask = Callable[..., Ran]


@pytest.fixture
def town(needs: Callable[..., None]) -> Iterator[Stage]:
    """Yield a stage with two heirs on 7766, whose listener's maker is dead, and a program that serves 7700."""
    needs(*TOOLS, "mount")
    with stage(SCRIPT) as town:
        yield town


@pytest.fixture
def ask(town: Stage) -> Ask:
    return lambda *options: town.agent("release", *options)


def digest_in(text: str) -> str:
    (digest,) = set(re.findall(r"\b[0-9a-f]{64}\b", text))
    return digest


def alive(town: Stage) -> list[int]:
    """Return which of the programs live on; on the stage nobody waits for those that have ended."""
    pids = [*town.facts["heirs"], town.facts["stranger"]]
    states = [town.run("cat", f"/proc/{pid}/stat").stdout.rpartition(")")[2].split()[:1] for pid in pids]
    return [pid for pid, state in zip(pids, states, strict=True) if state not in ([], ["Z"])]


def test_it_shows_what_would_be_done_and_does_it_under_that_digest(town: Stage, ask: Ask) -> None:
    shown = ask("7766")
    first, second = town.facts["heirs"]
    assert (shown.returncode, shown.stderr) == (0, "")
    lines = shown.stdout.split("\n")
    assert lines[0] == "7766/tcp: orphaned_listener"
    assert f"  1. detach sleep[{first}] and sleep[{second}]" in lines
    assert lines[-2].startswith("python3 ")
    assert lines[-2].endswith(" release 7766 --apply=" + digest_in(shown.stdout))
    again = ask("7766")
    assert again.stdout == shown.stdout  # nothing was touched, and the same victims have the same digest

    done = ask("7766", "--apply", digest_in(shown.stdout))
    assert (done.returncode, done.stderr) == (0, "")
    assert "\n  detach: The socket was taken from " in done.stdout
    assert "\n  Proof: " in done.stdout
    assert "\n  Trail: /var/log/portreeve/trail.jsonl, run " in done.stdout
    assert alive(town) == [first, second, town.facts["stranger"]]
    bound = "import socket as s; o = s.create_server(('0.0.0.0', 7766)); print(o.getsockname()[1])"
    assert town.run("python3", "-c", bound).stdout == "7766\n"

    needless = ask("7766")
    assert needless.returncode == 0
    assert "--apply" not in needless.stdout
    assert ask("7766", "--apply", digest_in(shown.stdout)).returncode == 0  # nothing is left to do


def test_another_plan_than_the_approved_one_is_not_done(town: Stage, ask: Ask) -> None:
    digest = digest_in(ask("7766").stdout)
    refused = ask("7766", "--at-most", "terminate", "--apply", digest)
    assert refused.returncode == 1
    assert "the plan made now is another one than the approved (other victims, or other options)" in refused.stderr
    assert f" release 7766 --at-most=terminate --apply={digest_in(refused.stdout)}\n" in refused.stdout
    assert digest_in(refused.stdout) != digest
    assert digest_in(ask("7766").stdout) == digest


def test_what_goes_too_far_is_refused_with_the_reason(town: Stage, ask: Ask) -> None:
    refused = ask("7700")
    assert refused.returncode == 1
    assert refused.stderr.startswith("portreeve: 7700/tcp is not freed: ")
    assert f"stranger[{town.facts['stranger']}]" in refused.stderr
    assert "--at-most terminate" in refused.stderr
    assert "--apply takes" not in refused.stderr
    assert "; --apply takes the options with which its digest was shown" in ask("7700", "--apply", "0" * 64).stderr
    assert "--apply" not in refused.stdout
    allowed = ask("7700", "--at-most=terminate", "--grace=5s")
    assert f"  1. terminate stranger[{town.facts['stranger']}]" in allowed.stdout.split("\n")
    assert f" release 7700 --at-most=terminate --grace=5s --apply={digest_in(allowed.stdout)}\n" in allowed.stdout
    assert town.facts["stranger"] in alive(town)


def test_the_command_that_is_shown_works_as_it_stands(town: Stage, ask: Ask) -> None:
    trail = ("--no-undo", "--run=change-4711", "--reason", "a b")
    shown = ask("7700", "--at-most", "terminate", "--bind", "127.0.0.1,reuseaddr=no", "--protect", "a b", *trail)
    command = shown.stdout.strip("\n").rpartition("\n")[2]
    assert "'--protect=a b'" in command
    done = town.run("sh", "-c", command)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\n  terminate: stranger[" in done.stdout
    assert alive(town) == town.facts["heirs"]
    lines = [json.loads(line) for line in town.run("cat", "/var/log/portreeve/trail.jsonl").stdout.strip().split("\n")]
    assert {(one["run"], one["why"]) for one in lines if one["event"] == "begin"} == {("change-4711", "a b")}


def test_what_is_said_of_one_address_names_it(ask: Ask) -> None:
    free = ask("7700", "--address", "::1")
    assert free.stdout.startswith("7700/tcp on ::1: free\n  No socket that a bind to ::1 would meet has it.\n")
    assert json.loads(ask("7700", "--address", "::1", "--json").stdout)["summary"] == "7700/tcp on ::1 is free."


def test_json_is_the_module_s(town: Stage, ask: Ask) -> None:
    foretold = json.loads(ask("7766", "--json").stdout)
    assert (foretold["format"], foretold["changed"], foretold["after"]) == ("portreeve.port_release/1", True, None)
    assert [step["act"] for step in foretold["plan"]["steps"]] == ["detach"]
    refused = ask("7700", "--json")
    told = json.loads(refused.stdout)
    assert (refused.returncode, told["failed"], told["msg"]) == (1, True, told["plan"]["refusal"])
    done = ask("7766", "--json", "--apply", foretold["plan"]["digest"])
    result = json.loads(done.stdout)
    assert (done.returncode, result["proof"]["free"], result["collateral"]) == (0, True, [])
    assert result["plan"]["digest"] == foretold["plan"]["digest"]


def test_the_documentation_of_the_module_has_all_that_is_returned(ask: Ask) -> None:
    foretold = json.loads(ask("7700", "--at-most=terminate", "--json").stdout)
    result = json.loads(ask("7700", "--at-most=terminate", "--json", "--apply", foretold["plan"]["digest"]).stdout)
    documented = {name: one.get("contains", {}) for name, one in RETURNED.items()}
    assert set(result) == {*documented, "changed", "diff"}  # these two are Ansible's own
    assert set(result["plan"]) == set(documented["plan"])
    assert {name for step in result["plan"]["steps"] for name in step} == set(documented["plan"]["steps"]["contains"])
    assert {name for one in result["done"] for name in one} == set(documented["done"])
    assert set(result["proof"]) == set(documented["proof"])
    assert {name for one in result["proof"]["bind"] for name in one} == set(documented["proof"]["bind"]["contains"])
    assert {field.name for field in fields(Fallen)} == set(documented["collateral"])


def test_who_may_not_is_told_so(town: Stage) -> None:
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    refused = town.run(*nobody, sys.executable, str(ROOT / "agent"), "release", "7766")
    assert (refused.returncode, refused.stdout) == (4, "")
    assert "takes root" in refused.stderr
