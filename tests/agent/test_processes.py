# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What is read of a process, when it chose its name, its cgroup, its arguments and its files to mislead."""

from __future__ import annotations

import ctypes
import json
import os
import pathlib
import subprocess
import sys

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent import process_directory
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import NotSupported
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.namespaces import parse_mounts
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.masking import mask_secrets
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.ownership.cgroup_tree import (
    parse_unified_mounts,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.processes import (
    parse_cgroup,
    parse_cmdline,
    parse_uid,
)

#: Where str.splitlines() or bytes.splitlines() end a line, though the kernel does not.
NO_ENDS = ["\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
SECRET = "hunter2hunter2"


@pytest.mark.parametrize("name", ["x{}Uid:\t0\t0", "{}Uid:", "Uid:\t0\t0"])
@pytest.mark.parametrize("end", NO_ENDS, ids=repr)
def test_a_name_does_not_forge_a_user(name: str, end: str) -> None:
    status = f"Name:\t{name.format(end)}\nUmask:\t0022\nUid:\t33\t33\t33\t33\nGid:\t0\t0\t0\t0\n"

    assert parse_uid(status.encode()) == 33


@pytest.mark.parametrize("end", NO_ENDS, ids=repr)
def test_a_cgroup_does_not_forge_a_unit(end: str) -> None:
    path = f"/user.slice/mine{end}0::/system.slice/sshd.service"

    assert parse_cgroup(f"0::{path}\n".encode()) == path


def test_the_first_line_of_a_hierarchy_counts() -> None:
    assert parse_cgroup(b"0::/mine\n0::/system.slice/sshd.service\n") == "/mine"
    assert parse_cgroup(b"") is None


@pytest.mark.parametrize("end", NO_ENDS, ids=repr)
def test_a_mount_point_does_not_forge_a_mount(end: str) -> None:
    forged = "9 9 0:4 net:[7] /run/netns/blue rw - nsfs nsfs rw"
    point = f"/tmp/a{end}" + forged.replace(" ", "\\040")
    assert parse_mounts(f"47 46 0:4 net:[9] {point} rw - nsfs nsfs rw\n") == {9: f"/tmp/a{end}{forged}"}
    assert parse_unified_mounts(f"41 31 0:38 / /sys/a{end}b/c rw - cgroup2 cgroup2 rw\n") == [(f"/sys/a{end}b/c", "/")]


def test_a_short_command_line_stays_as_it_is() -> None:
    words = ["java", "-cp", "/a.jar:" * 140, "", "org.example.Main", "é", "last"]

    assert parse_cmdline("\0".join(words).encode() + b"\0") == tuple(words)
    assert parse_cmdline(b"") == parse_cmdline(b"\0\0") == ()


LONG: list[tuple[str, list[str], list[str]]] = [
    ("many", ["x"] * 950_000, ["x"] * 256 + ["… 949744 more"]),
    ("much", ["y" * 1000] * 20, ["y" * 1000] * 4 + ["… 16 more"]),
    ("one without end", ["z" * 1_900_000, "end"], ["…", "end"]),
    ("class path", ["java", "-cp", "/opt/app/a.jar:" * 400, "Main"], ["java", "-cp", "CUT", "Main"]),
    ("many empty", [""] * 300 + ["end"], [""] * 256 + ["… 45 more"]),
    ("bytes", ["\udcff" * 1000] * 2, ["…", "…"]),
]


@pytest.mark.parametrize(("_what", "words", "expected"), LONG, ids=[case[0] for case in LONG])
def test_a_long_command_line_is_cut(_what: str, words: list[str], expected: list[str]) -> None:
    found = parse_cmdline("\0".join(words).encode("utf-8", "surrogateescape") + b"\0")
    cut = ("/opt/app/a.jar:" * 400)[:1024].rpartition("/")[0] + "/…"

    assert found == tuple(cut if word == "CUT" else word for word in expected)
    assert len(json.dumps(found)) < 8192


CUT_SECRETS = [
    "postgres://me:" + SECRET + "{pad}@db/x",
    "{pad} postgres://me:" + SECRET + "@db/x",
    "{pad}/postgres://me:" + SECRET + "@db/x",
    "{pad} ghp_" + SECRET * 3,
    "Authorization: Bearer " + SECRET + "{pad}",
    "{pad} bearer " + SECRET,
    "'mysql -p" + SECRET + " {pad}'",
    'ssh db "mysql -p' + SECRET + ' {pad}"',
    '"PASSWORD=' + SECRET + ' {pad}"',
    '{{"password": "' + SECRET + ' {pad}"}}',
    "--password=" + SECRET + "{pad}",
    "mysql -p" + SECRET + " {pad}",
    "-----BEGIN PRIVATE KEY-----\n" + SECRET + "\n{pad}\n-----END PRIVATE KEY-----",
]


@pytest.mark.parametrize("argument", CUT_SECRETS)
def test_what_is_cut_still_hides_its_secrets(argument: str) -> None:
    """Wherever the cut falls: right before the secret, inside of it, between it and what tells that it is one."""
    for length in range(900, 1100):
        words = ("server", argument.format(pad="a" * length))
        shown = mask_secrets(parse_cmdline("\0".join(words).encode()))
        assert "hunt" not in " ".join(shown)


def test_a_secret_keeps_its_mark_when_arguments_are_left_out() -> None:
    for count in range(250, 260):
        words = ["server", *["-v"] * count, "--password", SECRET, "end"]
        assert SECRET not in mask_secrets(parse_cmdline("\0".join(words).encode()))


def test_a_containers_monitor_and_a_forwarder_of_many_ports_stay_readable() -> None:
    """The longest command lines that owners are told by; pasta's container comes after all its ports."""
    ports = [word for port in range(8000, 8100) for word in ("-t", f"{port}-{port}:{port}-{port}")]
    words = ["/usr/bin/pasta", "--config-net", *ports, "-u", "none", "--quiet", "--netns", "/run/user/1000/netns/n"]

    assert parse_cmdline("\0".join(words).encode()) == tuple(words)


IN_OPEN = 0x20


@pytest.mark.parametrize(("kind", "opened"), [("fifo", False), ("socket", False), ("file", True)])
def test_only_a_regular_file_is_opened(tmp_path: pathlib.Path, kind: str, opened: bool) -> None:
    """Opening a FIFO lets go a writer that waits for a reader; opening a device may be all it takes."""
    place = tmp_path / "x"
    if kind == "file":
        place.write_text("whole")
    else:
        os.mknod(place, 0o600 | (0o010000 if kind == "fifo" else 0o140000))
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_NONBLOCK)
    assert watch >= 0 and libc.inotify_add_watch(watch, os.fsencode(place), IN_OPEN) >= 0
    try:
        if kind == "file":
            assert Host().read_ordinary(str(place), 3) == "who"
        else:
            with pytest.raises(NotSupported, match="not a regular file"):
                Host().read_ordinary(str(place), 3)
        try:
            seen = bool(os.read(watch, 4096))
        except BlockingIOError:
            seen = False
        assert seen is opened
    finally:
        os.close(watch)


def test_a_file_without_end_is_read_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_directory, "MOST_BYTES", 1 << 16)
    program = "import signal; print(flush=True); signal.pause()"
    command = [sys.executable, "-c", program, *["x" * 100_000] * 10]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            with Host().open_process(process.pid) as directory:
                assert 1 << 16 <= len(directory.read("cmdline")) <= 1 << 17
        finally:
            process.kill()
