# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Hostile processes and unhelpful hosts: the command answers, says what it could not see, and shows no traceback."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ..cli.stage import ROOT, TOOLS, Stage, stage

NOBODY = 65534
VERBS = (("owner", "7000"), ("list",), ("snapshot",))

HOSTILE_NAMES = [
    b"[kworker/0:1]",
    b") S 1 (x) R 2",
    b"a\nb\rc\td",
    b"\x1b[2J\x1b]0;x\x07",
    b"\xff\xfe\x80",
    b"<script>",
    b"{{ 7*7 }}",
    b"%s%n%d",
    b"\0",
    "\u202egnp\u2028".encode(),
    b"x\rUid:\t7\t7",
    b"\rUid:",
]

HOSTILE_ARGUMENTS = [
    b"<script>alert(1)</script>",
    b"{{ lookup('pipe', 'id') }}",
    b"\x1b[31mred\x1b[0m",
    b"two\nlines",
    b"\xff\xfe\x80",
    b"\xed\xa0\x80",
    b"",
    b" ",
    b"x" * 100_000,
    "\u202e\u2066".encode(),
]

SCRIPT = """
import subprocess


def renamed(port, text):
    def act():
        name(text)
        return listening(port)

    return child(act)


subprocess.run(["mount", "-t", "tmpfs", "none", "/mnt"], check=True)
for directory, source in (("/mnt/python", {python!r}), ("/mnt/checkout", {checkout!r})):
    os.mkdir(directory)
    subprocess.run(["mount", "--bind", source, directory], check=True)
ready(renamed=[renamed(7000 + number, text) for number, text in enumerate({names!r})])
"""

# Starts a program in the place of the agent's arguments whose calls are partly refused (seccomp(2)).
REFUSING = """
import ctypes, os, struct, sys
NUMBERS = {"x86_64": (41, 308, 312), "aarch64": (198, 268, 272)}
SOCKET, SETNS, KCMP = NUMBERS[os.uname().machine]
AF_NETLINK, PIDFD_OPEN, PIDFD_GETFD = 16, 434, 438
refused, code = sys.argv[1].split("+"), int(sys.argv[2])
LOAD, EQUAL, RETURN, DENY, ALLOW = 0x20, 0x15, 0x06, 0x50000 | code, 0x7FFF0000
program = [(LOAD, 0, 0, 0)]
if "others" in refused:
    for number in (SETNS, KCMP, PIDFD_OPEN, PIDFD_GETFD):
        program += [(EQUAL, 0, 1, number), (RETURN, 0, 0, DENY)]
if "netlink" in refused:
    program += [(EQUAL, 0, 3, SOCKET), (LOAD, 0, 0, 16), (EQUAL, 0, 1, AF_NETLINK), (RETURN, 0, 0, DENY)]
program += [(RETURN, 0, 0, ALLOW)]
code = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
libc = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer(code)
filter_ = struct.pack("HxxxxxxQ", len(program), ctypes.addressof(buffer))
assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
assert libc.prctl(22, 2, ctypes.c_char_p(filter_)) == 0  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
os.execv(sys.executable, [sys.executable, *sys.argv[3:]])
"""


@pytest.fixture(scope="module")
def village(needs: Callable[..., None]) -> Iterator[Stage]:
    """Yield a stage whose processes carry hostile names, on the ports from 7000."""
    needs(*TOOLS, "mount", "setpriv")
    script = SCRIPT.format(names=HOSTILE_NAMES, python=sys.base_prefix, checkout=str(ROOT))
    with stage(script) as village:
        yield village


