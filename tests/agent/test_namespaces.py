# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Network namespaces: real ones, however they are kept alive."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.namespaces import (
    parse_link,
    parse_mounts,
    read_namespaces,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import Namespace

OWN = os.stat("/proc/self/ns/net").st_ino
RunAs = Callable[..., "subprocess.CompletedProcess[str]"]
NAME = f"portreeve-test-{os.getpid()}"

ASK = """
import json, sys
sys.path.insert(0, sys.argv[1])
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.namespaces import read_namespaces
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.wire import to_wire
print(json.dumps(to_wire(read_namespaces(Host()))))
"""

PAUSE = ["sh", "-c", "echo up; read _line"]

UNSHARED_THREAD = """
import ctypes, os, sys, threading, time

EXIT = {"x86_64": 60, "aarch64": 93}[os.uname().machine]  # of this thread alone (_exit(2))

def leave():
    assert ctypes.CDLL(None).unshare(0x40000000) == 0
    while sys.argv[1] == "leaderless" and open("/proc/self/stat").read().split()[2] != "Z":
        time.sleep(0.01)
    print(threading.get_native_id(), flush=True)
    sys.stdin.read()

threading.Thread(target=leave).start()
if sys.argv[1] == "leaderless":
    ctypes.CDLL(None).syscall(EXIT, 0)
"""


@contextlib.contextmanager
def running(*command: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Start a command, wait for its first line and end it at last; yields it and the line."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().decode().strip()
        finally:
            process.kill()


def by_id(inode: int) -> Namespace | None:
    return next((one for one in read_namespaces(Host())[0] if one.id == inode), None)


def ask(root: pathlib.Path, *prefix: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return what an agent started through ``prefix`` finds."""
    command = [*prefix, sys.executable, "-c", ASK, str(root / "collections")]
    namespaces, blind_spots = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return namespaces, blind_spots


def test_parsing_mounts() -> None:
    mountinfo = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
46 35 0:46 / /run/netns rw shared:1 - tmpfs tmpfs rw
47 46 0:4 net:[7] /tmp/zz rw - nsfs nsfs rw
48 46 0:4 net:[7] /run/netns/blue rw shared:2 - nsfs nsfs rw
49 46 0:4 net:[7] /a rw shared:2 master:1 - nsfs nsfs rw
50 46 0:4 mnt:[8] /run/ns/mnt rw - nsfs nsfs rw
51 46 0:4 net:[9] /tmp/a\\040b\\134c rw - nsfs nsfs rw
"""
    assert parse_mounts(mountinfo) == {7: "/run/netns/blue", 9: "/tmp/a b\\c"}
    assert parse_link("net:[4026531840]") == 4026531840


def test_the_own_namespace_comes_first_and_is_the_hosts() -> None:
    namespaces, _blind_spots = read_namespaces(Host())
    assert (namespaces[0].id, namespaces[0].kind, namespaces[0].path) == (OWN, "host", "/proc/self/ns/net")
    assert [one.id for one in namespaces].count(OWN) == 1
    rest = [(one.name, one.id) for one in namespaces[1:]]
    assert rest == sorted(rest)


@pytest.mark.needs("root", "unshare")
def test_a_namespace_of_a_process() -> None:
    with running("unshare", "-n", *PAUSE) as (process, _line):
        path = f"/proc/{process.pid}/ns/net"
        inode = os.stat(path).st_ino
        assert by_id(inode) == Namespace(inode, f"pid {process.pid}", "process", path, process.pid)
    assert by_id(inode) is None


@pytest.mark.parametrize("leader", ["led", "leaderless"])
@pytest.mark.needs("root")
def test_a_namespace_of_a_single_thread(leader: str) -> None:
    with running(sys.executable, "-c", UNSHARED_THREAD, leader) as (process, tid):
        path = f"/proc/{process.pid}/task/{tid}/ns/net"
        inode = os.stat(path).st_ino
        assert by_id(inode) == Namespace(inode, f"pid {process.pid} thread {tid}", "process", path, process.pid)


@pytest.fixture
def named() -> Iterator[str]:
    """Return the name of a network namespace made for the test."""
    subprocess.run(["ip", "netns", "add", NAME], check=True)
    yield NAME
    subprocess.run(["ip", "netns", "delete", NAME], check=True)


@pytest.mark.needs("root", "ip")
def test_a_named_namespace_with_and_without_a_process(named: str) -> None:
    path = f"/run/netns/{named}"
    inode = os.stat(path).st_ino
    assert by_id(inode) == Namespace(inode, named, "named", path, None)
    with running("ip", "netns", "exec", named, *PAUSE) as (process, _line):
        assert by_id(inode) == Namespace(inode, named, "named", path, process.pid)


@pytest.mark.needs("root", "unshare", "mount", "umount")
def test_a_namespace_kept_by_a_mount_alone(tmp_path: pathlib.Path) -> None:
    pin = tmp_path / "a pin"
    pin.touch()
    subprocess.run(["unshare", f"--net={pin}", "true"], check=True)
    try:
        inode = os.stat(pin).st_ino
        assert by_id(inode) == Namespace(inode, str(pin), "pinned", str(pin), None)
    finally:
        subprocess.run(["umount", str(pin)], check=True)
    assert by_id(inode) is None


@pytest.mark.needs("root", "ip", "unshare")
def test_seen_from_within_another_namespace(named: str, root: pathlib.Path) -> None:
    within, _blind_spots = ask(root, "ip", "netns", "exec", named)
    assert (within[0]["name"], within[0]["kind"]) == (named, "host")
    assert [(one["id"], one["kind"]) for one in within if one["name"] == "host"] == [(OWN, "process")]
    within, _blind_spots = ask(root, "unshare", "-n")
    assert (within[0]["name"], within[0]["kind"]) == ("own", "host")


LEAVE = """
unshare -n sleep 600 &
while [ "$(readlink /proc/$!/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do :; done
"""


@pytest.mark.parametrize("leaving", [0, 2])
@pytest.mark.needs("root", "unshare")
def test_without_root_what_lies_elsewhere_is_counted(run_as_nobody: RunAs, leaving: int) -> None:
    shown = run_as_nobody("-c", ASK, "collections", alone=True, stage=f"sleep 600 & {LEAVE * leaving} :")
    (own, *_named), blind_spots = json.loads(shown.stdout)
    assert (own["id"], own["name"], own["kind"]) == (OWN, "host", "host")
    unseen = {"what": "network namespaces of other processes", "why": "permission denied (not root)", "count": leaving}
    assert blind_spots == ([unseen] if leaving else [])


def test_a_kernel_without_namespaces_has_one(tmp_path: pathlib.Path) -> None:
    (tmp_path / "proc").mkdir()
    only = Namespace(0, "host", "host", "/proc/self/ns/net", None)
    assert read_namespaces(Host(str(tmp_path))) == ((only,), ())
