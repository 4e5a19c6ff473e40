# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Whose process made a socket, by the id of the cgroup it was in; staged, and with real cgroups."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.host import Host
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.kernel.sock_diag import read_sockets
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.model import Creator, Namespace, Socket
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.ownership.cgroup_tree import (
    parse_unified_mounts,
)
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.ownership.resolve import Owners

ID = "4f9ecc82b62652e0296e8cd864c94644eeb44c026af7d7f3ef3397328cd2689e"
UNIFIED = "29 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate"
HYBRID = "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw"
LEGACY = "40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd"
CONFINED = "50 31 0:38 /docker/" + ID + " /sys/fs/cgroup ro - cgroup2 cgroup rw"

CREATORS: list[tuple[str, str | None, str | None]] = [
    ("/system.slice/nginx.service", "nginx.service", None),
    (r"/system.slice/web@eu\x2d1.service", "web@eu-1.service", None),
    ("/user.slice/user-1000.slice/session-3.scope", "session-3.scope", None),
    ("/user.slice/user-1000.slice/user@1000.service/init.scope", "user@1000.service", None),
    ("/lxc/box", None, "box"),
    ("/lxc/box/system.slice/nginx.service", "nginx.service", "box"),
    ("/machine.slice/systemd-nspawn@box.service/payload", "systemd-nspawn@box.service", "box"),
    (f"/docker/{ID}", None, ID[:12]),
    ("/elsewhere", None, None),
]


@pytest.mark.parametrize(("path", "unit", "container"), CREATORS)
def test_the_creator(
    stage: Any, listener: Callable[..., Socket], path: str, unit: str | None, container: str | None
) -> None:
    stage.cgroup("/system.slice/other.service")
    made_in = stage.cgroup(path)

    creator = stage.owners.creator_of(listener(80, cgroup_id=made_in))

    assert creator == Creator(unit, container, f"cgroup id {made_in} = {path}")


def test_hybrid_hosts_have_the_tree_beside_the_others(stage: Any, listener: Callable[..., Socket]) -> None:
    stage.mounts(LEGACY, HYBRID)
    made_in = stage.cgroup("/system.slice/nginx.service", mount="/sys/fs/cgroup/unified")

    assert stage.owners.creator_of(listener(80, cgroup_id=made_in)).unit == "nginx.service"


def test_a_part_of_the_tree(stage: Any, listener: Callable[..., Socket]) -> None:
    """A container without a cgroup namespace sees its own part only."""
    stage.mounts(CONFINED)
    made_in = stage.cgroup("/system.slice/nginx.service")

    creator = stage.owners.creator_of(listener(80, cgroup_id=made_in))
    unknown = stage.owners.creator_of(listener(80, cgroup_id=999_999_999))

    assert creator == Creator(
        "nginx.service", ID[:12], f"cgroup id {made_in} = /docker/{ID}/system.slice/nginx.service"
    )
    assert unknown.evidence == "cgroup id 999999999, not in the part of the cgroup tree seen from here"


def test_no_tree(stage: Any, listener: Callable[..., Socket]) -> None:
    stage.mounts(LEGACY)

    creator = stage.owners.creator_of(listener(80, cgroup_id=7))

    assert creator == Creator(None, None, "cgroup id 7, but no cgroup2 tree is mounted")


@pytest.mark.parametrize("cgroup_id", [None, 1])
def test_the_root_says_nothing(stage: Any, listener: Callable[..., Socket], cgroup_id: int | None) -> None:
    assert stage.owners.creator_of(listener(80, cgroup_id=cgroup_id)) is None


def test_the_root_of_a_namespace_says_nothing_either(stage: Any, listener: Callable[..., Socket]) -> None:
    assert stage.owners.creator_of(listener(80, cgroup_id=stage.cgroup("/"))) is None


