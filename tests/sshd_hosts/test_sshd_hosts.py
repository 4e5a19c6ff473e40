# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The light hosts themselves: each is as its kind says, sets stand side by side, and nothing is left of them."""

from __future__ import annotations

import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from ..fleet.harness.command import FleetError, wait_for
from .hosts import CHECKOUT, COMMANDS, SshdHosts, sshd_hosts
from .keeper import KEEPER
from .kinds import ODD, lent_python

pytestmark = pytest.mark.needs("root", *COMMANDS)

WHO = "hostname; id -un; for name in python3 python2; do $name -V 2>&1; done; echo x > kept && echo can write"
STANDS = "host01\nroot\nPython 3."


@pytest.fixture(scope="module")
def hosts() -> Iterator[SshdHosts]:
    lent = {"old-python": "3.6", "ancient-python": "2.7"}
    odd = [name for name in ODD if name not in lent or lent_python(lent[name])]
    with sshd_hosts(2, *odd) as standing:
        yield standing


@pytest.fixture(scope="module")
def said(hosts: SshdHosts) -> dict[str, str]:
    """What came of logging in to each, by name."""

    def log_in(name: str) -> str:
        patience = "2" if name in {"hangs", "drops"} else "20"
        command = [
            "ssh",
            "-F",
            str(hosts.ssh_config),
            "-o",
            "BatchMode=yes",
            "-o",
            f"ConnectTimeout={patience}",
            name,
            WHO,
        ]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=4 if name == "stuck" else 60, check=False
            )
        except subprocess.TimeoutExpired:
            return "no end"
        return done.stdout + done.stderr

    names = [host.name for host in hosts.all]
    with ThreadPoolExecutor(len(names)) as pool:
        return dict(zip(names, pool.map(log_in, names), strict=True))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("host01", ["host01\nroot\nPython 3.", "can write"]),
        ("host02", ["host02\nroot\nPython 3.", "can write"]),
        ("hangs", ["banner exchange"]),
        ("stuck", ["no end"]),
        ("closes", ["kex_exchange_identification"]),
        ("refuses", ["Connection refused"]),
        ("drops", ["timed out"]),
        ("changed", ["Host key verification failed", "has changed"]),
        ("unknown", ["Host key verification failed"]),
        ("behind", ["behind\nroot\nPython 3."]),
        ("no-python", ["python3: command not found", "python2: command not found"]),
        ("old-python", ["Python 3.6", "python2: command not found"]),
        ("ancient-python", ["python3: command not found", "Python 2.7"]),
        ("noisy", ["loading {settings}", "you have mail", "a warning", "Only for those", "noisy\nroot\nPython 3."]),
        ("slow", ["slow\nroot\nPython 3."]),
        ("read-only", ["read-only\nroot\nPython 3.", "Read-only file system"]),
        ("full", ["full\nroot\nPython 3.", "No space left on device"]),
        ("sudo", ["sudo\nmara\nPython 3."]),
        ("password", ["Permission denied (password)"]),
        ("keyboard", ["Permission denied (keyboard-interactive)"]),
    ],
)
def test_a_host_is_as_its_kind_says(hosts: SshdHosts, said: dict[str, str], name: str, words: list[str]):
    if name not in said:
        pytest.skip(f"pyenv has no interpreter to lend to {name}")
    assert [word for word in words if word not in said[name]] == [], said[name]


def test_a_user_becomes_root_where_that_is_allowed(hosts: SshdHosts):
    def become(name: str, given: str) -> str:
        command = ["ssh", "-F", str(hosts.ssh_config), "-o", "BatchMode=yes", name, "sudo -S -p '' id -un"]
        return subprocess.run(command, input=given, capture_output=True, text=True, timeout=20, check=False).stdout

    right = f"{hosts.PASSWORD}\n"
    assert become("sudo", "") == "root\n"
    assert [become("sudo-password", right), become("sudo-password", "")] == ["root\n", ""]
    assert become("no-sudo", right) == ""


def test_hosts_are_apart_from_the_machine_and_from_each_other(hosts: SshdHosts):
    def run(name: str, command: str) -> str:
        return subprocess.check_output(["ssh", "-F", str(hosts.ssh_config), name, command], text=True, timeout=20)

    run("host01", "touch /etc/only-here /root/only-here; sysctl -qw net.ipv4.ip_local_reserved_ports=4000")

    assert not pathlib.Path("/etc/only-here").exists()
    assert (
        run("host02", "ls /etc/only-here /root/only-here 2>/dev/null; sysctl -n net.ipv4.ip_local_reserved_ports")
        == "\n"
    )
    assert "pytest" not in run("host02", "ps ax")
    assert run("host01", "cat /proc/1/comm") == "sshd\n"


def test_two_sets_stand_side_by_side(hosts: SshdHosts):
    with sshd_hosts(1) as others:
        assert others.directory != hosts.directory
        assert _says(others).startswith(STANDS)
    assert not others.directory.exists()
    assert _says(hosts).startswith(STANDS)


def test_nothing_is_left_when_whoever_wanted_them_is_killed():
    user = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import tests.sshd_hosts.hosts as h; c = h.sshd_hosts(2); print(c.__enter__().directory); input()",
        ],
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    directory = pathlib.Path(user.stdout.readline().strip())
    assert directory.is_dir()

    user.kill()

    wait_for(lambda: not directory.exists(), f"{directory} is gone")
    assert _links(directory) == []
    user.wait()


def test_what_a_killed_keeper_leaves_is_cleared_up_by_the_next():
    with pytest.raises(FleetError), sshd_hosts(2) as killed:
        os.kill(int((killed.directory / KEEPER).read_text()), signal.SIGKILL)
        wait_for(lambda: not [link for link in _links(killed.directory) if link[-1].isdigit()], "their links are gone")
        left = killed.directory
        raise FleetError("as a test that fails")
    assert left.is_dir()

    with sshd_hosts(1) as hosts:
        assert hosts.directory == left
        assert _says(hosts).startswith(STANDS)
    assert not left.exists()
    assert _links(left) == []


def test_a_kind_that_there_is_not_is_named():
    with pytest.raises(FleetError, match="not up"), sshd_hosts(1, "fast"):
        pass


def _says(hosts: SshdHosts) -> str:
    return subprocess.check_output(["ssh", "-F", str(hosts.ssh_config), "host01", WHO], text=True, timeout=20)


def _links(directory: pathlib.Path) -> list[str]:
    number = directory.name.rpartition("-")[2]
    return sorted(name for _, name in socket.if_nameindex() if name.startswith(f"prtrs{number}-"))


def test_hosts_by_hand_leave_whoever_reads_what_is_said():
    by_hand = [sys.executable, "-m", "tests.sshd_hosts"]

    done = subprocess.run([*by_hand, "up", "1"], cwd=CHECKOUT, capture_output=True, text=True, timeout=30, check=False)

    number = re.search(r"-(\d+)/", done.stdout)
    assert number, done.stderr
    subprocess.run([*by_hand, "down", number[1]], cwd=CHECKOUT, timeout=30, check=True)