def as_nobody(village: Stage, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the agent as a user who may look at nobody else's processes."""
    python = f"/mnt/python/bin/python{sys.version_info[0]}.{sys.version_info[1]}"
    user = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    return village.run(*user, python, "-B", "/mnt/checkout/agent", *arguments, cwd="/")


def answered(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Return the JSON of an agent that had no complaint."""
    assert done.stderr == ""
    result: dict[str, Any] = json.loads(done.stdout)
    assert result["complete"] == (done.returncode == 0)
    return result


def holders(result: dict[str, Any]) -> dict[int, list[dict[str, Any]]]:
    return {port["port"]: [holder for one in port["sockets"] for holder in one["holders"]] for port in result["ports"]}


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_hostile_names_stay_on_their_line(village: Stage, verb: tuple[str, ...]) -> None:
    done = village.agent(*verb)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(line.isprintable() for line in done.stdout.split("\n"))


@pytest.mark.parametrize("scanner", ["auto", "procnet"])
def test_hostile_names_are_data(village: Stage, scanner: str) -> None:
    found = holders(answered(village.agent("list", "--json", "--scanner", scanner)))
    for number, (text, pid) in enumerate(zip(HOSTILE_NAMES, village.facts["renamed"], strict=True)):
        (holder,) = found[7000 + number]
        assert holder["pid"] == pid
        assert holder["process"]["name"] == text[:15].rstrip(b"\0").decode("utf-8", "backslashreplace")
        assert (holder["process"]["state"], holder["process"]["uid"]) == ("S", 0)


EXECUTE = """
import os, shutil, socket, sys
made = socket.create_server(("127.0.0.1", 7500))
made.set_inheritable(True)
place = b"/mnt/<b>\\xff\\n;{{x}}"
os.makedirs(place, exist_ok=True)
program = place + b"/sh (deleted)"
shutil.copy("/bin/sh", program)
os.execv(program, [b"sh", b"-c", b"echo up; read line", *%r])
"""


@pytest.fixture
def started(village: Stage) -> Iterator[str]:
    """Run a program with a hostile path and hostile arguments, with a listener on 7500; returns its path as shown."""
    command = village.command(sys.executable, "-c", EXECUTE % (HOSTILE_ARGUMENTS,))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        yield "/mnt/<b>\\xff\n;{{x}}/sh (deleted)"


def test_hostile_arguments_and_paths_are_data(village: Stage, started: str) -> None:
    (holder,) = holders(answered(village.agent("owner", "7500/tcp", "--json")))[7500]
    process = holder["process"]
    assert (process["exe"], process["exe_deleted"]) == (started, False)
    expected = ["…" if len(text) > 1024 else text.decode("utf-8", "backslashreplace") for text in HOSTILE_ARGUMENTS]
    assert process["cmdline"] == ["sh", "-c", "echo up; read line", *expected]
    for verb in (("owner", "7500"), ("list",), ("snapshot",)):
        done = village.agent(*verb)
        assert done.stderr == ""
        assert all(line.isprintable() for line in done.stdout.split("\n"))


def test_a_program_that_is_only_called_deleted_is_told_from_one_that_is(village: Stage, started: str) -> None:
    village.run("sh", "-c", 'rm /mnt/*"/sh (deleted)"').check_returncode()
    (holder,) = holders(answered(village.agent("owner", "7500/tcp", "--json")))[7500]
    assert (holder["process"]["exe"], holder["process"]["exe_deleted"]) == (started, True)


CHURN = """
import os, select, socket
print("up", flush=True)
while not select.select([0], [], [], 0)[0]:
    made = socket.create_server(("127.0.0.1", 0))
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    made.close()
"""


def test_processes_that_vanish(village: Stage) -> None:
    command = village.command(sys.executable, "-c", CHURN)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        for _run in range(10):
            found = holders(answered(village.agent("list", "--json")))
            for number, pid in enumerate(village.facts["renamed"]):
                assert [holder["pid"] for holder in found[7000 + number]] == [pid]


def test_without_root(village: Stage) -> None:
    result = answered(as_nobody(village, "owner", "7000/tcp", "7499/tcp", "--json"))
    held, free = result["ports"]
    assert (held["verdict"], free["verdict"]) == ("unknown", "free")
    assert "permission denied (not root)" in [spot["why"] for spot in result["blind_spots"]]
    for verb in VERBS:
        done = as_nobody(village, *verb)
        assert (done.returncode, done.stderr) == (3, "")
        assert "permission denied (not root)" in " ".join(done.stdout.split())


@pytest.fixture
def hidden(village: Stage) -> Iterator[Stage]:
    """Let /proc hide the processes of others for one test."""
    village.run("mount", "-o", "remount,hidepid=2", "/proc").check_returncode()
    yield village
    village.run("mount", "-o", "remount,hidepid=0", "/proc").check_returncode()


def test_hidepid(hidden: Stage) -> None:
    result = answered(as_nobody(hidden, "owner", "7000/tcp", "--json"))
    assert result["ports"][0]["verdict"] == "unknown"
    assert "/proc is mounted with hidepid" in [spot["why"] for spot in result["blind_spots"]]
    assert answered(hidden.agent("owner", "7000/tcp", "--json"))["complete"]


def refusing(village: Stage, refused: str, code: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    agent = str(ROOT / "agent")
    return village.run(sys.executable, "-c", REFUSING, refused, str(code), agent, *arguments)


@pytest.mark.parametrize("code", [1, 13, 97], ids=os.strerror)
def test_sock_diag_refused(village: Stage, code: int) -> None:
    whole = holders(answered(village.agent("list", "--json")))
    done = refusing(village, "netlink", code, "list", "--json")
    result = answered(done)
    assert (done.returncode, result["agent"]["scanner"]) == (3, "procnet")
    assert holders(result) == whole
    details = [spot["what"] for spot in result["blind_spots"] if spot["what"].startswith("details of")]
    assert len(details) == 2


def test_refused_calls_that_only_help(village: Stage) -> None:
    """As in a container with the usual filter: no other namespace, no look into queues, no comparing of threads."""
    whole = holders(answered(village.agent("list", "--json")))
    done = refusing(village, "others", 1, "list", "--json", "--namespace", "host")
    assert holders(answered(done)) == whole


@pytest.fixture
def without_ipv6(village: Stage) -> Iterator[Stage]:
    """Switch IPv6 off in the stage's network."""
    setting = "/proc/sys/net/ipv6/conf/all/disable_ipv6"
    if village.run("test", "-e", setting).returncode:
        pytest.skip("this kernel has no IPv6")
    village.run("sh", "-c", f"echo 1 > {setting}").check_returncode()
    yield village
    village.run("sh", "-c", f"echo 0 > {setting}").check_returncode()


@pytest.mark.parametrize("scanner", ["auto", "procnet"])
def test_ipv6_off(without_ipv6: Stage, scanner: str) -> None:
    result = answered(without_ipv6.agent("list", "--json", "--scanner", scanner))
    assert {7000 + number for number in range(len(HOSTILE_NAMES))} <= set(holders(result))


def test_no_proc_at_all(village: Stage) -> None:
    gone = 'mount -t tmpfs none /proc && exec "$@"'
    command = ("unshare", "--mount", "sh", "-c", gone, "sh", sys.executable, str(ROOT / "agent"))
    done = village.run(*command, "owner", "7000/tcp")
    assert (done.returncode, done.stdout, done.stderr) == (4, "", "portreeve: /proc/stat is gone\n")


def test_nothing_of_the_stage_is_left_on_the_machine() -> None:
    assert not pathlib.Path("/mnt/checkout").exists()
