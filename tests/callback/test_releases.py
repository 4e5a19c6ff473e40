# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""``ansible -m port_release`` as a person sees it: what came of it, or who would be concerned, in a few lines."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Callable, Iterator

import pytest

from ..cli.stage import TOOLS, Stage, stage

SCRIPT = """
import subprocess

for place in (b"/var/log", b"/run"):
    ctypes.CDLL(None).mount(b"none", place, b"tmpfs", 0, None)


def billing():
    server = listening(7766, "0.0.0.0")
    until_it_runs(subprocess.Popen(["sleep", "infinity"], pass_fds=[server.fileno()]).pid, "sleep")


os.kill(child(billing), signal.SIGKILL)
child(lambda: (name("stranger"), listening(7700)))
ready()
"""

Ask = Callable[..., list[str]]


@pytest.fixture(scope="module")
def town(needs: Callable[..., None]) -> Iterator[Stage]:
    needs(*TOOLS, "mount")
    with stage(SCRIPT, "init.py") as town:
        yield town


@pytest.fixture
def ask(town: Stage, ansible) -> Ask:
    def ask(arguments: str, *options: str) -> list[str]:
        command = [str(pathlib.Path(sys.executable).parent / "ansible"), "-i", str(ansible.inventory), "web1"]
        settings = [f"{name}={value}" for name, value in ansible.environment.items()]
        run = town.run("env", "-i", *settings, *command, "-m", "port_release", "-a", arguments, *options)
        return [line for line in (run.stdout + run.stderr).splitlines() if line.strip()]

    return ask


def test_a_rehearsal_names_the_victims_and_a_run_what_came_of_it(ask: Ask) -> None:
    lines = ask("port=7766", "--check", "--diff")
    assert "-LISTEN 0.0.0.0:7766 sleep[3] of process sleep (heir)" in lines
    assert "+7766/tcp free" in lines
    plan = lines[next(number for number, line in enumerate(lines) if line.startswith("web1 | ")) :]
    assert plan[0] == "web1 | CHANGED | To free 7766/tcp: detach sleep[3]."
    assert plan[1:3] == [
        "  1. detach sleep[3]",
        "     sleep[3] only inherited the socket, whose creator is gone or goes.",
    ]

    lines = ask("port=7766")
    assert lines[0].startswith("web1 | CHANGED | 7766/tcp is free: took the socket from sleep[3], ")
    assert lines[1].startswith("  detach: The socket was taken from sleep[3]; ")
    assert any(line.startswith("  Proof: A bind to 0.0.0.0:7766 with SO_REUSEADDR succeeds") for line in lines)
    assert any(line.startswith("  Trail: /var/log/portreeve/trail.jsonl, run ") for line in lines)

    assert ask("port=7766")[0].startswith("web1 | SUCCESS | 7766/tcp can be bound by a server that sets SO_REUSEADDR")


def test_a_refusal_is_one_sentence_with_what_may_be_allowed(ask: Ask) -> None:
    for options in ([], ["--check"]):
        lines = ask("port=7700", *options)
        assert lines[0].startswith("web1 | FAILED | 7700/tcp is not freed: stranger[")
        assert "at_most: terminate" in lines[0]
        assert len([line for line in lines if "7700/tcp is not freed" in line]) == 1


def test_what_cannot_be_asked_and_the_whole_result_are_shown_as_ever(ask: Ask) -> None:
    assert any("'0' is not one port: accepted is" in line for line in ask("port=0"))
    assert "web1 | SUCCESS => {" in ask("port=5999", "-v")
    assert ask("port=5999", "--check") == ["web1 | SUCCESS | 5999/tcp is free."]