def test_the_holders_cgroup_saves_the_walk(
    stage: Any, listener: Callable[..., Socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    made_in = stage.cgroup("/system.slice/nginx.service")
    process = stage.process(70, "nginx", "/usr/sbin/nginx", ppid=0, cgroup="/system.slice/nginx.service")
    socket = listener(80, cgroup_id=made_in)
    stage.owner(process, socket)
    monkeypatch.setattr(stage.host, "subdirectories", lambda path: pytest.fail("walked"))

    assert stage.owners.creator_of(socket).unit == "nginx.service"


def test_the_tree_is_walked_once(stage: Any, listener: Callable[..., Socket], monkeypatch: pytest.MonkeyPatch) -> None:
    walked = []
    walk = stage.host.subdirectories
    monkeypatch.setattr(stage.host, "subdirectories", lambda path: walked.append(path) or walk(path))
    stage.cgroup("/system.slice")
    for cgroup_id in (77, 78, 77):
        stage.owners.creator_of(listener(80, cgroup_id=cgroup_id))

    assert walked == ["/sys/fs/cgroup", "/sys/fs/cgroup/system.slice"]


def test_a_cgroup_path_from_outside_is_no_way_out_of_the_tree(stage: Any, listener: Callable[..., Socket]) -> None:
    stage.file("/sys/secret.service/x", "")
    outside = stage.host.inode("/sys/secret.service")
    process = stage.process(70, "nginx", "/usr/sbin/nginx", ppid=0, cgroup="/../../secret.service")
    stage.owner(process)

    assert stage.owners.creator_of(listener(80, cgroup_id=outside)).unit is None


MOUNTS: list[tuple[list[str], list[tuple[str, str]]]] = [
    ([UNIFIED], [("/sys/fs/cgroup", "/")]),
    ([LEGACY, HYBRID], [("/sys/fs/cgroup/unified", "/")]),
    ([CONFINED, UNIFIED], [("/sys/fs/cgroup", "/"), ("/sys/fs/cgroup", f"/docker/{ID}")]),
    ([r"1 2 0:3 / /a\040b rw - cgroup2 cgroup2 rw"], [("/a b", "/")]),
    ([LEGACY], []),
    ([""], []),
]


@pytest.mark.parametrize(("lines", "expected"), MOUNTS)
def test_where_the_tree_is_mounted(lines: list[str], expected: list[tuple[str, str]]) -> None:
    assert parse_unified_mounts("\n".join(lines)) == expected


LISTEN = """
import os, socket, sys
with open(sys.argv[1] + "/cgroup.procs", "w") as processes:
    processes.write("0")
listening = socket.create_server(("127.0.0.1", 0))
with open(sys.argv[2] + "/cgroup.procs", "w") as processes:
    processes.write("0")
print(listening.getsockname()[1], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def real_cgroup() -> Iterator[pathlib.Path]:
    """Return a new cgroup that looks like a unit's."""
    mounts = parse_unified_mounts(pathlib.Path("/proc/self/mountinfo").read_text())
    if not mounts or not os.access(mounts[0][0], os.W_OK):
        pytest.skip("needs a cgroup2 tree that can be written")
    group = pathlib.Path(mounts[0][0]) / f"portreeve-{uuid.uuid4().hex}.service"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"needs a cgroup2 tree that can be written: {error}")
    yield group
    if group.exists():
        group.rmdir()


@pytest.mark.needs("root")
def test_a_real_creator_after_it_has_moved_and_after_its_cgroup_is_gone(real_cgroup: pathlib.Path) -> None:
    home = real_cgroup.parent
    with subprocess.Popen(
        [sys.executable, "-c", LISTEN, str(real_cgroup), str(home)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        port = int(process.stdout.readline())
        host = Host()
        here = Namespace(0, "host", "host", "/proc/self/ns/net")
        mine = next(socket for socket in read_sockets(host, here, "tcp") if socket.local.port == port)

        before = Owners(host).creator_of(mine)
        made_in = real_cgroup.stat().st_ino
        real_cgroup.rmdir()
        after = Owners(host).creator_of(mine)
        process.communicate("")

    assert before == Creator(real_cgroup.name, None, f"cgroup id {made_in} = /{real_cgroup.name}")
    assert after == Creator(None, None, f"cgroup id {made_in}, its cgroup is gone")
