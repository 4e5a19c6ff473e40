# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Where the answer goes: closed pipes, full devices, poor locales, an impatient operator. Never a traceback."""

from __future__ import annotations

import array
import fcntl
import json
import os
import signal
import subprocess
import sys
import termios
import time

import pytest

from .stage import ROOT, stage

AGENT = [sys.executable, "-I", "-S", str(ROOT / "agent")]
LONG = ["owner", "1-1000", "--json"]
F_SETPIPE_SZ = 1031
SMALLEST_PIPE = 4096


@pytest.mark.parametrize("question", [LONG, ["list"], ["snapshot"], ["owner", "9"]], ids=" ".join)
def test_a_reader_that_has_seen_enough_is_no_error(question):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as closed:
        done = subprocess.run(
            [*AGENT, *question], stdout=closed, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )

    assert (done.returncode, done.stderr) == (4, "")


@pytest.mark.parametrize("question", [LONG, ["list"], ["snapshot"], ["owner", "9"]], ids=" ".join)
def test_a_full_device_is_said_in_one_line(question):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*AGENT, *question], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )

    assert done.stderr == "portreeve: the answer could not be written: No space left on device\n"
    assert done.returncode == 4


def test_a_closed_output_is_said_in_one_line():
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *AGENT, "list"], stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )

    assert done.stderr == "portreeve: the answer could not be written: standard output is closed\n"
    assert done.returncode == 4


@pytest.mark.parametrize("errors", ["2>&-", "2>/dev/full"])
def test_without_a_place_for_errors_the_exit_code_still_tells(errors):
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {errors}', "sh", *AGENT, "owner", "0"], stdout=subprocess.PIPE, timeout=60, check=False
    )

    assert (done.returncode, done.stdout) == (2, b"")


def test_an_interrupt_ends_it_quietly():
    with subprocess.Popen([*AGENT, *LONG], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as agent:
        fcntl.fcntl(agent.stdout, F_SETPIPE_SZ, SMALLEST_PIPE)
        until_full(agent.stdout)
        agent.send_signal(signal.SIGINT)
        _unread, errors = agent.communicate(timeout=60)

    assert (agent.returncode, errors) == (130, "")


def until_full(pipe) -> None:
    """Wait until nobody can write into a pipe any more: its writer is in the middle of an answer."""
    waiting = array.array("i", [0])
    deadline = time.monotonic() + 60
    while waiting[0] < SMALLEST_PIPE:
        assert time.monotonic() < deadline
        time.sleep(0.01)
        fcntl.ioctl(pipe, termios.FIONREAD, waiting)


LOCALES = [
    {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    {"LC_ALL": "POSIX"},
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "latin-1:strict", "LC_ALL": "C.UTF-8"},
]


@pytest.mark.needs("root", "unshare", "nsenter")
@pytest.mark.parametrize("locale", LOCALES, ids=lambda locale: " ".join(locale.values()))
def test_any_locale_will_do(locale):
    with stage('name("b\u016fhl\u2192r")\nserver = listening(7500)\nready()') as tower:
        environment = {**os.environ, **locale}
        said = [tower.agent(*verb, env=environment) for verb in (["owner", "7500"], ["list"], ["snapshot"])]
        answer = tower.agent("owner", "7500", "--json", env=environment)
        refused = tower.agent("owner", "\u2192", env=environment)

    for done in said:
        assert (done.returncode, done.stderr) == (0, "")
        assert "b\u016fhl\u2192r[1]" in done.stdout or r"b\u016fhl\u2192r[1]" in done.stdout
    assert "b\u016fhl\u2192r" in json.loads(answer.stdout)["ports"][0]["summary"]
    assert (refused.returncode, refused.stdout, len(refused.stderr.splitlines())) == (2, "", 1)
